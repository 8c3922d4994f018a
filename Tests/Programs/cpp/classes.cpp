#include <iostream>
#include <memory>
#include <typeinfo>
#include <vector>
struct Shape { virtual ~Shape() = default; virtual double area() const = 0; virtual const char *name() const { return "shape"; } };
struct Square : Shape { double side; explicit Square(double s) : side(s) {} double area() const override { return side * side; } };
struct Circle : virtual Shape { double radius; explicit Circle(double r) : radius(r) {} double area() const override { return 3.141592653589793 * radius * radius; } const char *name() const override { return "circle"; } };
struct Tagged : virtual Shape { int tag = 5; };
struct Both : Circle, Tagged { Both() : Circle(2) {} };
int main() {
    std::vector<std::shared_ptr<Shape>> shapes{std::make_shared<Square>(1.5), std::make_shared<Circle>(0.5), std::make_shared<Both>()};
    std::weak_ptr<Shape> weak = shapes[1];
    for (auto &shape : shapes) {
        std::cout << shape->name() << ' ' << shape->area() << ' ' << (dynamic_cast<Tagged *>(shape.get()) != nullptr) << ' ' << (typeid(*shape) == typeid(Square)) << '\n';
    }
    std::cout << weak.use_count();
    shapes.clear();
    std::cout << weak.expired() << '\n';
}
