extension SoftFloat {
    /// An integer as a float.
    mutating func fromInteger(_ magnitude: UInt64, isNegative: Bool) -> UInt64 {
        pack(isNegative, 0, UInt128(magnitude))
    }

    /// A float as an integer: out of range it saturates and is invalid (ISA manual, table of
    /// float-to-integer conversions), and NaN counts as +infinity.
    mutating func toInteger<Value: FixedWidthInteger>(_ bits: UInt64, _: Value.Type) -> Value {
        let a = parts(bits)
        switch a.kind {
        case .zero: return 0
        case .quietNaN, .signalingNaN:
            raise(Flag.invalid)
            return .max
        case .infinity:
            raise(Flag.invalid)
            return a.isNegative ? .min : .max
        case .finite: break
        }
        // 2^64 and above fits no integer.
        guard a.exponent <= 0 else {
            raise(Flag.invalid)
            return a.isNegative ? .min : .max
        }
        let (kept, isInexact) = rounded(
            UInt128(a.significand),
            dropping: -a.exponent,
            isNegative: a.isNegative
        )
        let value = a.isNegative ? -Int128(kept) : Int128(kept)
        guard let exact = Value(exactly: value) else {
            raise(Flag.invalid)
            return a.isNegative ? .min : .max
        }
        if isInexact { raise(Flag.inexact) }
        return exact
    }

    /// A number of `source` format in this one.
    mutating func convert(_ bits: UInt64, from source: Format) -> UInt64 {
        let a = SoftFloat(source, rounding).parts(bits)
        switch a.kind {
        case .quietNaN, .signalingNaN: return nan(a)
        case .infinity: return sign(a.isNegative) | format.infinity
        case .zero: return sign(a.isNegative)
        case .finite: return pack(a.isNegative, a.exponent, UInt128(a.significand))
        }
    }

    enum Relation { case less, equal, greater, unordered }

    /// How two numbers compare; raises nothing.
    func relation(_ a: UInt64, _ b: UInt64) -> Relation {
        let left = parts(a), right = parts(b)
        if left.isNaN || right.isNaN { return .unordered }
        if left.kind == .zero, right.kind == .zero { return .equal }
        if a == b { return .equal }
        if left.isNegative != right.isNegative { return left.isNegative ? .less : .greater }
        // Of one sign, the bits order as the magnitudes do.
        return (a < b) != left.isNegative ? .less : .greater
    }

    /// feq raises invalid for signaling NaNs only, flt and fle for every NaN.
    mutating func compare(_ a: UInt64, _ b: UInt64, isQuiet: Bool) -> Relation {
        let relation = relation(a, b)
        if relation == .unordered {
            if isQuiet { _ = nan(parts(a), parts(b)) } else { raise(Flag.invalid) }
        }
        return relation
    }

    /// IEEE 754-2019 minimumNumber and maximumNumber: a NaN loses, and -0 is below +0.
    mutating func extreme(_ a: UInt64, _ b: UInt64, isMaximum: Bool) -> UInt64 {
        let left = parts(a), right = parts(b)
        if left.kind == .signalingNaN || right.kind == .signalingNaN { raise(Flag.invalid) }
        if left.isNaN { return right.isNaN ? format.canonicalNaN : b }
        if right.isNaN { return a }
        switch relation(a, b) {
        case .less: return isMaximum ? b : a
        case .greater: return isMaximum ? a : b
        default: return left.isNegative != isMaximum ? a : b
        }
    }

    /// The bit of fclass (ISA manual, table of its results).
    func classify(_ bits: UInt64) -> UInt64 {
        let a = parts(bits)
        let isSubnormal = bits & format.infinity == 0
        switch a.kind {
        case .infinity: return a.isNegative ? 1 << 0 : 1 << 7
        case .zero: return a.isNegative ? 1 << 3 : 1 << 4
        case .signalingNaN: return 1 << 8
        case .quietNaN: return 1 << 9
        case .finite:
            if isSubnormal { return a.isNegative ? 1 << 2 : 1 << 5 }
            return a.isNegative ? 1 << 1 : 1 << 6
        }
    }
}
