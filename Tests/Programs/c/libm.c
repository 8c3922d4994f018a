// The C library's functions over a range: thousands of float operations that must all agree.
#include <math.h>
#include <stdio.h>
int main(void) {
    for (double x = -8; x <= 8; x += 0.37) {
        printf("%.17g %.17g %.17g %.17g", sin(x), cos(x), tan(x), atan(x));
        printf(" %.17g %.17g %.17g %.17g", exp(x), expm1(x), log(fabs(x) + 1e-3), log1p(fabs(x)));
        printf(" %.17g %.17g %.17g", pow(fabs(x), 1.7), cbrt(x), hypot(x, 3));
        printf(" %.17g %.17g %.17g", sinh(x), tanh(x), asinh(x));
        printf(" %.17g %.17g %.17g", erf(x), tgamma(fabs(x) + 0.5), lgamma(fabs(x) + 0.5));
        printf(" %.9g %.9g %.9g %.9g", sinf((float)x), expf((float)x), powf(fabsf((float)x), 0.3f), atan2f((float)x, 2));
        printf(" %.17g %.17g %.17g %.17g %ld\n", floor(x), ceil(x), round(x), fmod(x, 0.7), lround(x));
        int e;
        double m = frexp(x, &e), whole, part = modf(x, &whole);
        printf("%.17g %d %.17g %.17g %.17g %.17g\n", m, e, part, whole, ldexp(x, 70), nextafter(x, 9));
    }
    return 0;
}
