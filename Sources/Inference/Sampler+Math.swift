private import Basics

/// The functions of the sampler that must give the same bits on every host.
enum SamplerMath {
    /// The weight of the greatest logit, 2^30: sums of 2^32 of them still fit 64 bits.
    static let weightMax: Int32 = 1 << 30
    /// Below e^−32 a weight is far under half of 2^−30, and rounds to 0.
    private static let exponentMin: Float = -32

    /// 2^30 × e^x to the nearest whole number for eight x ≤ 0, with a relative error of the
    /// exponential below 2^−21; 0 for what is not a number.
    ///
    /// x = k·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 6, whose next
    /// term is below 2^−22; then k moves the exponent. Multiplications and additions stay
    /// separate: Swift never fuses them on its own.
    @inline(__always)
    static func weights(_ exponents: SIMD8<Float>) -> SIMD8<Int32> {
        // False for what is not a number.
        let isIn = exponents .>= Self.exponentMin
        let x = exponents.replacing(with: Self.exponentMin, where: .!isIn)
        // Adding and taking away 1.5 × 2^23 rounds to the nearest integer.
        let rounder = SIMD8<Float>(repeating: 12_582_912)
        let shifted = x * 1.442_695 + rounder
        let k = shifted - rounder
        // ln 2 in two parts, of which the first has 15 trailing zero bits: k × it is exact.
        let r = (x - k * 0x1.62p-1) - k * 0x1.C85FDEp-10
        var sum = r * (1 / 720.0) + (1 / 120.0)
        sum = sum * r + (1 / 24.0)
        sum = sum * r + (1 / 6.0)
        sum = sum * r + 0.5
        sum = sum * r + 1
        sum = sum * r + 1
        // Same size and no padding: the bits of one vector are those of the other.
        // The low bits of `shifted` are k; 30 more scale to 2^30.
        let bits = unsafe unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- 0x4B40_0000
        // As above.
        let scale = unsafe unsafeBitCast((bits &+ (127 + 30)) &<< 23, to: SIMD8<Float>.self)
        let scaled = (sum * scale).replacing(with: 0, where: .!isIn)
        // To whole numbers in two parts of 15 bits, by the same rounding; both steps are exact.
        let high = scaled * 0x1p-15 + rounder - rounder
        let low = scaled - high * 0x1p15
        return whole(high) &<< 15 &+ whole(low)
    }

    /// Numbers without a fraction, of at most 22 bits, as integers.
    @inline(__always)
    private static func whole(_ values: SIMD8<Float>) -> SIMD8<Int32> {
        let shifted = values + 12_582_912
        // Same size and no padding: the bits of one vector are those of the other.
        return unsafe unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- 0x4B40_0000
    }

    /// The nearest whole numbers of eight values of 0 … 2^22.
    @inline(__always)
    static func rounded(_ values: SIMD8<Float>) -> SIMD8<Int32> { whole(values) }

    /// The natural logarithm of a finite x > 0, with an absolute error below 10^−14.
    ///
    /// x = m × 2^k with m in √½…√2; ln m = 2 artanh((m − 1) / (m + 1)) by its series.
    static func logarithm(_ x: Double) -> Double {
        precondition(0 < x && x.isFinite, "the logarithm of \(x)")
        var m = x.significand
        var k = Double(x.exponent)
        if 1.414_213_562_373_095_1 < m {
            m /= 2
            k += 1
        }
        let s = (m - 1) / (m + 1)
        let square = s * s
        var sum = 0.0
        for divisor in stride(from: 21.0, through: 1, by: -2) { sum = sum * square + 1 / divisor }
        return 2 * s * sum + k * 0.693_147_180_559_945_3
    }

    /// 64 even bits for a position.
    ///
    /// The position-th output of a splitmix64 stream whose start is the seed, mixed once:
    /// without that, seeds that differ by the stream's step would share their numbers.
    static func bits(seed: UInt64, position: UInt64) -> UInt64 {
        var mixer = Chance(seed: seed)
        let start = mixer.next()
        var stream = Chance(seed: start &+ position &* 0x9E37_79B9_7F4A_7C15)
        return stream.next()
    }

    /// A number that rises as the logit falls; the two zeros share one.
    static func fallingKey(_ logit: Float) -> UInt32 {
        // Adding 0 makes one zero of the two.
        let bits = (logit + 0).bitPattern
        return bits >> 31 == 1 ? bits : ~(bits | 0x8000_0000)
    }
}
