/// One decoded instruction: sixteen bytes without references, so that a trace is a flat array.
///
/// Registers are slots of one file (see `Registers`), so that the loop never asks whether a
/// destination is x0 and float and integer registers are addressed alike.
struct Operation: OperationFields, Sendable {
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
        // What a trace makes of floats, so that the loop need not ask for format and rounding:
        // arithmetic of doubles, then of singles, that rounds to nearest or as frm says.
        case faddDouble, fsubDouble, fmulDouble, fdivDouble
        case fmaddDouble, fmsubDouble, fnmsubDouble, fnmaddDouble
        case faddSingle, fsubSingle, fmulSingle, fdivSingle
        case fmaddSingle, fmsubSingle, fnmsubSingle, fnmaddSingle
        case feqDouble, fltDouble, fleDouble, fcopyDouble, fcvtDoubleWord
    }

    /// The code of the ISA manual again, where the trace has made a narrower one of it.
    var plain: Operation {
        var plain = self
        let first = Code.faddDouble.rawValue
        if code.rawValue >= first { plain.code = Self.plainCodes[Int(code.rawValue - first)] }
        return plain
    }

    private static let plainCodes: [Code] = [
        .fadd, .fsub, .fmul, .fdiv, .fmadd, .fmsub, .fnmsub, .fnmadd,
        .fadd, .fsub, .fmul, .fdiv, .fmadd, .fmsub, .fnmsub, .fnmadd,
        .feq, .flt, .fle, .fsgnj, .fcvtfw,
    ]

    /// The code by which the loop executes this faster.
    var narrowed: Operation {
        var narrowed = self
        let codes: [Code]
        switch immediate {
        case Decoder.doubleBit | 0, Decoder.doubleBit | 7:
            codes = [
                .faddDouble, .fsubDouble, .fmulDouble, .fdivDouble, .fmaddDouble, .fmsubDouble,
                .fnmsubDouble, .fnmaddDouble,
            ]
        case 0, 7:
            codes = [
                .faddSingle, .fsubSingle, .fmulSingle, .fdivSingle, .fmaddSingle, .fmsubSingle,
                .fnmsubSingle, .fnmaddSingle,
            ]
        default: codes = []
        }
        let isDouble = immediate & ~7 == Decoder.doubleBit
        switch code {
        case .fadd: narrowed.code = codes[safe: 0] ?? code
        case .fsub: narrowed.code = codes[safe: 1] ?? code
        case .fmul: narrowed.code = codes[safe: 2] ?? code
        case .fdiv: narrowed.code = codes[safe: 3] ?? code
        case .fmadd: narrowed.code = codes[safe: 4] ?? code
        case .fmsub: narrowed.code = codes[safe: 5] ?? code
        case .fnmsub: narrowed.code = codes[safe: 6] ?? code
        case .fnmadd: narrowed.code = codes[safe: 7] ?? code
        case .feq where isDouble: narrowed.code = .feqDouble
        case .flt where isDouble: narrowed.code = .fltDouble
        case .fle where isDouble: narrowed.code = .fleDouble
        case .fsgnj where isDouble && first == second: narrowed.code = .fcopyDouble
        case .fcvtfw where isDouble: narrowed.code = .fcvtDoubleWord
        default: break
        }
        return narrowed
    }
}

/// What the loop asks of an instruction, whether it has a copy or reads it where it lies.
protocol OperationFields {
    var destination: UInt8 { get }
    var first: UInt8 { get }
    var second: UInt8 { get }
    var third: UInt8 { get }
    var ordinal: UInt16 { get }
    var immediate: Int32 { get }
    var link: UInt32 { get }
    var offset: UInt64 { get }
    var constant: UInt64 { get }
    var shift: UInt64 { get }
}
