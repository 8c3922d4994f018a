/// Which two neighbours may become one symbol, and how urgently.
protocol MergeRule {
    /// `rank << 32 | result`, the lowest rank first; nil when the two do not join.
    ///
    /// - Parameter bytes: where the two stand together in the piece.
    func merge(_ left: Int32, _ right: Int32, bytes: Range<Int>) -> UInt64?
}

/// The merge loop of byte-pair encoding, and its buffers, kept from piece to piece.
///
/// The adjacent pair with the lowest rank is merged, the leftmost on ties, until no pair has a
/// rank. Pairs wait in a heap ordered by (rank, position), and symbols are a linked list: a piece
/// of n symbols costs O(n log n), so that a stranger's long line of one letter is no attack.
struct TokenizerMerging {
    private static let noRank = UInt32.max

    private var symbols: [Int32] = []
    /// Where each symbol starts in the piece, and at last where the piece ends.
    private var starts: [Int32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    /// The rank of the pair that starts here, `noRank` when there is none, and its result.
    private var ranks: [UInt32] = []
    private var results: [Int32] = []
    /// Binary heap of `rank << 32 | position`; entries whose rank changed are stale.
    private var heap: [UInt64] = []

    /// Begins a piece without symbols.
    mutating func reset() {
        symbols.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        next.removeAll(keepingCapacity: true)
        ranks.removeAll(keepingCapacity: true)
        results.removeAll(keepingCapacity: true)
        heap.removeAll(keepingCapacity: true)
    }

    mutating func append(_ symbol: Int32, at start: Int) {
        let position = Int32(symbols.count)
        symbols.append(symbol)
        starts.append(Int32(start))
        previous.append(position - 1)
        next.append(position + 1)
        ranks.append(Self.noRank)
        results.append(0)
    }

    /// Merges what can be merged.
    mutating func run(_ rule: some MergeRule, end: Int) {
        starts.append(Int32(end))
        let count = symbols.count
        for position in symbols.indices { rankPair(at: position, rule) }
        while let entry = pop() {
            let position = Int(entry & 0xFFFF_FFFF)
            // Stale when the pair at this position has changed since.
            guard ranks[position] == UInt32(entry >> 32) else { continue }
            let right = Int(next[position])
            let after = Int(next[right])
            symbols[position] = results[position]
            ranks[right] = Self.noRank
            next[position] = Int32(after)
            if after < count { previous[after] = Int32(position) }
            rankPair(at: position, rule)
            let before = Int(previous[position])
            if 0 <= before { rankPair(at: before, rule) }
        }
    }

    /// Calls the body with each symbol that is left and its bytes in the piece.
    func forEach(_ body: (Int32, Range<Int>) -> Void) {
        var position = 0
        while position < symbols.count {
            let following = Int(next[position])
            body(symbols[position], Int(starts[position])..<Int(starts[following]))
            position = following
        }
    }

    /// Looks up the pair that starts at `position` and queues it.
    private mutating func rankPair(at position: Int, _ rule: some MergeRule) {
        let right = Int(next[position])
        guard right < symbols.count,
            let merge = rule.merge(
                symbols[position], symbols[right],
                bytes: Int(starts[position])..<Int(starts[Int(next[right])]))
        else {
            ranks[position] = Self.noRank
            return
        }
        // The same pair may be queued already; a second entry of it is stale when it comes.
        ranks[position] = UInt32(merge >> 32)
        results[position] = Int32(truncatingIfNeeded: merge)
        push(merge & ~0xFFFF_FFFF | UInt64(position))
    }

    private mutating func push(_ entry: UInt64) {
        var child = heap.count
        heap.append(entry)
        while 0 < child {
            let parent = (child - 1) / 2
            guard entry < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    private mutating func pop() -> UInt64? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return top }
        var parent = 0
        while true {
            var least = 2 * parent + 1
            guard least < heap.count else { break }
            if least + 1 < heap.count, heap[least + 1] < heap[least] { least += 1 }
            guard heap[least] < last else { break }
            heap[parent] = heap[least]
            parent = least
        }
        heap[parent] = last
        return top
    }
}
