#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>
int main() {
    std::cout << std::setw(8) << 42 << '|' << std::left << std::setw(8) << "left" << '|' << std::hex << std::showbase << 255 << std::dec << '\n';
    std::cout << std::fixed << std::setprecision(3) << 3.14159 << ' ' << std::scientific << 12345.678 << ' ' << std::defaultfloat << 1e-5 << ' ' << std::boolalpha << true << '\n';
    std::istringstream in("12 3.5 word\nsecond line");
    int i; double d; std::string word, line;
    in >> i >> d >> word >> std::ws;
    std::getline(in, line);
    std::cout << i << ' ' << d << ' ' << word << " [" << line << "]\n";
    { std::ofstream out("numbers.txt"); for (int k = 0; k < 100; k++) out << k * k << (k % 10 == 9 ? '\n' : ' '); }
    std::ifstream file("numbers.txt");
    long sum = 0, n; int count = 0;
    while (file >> n) sum += n, count++;
    std::cout << count << ' ' << sum << ' ' << file.eof() << '\n';
    std::ostringstream out; out << std::setfill('0') << std::setw(5) << -42 << ' ' << 1.0 / 3;
    std::cout << out.str() << '\n';
    std::cerr << "to error\n";
}
