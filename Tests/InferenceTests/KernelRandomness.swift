/// Numbers from a seed (splitmix64), so that a failing test fails again.
struct KernelRandomness: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Between -scale and scale.
    mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in Float.random(in: -scale...scale, using: &self) }
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// Half-precision bits of a value between 2^-10 and 2^-6 (an exponent is 15 more than that
    /// of two), of either sign when `signed`.
    mutating func half(signed: Bool, exponents: ClosedRange<UInt16> = 5...8) -> [UInt8] {
        let exponent = UInt16.random(in: exponents, using: &self) << 10
        let fraction = UInt16.random(in: 0...1023, using: &self)
        let sign: UInt16 = signed && Bool.random(using: &self) ? 0x8000 : 0
        let bits = sign | exponent | fraction
        return [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
    }
}
