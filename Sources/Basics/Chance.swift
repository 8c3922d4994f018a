/// Chance from a seed: splitmix64 (Steele, Lea, Flood 2014), the same numbers on every machine.
///
/// Good enough to spread probes and election timeouts; never used for a secret.
public struct Chance: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= Self.increment
        return Self.mix(state)
    }

    /// What the state grows by: 2^64 divided by the golden ratio, and odd.
    @inlinable public static var increment: UInt64 { 0x9e37_79b9_7f4a_7c15 }

    /// The finalizer: every bit of the word changes half of the bits, and no two words become one.
    @inlinable public static func mix(_ word: UInt64) -> UInt64 {
        var mixed = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
