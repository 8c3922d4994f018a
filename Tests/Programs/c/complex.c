#include <complex.h>
#include <stdio.h>
int main(void) {
    double complex z = 1 + 2 * I;
    for (int i = 0; i < 12; i++) {
        z = z * z / (3 - I) + cexp(-z * 0.1);
        printf("%.15g %.15g %.15g\n", creal(z), cimag(z), carg(z));
        if (cabs(z) > 1e6) z = csqrt(z) / 100;
    }
    return 0;
}
