/// Why a pool does not give a session what it asks for; nothing has changed.
package enum KVPoolError: Error, Hashable {
    case capacityOutOfRange(Int, contextLength: Int)
    /// The pool may give so many blocks now; it may give more when a session ends.
    case full(neededBlockCount: Int, freeBlockCount: Int)
    /// The session needs more blocks than the whole pool has: waiting does not help.
    case tooLarge(neededBlockCount: Int, blockCount: Int)
    /// The asked prefix is not whole blocks that are cached here (any more).
    case prefixNotCached(Int, reusableCount: Int)
    /// The limit is below one block.
    case limitTooSmall(byteCount: Int, blockByteCount: Int)
    case noMemory(byteCount: Int)
}

extension KVPoolError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .capacityOutOfRange(let capacity, let contextLength):
            "\(capacity) tokens are not between 1 and the context length of \(contextLength)"
        case .full(let needed, let free):
            "the KV cache is full: the request needs \(needed) blocks of "
                + "\(KVCache.blockLength) tokens, \(free) are free; wait, or ask for fewer tokens"
        case .tooLarge(let needed, let count):
            "the request needs \(needed) blocks of \(KVCache.blockLength) tokens, the KV cache has "
                + "\(count); ask for fewer tokens, or raise its memory limit"
        case .prefixNotCached(let count, let reusableCount):
            "a prefix of \(count) tokens is not cached, \(reusableCount) can be reused"
        case .limitTooSmall(let byteCount, let blockByteCount):
            "a KV cache of \(byteCount) bytes does not hold one block of \(blockByteCount)"
        case .noMemory(let byteCount):
            "the system does not give \(byteCount) bytes for the KV cache; lower its limit"
        }
    }
}
