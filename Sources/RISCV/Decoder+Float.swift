extension Decoder {
    /// Bits 3 and 4 of a float operation's immediate, as in its encoding: 0 is single precision.
    static let doubleBit: Int32 = 8
    static let halfBit: Int32 = 16

    /// Loads, stores, fused and plain arithmetic of F, D, Zfh and Zfa.
    static func decodeFloat(_ word: UInt32, _ function: Int, _ decoded: inout Decoded) {
        switch word & 0x7f {
        case 0x07 where 1...3 ~= function:
            decoded.operation.code = [.flh, .flw, .fld][function - 1]
            decoded.operation.destination = float(bits(word, 7, 5))
        case 0x27 where 1...3 ~= function:
            let codes: [Operation.Code] = [.fsh, .fsw, .fsd]
            decodeStore(word, codes[function - 1], float: Registers.float, &decoded)
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
        // Quadruple precision is not there.
        let format = bits(word, 25, 2)
        decoded.operation.immediate = Int32(function) | Int32(format) << 3
        return format < 3
    }

    private static func decodeFloatOperation(
        _ word: UInt32,
        _ function: Int,
        _ decoded: inout Decoded
    ) {
        let toFloat = float(bits(word, 7, 5)), toInteger = slot(bits(word, 7, 5))
        let kind = Int(bits(word, 20, 5)), format = Int(bits(word, 25, 2))
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
        case 0x05:
            decoded.operation.code = [.fmin, .fmax, .fminm, .fmaxm][safe: function] ?? .illegal
        case 0x14:
            decoded.operation.destination = toInteger
            decoded.operation.code = relations[safe: function] ?? .illegal
        case 0x08 where isRounding(function):
            decoded.operation.code = conversions[format][safe: kind] ?? .illegal
        case 0x18 where isRounding(function):
            decoded.operation.destination = toInteger
            // Of the modular conversion there is one: fcvtmod.w.d, rounding to zero.
            let isModular = kind == 8 && format == 1 && function == 1
            decoded.operation.code =
                isModular
                ? .fcvtmodwd : [.fcvtwf, .fcvtwuf, .fcvtlf, .fcvtluf][safe: kind] ?? .illegal
        case 0x1a where isRounding(function):
            decoded.operation.first = UInt8(bits(word, 15, 5))
            decoded.operation.code =
                [.fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu][safe: kind] ?? .illegal
        case 0x1c where kind == 0 && function < 2:
            decoded.operation.destination = toInteger
            decoded.operation.code = function == 1 ? .fclass : [.fmvxw, .fmvxd, .fmvxh][format]
        case 0x1e where kind == 0 && function == 0:
            decoded.operation.first = UInt8(bits(word, 15, 5))
            decoded.operation.code = [.fmvwx, .fmvdx, .fmvhx][format]
        case 0x1e where kind == 1 && function == 0:
            let format = decoded.operation.format
            let value = format.listedConstant(Int(bits(word, 15, 5)))
            decoded.operation.set(constant: value | format.boxMask)
        default: return
        }
    }

    /// By the function: fle, flt and feq, and from 4 on the quiet ones of Zfa.
    private static let relations: [Operation.Code] = [.fle, .flt, .feq, .illegal, .fleq, .fltq]

    /// From which format (single, double, half, and from 4 on the roundings of Zfa), by which to.
    private static let conversions: [[Operation.Code]] = [
        [.illegal, .fcvtsd, .fcvtsh, .illegal, .fround, .froundnx],
        [.fcvtds, .illegal, .fcvtdh, .illegal, .fround, .froundnx],
        [.fcvths, .fcvthd, .illegal, .illegal, .fround, .froundnx],
    ]
}
