extension SoftFloat {
    mutating func add(_ a: UInt64, _ b: UInt64) -> UInt64 { sum(parts(a), parts(b)) }

    mutating func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var b = parts(b)
        b.isNegative.toggle()
        return sum(parts(a), b)
    }

    private mutating func sum(_ a: Parts, _ b: Parts) -> UInt64 {
        if a.isNaN || b.isNaN { return nan(a, b) }
        if a.kind == .infinity, b.kind == .infinity, a.isNegative != b.isNegative {
            return invalid()
        }
        if a.kind == .infinity { return sign(a.isNegative) | format.infinity }
        if b.kind == .infinity { return sign(b.isNegative) | format.infinity }
        return sum(
            a.isNegative,
            a.exponent - 62,
            UInt128(a.significand) << 62,
            b.isNegative,
            b.exponent - 62,
            UInt128(b.significand) << 62
        )
    }

    /// Adds two exact numbers whose significands are zero or have bit 124 or 125 as their top.
    ///
    /// The smaller one is shifted with a sticky bit. Where the shift is large enough to lose
    /// bits, at most one leading bit cancels, so the sticky bit stays below the rounding.
    private mutating func sum(
        _ aNegative: Bool,
        _ aExponent: Int,
        _ a: UInt128,
        _ bNegative: Bool,
        _ bExponent: Int,
        _ b: UInt128
    ) -> UInt64 {
        if a == 0, b == 0 {
            let isNegative = aNegative == bNegative ? aNegative : rounding == .down
            return sign(isNegative)
        }
        if a == 0 { return pack(bNegative, bExponent, b) }
        if b == 0 { return pack(aNegative, aExponent, a) }
        let exponent = max(aExponent, bExponent)
        let left = Self.jam(a, by: exponent - aExponent)
        let right = Self.jam(b, by: exponent - bExponent)
        if aNegative == bNegative { return pack(aNegative, exponent, left + right) }
        if left == right { return sign(rounding == .down) }
        let isLeft = left > right
        return pack(
            isLeft ? aNegative : bNegative,
            exponent,
            isLeft ? left - right : right - left
        )
    }

    mutating func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let a = parts(a), b = parts(b), isNegative = a.isNegative != b.isNegative
        if a.isNaN || b.isNaN { return nan(a, b) }
        if a.kind == .infinity || b.kind == .infinity {
            if a.kind == .zero || b.kind == .zero { return invalid() }
            return sign(isNegative) | format.infinity
        }
        // The lowest bits of both are zero: `precision` is at most 53 of 64.
        let product = UInt128(a.significand) * UInt128(b.significand)
        return pack(isNegative, a.exponent + b.exponent + 2, product >> 2)
    }

    mutating func divide(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let a = parts(a), b = parts(b), isNegative = a.isNegative != b.isNegative
        if a.isNaN || b.isNaN { return nan(a, b) }
        switch (a.kind, b.kind) {
        case (.infinity, .infinity), (.zero, .zero): return invalid()
        case (.infinity, _): return sign(isNegative) | format.infinity
        case (_, .infinity), (.zero, _): return sign(isNegative)
        case (_, .zero):
            raise(Flag.divideByZero)
            return sign(isNegative) | format.infinity
        default:
            let dividend = UInt128(a.significand) << 62
            let (quotient, rest) = dividend.quotientAndRemainder(
                dividingBy: UInt128(b.significand)
            )
            return pack(
                isNegative,
                a.exponent - b.exponent - 62,
                quotient | (rest == 0 ? 0 : 1)
            )
        }
    }

    mutating func squareRoot(_ a: UInt64) -> UInt64 {
        let a = parts(a)
        if a.isNaN { return nan(a) }
        if a.kind == .zero { return sign(a.isNegative) }
        if a.isNegative { return invalid() }
        if a.kind == .infinity { return format.infinity }
        // An even exponent, so that its half is whole; the root then has 62 or 63 bits.
        let isOdd = a.exponent & 1 != 0
        let square = UInt128(a.significand) << (isOdd ? 61 : 62)
        let exponent = a.exponent - (isOdd ? 61 : 62)
        var root: UInt128 = 0, rest = square
        var bit: UInt128 = 1 << 126
        // Digit by digit, two bits of the square for one of the root.
        while bit != 0 {
            if rest >= root + bit {
                rest -= root + bit
                root = root >> 1 + bit
            } else {
                root >>= 1
            }
            bit >>= 2
        }
        // Doubled to make room for the sticky bit.
        return pack(false, exponent / 2 - 1, root << 1 | (rest == 0 ? 0 : 1))
    }

    /// a × b + c, rounded once; the signs turn it into its three relatives.
    mutating func multiplyAdd(
        _ a: UInt64,
        _ b: UInt64,
        _ c: UInt64,
        negatingProduct: Bool,
        negatingAddend: Bool
    ) -> UInt64 {
        let a = parts(a), b = parts(b)
        var c = parts(c)
        if negatingAddend { c.isNegative.toggle() }
        let isNegative = (a.isNegative != b.isNegative) != negatingProduct
        let isInfinite = a.kind == .infinity || b.kind == .infinity
        // Invalid even when the addend is a quiet NaN (ISA manual, "FMADD").
        if isInfinite, a.kind == .zero || b.kind == .zero { return invalid() }
        if a.isNaN || b.isNaN || c.isNaN { return nan(a, b, c) }
        if isInfinite {
            if c.kind == .infinity, c.isNegative != isNegative { return invalid() }
            return sign(isNegative) | format.infinity
        }
        if c.kind == .infinity { return sign(c.isNegative) | format.infinity }
        let product = (UInt128(a.significand) * UInt128(b.significand)) >> 2
        return sum(
            isNegative,
            a.exponent + b.exponent + 2,
            product,
            c.isNegative,
            c.exponent - 62,
            UInt128(c.significand) << 62
        )
    }
}
