private import Basics

/// The functions of the sampler that must give the same bits on every host.
enum SamplerMath {
    /// e^x for x ≤ 0, with a relative error below 2^−50; 0 below −700.
    ///
    /// x = k·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 13, whose
    /// next term is below 2^−57; then k moves the exponent. Multiplications and additions stay
    /// separate: Swift never fuses them on its own.
    static func exponential(_ x: Double) -> Double {
        guard -700 <= x else { return 0 }
        precondition(x <= 0, "exponential of a positive number")
        // Adding and taking away 1.5 × 2^52 rounds to the nearest integer.
        let rounder = 6_755_399_441_055_744.0
        let k = x * 1.442_695_040_888_963_4 + rounder - rounder
        // ln 2 in two parts, of which the first has 21 trailing zero bits: k × it is exact.
        let r = (x - k * 0x1.62E42FEEp-1) - k * 0x1.A39EF35793C76p-33
        var sum = 1 / 6_227_020_800.0  // 13!
        sum = sum * r + 1 / 479_001_600.0
        sum = sum * r + 1 / 39_916_800.0
        sum = sum * r + 1 / 3_628_800.0
        sum = sum * r + 1 / 362_880.0
        sum = sum * r + 1 / 40_320.0
        sum = sum * r + 1 / 5_040.0
        sum = sum * r + 1 / 720.0
        sum = sum * r + 1 / 120.0
        sum = sum * r + 1 / 24.0
        sum = sum * r + 1 / 6.0
        sum = sum * r + 0.5
        sum = sum * r + 1
        sum = sum * r + 1  // 1 / 0!
        return sum * Double(bitPattern: UInt64(1023 + Int(k)) << 52)
    }

    /// An even number of 0 ..< 1 for a position, in steps of 2^−53.
    ///
    /// The position-th output of a splitmix64 stream whose start is the seed, mixed once:
    /// without that, seeds that differ by the stream's step would share their numbers.
    static func uniform(seed: UInt64, position: UInt64) -> Double {
        var mixer = Chance(seed: seed)
        let start = mixer.next()
        var stream = Chance(seed: start &+ position &* 0x9E37_79B9_7F4A_7C15)
        return Double(stream.next() >> 11) * 0x1p-53
    }

    /// The tokens by falling logit, and by id among equals.
    ///
    /// A radix sort in three passes of 11 bits: a twentieth of the time of a comparing one,
    /// which would cost more than the smallest models' forward pass.
    ///
    /// - Parameter tokens: ascending; none of their logits may be NaN.
    static func sortedByLogit(_ tokens: [TokenID], _ logits: Span<Float>) -> [TokenID] {
        var entries = tokens.map { token in
            UInt64(fallingKey(logits[Int(token)])) << 32 | UInt64(UInt32(bitPattern: token))
        }
        // The tables of the passes cost more than a few entries are worth.
        if entries.count < 512 {
            entries.sort()
            return entries.map { TokenID(truncatingIfNeeded: $0) }
        }
        var sorted = entries
        for shift in [32, 43, 54] as [UInt64] {
            var starts = [Int](repeating: 0, count: 2_049)
            for entry in entries { starts[Int(entry >> shift & 2_047) + 1] += 1 }
            for digit in 1..<2_048 { starts[digit] += starts[digit - 1] }
            for entry in entries {
                let digit = Int(entry >> shift & 2_047)
                sorted[starts[digit]] = entry
                starts[digit] += 1
            }
            swap(&entries, &sorted)
        }
        return entries.map { TokenID(truncatingIfNeeded: $0) }
    }

    /// A number that rises as the logit falls.
    private static func fallingKey(_ logit: Float) -> UInt32 {
        // Adding 0 makes one zero of the two.
        let bits = (logit + 0).bitPattern
        return bits >> 31 == 1 ? bits : ~(bits | 0x8000_0000)
    }
}
