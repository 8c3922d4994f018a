// Double and float arithmetic on corner values, printed exactly.
#include <float.h>
#include <math.h>
#include <stdio.h>
static const double corners[] = {0.0, -0.0, 1.0, -1.0, 0.1, 3.0, 1e300, -1e300, 1e-300, DBL_MIN, DBL_TRUE_MIN, -DBL_TRUE_MIN, DBL_MAX, INFINITY, -INFINITY, NAN, 1.5, 4503599627370497.0};
enum { COUNT = sizeof corners / sizeof *corners };
static void show(double x) {
    if (isnan(x)) printf(" nan");
    else printf(" %a", x);
}
int main(void) {
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            volatile double a = corners[i], b = corners[j];
            volatile float fa = (float)a, fb = (float)b;
            show(a + b), show(a - b), show(a * b), show(a / b), show(fma(a, b, 0.1));
            show(fa + fb), show(fa - fb), show(fa * fb), show(fa / fb), show(fmaf(fa, fb, 0.1f));
            show(fmin(a, b)), show(fmax(a, b)), show(copysign(a, b)), show(sqrt(a));
            printf(" %d%d%d%d\n", a < b, a <= b, a == b, isunordered(a, b));
        }
    return 0;
}
