extension Decoder {
    /// Decodes a 16-bit instruction of C, Zcb and Zcmop; reserved ones come out as `illegal`.
    static func decodeCompressed(_ half: UInt32) -> Decoded {
        var decoded = Decoded(.illegal)
        switch half & 3 {
        case 0: decodeQuadrant0(half, &decoded)
        case 1: decodeQuadrant1(half, &decoded)
        default: decodeQuadrant2(half, &decoded)
        }
        if decoded.operation.code == .illegal { return illegal(half, byteCount: 2) }
        decoded.operation.byteCount = 2
        return decoded
    }

    /// Fills in the fields; `destination` and sources are slots.
    private static func set(
        _ decoded: inout Decoded,
        _ code: Operation.Code,
        to destination: UInt8 = Registers.sink,
        _ first: UInt8 = 0,
        _ second: UInt8 = 0,
        _ immediate: UInt32 = 0
    ) {
        decoded.operation.code = code
        decoded.operation.destination = destination
        decoded.operation.first = first
        decoded.operation.second = second
        decoded.operation.immediate = Int32(bitPattern: immediate)
    }

    /// The immediate of CI format, six bits with sign.
    private static func immediate6(_ half: UInt32) -> UInt32 {
        UInt32(bitPattern: signed(bits(half, 12, 1, to: 5) | bits(half, 2, 5), 6))
    }

    private static func decodeQuadrant0(_ half: UInt32, _ decoded: inout Decoded) {
        // The three-bit register fields name x8...x15.
        let low = UInt8(8 + bits(half, 2, 3)), base = UInt8(8 + bits(half, 7, 3))
        let double = bits(half, 10, 3, to: 3) | bits(half, 5, 2, to: 6)
        let upper = bits(half, 10, 3, to: 3)
        let word = upper | bits(half, 6, 1, to: 2) | bits(half, 5, 1, to: 6)
        switch bits(half, 13, 3) {
        case 0:
            let high = bits(half, 7, 4, to: 6) | bits(half, 11, 2, to: 4)
            let amount = high | bits(half, 5, 1, to: 3) | bits(half, 6, 1, to: 2)
            if amount != 0 { set(&decoded, .addi, to: low, 2, 0, amount) }
        case 1: set(&decoded, .fld, to: low + Registers.float, base, 0, double)
        case 2: set(&decoded, .lw, to: low, base, 0, word)
        case 3: set(&decoded, .ld, to: low, base, 0, double)
        case 4: decodeNarrowAccess(half, low, base, &decoded)
        case 5: set(&decoded, .fsd, base, low + Registers.float, double)
        case 6: set(&decoded, .sw, base, low, word)
        case 7: set(&decoded, .sd, base, low, double)
        default: return
        }
    }

    /// The bytes and halfwords of Zcb.
    private static func decodeNarrowAccess(
        _ half: UInt32,
        _ register: UInt8,
        _ base: UInt8,
        _ decoded: inout Decoded
    ) {
        let inHalves = bits(half, 5, 1, to: 1), inBytes = inHalves | bits(half, 6, 1)
        switch (bits(half, 10, 3), bits(half, 6, 1)) {
        case (0, _): set(&decoded, .lbu, to: register, base, 0, inBytes)
        case (1, 0): set(&decoded, .lhu, to: register, base, 0, inHalves)
        case (1, 1): set(&decoded, .lh, to: register, base, 0, inHalves)
        case (2, _): set(&decoded, .sb, base, register, inBytes)
        case (3, 0): set(&decoded, .sh, base, register, inHalves)
        default: return
        }
    }

    private static func decodeQuadrant1(_ half: UInt32, _ decoded: inout Decoded) {
        let register = UInt8(bits(half, 7, 5)), immediate = immediate6(half)
        let destination = slot(bits(half, 7, 5)), short = UInt8(8 + bits(half, 7, 3))
        switch bits(half, 13, 3) {
        case 0: set(&decoded, .addi, to: destination, register, 0, immediate)
        case 1: if register != 0 { set(&decoded, .addiw, to: destination, register, 0, immediate) }
        case 2:
            set(&decoded, .constant, to: destination)
            decoded.operation.set(constant: UInt64(bitPattern: Int64(Int32(bitPattern: immediate))))
        case 3 where register == 2:
            let high = bits(half, 12, 1, to: 9) | bits(half, 3, 2, to: 7)
            let low = bits(half, 5, 1, to: 6) | bits(half, 2, 1, to: 5) | bits(half, 6, 1, to: 4)
            let amount = signed(high | low, 10)
            if amount != 0 { set(&decoded, .addi, to: 2, 2, 0, UInt32(bitPattern: amount)) }
        case 3:
            guard immediate != 0 else {
                // c.mop.n (Zcmop) does nothing.
                if register < 16, register % 2 == 1 { set(&decoded, .addi) }
                return
            }
            set(&decoded, .constant, to: destination)
            let value = Int64(Int32(bitPattern: immediate &<< 12))
            decoded.operation.set(constant: UInt64(bitPattern: value))
        case 4: decodeArithmetic(half, short, &decoded)
        case 5: set(&decoded, .jump, 0, 0, jumpOffset(half))
        case 6: set(&decoded, .beq, short, 0, branchOffset(half))
        default: set(&decoded, .bne, short, 0, branchOffset(half))
        }
    }

