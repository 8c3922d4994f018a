package import Basics

/// Who holds which block of a pool, and which blocks are kept for reuse.
///
/// A value without memory: the same calls in the same order always choose the same blocks. A
/// block is in one of four states:
///
///     free ──take──▶ held by its session ──give──▶ free
///                    │ publish                      ▲ evict, least recently used first
///                    ▼                              │
///                    held by some ──last give──▶ cached (nobody holds it)
///                                 ◀──open───────
///
/// A published block is full and never written again; its name is a chain over all tokens up to
/// its end, so equal names mean equal keys and values. Blocks of a session that ends are cached
/// from the last to the first: what is evicted first is what follows from the rest.
///
/// A session is promised all its blocks when it opens and takes them as it grows, so blocks stay
/// cached until they are needed.
package struct KVBlockTable: Sendable {
    private struct Block {
        var userCount = 0
        /// Its name, when it is published.
        var digest: Digest?
        /// Neighbours in the list of cached blocks.
        var older: UInt32?
        var newer: UInt32?
    }

    package let blockCount: Int
    /// The blocks that were ever taken; those behind were never touched.
    private var blocks: [Block] = []
    private var free: [UInt32] = []
    private var published: [Digest: UInt32] = [:]
    private var oldest: UInt32?
    private var newest: UInt32?
    /// Blocks that nobody holds, kept for reuse.
    package private(set) var cachedCount = 0
    /// Blocks that sessions may still take.
    package private(set) var promisedCount = 0

    package init(blockCount: Int) {
        precondition(0 < blockCount && blockCount <= Int(UInt32.max), "\(blockCount) blocks")
        self.blockCount = blockCount
    }

    /// Blocks that a new session may be promised.
    package var availableCount: Int {
        blockCount - blocks.count + free.count + cachedCount - promisedCount
    }

    /// Blocks that sessions hold.
    package var heldCount: Int { blocks.count - free.count - cachedCount }

    /// How many of these blocks, from the first on, are there.
    package func prefixCount(of digests: [Digest]) -> Int {
        digests.firstIndex { published[$0] == nil } ?? digests.count
    }

    /// How many sessions hold a block; for tests.
    package func userCount(of block: UInt32) -> Int {
        Int(block) < blocks.count ? blocks[Int(block)].userCount : 0
    }

    /// Makes a sequence that begins with published blocks; they are there, as `prefixCount` says.
    package mutating func open(
        reusing digests: [Digest], capacity: Int, seed: Digest
    ) throws(KVPoolError) -> KVSequence {
        let needed = KVCache.blockCount(capacity)
        precondition(digests.count <= needed, "a prefix longer than the session")
        guard needed <= blockCount else {
            throw .tooLarge(neededBlockCount: needed, blockCount: blockCount)
        }
        let reused = digests.compactMap { published[$0] }
        precondition(reused.count == digests.count, "a prefix that is not cached")
        let newCount = needed - reused.count
        let freeCount = availableCount - reused.count { blocks[Int($0)].userCount == 0 }
        guard newCount <= freeCount else {
            throw .full(neededBlockCount: newCount, freeBlockCount: max(0, freeCount))
        }
        for block in reused {
            if blocks[Int(block)].userCount == 0 { uncache(block) }
            blocks[Int(block)].userCount += 1
        }
        promisedCount += newCount
        return KVSequence(
            capacity: capacity, count: reused.count * KVCache.blockLength, blocks: reused,
            promisedCount: newCount, digests: digests, seed: seed)
    }

    /// Makes room up to position `count`, which is at most the capacity.
    package mutating func extend(_ sequence: inout KVSequence, to count: Int) {
        precondition(
            sequence.count <= count && count <= sequence.capacity,
            "from \(sequence.count) to \(count) of \(sequence.capacity)")
        while sequence.blocks.count < KVCache.blockCount(count) {
            sequence.blocks.append(take())
            sequence.promisedCount -= 1
        }
        sequence.count = count
    }

    /// Names the full blocks of a sequence, so that others can begin with them. `tokens` are the
    /// sequence's, from position 0 on.
    package mutating func publish(_ sequence: inout KVSequence, tokens: [Int32]) {
        let length = KVCache.blockLength
        let end = min(tokens.count, sequence.count) / length
        for index in 0..<end {
            if index == sequence.digests.count {
                sequence.digests.append(
                    KVSequence.digest(
                        after: sequence.digests.last ?? sequence.seed,
                        tokens[index * length..<(index + 1) * length]))
            }
            // Two sessions may have computed the same block: one of them serves the others.
            let digest = sequence.digests[index]
            guard published[digest] == nil else { continue }
            published[digest] = sequence.blocks[index]
            blocks[Int(sequence.blocks[index])].digest = digest
        }
    }

    /// A block whose content must be written to another before that one is used.
    package struct Copy: Hashable, Sendable {
        package let from: UInt32
        package let to: UInt32
    }

    /// Forgets the positions from `count` on; the capacity stays.
    ///
    /// Published blocks are never written again. Where the sequence will continue inside one
    /// that others hold too, it needs a copy; where it loses such blocks it needs new ones, and
    /// those the pool may not have.
    package mutating func truncate(
        _ sequence: inout KVSequence, to count: Int
    ) throws(KVPoolError) -> Copy? {
        precondition(
            0 <= count && count <= sequence.count, "truncating \(sequence.count) to \(count)")
        let kept = KVCache.blockCount(count), whole = count / KVCache.blockLength
        let dropped = sequence.blocks[kept...]
        let split = whole < kept && 1 < blocks[Int(sequence.blocks[whole])].userCount
        let needed = dropped.count { 1 < blocks[Int($0)].userCount } + (split ? 1 : 0)
        guard needed <= availableCount else {
            throw .full(neededBlockCount: needed, freeBlockCount: max(0, availableCount))
        }
        promisedCount += dropped.count
        sequence.promisedCount += dropped.count
        for block in dropped.reversed() { give(block) }
        sequence.blocks.removeSubrange(kept...)
        sequence.digests.removeSubrange(min(whole, sequence.digests.count)...)
        sequence.count = count
        guard whole < kept else { return nil }
        let block = sequence.blocks[whole]
        guard split else {
            unpublish(block)
            return nil
        }
        promisedCount += 1
        let new = take()
        give(block)
        sequence.blocks[whole] = new
        return Copy(from: block, to: new)
    }

    /// Gives back all that a sequence holds or was promised.
    package mutating func close(_ sequence: consuming KVSequence) {
        promisedCount -= sequence.promisedCount
        for block in sequence.blocks.reversed() { give(block) }
    }

    private mutating func take() -> UInt32 {
        precondition(0 < promisedCount, "no block was promised")
        promisedCount -= 1
        let block: UInt32
        if let last = free.popLast() {
            block = last
        } else if blocks.count < blockCount {
            block = UInt32(blocks.count)
            blocks.append(Block())
        } else if let victim = oldest {
            uncache(victim)
            unpublish(victim)
            block = victim
        } else {
            preconditionFailure("more blocks were promised than there are")
        }
        blocks[Int(block)].userCount = 1
        return block
    }

    private mutating func give(_ block: UInt32) {
        blocks[Int(block)].userCount -= 1
        guard blocks[Int(block)].userCount == 0 else { return }
        if blocks[Int(block)].digest == nil {
            free.append(block)
        } else {
            cache(block)
        }
    }

    private mutating func unpublish(_ block: UInt32) {
        guard let digest = blocks[Int(block)].digest else { return }
        published[digest] = nil
        blocks[Int(block)].digest = nil
    }

    /// Puts a block at the new end of the cached ones.
    private mutating func cache(_ block: UInt32) {
        blocks[Int(block)].older = newest
        blocks[Int(block)].newer = nil
        if let newest { blocks[Int(newest)].newer = block } else { oldest = block }
        newest = block
        cachedCount += 1
    }

    private mutating func uncache(_ block: UInt32) {
        let (older, newer) = (blocks[Int(block)].older, blocks[Int(block)].newer)
        if let older { blocks[Int(older)].newer = newer } else { oldest = newer }
        if let newer { blocks[Int(newer)].older = older } else { newest = older }
        cachedCount -= 1
    }
}
