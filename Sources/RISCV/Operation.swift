/// One decoded instruction: sixteen bytes without references, so that a trace is a flat array.
///
/// Registers are slots of one file (see `Registers`), so that the loop never asks whether a
/// destination is x0 and float and integer registers are addressed alike.
struct Operation: Sendable {
    var code: Code
    var destination: UInt8 = Registers.sink
    var first: UInt8 = 0
    var second: UInt8 = 0
    /// The addend of a fused multiply-add.
    var third: UInt8 = 0
    /// 2 or 4; 0 for what a trace adds itself.
    var byteCount: UInt8 = 4
    /// How many instructions of the trace have retired once this one has.
    var ordinal: UInt16 = 0
    /// The immediate; of `call` the return address; of `link` the target address; of a float
    /// operation the rounding mode and, from bit 3, the format; of a CSR operation its number.
    var immediate: Int32 = 0
    /// Of a branch, `jump` and `call` the index of the record to go on with; of `jalr` the
    /// return address; of `link` the record to patch; of `header` the address of the trace.
    var link: UInt32 = 0

    init(_ code: Code) { self.code = code }

    /// The immediate as an addend.
    @inline(__always) var offset: UInt64 { UInt64(bitPattern: Int64(immediate)) }

    /// The 64 bits of a `constant`.
    @inline(__always) var constant: UInt64 {
        UInt64(link) << 32 | UInt64(UInt32(bitPattern: immediate))
    }

    /// The number of places to shift by; the decoder keeps it below 64.
    @inline(__always) var shift: UInt64 { UInt64(UInt32(bitPattern: immediate)) }

    /// The format of a float operation.
    @inline(__always) var format: SoftFloat.Format {
        immediate & Decoder.doubleBit != 0
            ? .double : immediate & Decoder.halfBit != 0 ? .half : .single
    }

    mutating func set(constant value: UInt64) {
        code = .constant
        immediate = Int32(truncatingIfNeeded: value)
        link = UInt32(value >> 32)
    }
}

extension Operation {
    /// What to do, by the mnemonics of the ISA manual; the last group is made by traces.
    enum Code: UInt8, CaseIterable {
        case constant, addi, slti, sltiu, xori, ori, andi, slli, srli, srai
        case addiw, slliw, srliw, sraiw
        case add, sub, sll, slt, sltu, xor, srl, sra, or, and, addw, subw
        case mul, mulw
        case lb, lh, lw, ld, lbu, lhu, lwu, sb, sh, sw, sd, flw, fld, fsw, fsd
        case beq, bne, blt, bge, bltu, bgeu, jump, call, jalr
        // Below here the loop calls `executeRare`.
        case sllw, srlw, sraw
        case mulh, mulhsu, mulhu, div, divu, rem, remu, divw, divuw, remw, remuw
        case fence
        case lrw, lrd, scw, scd
        case amoswapw, amoaddw, amoxorw, amoandw, amoorw, amominw, amomaxw, amominuw, amomaxuw
        case amoswapd, amoaddd, amoxord, amoandd, amoord, amomind, amomaxd, amominud, amomaxud
        case fmadd, fmsub, fnmsub, fnmadd, fadd, fsub, fmul, fdiv, fsqrt
        case fsgnj, fsgnjn, fsgnjx, fmin, fmax, feq, flt, fle, fclass
        case fcvtwf, fcvtwuf, fcvtlf, fcvtluf, fcvtfw, fcvtfwu, fcvtfl, fcvtflu, fcvtsd, fcvtds
        case fmvxw, fmvwx, fmvxd, fmvdx
        // Zba, Zbb, Zbs, Zbc, Zbkb, Zicond.
        case adduw, sh1add, sh2add, sh3add, sh1adduw, sh2adduw, sh3adduw, slliuw
        case andn, orn, xnor, min, minu, max, maxu, czeroeqz, czeronez
        case clz, clzw, ctz, ctzw, cpop, cpopw, sextb, sexth, zexth, orcb, rev8, brev8
        case rol, rolw, ror, rorw, rori, roriw, pack, packh, packw, clmul, clmulh, clmulr
        case bclr, bext, binv, bset, bclri, bexti, binvi, bseti
        // Zfh and Zfa; cbo and wrs are the machine's.
        case flh, fsh, fmvxh, fmvhx, fcvtsh, fcvths, fcvtdh, fcvthd
        case fminm, fmaxm, fleq, fltq, fround, froundnx, fcvtmodwd
        case cbo, cbozero, wrs
        case csrrw, csrrs, csrrc, csrrwi, csrrsi, csrrci
        // The loop leaves for these.
        case fencei, ecall, ebreak, illegal
        case header, link, fetchFault, breakpoint
    }
}
