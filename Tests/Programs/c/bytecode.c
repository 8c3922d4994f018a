// A small virtual machine with computed jumps: nothing but indirect branches.
#include <stdio.h>
enum { PUSH, ADD, MUL, DUP, SWAP, LESS, JUMP_IF, DROP, HALT };
int main(void) {
    static const void *const labels[] = {&&push, &&add, &&mul, &&dup, &&swap, &&less, &&jump_if, &&drop, &&halt};
    static const long code[] = {PUSH, 1, PUSH, 0, PUSH, 1, ADD, SWAP, DUP, MUL, PUSH, 17, ADD, SWAP, DUP, PUSH, 50000, LESS, JUMP_IF, 4, DROP, HALT};
    unsigned long stack[32];
    long pc = 0, top = 0;
#define NEXT goto *labels[code[pc++]]
    NEXT;
push: stack[top++] = (unsigned long)code[pc++]; NEXT;
add: top--, stack[top - 1] += stack[top]; NEXT;
mul: top--, stack[top - 1] *= stack[top]; NEXT;
dup: stack[top] = stack[top - 1], top++; NEXT;
swap: { unsigned long t = stack[top - 1]; stack[top - 1] = stack[top - 2], stack[top - 2] = t; NEXT; }
less: top--, stack[top - 1] = stack[top - 1] < stack[top]; NEXT;
jump_if: pc = stack[--top] ? code[pc] : pc + 1; NEXT;
drop: top--; NEXT;
halt: printf("%ld %lx\n", top, stack[top - 1]);
    return 0;
}
