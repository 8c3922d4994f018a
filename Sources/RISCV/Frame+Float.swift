internal import Glibc

/// F, D, Zfh and Zfa by `SoftFloat`, after `Frame+HostFloat` and translated code have tried the
/// host's arithmetic; square roots alone are tried here.
///
/// The host is right when rounding is to nearest-even and the result is a normal number well
/// inside the range: then no flag but inexact can be due, and when inexact is already raised
/// (it is sticky) nothing is left to find out. IEEE 754 fixes the rest, so every host agrees.
extension Frame {
    private static let boxMask: UInt64 = 0xffff_ffff_0000_0000

    /// A narrower value out of its box; what is not boxed counts as the canonical NaN.
    private func value(_ slot: UInt8, _ format: SoftFloat.Format) -> UInt64 {
        let bits = x[slot], mask = format.boxMask
        return bits & mask == mask ? bits & ~mask : format.canonicalNaN
    }

    private func single(_ slot: UInt8) -> Float {
        let bits = x[slot], isBoxed = bits & Self.boxMask == Self.boxMask
        return Float(bitPattern: isBoxed ? UInt32(truncatingIfNeeded: bits) : 0x7fc0_0000)
    }

    private func set(_ o: Operation, float bits: UInt64, _ format: SoftFloat.Format) {
        x[o.destination] = bits | format.boxMask
    }

    private func raise(_ flags: UInt8) { x[Registers.fcsr] |= UInt64(flags) }

    @inline(__always) func double(_ slot: UInt8) -> Double { Double(bitPattern: x[slot]) }

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
        guard let rounding = rounding(o) else { return false }
        if o.code == .fsqrt, rounding == .nearestEven,
            x[Registers.fcsr] & UInt64(SoftFloat.Flag.inexact) != 0, squareRootOnHost(o)
        {
            return true
        }
        executeSoft(o, SoftFloat(o.format, rounding))
        return true
    }

    private func squareRootOnHost(_ o: Operation) -> Bool {
        if o.immediate & Decoder.halfBit != 0 { return false }
        if o.immediate & Decoder.doubleBit != 0 {
            let bits = double(o.first).squareRoot().bitPattern
            // Exponent fields 2...2045: finite, normal, and not rounded up from below the normals.
            guard (bits >> 52 & 0x7ff) &- 2 < 2044 else { return false }
            x[o.destination] = bits
        } else {
            let bits = single(o.first).squareRoot().bitPattern
            // The same for single: exponent fields 2...253.
            guard (bits >> 23 & 0xff) &- 2 < 252 else { return false }
            x[o.destination] = UInt64(bits) | Self.boxMask
        }
        return true
    }

    @inline(never)
    private func executeSoft(_ o: Operation, _ start: SoftFloat) {
        var soft = start
        let format = soft.format
        let a = value(o.first, format), b = value(o.second, format)
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
                value(o.third, format),
                negatingProduct: o.code == .fnmsub || o.code == .fnmadd,
                negatingAddend: o.code == .fmsub || o.code == .fnmadd
            )
        case .fcvtsd, .fcvthd: result = soft.convert(x[o.first], from: .double)
        case .fcvtds, .fcvths: result = soft.convert(value(o.first, .single), from: .single)
        case .fcvtsh, .fcvtdh: result = soft.convert(value(o.first, .half), from: .half)
        case .fround, .froundnx:
            result = soft.toIntegral(a, raisingInexact: o.code == .froundnx)
        case .fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu: result = converted(o, &soft)
        default:
            convertToInteger(o, a, &soft)
            raise(soft.flags)
            return
        }
        set(o, float: result, format)
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
        case .fcvtmodwd: setWord(o, soft.toModularWord(a))
        default: x[o.destination] = soft.toInteger(a, UInt64.self)
        }
    }

    /// What rounds nothing: moves, signs, comparisons, minimum and maximum.
    func moveFloat(_ o: Operation) {
        switch o.code {
        case .fmvxd, .fmvdx: x[o.destination] = x[o.first]
        case .fmvxw: setWord(o, low(o.first))
        case .fmvwx: x[o.destination] = Self.boxMask | UInt64(bits(o.first))
        case .fmvxh: set(o, Int64(Int16(truncatingIfNeeded: x[o.first])))
        case .fmvhx: set(o, float: x[o.first] & 0xffff, .half)
        case .fsgnj, .fsgnjn, .fsgnjx:
            let format = o.format, a = value(o.first, format), b = value(o.second, format)
            let new = o.code == .fsgnj ? b : o.code == .fsgnjn ? ~b : a ^ b
            set(o, float: a & ~format.signBit | new & format.signBit, format)
        default: compareSoft(o)
        }
    }

    private func compareSoft(_ o: Operation) {
        let format = o.format
        var soft = SoftFloat(format, .nearestEven)
        let a = value(o.first, format), b = value(o.second, format)
        switch o.code {
        case .fmin, .fmax:
            set(o, float: soft.extreme(a, b, isMaximum: o.code == .fmax), format)
        case .fminm, .fmaxm:
            set(o, float: soft.strictExtreme(a, b, isMaximum: o.code == .fmaxm), format)
        case .feq: x[o.destination] = soft.compare(a, b, isQuiet: true) == .equal ? 1 : 0
        case .flt, .fltq:
            let relation = soft.compare(a, b, isQuiet: o.code == .fltq)
            x[o.destination] = relation == .less ? 1 : 0
        case .fle, .fleq:
            let relation = soft.compare(a, b, isQuiet: o.code == .fleq)
            x[o.destination] = relation == .less || relation == .equal ? 1 : 0
        default: x[o.destination] = soft.classify(a)
        }
        raise(soft.flags)
    }
}
