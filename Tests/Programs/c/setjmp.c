#include <setjmp.h>
#include <stdio.h>
static jmp_buf top;
static void dive(int depth, double carried) {
    if (depth == 0) longjmp(top, 7);
    dive(depth - 1, carried * 1.5);
    printf("never\n");
}
int main(void) {
    volatile int count = 0;
    int code = setjmp(top);
    printf("code %d count %d\n", code, count);
    if (count++ < 3) dive(10 + count, 1.0);
    return code;
}
