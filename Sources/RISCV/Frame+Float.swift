internal import Glibc

/// F and D: first the host's arithmetic where it must agree, else `SoftFloat`.
///
/// The host is right when rounding is to nearest-even and the result is a normal number well
/// inside the range: then no flag but inexact can be due, and when inexact is already raised
/// (it is sticky) nothing is left to find out. IEEE 754 fixes the rest, so every host agrees.
extension Frame {
    private static let boxMask: UInt64 = 0xffff_ffff_0000_0000

    /// A single out of its box; what is not boxed counts as the canonical NaN.
    private func unboxed(_ slot: UInt8) -> UInt64 {
        let bits = x[slot]
        let isBoxed = bits & Self.boxMask == Self.boxMask
        return isBoxed ? bits & 0xffff_ffff : SoftFloat.Format.single.canonicalNaN
    }

    private func value(_ slot: UInt8, isDouble: Bool) -> UInt64 {
        isDouble ? x[slot] : unboxed(slot)
    }

    private func set(_ o: Operation, float bits: UInt64, isDouble: Bool) {
        x[o.destination] = isDouble ? bits : bits | Self.boxMask
    }

    private func raise(_ flags: UInt8) { x[Registers.fcsr] |= UInt64(flags) }

    @inline(__always) func double(_ slot: UInt8) -> Double { Double(bitPattern: x[slot]) }

    /// Takes the host's result of a double operation, unless a flag or another mode is in play.
    @inline(__always) func setDouble(_ o: Operation, _ result: Double) -> Bool {
        // The instruction asks for the dynamic mode or nearest-even; frm is 0, inexact is raised.
        guard o.immediate == 15 || o.immediate == 8, x[Registers.fcsr] & 0xe1 == 1,
            Self.isPlain(result)
        else { return false }
        x[o.destination] = result.bitPattern
        return true
    }

    /// Exponent fields 2...2045: finite, normal, and not rounded up from below the normals.
    @inline(__always) private static func isPlain(_ result: Double) -> Bool {
        (result.bitPattern >> 52 & 0x7ff) &- 2 < 2044
    }

    /// The rounding mode, or nil where frm holds a reserved one.
    private func rounding(_ o: Operation) -> SoftFloat.Rounding? {
        let mode = UInt8(truncatingIfNeeded: o.immediate & 7)
        if mode != 7 { return SoftFloat.Rounding(rawValue: mode) }
        return SoftFloat.Rounding(
            rawValue: UInt8(truncatingIfNeeded: x[Registers.fcsr] >> 5 & 7)
        )
    }

    /// Arithmetic and conversions; false where the rounding mode is reserved.
    func executeFloat(_ o: Operation) -> Bool {
        let isDouble = o.immediate & Decoder.doubleBit != 0
        guard let rounding = rounding(o) else { return false }
        if rounding == .nearestEven, x[Registers.fcsr] & UInt64(SoftFloat.Flag.inexact) != 0,
            isDouble ? executeOnHostDouble(o) : executeOnHostSingle(o)
        {
            return true
        }
        executeSoft(o, SoftFloat(isDouble ? .double : .single, rounding), isDouble: isDouble)
        return true
    }

    private func executeOnHostDouble(_ o: Operation) -> Bool {
        let a = double(o.first), b = double(o.second), c = double(o.third)
        let result: Double
        switch o.code {
        case .fsqrt: result = a.squareRoot()
        case .fmadd: result = c.addingProduct(a, b)
        case .fmsub: result = (-c).addingProduct(a, b)
        case .fnmsub: result = c.addingProduct(-a, b)
        case .fnmadd: result = (-c).addingProduct(-a, b)
        default: return false
        }
        guard Self.isPlain(result) else { return false }
        x[o.destination] = result.bitPattern
        return true
    }

    private func executeOnHostSingle(_ o: Operation) -> Bool {
        let a = Float(bitPattern: UInt32(unboxed(o.first)))
        let b = Float(bitPattern: UInt32(unboxed(o.second)))
        let result: Float
        switch o.code {
        case .fadd: result = a + b
        case .fsub: result = a - b
        case .fmul: result = a * b
        case .fdiv: result = a / b
        case .fsqrt: result = a.squareRoot()
        case .fmadd, .fmsub, .fnmsub, .fnmadd:
            let c = Float(bitPattern: UInt32(unboxed(o.third)))
            let isAddendNegated = o.code == .fmsub || o.code == .fnmadd
            let isProductNegated = o.code == .fnmsub || o.code == .fnmadd
            result = (isAddendNegated ? -c : c).addingProduct(isProductNegated ? -a : a, b)
        default: return false
        }
        // As `isPlain`, for single: exponent fields 2...253.
        guard (result.bitPattern >> 23 & 0xff) &- 2 < 252 else { return false }
        x[o.destination] = UInt64(result.bitPattern) | Self.boxMask
        return true
    }

