#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>
template <typename T> T twice(T x) { return x + x; }
int main() {
    std::map<std::string, int> counts;
    for (auto word : {"a", "b", "a"}) counts[word]++;
    std::vector<int> v{3, 1, 2};
    std::sort(v.begin(), v.end());
    std::thread worker([&] { v.push_back(twice(21)); });
    worker.join();
    for (auto &[k, n] : counts) std::cout << k << n << ' ';
    for (int x : v) std::cout << x << ' ';
    std::cout << std::endl;
}
