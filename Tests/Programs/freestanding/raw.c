/* No library at all: system calls by hand. */
static long call(long number, long a, long b, long c) {
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}
static int digits(long value, char *out) {
    char text[24];
    int count = 0, written = 0;
    do text[count++] = (char)('0' + value % 10), value /= 10;
    while (value);
    while (count) out[written++] = text[--count];
    return written;
}
__attribute__((used)) void start(long *stack) {
    char line[64];
    int length = digits(stack[0], line);
    line[length++] = '\n';
    call(64, 1, (long)line, length);
    call(64, 1, (long)"raw\n", 4);
    if (call(57, 77, 0, 0) != -9) call(93, 1, 0, 0);
    if (call(63, 0, 0x8, 4) > 0) call(93, 2, 0, 0);
    call(93, 41, 0, 0);
}
__asm__(".globl _start\n_start: mv a0, sp\n andi sp, sp, -16\n call start\n");
