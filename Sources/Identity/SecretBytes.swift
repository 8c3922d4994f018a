import COpenSSL

/// Bytes that nobody may see: wiped when dropped, absent from every description and dump.
///
/// A class, so that handing it round copies nothing.
// Sendable although it holds a pointer: the memory is written in `init` and only read after it.
package final class SecretBytes: @unchecked Sendable {
    private let memory: UnsafeMutableRawPointer
    package let count: Int

    /// Memory that `fill` writes.
    init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        precondition(0 < count, "a secret of no bytes")
        memory = .allocate(byteCount: count, alignment: 16)
        self.count = count
        fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
    }

    /// A copy; the caller's own bytes are the caller's to wipe.
    package convenience init(copying bytes: [UInt8]) {
        self.init(count: bytes.count) { memory in memory.copyBytes(from: bytes) }
    }

    convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { memory in memory.copyMemory(from: bytes) }
    }

    /// Fresh bytes from libcrypto's generator for private keys.
    package convenience init(randomCount count: Int) {
        self.init(count: count) { memory in Random.fill(memory, isPrivate: true) }
    }

    /// Lends the bytes for the length of the closure, which must not keep the pointer.
    package func withBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    deinit {
        OPENSSL_cleanse(memory, count)
        memory.deallocate()
    }
}

extension SecretBytes: Equatable {
    /// Takes the same time wherever the bytes differ.
    package static func == (left: SecretBytes, right: SecretBytes) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left.memory, right.memory, left.count) == 0
    }
}

extension SecretBytes: CustomStringConvertible, CustomReflectable {
    package var description: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Chance for keys, serials and nonces, from libcrypto's seeded generator.
package enum Random {
    package static func bytes(count: Int) -> [UInt8] {
        precondition(0 <= count, "\(count) random bytes")
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { fill($0, isPrivate: false) }
        return bytes
    }

    static func fill(_ memory: UnsafeMutableRawBufferPointer, isPrivate: Bool) {
        guard let start = memory.bindMemory(to: UInt8.self).baseAddress else { return }
        let count = Int32(memory.count)
        let done = isPrivate ? RAND_priv_bytes(start, count) : RAND_bytes(start, count)
        // Going on without chance would make guessable keys; there is no caller who could help.
        precondition(done == 1, "libcrypto has no source of chance")
    }
}
