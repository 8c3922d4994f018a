/// Decodes one instruction of the sets in `Extension` (unprivileged ISA manual, 20240411).
///
/// Each set has its place: RV64IMA and Zicsr here, C with Zcb and Zcmop in `Decoder+Compressed`,
/// F, D, Zfh and Zfa in `Decoder+Float`, B and Zicond in `Decoder+Bits`; the major opcode 0x57 and
/// the vector widths of 0x07 and 0x27 are free for V.
/// Branches and `jump`, `call` come out with their offset as the immediate, `auipc` as an
/// `addi` of nothing that the trace turns into a constant; whoever builds the trace knows the pc.
enum Decoder {
    /// What one instruction is, and whether its immediate is relative to the pc.
    struct Decoded {
        var operation: Operation
        var isAddress = false

        init(_ code: Operation.Code) { operation = Operation(code) }
    }

    /// `count` bits of `word` from `low`, moved to position `to`.
    @inline(__always)
    static func bits(_ word: UInt32, _ low: UInt32, _ count: UInt32, to: UInt32 = 0) -> UInt32 {
        (word &>> low & ((1 &<< count) &- 1)) &<< to
    }

    /// The low `count` bits of `word` with their sign spread.
    @inline(__always) static func signed(_ word: UInt32, _ count: UInt32) -> Int32 {
        Int32(bitPattern: word &<< (32 &- count)) &>> Int32(32 &- count)
    }

    static func slot(_ register: UInt32) -> UInt8 {
        register == 0 ? Registers.sink : UInt8(register)
    }

    static func illegal(_ word: UInt32, byteCount: UInt8) -> Decoded {
        var decoded = Decoded(.illegal)
        decoded.operation.immediate = Int32(bitPattern: word)
        decoded.operation.byteCount = byteCount
        return decoded
    }

    /// Decodes a 32-bit instruction; what is not one comes out as `illegal`.
    static func decode(_ word: UInt32) -> Decoded {
        var decoded = Decoded(.illegal)
        decoded.operation.destination = slot(bits(word, 7, 5))
        decoded.operation.first = UInt8(bits(word, 15, 5))
        decoded.operation.second = UInt8(bits(word, 20, 5))
        decoded.operation.immediate = Int32(bitPattern: word) >> 20
        let function = Int(bits(word, 12, 3))
        switch word & 0x7f {
        case 0x37:
            decoded.operation.set(
                constant: UInt64(bitPattern: Int64(Int32(bitPattern: word & 0xffff_f000)))
            )
        case 0x17:
            decoded.operation.code = .addi
            decoded.operation.immediate = Int32(bitPattern: word & 0xffff_f000)
            decoded.isAddress = true
        case 0x6f: decodeJump(word, &decoded)
        case 0x67: if function == 0 { decoded.operation.code = .jalr }
        case 0x63: decodeBranch(word, function, &decoded)
        case 0x03: decoded.operation.code = loads[function]
        case 0x23: decodeStore(word, stores[function], float: 0, &decoded)
        case 0x13: decodeImmediate(word, function, &decoded)
        case 0x1b: decodeImmediateWord(word, function, &decoded)
        case 0x33, 0x3b: decodeRegister(word, function, &decoded)
        case 0x0f: decodeMemoryOrder(word, function, &decoded)
        case 0x73: decodeSystem(word, function, &decoded)
        case 0x2f: decodeAtomic(word, function, &decoded)
        default: decodeFloat(word, function, &decoded)
        }
        if decoded.operation.code == .illegal { return illegal(word, byteCount: 4) }
        return decoded
    }

    private static let loads: [Operation.Code] = [.lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .illegal]
    private static let stores: [Operation.Code] = [
        .sb, .sh, .sw, .sd, .illegal, .illegal, .illegal, .illegal,
    ]

    private static func decodeJump(_ word: UInt32, _ decoded: inout Decoded) {
        let high = bits(word, 31, 1, to: 20) | bits(word, 12, 8, to: 12)
        let low = bits(word, 20, 1, to: 11) | bits(word, 21, 10, to: 1)
        decoded.operation.immediate = signed(high | low, 21)
        let isPlain = decoded.operation.destination == Registers.sink
        decoded.operation.code = isPlain ? .jump : .call
    }

    private static func decodeBranch(_ word: UInt32, _ function: Int, _ decoded: inout Decoded) {
        let codes: [Operation.Code] = [
            .beq, .bne, .illegal, .illegal, .blt, .bge, .bltu, .bgeu,
        ]
        let high = bits(word, 31, 1, to: 12) | bits(word, 7, 1, to: 11)
        let low = bits(word, 25, 6, to: 5) | bits(word, 8, 4, to: 1)
        decoded.operation.immediate = signed(high | low, 13)
        decoded.operation.code = codes[function]
    }

    /// `float` is added to the number of the source register.
    static func decodeStore(
        _ word: UInt32,
        _ code: Operation.Code,
        float: UInt8,
        _ decoded: inout Decoded
    ) {
        decoded.operation.code = code
        decoded.operation.second += float
        decoded.operation.immediate =
            (Int32(bitPattern: word) >> 25) << 5 | Int32(bits(word, 7, 5))
    }

