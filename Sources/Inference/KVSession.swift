import CKernels

/// The keys and values of one session in the layers of one stage.
///
/// Room for all its tokens is reserved as long as it lives. The stage that it belongs to writes
/// it; one thread at a time.
@safe package final class KVSession: @unchecked Sendable {
    package let pool: KVPool
    private var sequence: KVSequence
    // Owned: allocated in `init`, freed in `deinit`, with room for all blocks of the capacity. A
    // copy of the sequence's blocks at a place that C can read.
    private let blocks: UnsafeMutablePointer<UInt32>

    init(pool: KVPool, sequence: KVSequence) {
        self.pool = pool
        self.sequence = sequence
        let blockCount = KVCache.blockCount(sequence.capacity)
        // Safe: initialised below.
        unsafe blocks = .allocate(capacity: blockCount)
        // Safe: the count is that of the allocation.
        unsafe blocks.initialize(repeating: 0, count: blockCount)
        copyBlocks(from: 0)
    }

    deinit {
        pool.close(sequence)
        // Safe: allocated in `init`; integers need no deinitialisation.
        unsafe blocks.deallocate()
    }

    package var shape: KVCache.Shape { pool.shape }
    /// Tokens that fit.
    package var capacity: Int { sequence.capacity }
    /// Tokens that are in; the next one has this position. After opening: those that were reused.
    package var count: Int { sequence.count }

    /// Lets other sessions begin with the full blocks of this one. `tokens` are all that the
    /// session has seen, from position 0 on; the ones behind its count are not looked at.
    ///
    /// Who calls this vouches for the tokens: others will be served what was computed here.
    package func publish(tokens: [Int32]) {
        pool.publish(&sequence, tokens: tokens)
    }

    /// Forgets the tokens from position `count` on, to continue differently from there.
    ///
    /// Fails only where others share what is forgotten, and the pool has no room for a second
    /// version; positions that were never published can always be forgotten.
    package func truncate(to count: Int) throws(KVPoolError) {
        try pool.truncate(&sequence, to: count)
        copyBlocks(from: count / KVCache.blockLength)
    }

    /// Makes room for the positions below `count`, which is at most the capacity. The caller
    /// writes them before they are read.
    package func grow(to count: Int) {
        let before = sequence.blocks.count
        pool.extend(&sequence, to: count)
        copyBlocks(from: before)
    }

    private func copyBlocks(from first: Int) {
        for index in first..<max(first, sequence.blocks.count) {
            // Safe: the sequence never has more blocks than its capacity needs.
            unsafe blocks[index] = sequence.blocks[index]
        }
    }

    /// The form that C reads; valid while the session lives.
    func layout(layer: Int, head: Int) -> kernels_kv {
        // Safe: the pointers are stored and passed on, not followed.
        unsafe kernels_kv(
            base: pool.memory.keys(layer: layer, head: head).assumingMemoryBound(to: UInt8.self),
            blocks: blocks, block_byte_count: shape.blockByteCount,
            head_length: shape.headLength,
            type: kernels_type(rawValue: shape.elementType.rawValue))
    }

    /// Where element 0 of a position stands.
    func place(
        _ part: KVCache.Part, layer: Int, head: Int, position: Int
    ) -> UnsafeMutableRawPointer {
        precondition(0 <= position && position < count, "position \(position) of \(count)")
        let (block, inner) = position.quotientAndRemainder(dividingBy: KVCache.blockLength)
        let width = shape.elementType.byteCount
        let offset =
            part == .keys ? inner * width : shape.partByteCount + inner * shape.headLength * width
        // Safe: the position was made room for, so its block is in the table.
        return unsafe pool.memory.keys(layer: layer, head: head)
            + Int(blocks[block]) * shape.blockByteCount + offset
    }
}
