import COpenSSL

/// libcrypto's errors and byte-writing conventions.
enum Libcrypto {
    /// The last error of this thread as ours; the thread's queue is empty afterwards.
    static func error(_ operation: String) -> IdentityError {
        let code = ERR_get_error()
        ERR_clear_error()
        return .crypto(operation: operation, code: code)
    }

    /// libcrypto's own words for a code.
    static func text(of code: UInt) -> String {
        guard code != 0 else { return "none given" }
        var buffer = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(code, &buffer, buffer.count)
        return String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
            as: UTF8.self
        )
    }

    /// Runs an `i2d_…` call: first for the length, then into memory of that length.
    static func der(
        _ operation: String,
        _ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
    ) throws(IdentityError) -> [UInt8] {
        let count = encode(nil)
        guard count > 0 else { throw error(operation) }
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, written in
            var next = buffer.baseAddress
            written = max(0, min(Int(encode(&next)), Int(count)))
        }
        guard bytes.count == Int(count) else { throw error(operation) }
        return bytes
    }

    /// Runs a `d2i_…` call; nil where it fails or leaves bytes over.
    static func parse(
        _ bytes: [UInt8],
        _ decode: (UnsafeMutablePointer<UnsafePointer<UInt8>?>, Int) -> OpaquePointer?,
        _ free: (OpaquePointer?) -> Void
    ) -> OpaquePointer? {
        defer { ERR_clear_error() }
        return bytes.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            guard let value = decode(&next, buffer.count) else { return nil }
            guard let next, let start = buffer.baseAddress, next == start + buffer.count else {
                free(value)
                return nil
            }
            return value
        }
    }
}

/// An EVP_PKEY, freed once.
///
/// Shared by whoever holds the key: openssl-threads(7) allows one EVP_PKEY to be used by many
/// threads as long as none changes it, and nothing here changes one after `init`.
// Sendable although it holds a pointer: see above; libcrypto locks its own caches and counts.
final class KeyHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes ownership.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }

    /// The private key of X25519 or Ed25519, by its NID, that 32 bytes are.
    convenience init(_ kind: Int32, secret: SecretBytes) throws(IdentityError) {
        let pointer = secret.withBytes { bytes in
            EVP_PKEY_new_raw_private_key(
                kind, nil, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        }
        guard let pointer else { throw Libcrypto.error("take a private key") }
        self.init(owning: pointer)
    }

    /// Of such a key: 32 bytes.
    func rawPublicKey() throws(IdentityError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(pointer, &bytes, &count) == 1, count == bytes.count
        else { throw Libcrypto.error("compute a public key") }
        return bytes
    }

    /// - Parameter hash: of the bytes, which is signed; nil where the scheme has its own.
    func sign(_ bytes: [UInt8], hash: OpaquePointer?) throws(IdentityError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw Libcrypto.error("sign") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestSignInit(context, nil, hash, nil, pointer) == 1 else {
            throw Libcrypto.error("sign")
        }
        var count = 0
        guard EVP_DigestSign(context, nil, &count, bytes, bytes.count) == 1 else {
            throw Libcrypto.error("sign")
        }
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1 else {
            throw Libcrypto.error("sign")
        }
        return Array(signature.prefix(count))
    }

    /// Whether it is this key's signature, made with the same hash.
    func verify(_ signature: [UInt8], over bytes: [UInt8], hash: OpaquePointer?) -> Bool {
        defer { ERR_clear_error() }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        // 1 is the only yes; 0 is no and negative numbers are malformed signatures.
        return EVP_DigestVerifyInit(context, nil, hash, nil, pointer) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }

    /// The Diffie-Hellman product of this private key and a public one of the same curve.
    func agree(with peer: KeyHandle, byteCount: Int) throws(IdentityError) -> SecretBytes {
        guard let context = EVP_PKEY_CTX_new(pointer, nil) else {
            throw Libcrypto.error("agree on a key")
        }
        defer { EVP_PKEY_CTX_free(context) }
        var count = byteCount
        var done = EVP_PKEY_derive_init(context) == 1
        done = done && EVP_PKEY_derive_set_peer(context, peer.pointer) == 1
        let secret = SecretBytes(count: count) { memory in
            let start = memory.bindMemory(to: UInt8.self).baseAddress
            done = done && EVP_PKEY_derive(context, start, &count) == 1
        }
        guard done, count == secret.count else { throw Libcrypto.error("agree on a key") }
        return secret
    }
}

/// A parsed X.509 certificate, freed once.
struct CertificateHandle: ~Copyable {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    /// Nil where the bytes are not one certificate in its one DER form.
    init?(der: [UInt8]) {
        let parsed = Libcrypto.parse(der, { d2i_X509(nil, $0, $1) }, { X509_free($0) })
        guard let parsed else { return nil }
        // BER has many forms for one value. Only the one that libcrypto writes is taken, or a
        // certificate would have several fingerprints.
        guard let again = try? Self.encode(parsed), again == der else {
            X509_free(parsed)
            return nil
        }
        self.pointer = parsed
    }

    borrowing func encoded() throws(IdentityError) -> [UInt8] { try Self.encode(pointer) }

    private static func encode(_ pointer: OpaquePointer) throws(IdentityError) -> [UInt8] {
        try Libcrypto.der("encode a certificate") { i2d_X509(pointer, $0) }
    }

    deinit { X509_free(pointer) }
}

/// A PKCS#10 request, freed once.
struct RequestHandle: ~Copyable {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    init?(der: [UInt8]) {
        let parsed = Libcrypto.parse(der, { d2i_X509_REQ(nil, $0, $1) }, { X509_REQ_free($0) })
        guard let parsed else { return nil }
        self.pointer = parsed
    }

    deinit { X509_REQ_free(pointer) }
}