    private static func decodeImmediate(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        let upper = bits(word, 26, 6)
        switch function {
        case 1:
            decoded.operation.code = upper == 0 ? .slli : leftBits(word)
            decoded.operation.immediate = Int32(bits(word, 20, 6))
        case 5:
            decoded.operation.code = upper == 0 ? .srli : upper == 0x10 ? .srai : rightBits(word)
            decoded.operation.immediate = Int32(bits(word, 20, 6))
        default:
            let codes: [Operation.Code] = [
                .addi, .illegal, .slti, .sltiu, .xori, .illegal, .ori, .andi,
            ]
            decoded.operation.code = codes[function]
            // `li`: the most frequent addi.
            if function == 0, decoded.operation.first == 0 {
                decoded.operation.set(constant: decoded.operation.offset)
            }
        }
    }

    private static func decodeImmediateWord(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        let upper = bits(word, 25, 7)
        switch function {
        case 0:
            decoded.operation.code = .addiw
            return
        case 1: decoded.operation.code = upper == 0 ? .slliw : leftBitsOfWord(word)
        case 5:
            decoded.operation.code =
                upper == 0
                ? .srliw : upper == 0x20 ? .sraiw : upper == 0x30 ? .roriw : .illegal
        default: return
        }
        // All but slli.uw shift by less than 32.
        decoded.operation.immediate = Int32(bits(word, 20, 6))
    }

    private static func decodeRegister(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        let codes: [Operation.Code]
        switch (bits(word, 3, 1), bits(word, 25, 7)) {
        case (0, 0x00): codes = [.add, .sll, .slt, .sltu, .xor, .srl, .or, .and]
        case (0, 0x01): codes = [.mul, .mulh, .mulhsu, .mulhu, .div, .divu, .rem, .remu]
        case (0, 0x20): codes = [.sub, .illegal, .illegal, .illegal, .xnor, .sra, .orn, .andn]
        case (1, 0x00): codes = [.addw, .sllw, .illegal, .illegal, .illegal, .srlw]
        case (1, 0x01):
            codes = [.mulw, .illegal, .illegal, .illegal, .divw, .divuw, .remw, .remuw]
        case (1, 0x20): codes = [.subw, .illegal, .illegal, .illegal, .illegal, .sraw]
        default:
            decoded.operation.code = registerBits(word, function)
            return
        }
        decoded.operation.code = codes[safe: function] ?? .illegal
    }

    /// Fences, and what Zicbom and Zicboz say of cache blocks; the prefetches of Zicbop are `ori`.
    private static func decodeMemoryOrder(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        switch (function, bits(word, 20, 12)) {
        case (0, _): decoded.operation.code = .fence
        case (1, _): decoded.operation.code = .fencei
        // cbo.inval (0) is illegal in user mode unless the system allows it, and Linux does not.
        case (2, 1) where bits(word, 7, 5) == 0, (2, 2) where bits(word, 7, 5) == 0:
            decoded.operation.code = .cbo
        case (2, 4) where bits(word, 7, 5) == 0: decoded.operation.code = .cbozero
        default: return
        }
        decoded.operation.destination = Registers.sink
        decoded.operation.immediate = 0
    }

    private static func decodeSystem(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        switch (function, word) {
        case (0, 0x0000_0073): decoded.operation.code = .ecall
        case (0, 0x0010_0073): decoded.operation.code = .ebreak
        // wrs.nto and wrs.sto.
        case (0, 0x00d0_0073), (0, 0x01d0_0073): decoded.operation.code = .wrs
        case (4, _):
            // mop.r.n and mop.rr.n (Zimop): zero, until somebody redefines them.
            if word & 0xb3c0_0000 == 0x81c0_0000 || word & 0xb200_0000 == 0x8200_0000 {
                decoded.operation.set(constant: 0)
            }
        default:
            let codes: [Operation.Code] = [
                .illegal, .csrrw, .csrrs, .csrrc, .illegal, .csrrwi, .csrrsi, .csrrci,
            ]
            decoded.operation.code = codes[function]
            decoded.operation.immediate = Int32(bits(word, 20, 12))
        }
    }

    private static func decodeAtomic(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        guard function == 2 || function == 3 else { return }
        let isDouble = function == 3
        decoded.operation.immediate = 0
        switch bits(word, 27, 5) {
        case 0x02:
            if decoded.operation.second == 0 { decoded.operation.code = isDouble ? .lrd : .lrw }
        case 0x03: decoded.operation.code = isDouble ? .scd : .scw
        case 0x01: decoded.operation.code = isDouble ? .amoswapd : .amoswapw
        case 0x00: decoded.operation.code = isDouble ? .amoaddd : .amoaddw
        case 0x04: decoded.operation.code = isDouble ? .amoxord : .amoxorw
        case 0x0c: decoded.operation.code = isDouble ? .amoandd : .amoandw
        case 0x08: decoded.operation.code = isDouble ? .amoord : .amoorw
        case 0x10: decoded.operation.code = isDouble ? .amomind : .amominw
        case 0x14: decoded.operation.code = isDouble ? .amomaxd : .amomaxw
        case 0x18: decoded.operation.code = isDouble ? .amominud : .amominuw
        case 0x1c: decoded.operation.code = isDouble ? .amomaxud : .amomaxuw
        default: return
        }
    }
}

extension Array {
    /// Nil past the end, for tables that leave out their illegal tail.
    subscript(safe index: Int) -> Element? { index < count ? self[index] : nil }
}
