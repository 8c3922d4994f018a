import COpenSSL

/// The Curve25519 key pair of a node's ZeroMQ CURVE sockets (RFC 7748; ZeroMQ RFC 26).
///
/// A CURVE pair is exactly an X25519 pair, so libcrypto makes it. Two nodes also agree by them on
/// what opens their bulk connections.
package struct CurveKeyPair: Sendable, Equatable {
    package static let byteCount = 32

    /// 32 bytes; stands in the node's certificate.
    package let publicKey: [UInt8]
    /// 32 bytes, for the socket option.
    package let secret: SecretBytes

    package static func generate() throws(IdentityError) -> CurveKeyPair {
        guard let pointer = openssl_generate_x25519() else {
            throw Libcrypto.error("generate an X25519 key")
        }
        let key = KeyHandle(owning: pointer)
        var count = byteCount
        var done = false
        let secret = SecretBytes(count: byteCount) { memory in
            let start = memory.bindMemory(to: UInt8.self).baseAddress
            done = EVP_PKEY_get_raw_private_key(key.pointer, start, &count) == 1
        }
        guard done, count == byteCount else { throw Libcrypto.error("read an X25519 key") }
        return try CurveKeyPair(secret: secret)
    }

    /// The pair that belongs to a secret of 32 bytes.
    package init(secret: SecretBytes) throws(IdentityError) {
        publicKey = try KeyHandle(NID_X25519, secret: secret).rawPublicKey()
        self.secret = secret
    }

    /// The Diffie-Hellman product with another pair's public key (RFC 7748 section 6.1); it
    /// takes some 60 µs.
    ///
    /// Throws where that is no key of 32 bytes, or one whose product is the same with every pair.
    package func agree(with peer: [UInt8]) throws(IdentityError) -> SecretBytes {
        let own = try KeyHandle(NID_X25519, secret: secret)
        guard let pointer = EVP_PKEY_new_raw_public_key(NID_X25519, nil, peer, peer.count) else {
            throw Libcrypto.error("take an X25519 key")
        }
        return try own.agree(with: KeyHandle(owning: pointer), byteCount: Self.byteCount)
    }

    /// The public key as ZeroMQ prints keys: 40 characters.
    package var publicText: String { Z85.encode(publicKey) ?? "" }

    /// Reads the 32 secret bytes from a file of mode 0600.
    package static func load(from path: String) throws(IdentityError) -> CurveKeyPair {
        let secret = try SecureFile.readSecret(path, byteCountMax: byteCount)
        guard secret.count == byteCount else { throw .malformedKey(path: path) }
        return try CurveKeyPair(secret: secret)
    }

    /// Writes the 32 secret bytes with mode 0600; the public ones follow from them.
    package func save(to path: String) throws(IdentityError) {
        try secret.withBytes { bytes throws(IdentityError) in
            try SecureFile.write(bytes, to: path, mode: SecureFile.secretMode)
        }
    }
}

extension CurveKeyPair: CustomStringConvertible {
    package var description: String { "CURVE key pair of \(publicText)" }
}

/// Z85 (ZeroMQ RFC 32): five characters for each four bytes.
package enum Z85 {
    private static let alphabet = Array(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
            .utf8
    )

    /// Nil where the byte count is no multiple of four.
    package static func encode(_ bytes: [UInt8]) -> String? {
        guard bytes.count.isMultiple(of: 4) else { return nil }
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count / 4 * 5)
        for start in stride(from: 0, to: bytes.count, by: 4) {
            let word = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            var divisor: UInt32 = 85 * 85 * 85 * 85
            while divisor > 0 {
                text.append(alphabet[Int(word / divisor % 85)])
                divisor /= 85
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil where the length is no multiple of five, a character is foreign, or five of them say
    /// more than 32 bits hold.
    package static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 5) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 5 * 4)
        for start in stride(from: 0, to: characters.count, by: 5) {
            var word: UInt64 = 0
            for character in characters[start..<start + 5] {
                guard let digit = alphabet.firstIndex(of: character) else { return nil }
                word = word * 85 + UInt64(digit)
            }
            guard let value = UInt32(exactly: word) else { return nil }
            for shift in stride(from: UInt32(24), through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        return bytes
    }
}
