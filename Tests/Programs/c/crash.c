#include <stdio.h>
__attribute__((noinline)) static void crash(volatile int *where) { *where = 1; }
int main(void) {
    puts("before the crash");
    fflush(stdout);
    crash((int *)0);
    puts("after the crash");
    return 0;
}
