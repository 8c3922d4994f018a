#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>
struct Noisy {
    std::string name;
    ~Noisy() { std::cout << "~" << name << '\n'; }
};
static int fall(int depth) {
    Noisy noisy{"level" + std::to_string(depth)};
    if (depth == 0) throw std::out_of_range("bottom");
    return fall(depth - 1) + 1;
}
int main() {
    try { fall(4); } catch (const std::logic_error &e) { std::cout << "caught " << e.what() << '\n'; }
    try {
        try { throw 42; } catch (int n) { std::cout << n << '\n'; throw std::string("again"); }
    } catch (const std::string &s) { std::cout << s << '\n'; }
    try { std::vector<int>().at(3); } catch (const std::exception &e) { std::cout << "at\n"; }
    try { new char[1ul << 62]; } catch (const std::bad_alloc &) { std::cout << "bad_alloc\n"; }
    int caught = 0;
    for (int i = 0; i < 200; i++) try { if (i % 3) throw i; } catch (...) { caught++; }
    std::cout << caught << '\n';
}
