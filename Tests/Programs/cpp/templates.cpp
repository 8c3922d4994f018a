#include <array>
#include <iostream>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
template <unsigned N> constexpr unsigned long factorial() { if constexpr (N == 0) return 1; else return N * factorial<N - 1>(); }
template <class... T> auto sum(T... values) { return (values + ... + 0); }
template <class T, std::size_t N> struct Ring { std::array<T, N> items{}; std::size_t at = 0; void push(T v) { items[at++ % N] = v; } };
int main() {
    std::variant<int, double, std::string> v = 2.5;
    auto show = [](auto &x) { std::cout << x << ' '; };
    std::visit(show, v); v = "text"; std::visit(show, v); v = 7; std::visit(show, v);
    std::optional<int> none, some = 3;
    auto [a, b, c] = std::tuple{1, 2.5, 'c'};
    Ring<int, 4> ring; for (int i = 0; i < 10; i++) ring.push(i * i);
    std::cout << factorial<20>() << ' ' << sum(1, 2.5, 3L) << ' ' << none.value_or(9) + *some << ' ' << a + b << c << ' ' << ring.items[1] << '\n';
}
