// A handler that survives a bad access, on its own stack.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
static sigjmp_buf top;
static volatile uintptr_t where;
static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    where = (uintptr_t)info->si_addr;
    siglongjmp(top, number);
}
int main(void) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGTRAP, &action, 0);
    sigaction(SIGILL, &action, 0);
    for (volatile int i = 0; i < 3; i++) {
        volatile uintptr_t bad = 0x18 + 8 * (uintptr_t)i;
        int number = sigsetjmp(top, 1);
        if (number == 0) *(volatile int *)bad = 5;
        printf("%d at %lx\n", number, (unsigned long)where);
    }
    int number = sigsetjmp(top, 1);
    if (number == 0) __asm__ volatile("ebreak");
    printf("%d\n", number);
    number = sigsetjmp(top, 1);
    if (number == 0) __asm__ volatile(".word 0");
    printf("%d\n", number);
    return 0;
}
