internal import CPlatform

/// SHA-256 (FIPS 180-4 section 6.2), for the modules that may not call OpenSSL: 2 GB/s on one core
/// that has instructions for it, a tenth of that without.
public struct SHA256: Sendable {
    private static let blockByteCount = 64

    /// FIPS 180-4 section 5.3.3.
    private var state = platform_sha256_state(
        words: (
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
            0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19
        ))
    /// What came behind the last whole block.
    private var rest: [64 of UInt8] = .init(repeating: 0)
    private var restByteCount = 0
    private var byteCount: UInt64 = 0
    private let isPlain: Bool

    public init() { isPlain = false }

    /// Goes on behind so many bytes, a multiple of 64, that have made the chaining value of the
    /// state.
    public init(after byteCount: UInt64, chaining: Digest) {
        isPlain = false
        self.byteCount = byteCount
        let w = chaining.words
        func high(_ word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word >> 32) }
        func low(_ word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word) }
        state.words = (
            high(w.0), low(w.0), high(w.1), low(w.1), high(w.2), low(w.2), high(w.3), low(w.3)
        )
    }

    /// The chaining value before the first byte.
    public static let start = SHA256().chaining

    /// What the bytes so far have made of the state; nil within a block of 64.
    public var chainingValue: Digest? { restByteCount == 0 ? chaining : nil }

    /// Without the host's instructions, to compare with.
    package init(isPlain: Bool) { self.isPlain = isPlain }

    public mutating func update(_ bytes: [UInt8]) { update(bytes.span) }

    public mutating func update(_ bytes: Span<UInt8>) {
        byteCount &+= UInt64(bytes.count)
        var next = 0
        while restByteCount > 0, next < bytes.count {
            take(bytes[next])
            next += 1
        }
        let blockCount = (bytes.count - next) / Self.blockByteCount
        if blockCount > 0 {
            // Whole blocks of the span, behind `next`; the call keeps no pointer.
            state = unsafe bytes.withUnsafeBufferPointer { [state, isPlain] bytes in
                guard let start = bytes.baseAddress else { return state }
                // As above.
                return unsafe isPlain
                    ? platform_sha256_plain(state, start + next, blockCount)
                    : platform_sha256(state, start + next, blockCount)
            }
            next += blockCount * Self.blockByteCount
        }
        while next < bytes.count {
            take(bytes[next])
            next += 1
        }
    }

    public consuming func finish() -> Digest {
        let bitCount = byteCount &* 8
        take(0x80)
        while restByteCount != Self.blockByteCount - 8 { take(0) }
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            take(UInt8(truncatingIfNeeded: bitCount >> shift))
        }
        return chaining
    }

    private var chaining: Digest {
        let w = state.words
        func join(_ high: UInt32, _ low: UInt32) -> UInt64 { UInt64(high) << 32 | UInt64(low) }
        return Digest(words: (join(w.0, w.1), join(w.2, w.3), join(w.4, w.5), join(w.6, w.7)))
    }

    private mutating func take(_ byte: UInt8) {
        rest[restByteCount] = byte
        restByteCount += 1
        guard restByteCount == Self.blockByteCount else { return }
        restByteCount = 0
        // The block is a whole one; the call keeps no pointer.
        state = unsafe rest.span.withUnsafeBufferPointer { [state, isPlain] bytes in
            guard let start = bytes.baseAddress else { return state }
            // As above.
            return unsafe isPlain
                ? platform_sha256_plain(state, start, 1) : platform_sha256(state, start, 1)
        }
    }
}
