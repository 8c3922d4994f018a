package import Basics
import Synchronization

/// The KV cache of one stage: memory for a fixed number of blocks, and who holds them.
///
/// Sessions are reserved before a request is accepted, from any thread: a session in hand has
/// room for all its tokens. Blocks that nobody holds stay for requests that begin with the same
/// tokens, until others need the room.
package final class KVPool: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Keys and values never take more; blocks are whole, so they may take a little less.
        package var byteCount: Int
        package var elementType: KVCache.ElementType
        /// The model's file, so that the names of blocks say what they were computed with.
        package var model: Digest?

        /// 1 GiB is 46,000 tokens of a model with 30 layers of 3 heads of 64 elements.
        package init(
            byteCount: Int = 1 << 30, elementType: KVCache.ElementType = .f16,
            model: Digest? = nil
        ) {
            self.byteCount = byteCount
            self.elementType = elementType
            self.model = model
        }
    }

    package struct Usage: Hashable, Sendable {
        package let blockCount: Int
        /// Blocks with tokens of sessions.
        package let heldCount: Int
        /// Blocks that sessions may still take.
        package let promisedCount: Int
        /// Blocks that nobody holds, kept for reuse until their room is needed.
        package let cachedCount: Int
        package let blockByteCount: Int

        package var freeCount: Int { blockCount - heldCount - promisedCount }
    }

    package let shape: KVCache.Shape
    package let contextLength: Int
    let memory: KVMemory
    private let seed: Digest
    private let table: Mutex<KVBlockTable>

    /// `rope` is whatever turns the keys: the same tokens under other angles are other keys.
    package init(
        shape: KVCache.Shape, contextLength: Int, limits: Limits, rope: [Double] = []
    ) throws(KVPoolError) {
        let blockByteCount = shape.blockByteCount
        let blockCount = min(limits.byteCount / blockByteCount, Int(UInt32.max))
        guard 0 < blockCount else {
            throw .limitTooSmall(byteCount: limits.byteCount, blockByteCount: blockByteCount)
        }
        self.shape = shape
        self.contextLength = contextLength
        memory = try KVMemory(shape: shape, blockCount: blockCount)
        table = Mutex(KVBlockTable(blockCount: blockCount))
        seed = Self.seed(shape, model: limits.model, rope: rope)
    }

    private static func seed(_ shape: KVCache.Shape, model: Digest?, rope: [Double]) -> Digest {
        var words = [shape.layers.lowerBound, shape.layers.upperBound, shape.headCount]
        words += [shape.headLength, Int(shape.elementType.rawValue), rope.count]
        var bytes = Array("swiftlet kv".utf8) + (model?.bytes ?? [])
        for word in words { bytes.append(littleEndian: UInt64(word)) }
        for angle in rope { bytes.append(littleEndian: angle.bitPattern) }
        return Digest.of(bytes)
    }

    package var usage: Usage {
        table.withLock { table in
            Usage(
                blockCount: table.blockCount, heldCount: table.heldCount,
                promisedCount: table.promisedCount, cachedCount: table.cachedCount,
                blockByteCount: shape.blockByteCount)
        }
    }

    /// How many of these tokens a session can begin with; 0, or whole blocks.
    ///
    /// At least the last token is left to compute: without it there are no logits.
    package func reusableCount(tokens: [Int32], scope: String = "") -> Int {
        let digests = digests(of: tokens, countMax: tokens.count, scope: scope)
        return table.withLock { $0.prefixCount(of: digests) } * KVCache.blockLength
    }

    /// Reserves room for a session of at most `capacity` tokens.
    ///
    /// It begins with the longest cached prefix of `tokens`, or, where `reusing` is given, with
    /// exactly so many: the stages of a pipeline agree on the least of their `reusableCount`s.
    /// Sessions of different scopes (tenants, say) never share.
    package func reserve(
        capacity: Int, tokens: [Int32] = [], reusing: Int? = nil, scope: String = ""
    ) throws(KVPoolError) -> KVSession {
        guard 1...contextLength ~= capacity else {
            throw .capacityOutOfRange(capacity, contextLength: contextLength)
        }
        let digests = digests(of: tokens, countMax: reusing ?? capacity, scope: scope)
        let scopeSeed = scopeSeed(scope)
        let sequence = try table.withLock { table throws(KVPoolError) in
            let found = table.prefixCount(of: digests)
            if let reusing, found * KVCache.blockLength != reusing {
                throw .prefixNotCached(reusing, reusableCount: found * KVCache.blockLength)
            }
            return try table.open(
                reusing: Array(digests[..<found]), capacity: capacity, seed: scopeSeed)
        }
        return KVSession(pool: self, sequence: sequence)
    }

    private func scopeSeed(_ scope: String) -> Digest {
        scope.isEmpty ? seed : Digest.of(seed.bytes + Array(scope.utf8))
    }

    /// The names of the full blocks of a prompt, but for the one that ends with it.
    private func digests(of tokens: [Int32], countMax: Int, scope: String) -> [Digest] {
        let count = min(max(0, countMax), max(0, tokens.count - 1))
        return KVSequence.digests(
            of: tokens, blockCount: count / KVCache.blockLength, seed: scopeSeed(scope))
    }

    func extend(_ sequence: inout KVSequence, to count: Int) {
        table.withLock { $0.extend(&sequence, to: count) }
    }

    func publish(_ sequence: inout KVSequence, tokens: [Int32]) {
        table.withLock { $0.publish(&sequence, tokens: tokens) }
    }

    func truncate(_ sequence: inout KVSequence, to count: Int) throws(KVPoolError) {
        let copy = try table.withLock { table throws(KVPoolError) in
            try table.truncate(&sequence, to: count)
        }
        if let copy { memory.copy(copy) }
    }

    func close(_ sequence: KVSequence) {
        table.withLock { $0.close(sequence) }
    }
}
