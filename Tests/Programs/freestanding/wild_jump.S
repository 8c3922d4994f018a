# A jump to where no code is.
    .globl _start
_start:
    li t0, 0x123456
    jr t0
