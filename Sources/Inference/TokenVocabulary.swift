/// What a grammar must know of a vocabulary: the bytes of each token, and which tokens end.
///
/// Control tokens have no bytes here, so that no grammar ever allows one.
package struct TokenVocabulary: Sendable {
    package let tokenCount: Int
    /// Ascending; allowed by a grammar where a document is complete.
    package let endOfGeneration: [TokenID]
    let pieces: [[UInt8]]
    let trie: TokenTrie
    let strings: TokenStrings
    /// Tells vocabularies apart, for caches (FNV-1a over all pieces).
    let fingerprint: UInt64

    /// - Parameter pieces: the bytes of each token by its id; none for a control token.
    package init(pieces: [[UInt8]], endOfGeneration: [TokenID]) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for piece in pieces {
            for byte in piece { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = (hash ^ 0x100) &* 0x100_0000_01B3
        }
        tokenCount = pieces.count
        self.endOfGeneration = endOfGeneration.sorted()
        self.pieces = pieces
        trie = TokenTrie(pieces: pieces)
        strings = TokenStrings(pieces: pieces)
        fingerprint = hash
    }

    /// Sorts the whole vocabulary: tens of milliseconds, so make it once for a model.
    package init(_ tokenizer: Tokenizer) {
        self.init(
            pieces: (0..<tokenizer.tokenCount).map { Array(tokenizer.bytes(of: TokenID($0))) },
            endOfGeneration: tokenizer.endOfGeneration
        )
    }

    /// Tokens that spell these bytes, each as long as possible; nil when one cannot be spelt.
    ///
    /// Not what the tokenizer would choose, but it also takes half a character: for bytes that
    /// a grammar forces.
    package func spell(_ bytes: [UInt8]) -> [TokenID]? {
        var tokens: [TokenID] = []
        var position = 0
        while position < bytes.count {
            guard let next = trie.longestToken(in: bytes[position...]) else { return nil }
            tokens.append(next.token)
            position += next.byteCount
        }
        return tokens
    }
}
