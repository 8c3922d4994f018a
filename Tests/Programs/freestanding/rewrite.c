/* A program that writes instructions, runs them, changes them and runs them again. */
static long call(long number, long a, long b, long c) {
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = 0x22, a4 __asm__("a4") = -1, a5 __asm__("a5") = 0;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
    return a0;
}
__attribute__((used)) void start(void) {
    volatile unsigned *code = (unsigned *)call(222, 0, 4096, 7);
    long sum = 0;
    for (unsigned i = 0; i < 200; i++) {
        code[0] = 0x00000513u | i << 20; /* li a0, i */
        code[1] = 0x00008067u;           /* ret */
        __asm__ volatile("fence.i" ::: "memory");
        sum += ((long (*)(void))(unsigned long)code)();
        code[100] = i; /* data beside the code */
    }
    char text[8];
    int n = 0;
    for (long d = 100000; d; d /= 10) text[n++] = (char)('0' + sum / d % 10);
    text[n++] = '\n';
    call(64, 1, (long)text, n);
    call(94, sum == 19900 ? 0 : 1, 0, 0);
}
__asm__(".globl _start\n_start: andi sp, sp, -16\n call start\n");
