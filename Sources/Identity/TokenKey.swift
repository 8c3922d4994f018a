import COpenSSL

/// The Ed25519 key (RFC 8032) whose seed is the secret of a join token.
///
/// A joiner signs with it; the mesh keeps no more than its public half, so that whoever reads a
/// node's disk can let nobody in.
package struct TokenKey: Sendable {
    private let handle: KeyHandle
    /// 32 bytes: what the replicated log keeps of the token's secret.
    package let publicKey: [UInt8]

    /// - Parameter secret: 32 bytes.
    package init(secret: SecretBytes) throws(IdentityError) {
        handle = try KeyHandle(NID_ED25519, secret: secret)
        publicKey = try handle.rawPublicKey()
    }

    /// 64 bytes, the same each time.
    package func sign(_ bytes: [UInt8]) throws(IdentityError) -> [UInt8] {
        try handle.sign(bytes, hash: nil)
    }

    /// True where `signature` is that of the key with this public half over the bytes.
    package static func verify(
        _ signature: [UInt8], of publicKey: [UInt8], over bytes: [UInt8]
    ) -> Bool {
        let pointer = EVP_PKEY_new_raw_public_key(NID_ED25519, nil, publicKey, publicKey.count)
        guard let pointer else {
            ERR_clear_error()
            return false
        }
        return KeyHandle(owning: pointer).verify(signature, over: bytes, hash: nil)
    }
}
