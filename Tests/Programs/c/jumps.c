// Function pointers, switches and deep calls.
#include <stdio.h>
typedef long (*operation)(long, long);
static long plus(long a, long b) { return a + b; }
static long minus(long a, long b) { return a - b; }
static long times(long a, long b) { return a * b % 1000003; }
static long mix(long a, long b) { return a ^ (b << 3); }
static operation table[] = {plus, minus, times, mix};
static int choose(int n) {
    switch (n) {
    case 0: return 11; case 1: return 7; case 2: return 5; case 3: return 3; case 5: return 2;
    case 8: return 17; case 13: return 19; case 21: return 23; default: return n % 29;
    }
}
int main(void) {
    long value = 1;
    for (int i = 0; i < 100000; i++) value = table[(value ^ i) & 3](value, choose(i % 34));
    printf("%ld\n", value);
    return 0;
}
