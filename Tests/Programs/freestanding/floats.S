# NaN boxing, canonical NaNs, flags, and rounding to nearest with ties away from zero.
# The exit code is 0, or the number of the first failure.
    .macro check number, value
    li t6, \value
    li a0, \number
    bne t5, t6, fail
    .endm
    .macro flags number, value
    csrrw t5, fflags, x0
    check \number, \value
    .endm
    .globl _start
_start:
    csrw fcsr, x0
    # A double register read as single is a NaN.
    li t0, 0x3ff0000000000000
    fmv.d.x fa0, t0
    fmv.w.x fa1, x0
    fadd.s fa2, fa0, fa1
    fmv.x.w t5, fa2
    check 1, 0x7fc00000
    flags 2, 0
    fmv.x.d t5, fa2
    check 3, 0xffffffff7fc00000
    # fsd of a boxed single keeps the box.
    fmv.x.d t5, fa1
    check 4, 0xffffffff00000000
    # A signaling NaN raises invalid and becomes the canonical one.
    li t0, 0x7ff4000000000000
    fmv.d.x fa0, t0
    fadd.d fa1, fa0, fa0
    fmv.x.d t5, fa1
    check 5, 0x7ff8000000000000
    flags 6, 16
    # fsgnj leaves payloads alone.
    fsgnjn.d fa1, fa0, fa0
    fmv.x.d t5, fa1
    check 7, 0xfff4000000000000
    flags 8, 0
    # fmin of a quiet NaN and a number, of zeros.
    li t0, 0x7ff8000000000001
    fmv.d.x fa0, t0
    li t1, 0x8000000000000000
    fmv.d.x fa1, t1
    fmin.d fa2, fa0, fa1
    fmv.x.d t5, fa2
    check 9, 0x8000000000000000
    fmv.d.x fa3, x0
    fmax.d fa2, fa1, fa3
    fmv.x.d t5, fa2
    check 10, 0
    flags 11, 0
    # Comparisons: quiet and signaling.
    feq.d t5, fa0, fa0
    check 12, 0
    flags 13, 0
    flt.d t5, fa0, fa1
    check 14, 0
    flags 15, 16
    # Ties away: 2.5 becomes 3, and even would be 2.
    li t0, 0x4004000000000000
    fmv.d.x fa0, t0
    fcvt.w.d t5, fa0, rmm
    check 16, 3
    flags 17, 1
    fcvt.w.d t5, fa0, rne
    check 18, 2
    # 2^53 + 1, ties away and to even.
    li t0, 0x20000000000001
    fcvt.d.l fa1, t0, rmm
    fmv.x.d t5, fa1
    check 19, 0x4340000000000001
    fcvt.d.l fa1, t0, rne
    fmv.x.d t5, fa1
    check 20, 0x4340000000000000
    # The dynamic mode, through frm.
    csrwi frm, 3
    fcvt.d.l fa1, t0
    fmv.x.d t5, fa1
    check 21, 0x4340000000000001
    csrwi frm, 0
    csrwi fflags, 0
    # Divide by zero, overflow, underflow.
    li t0, 0x3ff0000000000000
    fmv.d.x fa0, t0
    fmv.d.x fa1, x0
    fdiv.d fa2, fa0, fa1
    flags 22, 8
    li t0, 0x7fefffffffffffff
    fmv.d.x fa0, t0
    fmul.d fa2, fa0, fa0
    flags 23, 5
    li t0, 0x0010000000000001
    fmv.d.x fa0, t0
    li t0, 0x3fe0000000000000
    fmv.d.x fa1, t0
    fmul.d fa2, fa0, fa1
    flags 24, 3
    # A product that rounds up to the least normal number is not tiny.
    li t0, 0x000fffffffffffff
    fmv.d.x fa0, t0
    li t0, 0x3ff0000000000001
    fmv.d.x fa1, t0
    fmul.d fa2, fa0, fa1
    flags 25, 1
    # Infinity times zero is invalid even with a quiet NaN as addend.
    li t0, 0x7ff0000000000000
    fmv.d.x fa0, t0
    fmv.d.x fa1, x0
    li t0, 0x7ff8000000000000
    fmv.d.x fa2, t0
    fmadd.d fa3, fa0, fa1, fa2
    flags 26, 16
    # Classes.
    fclass.d t5, fa0
    check 27, 128
    fclass.d t5, fa2
    check 28, 512
    fclass.d t5, fa1
    check 29, 16
    # Out of range.
    fcvt.wu.d t5, fa0
    check 30, -1
    flags 31, 16
    fcvt.l.d t5, fa2
    check 32, 0x7fffffffffffffff
    li t0, 0xbff0000000000000
    fmv.d.x fa0, t0
    csrw fflags, x0
    fcvt.lu.d t5, fa0, rtz
    check 33, 0
    flags 34, 16
    li a0, 0
fail:
    li a7, 93
    ecall
