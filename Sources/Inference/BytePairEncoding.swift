/// Byte-pair encoding over bytes (Sennrich 2016; GPT-2's byte-level form).
///
/// A piece starts as one symbol per byte; `TokenizerMerging` joins them by the rank of their
/// merge. Symbols are numbers, so that a merge is one table look-up: the ids of the vocabulary
/// first, then private numbers for what merges mention but the vocabulary lacks.
struct BytePairEncoding: Sendable, MergeRule {
    /// 2^22: eight times the merges of the largest known vocabulary.
    static let mergeCountMax = 1 << 22

    private let tokenCount: Int
    private let merges: TokenizerPairs
    private let symbolOfByte: [Int32]
    /// All words by their bytes, the private ones too.
    private let words: TokenizerTable
    /// Where the words of private symbols stand in `words`, in the order of their numbers.
    private let privateWords: [Int]
    /// A piece that is a token is taken whole, whatever the merges would make of it.
    private let ignoresMerges: Bool

    /// - Parameters:
    ///   - tokens: the tokens that text may become, by their bytes: no control tokens.
    ///   - merges: in order of rank, each two words of the GPT-2 byte alphabet and a space.
    init(
        tokens: TokenizerTable,
        tokenCount: Int,
        merges lines: [String],
        ignoresMerges: Bool
    ) throws(TokenizerError) {
        guard lines.count <= Self.mergeCountMax else {
            throw .tooManyMerges(count: lines.count, limit: Self.mergeCountMax)
        }
        var words = tokens
        var privateWords: [Int] = []
        func intern(_ bytes: ArraySlice<UInt8>) throws(TokenizerError) -> Int32 {
            let fresh = Int32(tokenCount + privateWords.count)
            let symbol = try words.intern(bytes, as: fresh)
            if symbol == fresh { privateWords.append(words.count - 1) }
            return symbol
        }
        var symbolOfByte: [Int32] = []
        for byte in UInt8.min...UInt8.max { symbolOfByte.append(try intern([byte])) }
        var merges = TokenizerPairs(capacity: lines.count)
        for (index, line) in lines.enumerated() {
            let text = Array(line.utf8)
            // The first word may itself begin with a space in vocabularies of other tools.
            guard let space = text.dropFirst().firstIndex(of: UInt8(ascii: " ")),
                let left = BytePairAlphabet.bytes(of: text[..<space]),
                let right = BytePairAlphabet.bytes(of: text[(space + 1)...]), !right.isEmpty
            else { throw .badMerge(index: index) }
            let result = try intern((left + right)[...])
            // A pair that is listed twice has the rank of its first line.
            try merges.insert(
                try intern(left[...]), try intern(right[...]),
                UInt64(index) << 32 | UInt64(UInt32(bitPattern: result)))
        }
        self.tokenCount = tokenCount
        self.merges = merges
        self.symbolOfByte = symbolOfByte
        self.words = words
        self.privateWords = privateWords
        self.ignoresMerges = ignoresMerges
    }

    func merge(_ left: Int32, _ right: Int32, bytes: Range<Int>) -> UInt64? {
        merges.value(left, right)
    }

    /// Appends the tokens of one piece.
    ///
    /// A byte that the vocabulary has no token for is left out, as the reference does: some
    /// small vocabularies lack a few control characters and bytes that UTF-8 never uses.
    func encode(
        _ piece: ArraySlice<UInt8>,
        merging: inout TokenizerMerging,
        into ids: inout [TokenID]
    ) {
        if ignoresMerges, let token = words.value(of: piece), token < tokenCount {
            ids.append(token)
            return
        }
        merging.reset()
        for (offset, byte) in piece.enumerated() {
            merging.append(symbolOfByte[Int(byte)], at: offset)
        }
        merging.run(self, end: piece.count)
        merging.forEach { symbol, _ in append(symbol, to: &ids) }
    }

    private func append(_ symbol: Int32, to ids: inout [TokenID]) {
        if symbol < tokenCount {
            ids.append(symbol)
            return
        }
        for byte in words.word(privateWords[Int(symbol) - tokenCount])
        where symbolOfByte[Int(byte)] < tokenCount {
            ids.append(symbolOfByte[Int(byte)])
        }
    }
}
