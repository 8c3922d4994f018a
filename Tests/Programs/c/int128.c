#include <stdint.h>
#include <stdio.h>
typedef unsigned __int128 u128;
static void show(u128 x) {
    char text[40], *p = text + 39;
    *p = 0;
    do *--p = (char)('0' + x % 10), x /= 10;
    while (x);
    puts(p);
}
int main(void) {
    u128 a = 1, b = 0;
    for (int i = 0; i < 180; i++) {
        u128 t = a + b;
        b = a, a = t;
    }
    show(a), show(a / b), show(a % 1000000007), show(a >> 37), show(~a * 3), show(a * b);
    __int128 s = -(__int128)(a >> 2);
    printf("%ld %ld %d\n", (long)(s / 1000000), (long)(s % 1000003), s < 0);
    return 0;
}
