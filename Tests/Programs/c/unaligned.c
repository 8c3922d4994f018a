// Accesses at every offset, page borders included.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static unsigned char bytes[3 * 4096] __attribute__((aligned(4096)));
int main(void) {
    uint64_t sum = 0;
    for (int i = 0; i < (int)sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37 + 11);
    for (int at = 4080; at < 4100; at++) {
        uint64_t d, s;
        uint32_t w;
        uint16_t h;
        double f;
        __asm__ volatile("ld %0, 0(%5)\n lwu %1, 0(%5)\n lhu %2, 0(%5)\n fld %3, 0(%5)\n lw %4, 1(%5)" : "=&r"(d), "=&r"(w), "=&r"(h), "=&f"(f), "=&r"(s) : "r"(bytes + at));
        uint64_t bits;
        memcpy(&bits, &f, 8);
        sum = sum * 31 + d + w + h + bits + s;
        __asm__ volatile("sd %0, 8(%3)\n sw %1, 1(%3)\n sh %2, 31(%3)\n" : : "r"(sum), "r"(w), "r"(h), "r"(bytes + at) : "memory");
    }
    for (int i = 4000; i < 4200; i++) sum = sum * 33 + bytes[i];
    printf("%016lx\n", sum);
    return 0;
}
