#include <charconv>
#include <iostream>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
int main() {
    std::string text = "alpha=1, beta=22, gamma=333";
    std::regex pattern(R"((\w+)=(\d+))");
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) std::cout << (*it)[1] << " -> " << std::stoi((*it)[2]) * 2 << '\n';
    std::cout << std::regex_replace(text, std::regex("a"), "A") << '\n';
    char buffer[64];
    for (double x : {0.1, 1e21, 123456789.125, 5e-324, 1.0 / 3}) {
        auto [end, error] = std::to_chars(buffer, buffer + 64, x);
        std::string_view shown(buffer, end - buffer);
        double back = 0; std::from_chars(buffer, end, back);
        std::cout << shown << ' ' << (back == x) << '\n';
    }
    std::string s(100, 'x'); s.replace(10, 5, "replaced").insert(0, "front ").erase(20, 60);
    std::cout << s << ' ' << s.find("xx") << ' ' << s.rfind('x') << ' ' << s.substr(3, 9) << '\n';
}
