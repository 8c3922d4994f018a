package import Basics
internal import CPlatform

/// SHA-256 of a machine's state, by the host's instructions where it has them.
///
/// A state is megabytes, and tests and replays hash many; where the instructions are missing the
/// plain code of Basics gives the same digest, only later.
package struct StateHash {
    /// Enough to make the calls few.
    private static let pendingByteCountMax = 1 << 14
    private static let isHosted = platform_has_sha256()

    private var plain: SHA256?
    /// FIPS 180-4 section 5.3.3.
    private var state = platform_sha256_state(
        words: (
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
            0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19
        ))
    private var pending: [UInt8] = []
    private var byteCount: UInt64 = 0

    /// With `usesHost` false by plain code, which is what it is compared with.
    package init(usesHost: Bool = true) {
        if !usesHost || !Self.isHosted { plain = SHA256() }
    }

    package mutating func update(_ bytes: [UInt8]) {
        guard plain == nil else {
            plain?.update(bytes)
            return
        }
        byteCount &+= UInt64(bytes.count)
        pending += bytes
        if pending.count >= Self.pendingByteCountMax { compress() }
    }

    /// The 4,096 bytes of a page.
    mutating func update(page address: UInt64, of window: MemoryWindow) {
        guard plain == nil else {
            plain?.update(window.bytes(address, 4096))
            return
        }
        byteCount &+= 4096
        window.append(page: address, to: &pending)
        if pending.count >= Self.pendingByteCountMax { compress() }
    }

    package mutating func finish() -> Digest {
        if let plain { return plain.finish() }
        let bitCount = byteCount &* 8
        pending.append(0x80)
        while pending.count % 64 != 56 { pending.append(0) }
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            pending.append(UInt8(truncatingIfNeeded: bitCount >> shift))
        }
        compress()
        let w = state.words
        var bytes: [UInt8] = []
        for word in [w.0, w.1, w.2, w.3, w.4, w.5, w.6, w.7] {
            bytes.append(littleEndian: word.byteSwapped)
        }
        guard let digest = Digest(bytes: bytes) else {
            preconditionFailure("eight words are the bytes of a digest")
        }
        return digest
    }

    /// All whole blocks.
    private mutating func compress() {
        let count = pending.count / 64
        // The blocks are the buffer's, and the call keeps no pointer.
        state = unsafe pending.withUnsafeBufferPointer { [state] bytes in
            guard let start = bytes.baseAddress else { return state }
            // As above.
            return unsafe platform_sha256(state, start, count)
        }
        pending.removeFirst(64 * count)
    }
}