    @inline(never)
    private func executeSoft(_ o: Operation, _ start: SoftFloat, isDouble: Bool) {
        var soft = start
        let a = value(o.first, isDouble: isDouble)
        let b = value(o.second, isDouble: isDouble)
        var result: UInt64
        switch o.code {
        case .fadd: result = soft.add(a, b)
        case .fsub: result = soft.subtract(a, b)
        case .fmul: result = soft.multiply(a, b)
        case .fdiv: result = soft.divide(a, b)
        case .fsqrt: result = soft.squareRoot(a)
        case .fmadd, .fmsub, .fnmsub, .fnmadd:
            result = soft.multiplyAdd(
                a,
                b,
                value(o.third, isDouble: isDouble),
                negatingProduct: o.code == .fnmsub || o.code == .fnmadd,
                negatingAddend: o.code == .fmsub || o.code == .fnmadd
            )
        case .fcvtsd: result = soft.convert(x[o.first], from: .double)
        case .fcvtds: result = soft.convert(unboxed(o.first), from: .single)
        case .fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu: result = converted(o, &soft)
        default:
            convertToInteger(o, a, &soft)
            raise(soft.flags)
            return
        }
        set(o, float: result, isDouble: isDouble)
        raise(soft.flags)
    }

    private func converted(_ o: Operation, _ soft: inout SoftFloat) -> UInt64 {
        switch o.code {
        case .fcvtfw:
            let value = low(o.first)
            return soft.fromInteger(UInt64(value.magnitude), isNegative: value < 0)
        case .fcvtfwu: return soft.fromInteger(UInt64(bits(o.first)), isNegative: false)
        case .fcvtfl:
            let value = signed(o.first)
            return soft.fromInteger(value.magnitude, isNegative: value < 0)
        default: return soft.fromInteger(x[o.first], isNegative: false)
        }
    }

    private func convertToInteger(_ o: Operation, _ a: UInt64, _ soft: inout SoftFloat) {
        switch o.code {
        case .fcvtwf: setWord(o, soft.toInteger(a, Int32.self))
        case .fcvtwuf: setWord(o, Int32(bitPattern: soft.toInteger(a, UInt32.self)))
        case .fcvtlf: set(o, soft.toInteger(a, Int64.self))
        default: x[o.destination] = soft.toInteger(a, UInt64.self)
        }
    }

    /// What rounds nothing: moves, signs, comparisons, minimum and maximum.
    func moveFloat(_ o: Operation) {
        let isDouble = o.immediate & Decoder.doubleBit != 0
        switch o.code {
        case .fmvxd, .fmvdx: x[o.destination] = x[o.first]
        case .fmvxw: setWord(o, low(o.first))
        case .fmvwx: x[o.destination] = Self.boxMask | UInt64(bits(o.first))
        case .fsgnj, .fsgnjn, .fsgnjx:
            let a = value(o.first, isDouble: isDouble), b = value(o.second, isDouble: isDouble)
            let sign: UInt64 = isDouble ? 1 << 63 : 1 << 31
            let new = o.code == .fsgnj ? b : o.code == .fsgnjn ? ~b : a ^ b
            set(o, float: a & ~sign | new & sign, isDouble: isDouble)
        default:
            if isDouble, compareOnHost(o) { return }
            compareSoft(o, isDouble: isDouble)
        }
    }

    /// Comparisons of doubles that are not NaN, which raise nothing.
    private func compareOnHost(_ o: Operation) -> Bool {
        let a = double(o.first), b = double(o.second)
        guard a == a, b == b else { return false }
        switch o.code {
        case .feq: x[o.destination] = a == b ? 1 : 0
        case .flt: x[o.destination] = a < b ? 1 : 0
        case .fle: x[o.destination] = a <= b ? 1 : 0
        default: return false
        }
        return true
    }

    private func compareSoft(_ o: Operation, isDouble: Bool) {
        var soft = SoftFloat(isDouble ? .double : .single, .nearestEven)
        let a = value(o.first, isDouble: isDouble), b = value(o.second, isDouble: isDouble)
        switch o.code {
        case .fmin, .fmax:
            let result = soft.extreme(a, b, isMaximum: o.code == .fmax)
            set(o, float: result, isDouble: isDouble)
        case .feq: x[o.destination] = soft.compare(a, b, isQuiet: true) == .equal ? 1 : 0
        case .flt: x[o.destination] = soft.compare(a, b, isQuiet: false) == .less ? 1 : 0
        case .fle:
            let relation = soft.compare(a, b, isQuiet: false)
            x[o.destination] = relation == .less || relation == .equal ? 1 : 0
        default: x[o.destination] = soft.classify(a)
        }
        raise(soft.flags)
    }
}
