# A store into code that may not be written.
    .globl _start
_start:
    la t0, _start
    sw x0, 0(t0)
    li a0, 3
    li a7, 93
    ecall
