import COpenSSL

/// Why sealed bytes do not open.
package enum SealMistake: Error, Hashable, Sendable {
    case tooShort(byteCount: Int), unknownVersion(UInt8), badKey
    /// Changed on the way, or sealed with another key, counter or associated data.
    case notAuthentic
    case crypto(IdentityError)
}

/// AES-256-GCM (NIST SP 800-38D) under a key that both ends have agreed on.
///
/// For bulk: CURVE copies and ciphers in software, this uses the processor's instructions. Each
/// direction has its own label, hence its own key; within one, every counter is used once. That
/// is the caller's part: a counter sealed twice gives both messages away.
package struct SealedChannel: Sendable {
    package static let tagByteCount = 16
    static let keyByteCount = 32
    static let nonceByteCount = 12

    private let key: SecretBytes
    // First 4 bytes of each nonce; the counter is the other 8 (SP 800-38D section 8.2.1).
    private let noncePrefix: [UInt8]

    /// Derives the direction's key by HKDF.
    ///
    /// - Parameters:
    ///   - secret: at least 16 bytes that only the two ends know.
    ///   - label: which use and direction, such as "bulk a to b".
    ///   - context: what both ends must agree on, such as their node ids.
    package init(secret: SecretBytes, label: String, context: [UInt8] = []) {
        precondition(16 <= secret.count, "a channel secret has at least 16 bytes")
        let label = Array("swiftlet channel v1 \(label)\u{0}".utf8)
        key = MessageCode.derive(
            from: secret,
            salt: [],
            info: label + [1] + context,
            byteCount: Self.keyByteCount
        )
        noncePrefix = MessageCode.derive(
            from: secret,
            salt: [],
            info: label + [2] + context,
            byteCount: 4
        ).withBytes { Array($0) }
    }

    /// The ciphertext with the tag after it: 16 bytes longer than `bytes`.
    package func seal(
        _ bytes: [UInt8],
        counter: UInt64,
        associatedData: [UInt8] = []
    ) throws(SealMistake) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: bytes.count + Self.tagByteCount)
        var failure: SealMistake?
        bytes.withUnsafeBytes { input in
            sealed.withUnsafeMutableBytes { output in
                do throws(SealMistake) {
                    try seal(
                        input,
                        counter: counter,
                        associatedData: associatedData,
                        into: output
                    )
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return sealed
    }

    /// Without a copy: `output` has 16 bytes more than `input`, and may start where it starts.
    package func seal(
        _ input: UnsafeRawBufferPointer,
        counter: UInt64,
        associatedData: [UInt8] = [],
        into output: UnsafeMutableRawBufferPointer
    ) throws(SealMistake) {
        precondition(output.count == input.count + Self.tagByteCount, "room for bytes and tag")
        try GCM.seal(
            input,
            key: key,
            nonce: nonce(counter),
            associatedData: associatedData,
            into: output
        )
    }

    /// The bytes again, where nobody changed them.
    package func open(
        _ sealed: [UInt8],
        counter: UInt64,
        associatedData: [UInt8] = []
    ) throws(SealMistake) -> [UInt8] {
        guard Self.tagByteCount <= sealed.count else { throw .tooShort(byteCount: sealed.count) }
        var bytes = [UInt8](repeating: 0, count: sealed.count - Self.tagByteCount)
        var failure: SealMistake?
        sealed.withUnsafeBytes { input in
            bytes.withUnsafeMutableBytes { output in
                do throws(SealMistake) {
                    try open(
                        input,
                        counter: counter,
                        associatedData: associatedData,
                        into: output
                    )
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Without a copy: `output` has 16 bytes less than `input`.
    ///
    /// It is wiped where this throws.
    package func open(
        _ input: UnsafeRawBufferPointer,
        counter: UInt64,
        associatedData: [UInt8] = [],
        into output: UnsafeMutableRawBufferPointer
    ) throws(SealMistake) {
        guard Self.tagByteCount <= input.count else { throw .tooShort(byteCount: input.count) }
        precondition(output.count == input.count - Self.tagByteCount, "room for the bytes")
        try GCM.open(
            input,
            key: key,
            nonce: nonce(counter),
            associatedData: associatedData,
            into: output
        )
    }

    private func nonce(_ counter: UInt64) -> [UInt8] {
        noncePrefix
            + stride(from: UInt64(56), through: 0, by: -8).map {
                UInt8(truncatingIfNeeded: counter >> $0)
            }
    }
}

extension SealedChannel: CustomStringConvertible, CustomReflectable {
    package var description: String { "sealed channel" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension SealMistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort(let count): "\(count) sealed bytes are too few to hold their tag."
        case .unknownVersion(let version): "Sealed bytes of version \(version) are unknown here."
        case .badKey: "The sealed bytes carry a malformed key."
        case .notAuthentic: "The sealed bytes were changed, or sealed for another key."
        case .crypto(let error): error.description
        }
    }
}

/// One message of AES-256-GCM; bytes, then the tag.
enum GCM {
    static func seal(
        _ input: UnsafeRawBufferPointer,
        key: SecretBytes,
        nonce: [UInt8],
        associatedData: [UInt8],
        into output: UnsafeMutableRawBufferPointer
    ) throws(SealMistake) {
        guard let context = EVP_CIPHER_CTX_new() else { throw failure() }
        defer { EVP_CIPHER_CTX_free(context) }
        let started = key.withBytes { key in
            EVP_EncryptInit_ex(
                context,
                EVP_aes_256_gcm(),
                nil,
                key.bindMemory(to: UInt8.self).baseAddress,
                nonce
            )
        }
        guard started == 1 else { throw failure() }
        var count: Int32 = 0
        if !associatedData.isEmpty {
            let length = Int32(associatedData.count)
            guard EVP_EncryptUpdate(context, nil, &count, associatedData, length) == 1 else {
                throw failure()
            }
        }
        // `output` holds at least the tag, so it has a base.
        let start = output.bindMemory(to: UInt8.self).baseAddress!
        if !input.isEmpty {
            let from = input.bindMemory(to: UInt8.self).baseAddress
            guard let length = Int32(exactly: input.count),
                EVP_EncryptUpdate(context, start, &count, from, length) == 1
            else { throw failure() }
        }
        let tag = start + input.count
        guard EVP_EncryptFinal_ex(context, tag, &count) == 1,
            EVP_CIPHER_CTX_ctrl(
                context,
                EVP_CTRL_AEAD_GET_TAG,
                Int32(SealedChannel.tagByteCount),
                tag
            ) == 1
        else { throw failure() }
    }

    static func open(
        _ input: UnsafeRawBufferPointer,
        key: SecretBytes,
        nonce: [UInt8],
        associatedData: [UInt8],
        into output: UnsafeMutableRawBufferPointer
    ) throws(SealMistake) {
        guard let context = EVP_CIPHER_CTX_new() else { throw failure() }
        defer { EVP_CIPHER_CTX_free(context) }
        let started = key.withBytes { key in
            EVP_DecryptInit_ex(
                context,
                EVP_aes_256_gcm(),
                nil,
                key.bindMemory(to: UInt8.self).baseAddress,
                nonce
            )
        }
        guard started == 1 else { throw failure() }
        var count: Int32 = 0
        if !associatedData.isEmpty {
            let length = Int32(associatedData.count)
            guard EVP_DecryptUpdate(context, nil, &count, associatedData, length) == 1 else {
                throw failure()
            }
        }
        // The caller has seen that `input` holds a tag, so it has a base.
        let from = input.bindMemory(to: UInt8.self).baseAddress!
        var tag = Array(input.suffix(SealedChannel.tagByteCount))
        if let start = output.bindMemory(to: UInt8.self).baseAddress, !output.isEmpty {
            guard let length = Int32(exactly: output.count),
                EVP_DecryptUpdate(context, start, &count, from, length) == 1
            else { throw failure() }
        }
        var rest = [UInt8](repeating: 0, count: 16)
        guard EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1
        else { throw failure() }
        guard EVP_DecryptFinal_ex(context, &rest, &count) == 1 else {
            ERR_clear_error()
            // What was deciphered so far is a stranger's choice: nobody may read it.
            OPENSSL_cleanse(output.baseAddress, output.count)
            throw .notAuthentic
        }
    }

    private static func failure() -> SealMistake { .crypto(Libcrypto.error("use AES-256-GCM")) }
}