    private static func decodeArithmetic(
        _ half: UInt32,
        _ register: UInt8,
        _ decoded: inout Decoded
    ) {
        let amount = bits(half, 12, 1, to: 5) | bits(half, 2, 5)
        switch bits(half, 10, 2) {
        case 0: set(&decoded, .srli, to: register, register, 0, amount)
        case 1: set(&decoded, .srai, to: register, register, 0, amount)
        case 2: set(&decoded, .andi, to: register, register, 0, immediate6(half))
        default:
            let codes: [Operation.Code] = [.sub, .xor, .or, .and, .subw, .addw, .mul]
            guard let code = codes[safe: Int(bits(half, 12, 1, to: 2) | bits(half, 5, 2))] else {
                return decodeUnary(half, register, &decoded)
            }
            set(&decoded, code, to: register, register, UInt8(8 + bits(half, 2, 3)))
        }
    }

    /// The extensions of Zcb, and c.not.
    private static func decodeUnary(
        _ half: UInt32,
        _ register: UInt8,
        _ decoded: inout Decoded
    ) {
        switch bits(half, 2, 3) {
        case 0: set(&decoded, .andi, to: register, register, 0, 255)
        case 1: set(&decoded, .sextb, to: register, register)
        case 2: set(&decoded, .zexth, to: register, register)
        case 3: set(&decoded, .sexth, to: register, register)
        case 4: set(&decoded, .adduw, to: register, register)
        case 5: set(&decoded, .xori, to: register, register, 0, .max)
        default: return
        }
    }

    private static func jumpOffset(_ half: UInt32) -> UInt32 {
        let first = bits(half, 12, 1, to: 11) | bits(half, 8, 1, to: 10)
        let second = bits(half, 9, 2, to: 8) | bits(half, 6, 1, to: 7)
        let third = bits(half, 7, 1, to: 6) | bits(half, 2, 1, to: 5)
        let fourth = bits(half, 11, 1, to: 4) | bits(half, 3, 3, to: 1)
        return UInt32(bitPattern: signed(first | second | third | fourth, 12))
    }

    private static func branchOffset(_ half: UInt32) -> UInt32 {
        let first = bits(half, 12, 1, to: 8) | bits(half, 5, 2, to: 6)
        let second = bits(half, 2, 1, to: 5) | bits(half, 10, 2, to: 3)
        return UInt32(bitPattern: signed(first | second | bits(half, 3, 2, to: 1), 9))
    }

    private static func decodeQuadrant2(_ half: UInt32, _ decoded: inout Decoded) {
        let register = UInt8(bits(half, 7, 5)), source = UInt8(bits(half, 2, 5))
        let destination = slot(bits(half, 7, 5)), isSet = bits(half, 12, 1) == 1
        let loadDouble =
            bits(half, 12, 1, to: 5) | bits(half, 5, 2, to: 3) | bits(half, 2, 3, to: 6)
        let loadWord = bits(half, 12, 1, to: 5) | bits(half, 4, 3, to: 2) | bits(half, 2, 2, to: 6)
        let storeDouble = bits(half, 10, 3, to: 3) | bits(half, 7, 3, to: 6)
        let storeWord = bits(half, 9, 4, to: 2) | bits(half, 7, 2, to: 6)
        switch bits(half, 13, 3) {
        case 0:
            let amount = bits(half, 12, 1, to: 5) | bits(half, 2, 5)
            set(&decoded, .slli, to: destination, register, 0, amount)
        case 1: set(&decoded, .fld, to: register + Registers.float, 2, 0, loadDouble)
        case 2: if register != 0 { set(&decoded, .lw, to: destination, 2, 0, loadWord) }
        case 3: if register != 0 { set(&decoded, .ld, to: destination, 2, 0, loadDouble) }
        case 4:
            switch (isSet, source != 0, register != 0) {
            case (false, false, true): set(&decoded, .jalr, register)
            case (true, false, true): set(&decoded, .jalr, to: 1, register)
            case (true, false, false): set(&decoded, .ebreak)
            case (false, true, _): set(&decoded, .add, to: destination, 0, source)
            case (true, true, _): set(&decoded, .add, to: destination, register, source)
            default: return
            }
        case 5: set(&decoded, .fsd, 2, source + Registers.float, storeDouble)
        case 6: set(&decoded, .sw, 2, source, storeWord)
        default: set(&decoded, .sd, 2, source, storeDouble)
        }
    }
}
