// Zba, Zbb, Zbs, Zbc, Zbkb and Zicond: which code an encoding has, or `illegal`.
extension Decoder {
    /// OP and OP-32 beside the base and M.
    static func registerBits(_ word: UInt32, _ function: Int) -> Operation.Code {
        let none = Operation.Code.illegal
        let codes: [Operation.Code]
        switch (bits(word, 3, 1), bits(word, 25, 7)) {
        case (0, 0x04): codes = [none, none, none, none, .pack, none, none, .packh]
        case (0, 0x05): codes = [none, .clmul, .clmulr, .clmulh, .min, .minu, .max, .maxu]
        case (0, 0x07): codes = [none, none, none, none, none, .czeroeqz, none, .czeronez]
        case (0, 0x10): codes = [none, none, .sh1add, none, .sh2add, none, .sh3add]
        case (0, 0x14): codes = [none, .bset]
        case (0, 0x24): codes = [none, .bclr, none, none, none, .bext]
        case (0, 0x30): codes = [none, .rol, none, none, none, .ror]
        case (0, 0x34): codes = [none, .binv]
        // packw with x0 is zext.h.
        case (1, 0x04):
            codes = [.adduw, none, none, none, bits(word, 20, 5) == 0 ? .zexth : .packw]
        case (1, 0x10): codes = [none, none, .sh1adduw, none, .sh2adduw, none, .sh3adduw]
        case (1, 0x30): codes = [none, .rolw, none, none, none, .rorw]
        default: codes = []
        }
        return codes[safe: function] ?? none
    }

    /// OP-IMM in the place of slli.
    static func leftBits(_ word: UInt32) -> Operation.Code {
        switch bits(word, 26, 6) {
        case 0x0a: .bseti
        case 0x12: .bclri
        case 0x1a: .binvi
        case 0x18: [.clz, .ctz, .cpop, .illegal, .sextb, .sexth][safe: unary(word)] ?? .illegal
        default: .illegal
        }
    }

    /// OP-IMM in the place of srli.
    static func rightBits(_ word: UInt32) -> Operation.Code {
        switch (bits(word, 26, 6), bits(word, 20, 6)) {
        case (0x12, _): .bexti
        case (0x18, _): .rori
        case (0x0a, 0x07): .orcb
        case (0x1a, 0x38): .rev8
        case (0x1a, 0x07): .brev8
        default: .illegal
        }
    }

    /// OP-IMM-32 in the place of slliw.
    static func leftBitsOfWord(_ word: UInt32) -> Operation.Code {
        switch bits(word, 26, 6) {
        case 0x02: .slliuw
        case 0x18: [.clzw, .ctzw, .cpopw][safe: unary(word)] ?? .illegal
        default: .illegal
        }
    }

    /// Which operation of one operand; its number takes the place of the shift.
    private static func unary(_ word: UInt32) -> Int { Int(bits(word, 20, 6)) }
}
