// Sums the numbers and counts the words of standard input.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>
int main() {
    std::vector<std::string> lines;
    for (std::string line; std::getline(std::cin, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    for (auto &line : lines) { std::reverse(line.begin(), line.end()); std::cout << line << '\n'; }
    return static_cast<int>(lines.size());
}
