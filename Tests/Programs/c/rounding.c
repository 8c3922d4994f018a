// Rounding modes and exception flags through <fenv.h>.
#include <fenv.h>
#include <math.h>
#include <stdio.h>
static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
static const double values[] = {1.0, -1.0, 0.1, 2.5, -2.5, 3.5, 1e308, 5e-324, 1e-310, 3.0, 7.0, 1e16, -0.4};
enum { COUNT = sizeof values / sizeof *values };
static int flags(void) {
    int raised = fetestexcept(FE_ALL_EXCEPT);
    feclearexcept(FE_ALL_EXCEPT);
    return raised;
}
int main(void) {
    for (int m = 0; m < 4; m++) {
        fesetround(modes[m]);
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < COUNT; j++) {
                volatile double a = values[i], b = values[j], r;
                volatile float f;
                feclearexcept(FE_ALL_EXCEPT);
                r = a + b;
                int f1 = flags();
                printf("%d %a %02x", m, r, f1);
                r = a * b;
                f1 = flags();
                printf(" %a %02x", r, f1);
                r = a / b;
                f1 = flags();
                printf(" %a %02x", r, f1);
                r = sqrt(a);
                f1 = flags();
                printf(" %d %a %02x", isnan(r), isnan(r) ? 0 : r, f1);
                r = fma(a, b, -1.0);
                f1 = flags();
                printf(" %a %02x", r, f1);
                f = (float)a;
                f1 = flags();
                printf(" %a %02x", f, f1);
                long l = lrint(fmin(a, 1e9));
                f1 = flags();
                printf(" %ld %02x %a\n", l, f1, rint(b));
            }
    }
    return 0;
}
