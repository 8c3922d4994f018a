#include <algorithm>
#include <deque>
#include <functional>
#include <iostream>
#include <list>
#include <numeric>
#include <queue>
#include <vector>
int main() {
    std::vector<int> v(5000);
    unsigned seed = 3;
    for (auto &x : v) x = static_cast<int>((seed = seed * 1664525u + 1013904223u) >> 8) % 10000;
    auto w = v;
    std::sort(v.begin(), v.end());
    std::stable_sort(w.begin(), w.end(), [](int a, int b) { return a % 100 < b % 100; });
    std::cout << v[17] << ' ' << w[17] << ' ' << std::accumulate(v.begin(), v.end(), 0L) << '\n';
    v.erase(std::unique(v.begin(), v.end()), v.end());
    std::cout << v.size() << ' ' << std::binary_search(v.begin(), v.end(), v[100]) << ' ' << *std::lower_bound(v.begin(), v.end(), 5000) << '\n';
    std::priority_queue<int, std::vector<int>, std::greater<>> heap(w.begin(), w.end());
    long mix = 0;
    for (int i = 0; !heap.empty(); heap.pop()) mix = mix * 7 % 1000003 + heap.top() * ++i;
    std::deque<int> d; std::list<int> l;
    for (int i = 0; i < 100; i++) i % 2 ? d.push_back(i) : d.push_front(i), l.push_back(i * i % 37);
    l.sort(); l.unique(); std::rotate(d.begin(), d.begin() + 30, d.end());
    std::vector<int> p{1, 2, 3, 4}; int count = 0;
    while (std::next_permutation(p.begin(), p.end())) count++;
    std::function<long(int)> f = [&](int n) { return n ? n * f(n - 1) : 1L; };
    std::cout << mix << ' ' << d[5] << ' ' << l.size() << ' ' << count << ' ' << f(15) << '\n';
}
