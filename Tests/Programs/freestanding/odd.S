# Instructions that compilers seldom emit. The exit code is 0, or the number of the first failure.
    .macro check number, value
    li t6, \value
    li a0, \number
    bne t5, t6, fail
    .endm
    .option norvc
    .globl _start
_start:
    # Shifts by more than the width use the low bits.
    li t0, 1
    li t1, 65
    sll t5, t0, t1
    check 1, 2
    sllw t5, t0, t1
    check 2, 2
    # Writes to x0 vanish.
    addi x0, t0, 5
    mv t5, x0
    check 3, 0
    # Division by zero and overflow have results.
    li t0, -7
    div t5, t0, x0
    check 4, -1
    rem t5, t0, x0
    check 5, -7
    divu t5, t0, x0
    check 6, -1
    li t0, 0x8000000000000000
    li t1, -1
    div t5, t0, t1
    check 7, 0x8000000000000000
    rem t5, t0, t1
    check 8, 0
    li t0, -0x80000000
    divw t5, t0, t1
    check 9, -0x80000000
    remw t5, t0, x0
    check 10, -0x80000000
    # High halves.
    li t0, -2
    li t1, 3
    mulhsu t5, t0, t1
    check 11, -1
    mulhsu t5, t1, t0
    check 12, 2
    mulhu t5, t0, t0
    check 13, -4
    mulh t5, t0, t1
    check 14, -1
    # jalr clears the lowest bit, and may use its own link register.
    la t0, 1f
    addi t0, t0, 1
    jalr t0, 0(t0)
    li a0, 15
    j fail
1:  la t5, 1b
    addi t5, t5, -8
    sub t5, t0, t5
    check 16, 0
    # A 32-bit instruction that is not aligned to four bytes.
    .option rvc
    c.nop
    .option norvc
    lui t5, 0x12345
    .option rvc
    c.nop
    .option norvc
    check 17, 0x12345000
    # Counters go up, and cannot be written.
    rdinstret t0
    rdinstret t1
    sltu t5, t0, t1
    check 18, 1
    # fence and its relatives do nothing that can be seen.
    fence rw, rw
    fence.i
    .word 0x0100000f
    # A reservation ends with the first sc.
    la t0, word
    lr.d t1, (t0)
    sc.d t5, t1, (t0)
    check 19, 0
    sc.d t5, t1, (t0)
    check 20, 1
    lr.w t1, (t0)
    addi t2, t0, 8
    sc.w t5, t1, (t2)
    check 21, 1
    # amo with x0 as destination and as source.
    li t1, -5
    amoadd.w x0, t1, (t0)
    lw t5, 0(t0)
    check 22, -4
    amomaxu.w t5, x0, (t0)
    check 23, -4
    amomin.d.aqrl t5, x0, (t0)
    lw t5, 0(t0)
    li a0, 24
    # sraiw, srliw on dirty upper halves.
    li t0, 0x7fffffff80000000
    sraiw t5, t0, 4
    check 25, -0x8000000
    srliw t5, t0, 4
    check 26, 0x8000000
    addiw t5, t0, 0
    check 27, -0x80000000
    lui t5, 0x80000
    check 28, -0x80000000
    li a0, 0
fail:
    li a7, 93
    ecall
    .data
    .balign 16
word:
    .dword 1, 2
