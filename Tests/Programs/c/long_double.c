// 128-bit floats, which the compiler's library does with integers.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    long double x = 1.0L / 3, y = sqrtl(2), z = 0;
    for (int i = 1; i < 200; i++) z += 1.0L / ((long double)i * i);
    printf("%.34Lg %.34Lg %.34Lg %La\n", x, y, z, x * y);
    printf("%.34Lg %.17g %ld\n", strtold("0.1", 0), (double)(x / z), (long)(z * 1e15L));
    printf("%.30Lg %.30Lg\n", expl(1), sinl(1));
    return 0;
}
