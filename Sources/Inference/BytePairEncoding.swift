/// Byte-pair encoding over bytes (Sennrich 2016; GPT-2's byte-level form).
///
/// A piece starts as one symbol per byte; the adjacent pair with the lowest merge rank is
/// merged, the leftmost on ties, until no pair has a rank. Symbols are numbers, so that a
/// merge is one table look-up: the ids of the vocabulary first, then private numbers for what
/// merges mention but the vocabulary lacks.
///
/// Pairs wait in a heap ordered by (rank, position), and symbols are a linked list: a piece
/// of n bytes costs O(n log n), so that a stranger's long line of one letter is no attack.
struct BytePairEncoding: Sendable {
    private struct Merge {
        let rank: UInt32
        let result: Int32
    }

    /// Buffers of the merge loop, kept from piece to piece.
    struct Scratch {
        fileprivate var symbols: [Int32] = []
        fileprivate var previous: [Int32] = []
        fileprivate var next: [Int32] = []
        /// The rank of the pair that starts here; `noRank` when there is none.
        fileprivate var ranks: [UInt32] = []
        /// Binary heap of `rank << 32 | position`; entries whose rank changed are stale.
        fileprivate var heap: [UInt64] = []
    }

    private static let noRank = UInt32.max

    private let tokenCount: Int
    // Key: left symbol << 32 | right symbol. Looked up only, never iterated.
    private var merges: [UInt64: Merge] = [:]
    private let symbolOfByte: [Int32]
    /// What the private symbols stand for: symbol `tokenCount + i` is `privateBytes[i]`.
    private let privateBytes: [[UInt8]]
    // Tokens by their bytes, for `ignoresMerges`. Looked up only, never iterated.
    private let tokens: [[UInt8]: TokenID]
    /// A piece that is a token is taken whole, whatever the merges would make of it.
    private let ignoresMerges: Bool

    /// - Parameters:
    ///   - tokens: the tokens that text may become, by their bytes: no control tokens.
    ///   - merges: in order of rank, each two words of the GPT-2 byte alphabet and a space.
    init(
        tokens: [[UInt8]: TokenID],
        tokenCount: Int,
        merges lines: [String],
        ignoresMerges: Bool
    ) throws(TokenizerError) {
        var symbols = tokens
        var privateBytes: [[UInt8]] = []
        func intern(_ bytes: [UInt8]) -> Int32 {
            if let symbol = symbols[bytes] { return symbol }
            let symbol = Int32(tokenCount + privateBytes.count)
            symbols[bytes] = symbol
            privateBytes.append(bytes)
            return symbol
        }
        let symbolOfByte = (0...255).map { intern([UInt8($0)]) }
        var merges: [UInt64: Merge] = [:]
        merges.reserveCapacity(lines.count)
        for (index, line) in lines.enumerated() {
            let text = Array(line.utf8)
            // The first word may itself begin with a space in vocabularies of other tools.
            guard let space = text.dropFirst().firstIndex(of: UInt8(ascii: " ")),
                let left = BytePairAlphabet.bytes(of: text[..<space]),
                let right = BytePairAlphabet.bytes(of: text[(space + 1)...]), !right.isEmpty
            else { throw .badMerge(index: index) }
            let pair = Self.key(intern(left), intern(right))
            let merge = Merge(rank: UInt32(index), result: intern(left + right))
            // A pair that is listed twice has the rank of its first line.
            if merges[pair] == nil { merges[pair] = merge }
        }
        self.tokenCount = tokenCount
        self.merges = merges
        self.symbolOfByte = symbolOfByte
        self.privateBytes = privateBytes
        self.tokens = tokens
        self.ignoresMerges = ignoresMerges
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Appends the tokens of one piece.
    ///
    /// A byte that the vocabulary has no token for is left out, as the reference does: some
    /// small vocabularies lack a few control characters and bytes that UTF-8 never uses.
    func encode(_ piece: ArraySlice<UInt8>, scratch: inout Scratch, into ids: inout [TokenID]) {
        if ignoresMerges, let token = tokens[Array(piece)] {
            ids.append(token)
            return
        }
        prepare(piece, in: &scratch)
        mergeAll(in: &scratch)
        var position = 0
        while position < scratch.symbols.count {
            append(scratch.symbols[position], to: &ids)
            position = Int(scratch.next[position])
        }
    }

    private func append(_ symbol: Int32, to ids: inout [TokenID]) {
        if symbol < tokenCount {
            ids.append(symbol)
            return
        }
        for byte in privateBytes[Int(symbol) - tokenCount]
        where symbolOfByte[Int(byte)] < tokenCount {
            ids.append(symbolOfByte[Int(byte)])
        }
    }

    private func prepare(_ piece: ArraySlice<UInt8>, in scratch: inout Scratch) {
        let count = piece.count
        scratch.symbols.removeAll(keepingCapacity: true)
        scratch.previous.removeAll(keepingCapacity: true)
        scratch.next.removeAll(keepingCapacity: true)
        scratch.ranks.removeAll(keepingCapacity: true)
        scratch.heap.removeAll(keepingCapacity: true)
        for (position, byte) in piece.enumerated() {
            scratch.symbols.append(symbolOfByte[Int(byte)])
            scratch.previous.append(Int32(position) - 1)
            scratch.next.append(Int32(position) + 1)
            scratch.ranks.append(Self.noRank)
        }
        for position in 0..<count { rankPair(at: position, in: &scratch) }
    }

    private func mergeAll(in scratch: inout Scratch) {
        let end = scratch.symbols.count
        while let entry = scratch.pop() {
            let position = Int(entry & 0xFFFF_FFFF)
            // Stale when the pair at this position has changed since.
            guard scratch.ranks[position] == UInt32(entry >> 32) else { continue }
            let right = Int(scratch.next[position])
            guard let merge = merges[Self.key(scratch.symbols[position], scratch.symbols[right])]
            else { preconditionFailure("a ranked pair has a merge") }
            let after = Int(scratch.next[right])
            scratch.symbols[position] = merge.result
            scratch.ranks[right] = Self.noRank
            scratch.next[position] = Int32(after)
            if after < end { scratch.previous[after] = Int32(position) }
            rankPair(at: position, in: &scratch)
            let before = Int(scratch.previous[position])
            if 0 <= before { rankPair(at: before, in: &scratch) }
        }
    }

    /// Looks up the pair that starts at `position` and queues it.
    private func rankPair(at position: Int, in scratch: inout Scratch) {
        let right = Int(scratch.next[position])
        guard right < scratch.symbols.count,
            let merge = merges[Self.key(scratch.symbols[position], scratch.symbols[right])]
        else {
            scratch.ranks[position] = Self.noRank
            return
        }
        // The same pair may be queued already; a second entry of it is stale when it comes.
        scratch.ranks[position] = merge.rank
        scratch.push(UInt64(merge.rank) << 32 | UInt64(position))
    }
}

extension BytePairEncoding.Scratch {
    fileprivate mutating func push(_ entry: UInt64) {
        var child = heap.count
        heap.append(entry)
        while 0 < child {
            let parent = (child - 1) / 2
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    fileprivate mutating func pop() -> UInt64? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return top }
        heap[0] = last
        var parent = 0
        while true {
            var least = 2 * parent + 1
            guard least < heap.count else { return top }
            if least + 1 < heap.count, heap[least + 1] < heap[least] { least += 1 }
            guard heap[least] < heap[parent] else { return top }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
