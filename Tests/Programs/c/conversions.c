// Float to integer and back, saturation included, as the hardware does it.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
static const double values[] = {0, -0.0, 0.5, -0.5, 1.9, -1.9, 2147483647.0, 2147483648.0, -2147483648.0, -2147483649.0, 4294967295.0, 4294967296.0, 9.3e18, -9.3e18, 1.8446744073709552e19, 1e300, -1e300, INFINITY, -INFINITY, NAN};
static uint64_t flags(void) {
    uint64_t f;
    __asm__ volatile("csrrw %0, fflags, x0" : "=r"(f));
    return f;
}
#define CONVERT(op, mode, type, x) ({ uint64_t r; __asm__ volatile(op " %0, %1, " mode : "=r"(r) : "f"((type)(x))); r; })
#define ALL(mode, x)                                                                                          \
    do {                                                                                                      \
        flags();                                                                                              \
        printf(" " mode " %" PRIx64, CONVERT("fcvt.w.d", mode, double, x));                                   \
        printf(" %" PRIx64 " %" PRIx64, CONVERT("fcvt.wu.d", mode, double, x), flags());                      \
        printf(" %" PRIx64 " %" PRIx64, CONVERT("fcvt.l.d", mode, double, x), flags());                       \
        printf(" %" PRIx64 " %" PRIx64, CONVERT("fcvt.lu.d", mode, double, x), flags());                      \
    } while (0)
int main(void) {
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        volatile double x = values[i];
        volatile float s = (float)x;
        printf("%u", i);
        ALL("rne", x); ALL("rtz", x); ALL("rdn", x); ALL("rup", x); ALL("rmm", x);
        printf(" %" PRIx64 " %" PRIx64 "\n", CONVERT("fcvt.w.s", "rmm", float, s), CONVERT("fcvt.lu.s", "rup", float, s));
    }
    for (int shift = 0; shift < 64; shift++) {
        volatile int64_t n = (int64_t)(0x8123456789abcdefull >> shift);
        volatile uint64_t u = (uint64_t)n * 3;
        printf("%a %a %a %a\n", (double)n, (double)u, (float)n, (float)u);
    }
    return 0;
}
