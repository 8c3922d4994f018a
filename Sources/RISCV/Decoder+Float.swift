extension Decoder {
    /// Bit 3 of a float operation's immediate: set for double precision.
    static let doubleBit: Int32 = 8

    /// Loads, stores, fused and plain arithmetic of F and D.
    static func decodeFloat(_ word: UInt32, _ function: Int, _ decoded: inout Decoded) {
        switch word & 0x7f {
        case 0x07 where function == 2 || function == 3:
            decoded.operation.code = function == 3 ? .fld : .flw
            decoded.operation.destination = float(bits(word, 7, 5))
        case 0x27 where function == 2 || function == 3:
            decodeStore(word, function == 3 ? .fsd : .fsw, float: Registers.float, &decoded)
        case 0x43, 0x47, 0x4b, 0x4f:
            let codes: [Operation.Code] = [.fmadd, .fmsub, .fnmsub, .fnmadd]
            guard setFormat(word, function, &decoded), isRounding(function) else { return }
            decoded.operation.destination = float(bits(word, 7, 5))
            decoded.operation.first = float(bits(word, 15, 5))
            decoded.operation.second = float(bits(word, 20, 5))
            decoded.operation.third = float(bits(word, 27, 5))
            decoded.operation.code = codes[Int(bits(word, 2, 2))]
        case 0x53:
            guard setFormat(word, function, &decoded) else { return }
            decodeFloatOperation(word, function, &decoded)
        default: return
        }
    }

    private static func float(_ register: UInt32) -> UInt8 { Registers.float + UInt8(register) }

    /// Rounding modes 5 and 6 are reserved; 7 means the one in fcsr.
    private static func isRounding(_ function: Int) -> Bool { function < 5 || function == 7 }

    private static func setFormat(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) -> Bool {
        let format = bits(word, 25, 2)
        decoded.operation.immediate = Int32(function) | (format == 1 ? doubleBit : 0)
        return format < 2
    }

    private static func decodeFloatOperation(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        let toFloat = float(bits(word, 7, 5)), toInteger = slot(bits(word, 7, 5))
        let kind = Int(bits(word, 20, 5)), isDouble = bits(word, 25, 2) == 1
        decoded.operation.destination = toFloat
        decoded.operation.first = float(bits(word, 15, 5))
        decoded.operation.second = float(bits(word, 20, 5))
        switch bits(word, 27, 5) {
        case 0x00 where isRounding(function): decoded.operation.code = .fadd
        case 0x01 where isRounding(function): decoded.operation.code = .fsub
        case 0x02 where isRounding(function): decoded.operation.code = .fmul
        case 0x03 where isRounding(function): decoded.operation.code = .fdiv
        case 0x0b where isRounding(function) && kind == 0: decoded.operation.code = .fsqrt
        case 0x04: decoded.operation.code = [.fsgnj, .fsgnjn, .fsgnjx][safe: function] ?? .illegal
        case 0x05: decoded.operation.code = [.fmin, .fmax][safe: function] ?? .illegal
        case 0x14:
            decoded.operation.destination = toInteger
            decoded.operation.code = [.fle, .flt, .feq][safe: function] ?? .illegal
        case 0x08 where isRounding(function) && kind == (isDouble ? 0 : 1):
            decoded.operation.code = isDouble ? .fcvtds : .fcvtsd
        case 0x18 where isRounding(function):
            decoded.operation.destination = toInteger
            decoded.operation.code =
                [.fcvtwf, .fcvtwuf, .fcvtlf, .fcvtluf][safe: kind] ?? .illegal
        case 0x1a where isRounding(function):
            decoded.operation.first = UInt8(bits(word, 15, 5))
            decoded.operation.code =
                [.fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu][safe: kind] ?? .illegal
        case 0x1c where kind == 0 && function < 2:
            decoded.operation.destination = toInteger
            decoded.operation.code = function == 1 ? .fclass : isDouble ? .fmvxd : .fmvxw
        case 0x1e where kind == 0 && function == 0:
            decoded.operation.first = UInt8(bits(word, 15, 5))
            decoded.operation.code = isDouble ? .fmvdx : .fmvwx
        default: return
        }
    }
}
