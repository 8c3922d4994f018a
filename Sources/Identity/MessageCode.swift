import COpenSSL

/// Keyed and derived values over SHA-256: HMAC (RFC 2104), HKDF (RFC 5869), comparison.
package enum MessageCode {
    package static let byteCount = 32

    /// HMAC-SHA-256.
    package static func hmac(_ bytes: [UInt8], key: SecretBytes) -> [UInt8] {
        key.withBytes { hmac(bytes, key: $0) }
    }

    /// True where both are the same; takes the same time wherever they differ.
    package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }

    /// HKDF-SHA-256: extract with `salt`, then expand to `byteCount` bytes (at most 8,160).
    package static func derive(
        from secret: SecretBytes,
        salt: [UInt8],
        info: [UInt8],
        byteCount: Int
    ) -> SecretBytes {
        precondition((1...255 * Self.byteCount).contains(byteCount), "HKDF of \(byteCount) bytes")
        // Section 2.2: without a salt, a string of zeros as long as the hash.
        let salt = salt.isEmpty ? [UInt8](repeating: 0, count: Self.byteCount) : salt
        var input = secret.withBytes { Array($0) }
        var key = salt.withUnsafeBytes { hmac(input, key: $0) }
        var output: [UInt8] = []
        var block: [UInt8] = []
        var index: UInt8 = 1
        // Section 2.3: T(i) = HMAC(PRK, T(i - 1) | info | i).
        while output.count < byteCount {
            block = key.withUnsafeBytes { hmac(block + info + [index], key: $0) }
            output += block
            index &+= 1
        }
        defer {
            wipe(&input)
            wipe(&key)
            wipe(&block)
            wipe(&output)
        }
        return SecretBytes(count: byteCount) { memory in
            memory.copyBytes(from: output.prefix(byteCount))
        }
    }

    static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }

    private static func hmac(_ bytes: [UInt8], key: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, written in
            var length: UInt32 = 0
            let code = HMAC(
                EVP_sha256(),
                key.baseAddress,
                Int32(key.count),
                bytes,
                bytes.count,
                buffer.baseAddress,
                &length
            )
            // HMAC with SHA-256 fails only where libcrypto has no memory left.
            precondition(code != nil && length == byteCount, "libcrypto could not make an HMAC")
            written = byteCount
        }
    }
}
