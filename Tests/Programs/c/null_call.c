// A call through a null pointer, from compiled code and as a return address.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
static sigjmp_buf top;
static void on_fault(int number) { siglongjmp(top, number); }
int main(void) {
    signal(SIGSEGV, on_fault);
    for (volatile long i = 0; i < 3; i++) {
        void (*volatile nowhere)(void) = (void (*)(void))(i * 2);
        int number = sigsetjmp(top, 1);
        if (number == 0) nowhere();
        printf("%d\n", number);
    }
    fflush(stdout);
    signal(SIGSEGV, SIG_DFL);
    __asm__ volatile("mv ra, x0\n ret");
    return 0;
}
