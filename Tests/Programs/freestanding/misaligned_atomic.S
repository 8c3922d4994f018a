# An atomic access to an address that is not a multiple of its size stops the program.
    .globl _start
_start:
    la t0, word
    addi t0, t0, 2
    lr.w t1, (t0)
    li a0, 3
    li a7, 93
    ecall
    .data
    .balign 8
word:
    .dword 0
