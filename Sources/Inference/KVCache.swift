/// The words that the parts of the KV cache share.
///
/// The cache of a stage is paged, after vLLM (arXiv 2309.06180): memory is cut into blocks of 32
/// positions, all layers and heads of the stage in each.
///
///     KVBlockTable    who holds which block, what is kept for reuse: a value without memory
///     KVSequence      the blocks of one session, in order of position: a value
///     KVMemory        the bytes
///     KVPool          table and memory of one stage, shared by its sessions
///     KVSession       one sequence in a pool; gives its blocks back when it goes away
package enum KVCache {
    /// How a key or a value is kept. Halves take half the memory and half the reading, and
    /// llama.cpp keeps them by default; both are rounded to nearest even.
    package enum ElementType: UInt32, Hashable, Sendable {
        // The numbers of ggml.
        case f32 = 0
        case f16 = 1

        package var byteCount: Int { self == .f16 ? 2 : 4 }
    }

    package enum Part { case keys, values }

    /// Positions of a block. 32: the keys of a head and block of 64 elements are then one page,
    /// and a session wastes 16 positions on average.
    package static let blockLength = 32

    /// What a pool was made for; a stage refuses a session of another shape.
    package struct Shape: Hashable, Sendable {
        package let layers: Range<Int>
        package let headCount: Int
        package let headLength: Int
        package let elementType: ElementType

        package init(
            layers: Range<Int>, headCount: Int, headLength: Int, elementType: ElementType = .f16
        ) {
            self.layers = layers
            self.headCount = headCount
            self.headLength = headLength
            self.elementType = elementType
        }

        /// Bytes of the keys, or of the values, of one head in one block.
        var partByteCount: Int { KVCache.blockLength * headLength * elementType.byteCount }

        /// Bytes of one block: (layer, head, keys | values).
        package var blockByteCount: Int { 2 * partByteCount * headCount * layers.count }

        /// Bytes that a session of `capacity` tokens takes in a stage of this shape.
        package func byteCount(capacity: Int) -> Int {
            KVCache.blockCount(capacity) * blockByteCount
        }
    }

    /// Blocks that so many positions need.
    package static func blockCount(_ positionCount: Int) -> Int {
        (positionCount + blockLength - 1) / blockLength
    }
}
