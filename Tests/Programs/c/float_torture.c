// Every float instruction on random operands of every kind, in all five rounding modes: results
// and flags of each instruction and mode folded into one number. Every other round begins with the
// inexact flag raised, where an implementation may take a shorter way.
#include <stdint.h>
#include <stdio.h>
static uint64_t state = 88172645463325252ull;
static uint64_t next(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static uint64_t operand(int bits) {
    int exponent = bits == 64 ? 11 : 8, fraction = bits - 1 - exponent;
    uint64_t r = next(), top = (1ull << exponent) - 1, mask = (1ull << fraction) - 1;
    uint64_t e = next() & top, f = r & mask, s = r >> 63;
    switch (next() % 8) {
    case 0: e = next() & 1 ? 0 : top; break;
    case 1: f &= ~0ull << (next() % fraction); break;
    case 2: f |= ~(~0ull << (next() % fraction)); break;
    case 3: e = top / 2 + next() % 5 - 2; break;
    case 4: e = top / 2 + next() % (2 * fraction) - fraction; break;
    case 5: f = 0; break;
    }
    return s << (bits - 1) | (e & top) << fraction | (f & mask);
}
static uint64_t fold(uint64_t sum, uint64_t value) { return (sum ^ value) * 0x9e3779b97f4a7c15ull + (sum >> 29); }
#define READ_FLAGS(flags) __asm__ volatile("csrrwi %0, fflags, 0" : "=r"(flags))
#define FLOAT(name, moveIn, moveOut, code, ...)                                                              \
    do {                                                                                                     \
        uint64_t r, flags;                                                                                   \
        __asm__ volatile("csrw fflags, %4\n" moveIn " fa0, %1\n" moveIn " fa1, %2\n" moveIn " fa2, %3\n" code                    \
                         : "=&r"(r) : "r"(a), "r"(b), "r"(c), "r"(round & 1) : "fa0", "fa1", "fa2", "fa3");                   \
        READ_FLAGS(flags);                                                                                   \
        sums[index] = fold(fold(sums[index], r), flags), names[index++] = name;                              \
    } while (0)
#define D(code) FLOAT(code, "fmv.d.x", "", code ".d fa3, fa0, fa1\n fmv.x.d %0, fa3")
#define S(code) FLOAT(code, "fmv.w.x", "", code ".s fa3, fa0, fa1\n fmv.x.d %0, fa3")
#define D1(code) FLOAT(code, "fmv.d.x", "", code " fa3, fa0\n fmv.x.d %0, fa3")
#define S1(code) FLOAT(code, "fmv.w.x", "", code " fa3, fa0\n fmv.x.d %0, fa3")
#define D3(code) FLOAT(code, "fmv.d.x", "", code ".d fa3, fa0, fa1, fa2\n fmv.x.d %0, fa3")
#define S3(code) FLOAT(code, "fmv.w.x", "", code ".s fa3, fa0, fa1, fa2\n fmv.x.d %0, fa3")
#define DI(code) FLOAT(code, "fmv.d.x", "", code " %0, fa0")
#define SI(code) FLOAT(code, "fmv.w.x", "", code " %0, fa0")
#define DC(code) FLOAT(code, "fmv.d.x", "", code ".d %0, fa0, fa1")
#define SC(code) FLOAT(code, "fmv.w.x", "", code ".s %0, fa0, fa1")
#define I(code) FLOAT(code, "fmv.d.x", "", code " fa3, %1\n fmv.x.d %0, fa3")
static uint64_t sums[80];
static const char *names[80];
int main(void) {
    for (long mode = 0; mode < 5; mode++) {
        int count = 0;
        for (int i = 0; i < 80; i++) sums[i] = 1;
        for (int round = 0; round < 3000; round++) {
            int index = 0;
            uint64_t a = operand(64), b = operand(64), c = operand(64);
            if (round % 5 == 0) b = a ^ (next() & 0x8000000000000003ull);
            __asm__ volatile("csrw frm, %0" ::"r"(mode));
            D("fadd"); D("fsub"); D("fmul"); D("fdiv"); D("fmin"); D("fmax"); D("fsgnj"); D("fsgnjn"); D("fsgnjx");
            D3("fmadd"); D3("fmsub"); D3("fnmadd"); D3("fnmsub"); D1("fsqrt.d"); D1("fcvt.s.d");
            DI("fcvt.w.d"); DI("fcvt.wu.d"); DI("fcvt.l.d"); DI("fcvt.lu.d"); DI("fclass.d"); DI("fmv.x.w");
            DC("feq"); DC("flt"); DC("fle");
            I("fcvt.d.w"); I("fcvt.d.wu"); I("fcvt.d.l"); I("fcvt.d.lu");
            I("fcvt.s.w"); I("fcvt.s.wu"); I("fcvt.s.l"); I("fcvt.s.lu");
            a = operand(32), b = operand(32), c = operand(32);
            if (round % 5 == 0) b = a ^ (next() & 0x80000003ull);
            S("fadd"); S("fsub"); S("fmul"); S("fdiv"); S("fmin"); S("fmax"); S("fsgnj"); S("fsgnjn"); S("fsgnjx");
            S3("fmadd"); S3("fmsub"); S3("fnmadd"); S3("fnmsub"); S1("fsqrt.s"); S1("fcvt.d.s");
            SI("fcvt.w.s"); SI("fcvt.wu.s"); SI("fcvt.l.s"); SI("fcvt.lu.s"); SI("fclass.s"); SI("fmv.x.w");
            SC("feq"); SC("flt"); SC("fle");
            count = index;
        }
        for (int i = 0; i < count; i++) printf("%ld %s %016lx\n", mode, names[i], sums[i]);
    }
    return 0;
}
