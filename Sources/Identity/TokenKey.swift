import COpenSSL

/// The Ed25519 key (RFC 8032) whose seed is the secret of a join token.
///
/// A joiner signs with it; the mesh keeps no more than its public half, so that whoever reads a
/// node's disk can let nobody in.
package struct TokenKey: Sendable {
    package static let signatureByteCount = 64

    private let handle: KeyHandle
    /// 32 bytes: what the replicated log keeps of the token's secret.
    package let publicKey: [UInt8]

    /// - Parameter secret: 32 bytes.
    package init(secret: SecretBytes) throws(IdentityError) {
        let pointer = secret.withBytes { bytes in
            EVP_PKEY_new_raw_private_key(
                NID_ED25519, nil, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        }
        guard let pointer else { throw Libcrypto.error("take an Ed25519 key") }
        handle = KeyHandle(owning: pointer)
        var publicKey = [UInt8](repeating: 0, count: JoinToken.secretByteCount)
        var count = publicKey.count
        guard EVP_PKEY_get_raw_public_key(pointer, &publicKey, &count) == 1,
            count == publicKey.count
        else { throw Libcrypto.error("compute an Ed25519 public key") }
        self.publicKey = publicKey
    }

    /// 64 bytes, the same each time.
    package func sign(_ bytes: [UInt8]) throws(IdentityError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw Libcrypto.error("sign") }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: Self.signatureByteCount)
        var count = signature.count
        guard EVP_DigestSignInit(context, nil, nil, nil, handle.pointer) == 1,
            EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1,
            count == signature.count
        else { throw Libcrypto.error("sign") }
        return signature
    }

    /// True where `signature` is that of the key with this public half over the bytes.
    package static func verify(
        _ signature: [UInt8], of publicKey: [UInt8], over bytes: [UInt8]
    ) -> Bool {
        defer { ERR_clear_error() }
        guard
            let pointer = EVP_PKEY_new_raw_public_key(
                NID_ED25519, nil, publicKey, publicKey.count)
        else { return false }
        let key = KeyHandle(owning: pointer)
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key.pointer) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }
}
