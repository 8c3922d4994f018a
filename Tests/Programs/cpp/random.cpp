#include <iostream>
#include <random>
int main() {
    std::mt19937_64 engine(5);
    std::uniform_int_distribution<int> dice(1, 6); std::normal_distribution<double> normal(0, 1); std::uniform_real_distribution<float> unit;
    std::cout.precision(17);
    for (int i = 0; i < 50; i++) std::cout << dice(engine) << ' ' << normal(engine) << ' ' << unit(engine) << '\n';
}
