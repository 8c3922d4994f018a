// What Zfa adds to the arithmetic (unprivileged ISA manual, chapter "Zfa").
extension SoftFloat.Format {
    /// What fli loads, by its number: values that all formats hold but for a few in half precision.
    private static let listed: [Double] = [
        -1, 0, 0x1p-16, 0x1p-15, 0x1p-8, 0x1p-7, 0x1p-4, 0x1p-3, 0.25, 0.3125, 0.375, 0.4375, 0.5,
        0.625, 0.75, 0.875, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 8, 16, 128, 256, 32768, 65536,
        .infinity, .nan,
    ]

    /// The constant of a number below 32; 65536 in half precision is infinity, as the manual says.
    func listedConstant(_ number: Int) -> UInt64 {
        // The smallest normal number depends on the format.
        if number == 1 { return fractionMask + 1 }
        var soft = SoftFloat(self, .nearestEven)
        return soft.convert(Self.listed[number].bitPattern, from: .double)
    }
}

extension SoftFloat {
    /// fround and froundnx: the nearest integer by the rounding mode, as a float.
    ///
    /// Only froundnx says whether it was inexact. A zero keeps the sign of what was rounded.
    mutating func toIntegral(_ bits: UInt64, raisingInexact: Bool) -> UInt64 {
        let a = parts(bits)
        switch a.kind {
        case .quietNaN, .signalingNaN: return nan(a)
        case .infinity, .zero: return bits
        case .finite: break
        }
        if a.exponent >= 0 { return bits }
        let (kept, isInexact) = rounded(
            UInt128(a.significand),
            dropping: -a.exponent,
            isNegative: a.isNegative
        )
        if isInexact, raisingInexact { raise(Flag.inexact) }
        return kept == 0 ? sign(a.isNegative) : pack(a.isNegative, 0, kept)
    }

    /// fcvtmod.w.d: the lowest 32 bits of the number cut to an integer, with the flags of fcvt.w.d.
    mutating func toModularWord(_ bits: UInt64) -> Int32 {
        _ = toInteger(bits, Int32.self)
        let a = parts(bits)
        guard a.kind == .finite else { return 0 }
        let magnitude: UInt64
        if a.exponent >= 0 {
            // From 2^32 on the significand's bits have left the word.
            magnitude = a.exponent < 64 ? a.significand << UInt64(a.exponent) : 0
        } else {
            magnitude = a.exponent > -64 ? a.significand >> UInt64(-a.exponent) : 0
        }
        let word = Int32(truncatingIfNeeded: magnitude)
        return a.isNegative ? 0 &- word : word
    }

    /// fminm and fmaxm: IEEE 754-2019 minimum and maximum, where every NaN wins.
    mutating func strictExtreme(_ a: UInt64, _ b: UInt64, isMaximum: Bool) -> UInt64 {
        let left = parts(a), right = parts(b)
        if left.isNaN || right.isNaN { return nan(left, right) }
        return extreme(a, b, isMaximum: isMaximum)
    }
}
