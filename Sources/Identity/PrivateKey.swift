import Basics
import COpenSSL

/// A node's or an authority's ECDSA P-256 key pair.
///
/// Any number of threads may sign at once.
package final class PrivateKey: Sendable {
    /// 16 KiB: a P-256 key in PEM is 241 bytes.
    static let fileByteCountMax = 16 * 1024

    let handle: KeyHandle
    package let publicKey: PublicKey

    private init(owning pointer: OpaquePointer) throws(IdentityError) {
        handle = KeyHandle(owning: pointer)
        let der = try Libcrypto.der("encode a public key") { i2d_PUBKEY(pointer, $0) }
        guard let publicKey = PublicKey(der: der) else {
            throw .crypto(operation: "take a key that is not ECDSA P-256", code: 0)
        }
        self.publicKey = publicKey
    }

    /// A fresh key from libcrypto's generator.
    package static func generate() throws(IdentityError) -> PrivateKey {
        guard let pointer = openssl_generate_p256() else {
            throw Libcrypto.error("generate a P-256 key")
        }
        return try PrivateKey(owning: pointer)
    }

    /// Reads PEM text (PKCS#8 or SEC 1, not encrypted) from a file of mode 0600.
    package static func load(from path: String) throws(IdentityError) -> PrivateKey {
        let text = try SecureFile.readSecret(path, byteCountMax: fileByteCountMax)
        guard let key = try? PrivateKey(pem: text) else { throw .malformedKey(path: path) }
        return key
    }

    /// The same text from memory, such as an issuing key that was sealed to this node.
    package convenience init(pem text: SecretBytes) throws(IdentityError) {
        let pointer = text.withBytes { bytes -> OpaquePointer? in
            guard let memory = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else {
                return nil
            }
            defer { BIO_free(memory) }
            // An encrypted key would otherwise ask for its password on the terminal.
            return PEM_read_bio_PrivateKey(memory, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let pointer else { throw Libcrypto.error("read a private key") }
        try self.init(owning: pointer)
    }

    /// PKCS#8 in PEM, not encrypted: for the key's own file, or to be sealed.
    package func pem() throws(IdentityError) -> SecretBytes {
        guard let memory = BIO_new(BIO_s_secmem()) else { throw Libcrypto.error("write a key") }
        defer { BIO_free(memory) }
        guard PEM_write_bio_PrivateKey(memory, handle.pointer, nil, nil, 0, nil, nil) == 1 else {
            throw Libcrypto.error("write a key")
        }
        var start: UnsafePointer<CChar>?
        let count = openssl_memory_bytes(memory, &start)
        guard count > 0 else { throw Libcrypto.error("write a key") }
        return SecretBytes(copying: UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Writes the PEM text with mode 0600, whole or not at all.
    package func save(to path: String) throws(IdentityError) {
        let text = try pem()
        try text.withBytes { bytes throws(IdentityError) in
            try SecureFile.write(bytes, to: path, mode: SecureFile.secretMode)
        }
    }

    /// ECDSA over SHA-256 of the bytes, as DER (at most 72 bytes); different each time.
    package func sign(_ bytes: [UInt8]) throws(IdentityError) -> [UInt8] {
        try handle.sign(bytes, hash: EVP_sha256())
    }

    /// The x coordinate of the Diffie-Hellman product (SEC 1 section 3.3.1), for `SealedBox`.
    func agree(with peer: PublicKey) throws(IdentityError) -> SecretBytes {
        try handle.agree(with: peer.handle, byteCount: PublicKey.coordinateByteCount)
    }
}

extension PrivateKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "private key of \(publicKey.nodeID.short)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
