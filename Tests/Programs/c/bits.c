#include <stdint.h>
#include <stdio.h>
static uint64_t reverse(uint64_t x) {
    uint64_t r = 0;
    for (int i = 0; i < 64; i++) r = r << 1 | (x >> i & 1);
    return r;
}
int main(void) {
    uint64_t x = 0x9e3779b97f4a7c15ull;
    for (int i = 0; i < 40; i++) {
        printf("%d %d %d %d", __builtin_popcountll(x), __builtin_clzll(x), __builtin_ctzll(x), __builtin_parityll(x));
        printf(" %016lx %08x %04x %016lx", __builtin_bswap64(x), __builtin_bswap32((uint32_t)x), __builtin_bswap16((uint16_t)x), reverse(x));
        printf(" %016lx %08x %ld\n", x << (i % 64) | x >> (-i & 63), (uint32_t)x >> 7 | (uint32_t)x << 25, (int64_t)x >> 13);
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    }
    struct { unsigned a : 3, b : 11, c : 18; int d : 5; long e : 40; } f = {5, 1234, 99999, -7, -123456789};
    f.b += 900, f.c *= 3, f.d -= 5, f.e <<= 3;
    printf("%u %u %u %d %ld\n", f.a, f.b, f.c, f.d, (long)f.e);
    return 0;
}
