package import Basics

/// Seals what travels on the bulk plane, with AES-256-GCM under the keys that hellos carried.
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
}

/// The plaintext of a bulk message: the header's length (32 bits, little-endian), the header, the
/// payload.
enum BulkFraming {
    static let prefixByteCount = 4

    static func prefix(headerByteCount: Int) -> [UInt8] {
        let count = UInt32(headerByteCount)
        return (0..<UInt32(prefixByteCount)).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    }

    /// Nil where the header would be longer than all there is.
    static func split(_ plaintext: [UInt8]) -> (header: [UInt8], payload: [UInt8])? {
        guard plaintext.count >= prefixByteCount else { return nil }
        let count = (0..<prefixByteCount).reversed().reduce(0) { $0 << 8 | Int(plaintext[$1]) }
        guard count <= plaintext.count - prefixByteCount else { return nil }
        let end = prefixByteCount + count
        return (Array(plaintext[prefixByteCount..<end]), Array(plaintext[end...]))
    }
}
