#include <iostream>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
int main() {
    std::map<std::string, std::set<int>> index;
    std::unordered_map<long, long> squares;
    for (int i = 0; i < 3000; i++) {
        index["key" + std::to_string(i * 7919 % 101)].insert(i % 17);
        squares[i * 2654435761L % 1000003] = i;
    }
    index.erase("key5");
    for (auto it = index.lower_bound("key3"); it != index.upper_bound("key4"); ++it) {
        std::cout << it->first << ":";
        for (int n : it->second) std::cout << ' ' << n;
        std::cout << '\n';
    }
    long sum = 0;
    for (auto &[key, value] : squares) sum += key * value % 1009;
    std::cout << index.size() << ' ' << squares.size() << ' ' << sum << '\n';
}
