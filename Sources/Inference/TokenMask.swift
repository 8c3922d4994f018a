/// Which tokens of a vocabulary may come next: one bit for each.
package struct TokenMask: Hashable, Sendable {
    package let tokenCount: Int
    private var words: [UInt64]

    /// A mask that allows nothing.
    package init(tokenCount: Int) {
        self.tokenCount = tokenCount
        words = Array(repeating: 0, count: (tokenCount + 63) / 64)
    }

    /// Whether a token is allowed; false outside the vocabulary.
    package subscript(token: TokenID) -> Bool {
        guard 0 <= token, token < tokenCount else { return false }
        return words[Int(token) >> 6] >> (UInt64(token) & 63) & 1 == 1
    }

    mutating func allow(_ token: TokenID) {
        words[Int(token) >> 6] |= 1 << (UInt64(token) & 63)
    }

    /// Allows what another mask of the same vocabulary allows.
    mutating func formUnion(_ other: TokenMask) {
        precondition(tokenCount == other.tokenCount, "masks of two vocabularies")
        for index in words.indices { words[index] |= other.words[index] }
    }

    /// Calls with ranges of forbidden tokens, rising; the last ones may lie outside.
    func forEachForbiddenRange(_ body: (Range<Int>) -> Void) {
        for (index, word) in words.enumerated() where word != .max {
            if word == 0 {
                body(index * 64..<index * 64 + 64)
                continue
            }
            var rest = ~word
            while rest != 0 {
                let start = rest.trailingZeroBitCount
                let length = (~(rest >> UInt64(start))).trailingZeroBitCount
                body(index * 64 + start..<index * 64 + start + length)
                // A shift by 64 leaves 0.
                rest &= ~0 << UInt64(start + length)
            }
        }
    }

    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    package var allowedCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// The allowed tokens, ascending.
    package var allowed: [TokenID] {
        var tokens: [TokenID] = []
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                tokens.append(TokenID(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return tokens
    }
}
