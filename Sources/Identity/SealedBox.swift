import COpenSSL

/// A secret sealed to the holder of one public key, such as the issuing key to a voter.
///
///     version (1 byte, 1) | x | y of a fresh P-256 key (64 bytes) | AES-256-GCM bytes | tag
///
/// ECIES in its usual composition (SEC 1 section 5.1): the ephemeral key and the receiver's agree
/// on a secret, HKDF bound to both public keys and to the purpose makes the cipher key, which is
/// used once, so the nonce is zero. The node's signing key is the receiver: the two uses are
/// kept apart by the derivation, and a second key would need a second place in the certificate.
package enum SealedBox {
    static let version: UInt8 = 1
    static let headByteCount = 1 + 2 * PublicKey.coordinateByteCount
    package static let overheadByteCount = headByteCount + SealedChannel.tagByteCount

    /// - Parameter purpose: what the secret is for; opening needs the same words.
    package static func seal(
        _ secret: SecretBytes,
        to receiver: PublicKey,
        purpose: String
    ) throws(SealMistake) -> [UInt8] {
        let ephemeral: PrivateKey
        let shared: SecretBytes
        do throws(IdentityError) {
            ephemeral = try PrivateKey.generate()
            shared = try ephemeral.agree(with: receiver)
        } catch { throw .crypto(error) }
        let key = key(shared, ephemeral.publicKey, receiver, purpose)
        let head = [version] + ephemeral.publicKey.coordinates
        var body = [UInt8](repeating: 0, count: secret.count + SealedChannel.tagByteCount)
        var failure: SealMistake?
        secret.withBytes { input in
            body.withUnsafeMutableBytes { output in
                do throws(SealMistake) {
                    try GCM.seal(input, key: key, nonce: nonce, associatedData: head, into: output)
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return head + body
    }

    package static func open(
        _ sealed: [UInt8],
        with receiver: PrivateKey,
        purpose: String
    ) throws(SealMistake) -> SecretBytes {
        guard overheadByteCount < sealed.count else { throw .tooShort(byteCount: sealed.count) }
        guard sealed[0] == version else { throw .unknownVersion(sealed[0]) }
        let head = Array(sealed[..<headByteCount])
        // libcrypto refuses points that are not on the curve, so the product leaks nothing.
        guard let ephemeral = PublicKey(coordinates: head.dropFirst()) else { throw .badKey }
        let shared: SecretBytes
        do throws(IdentityError) { shared = try receiver.agree(with: ephemeral) } catch {
            throw .crypto(error)
        }
        let key = key(shared, ephemeral, receiver.publicKey, purpose)
        var failure: SealMistake?
        let secret = SecretBytes(count: sealed.count - overheadByteCount) { output in
            sealed.withUnsafeBytes { input in
                let body = UnsafeRawBufferPointer(rebasing: input[headByteCount...])
                do throws(SealMistake) {
                    try GCM.open(
                        body,
                        key: key,
                        nonce: nonce,
                        associatedData: head,
                        into: output
                    )
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return secret
    }

    private static let nonce = [UInt8](repeating: 0, count: SealedChannel.nonceByteCount)

    private static func key(
        _ shared: SecretBytes,
        _ ephemeral: PublicKey,
        _ receiver: PublicKey,
        _ purpose: String
    ) -> SecretBytes {
        let info = Array("swiftlet box v1\n".utf8) + ephemeral.der + receiver.der
        return MessageCode.derive(
            from: shared,
            salt: [],
            info: info + Array(purpose.utf8),
            byteCount: SealedChannel.keyByteCount
        )
    }
}
