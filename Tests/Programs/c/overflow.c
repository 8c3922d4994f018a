// Runs out of stack.
#include <stdio.h>
static int depth;
__attribute__((noinline)) static int fall(int n) {
    volatile char frame[4096];
    frame[0] = (char)n;
    depth++;
    return fall(n + 1) + frame[0];
}
int main(void) {
    printf("falling\n");
    fflush(stdout);
    return fall(0);
}
