package import Basics

/// Seals what travels on the bulk plane, with AES-256-GCM under the keys that hellos carried, and
/// tells peers from strangers by tickets.
///
/// Nonces, the change of keys and the window against replay are the cipher's; so is binding both
/// node ids into each seal. The plane calls `seal` and `open` in the order in which messages leave
/// and arrive, one call at a time.
package protocol BulkCipher: Sendable {
    /// The frames, one after the other, sealed for one receiver. Throws where there is no key.
    func seal(_ frames: [[UInt8]], to receiver: NodeID) throws -> [UInt8]

    /// The plaintext of what `sender` sealed for this node. Throws where one bit is different,
    /// where there is no key, and where it was opened before.
    func open(_ sealed: [UInt8], from sender: NodeID) throws -> [UInt8]

    /// What this node shows to `listener` when it dials it: 1 to 255 bytes, which only these two
    /// can compute. Nil where nothing is known of the listener.
    func ticket(for listener: NodeID) -> [UInt8]?

    /// Whether this is what `dialler` shows to this node; false where nothing is known of it.
    ///
    /// Strangers may have it asked as often as they like: it is to be cheap, and to take the same
    /// time wherever the two differ.
    func isTicket(_ bytes: [UInt8], of dialler: NodeID) -> Bool
}

/// The plaintext of a bulk message: the header's length (32 bits, little-endian), the header, the
/// payload.
package enum BulkFraming {
    /// 1 MiB: decoded, a header may take fifty times as much. The longest honest ones open
    /// sessions: a prompt of 131,072 token ids is under 0.5 MB of it.
    package static let headerByteCountMax = 1 << 20
    static let prefixByteCount = 4

    static func prefix(headerByteCount: Int) -> [UInt8] {
        let count = UInt32(headerByteCount)
        return (0..<UInt32(prefixByteCount)).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    }

    /// Nil where the header would be longer than all there is, or than it may be.
    static func split(_ plaintext: [UInt8]) -> (header: [UInt8], payload: [UInt8])? {
        guard plaintext.count >= prefixByteCount else { return nil }
        let count = (0..<prefixByteCount).reversed().reduce(0) { $0 << 8 | Int(plaintext[$1]) }
        guard count <= min(headerByteCountMax, plaintext.count - prefixByteCount)
        else { return nil }
        let end = prefixByteCount + count
        return (Array(plaintext[prefixByteCount..<end]), Array(plaintext[end...]))
    }
}
