#include <stdio.h>
int main(void) {
    fprintf(stderr, "about to do what cannot be done\n");
    __asm__ volatile(".word 0xffffffff");
    return 0;
}
