/// The keys and values of one session in the layers of one stage.
///
/// Halves (IEEE binary16), rounded to nearest even: half the memory and half the reading of
/// floats, as llama.cpp does by default. Laid out as layer · head · position · element, so
/// that attention reads one head as one stream. All memory is reserved at the start: a session
/// that was admitted cannot fail later for want of it. The pages are taken as they are written.
@safe package final class KVCache: @unchecked Sendable {
    /// What the cache was made for; a stage refuses one of another shape.
    package struct Shape: Hashable, Sendable {
        package let layers: Range<Int>
        package let headCount: Int
        package let headLength: Int

        package init(layers: Range<Int>, headCount: Int, headLength: Int) {
            self.layers = layers
            self.headCount = headCount
            self.headLength = headLength
        }

        /// Bytes that a session of `capacity` tokens takes in a stage of this shape.
        package func byteCount(capacity: Int) -> Int {
            2 * MemoryLayout<UInt16>.size * layers.count * headCount * headLength * capacity
        }
    }

    package enum Part { case keys, values }

    package let shape: Shape
    /// Tokens that fit.
    package let capacity: Int
    /// Tokens that are in; the next one has this position. Written by the stage.
    package internal(set) var count = 0

    // Owned: allocated in `init`, freed in `deinit`. Safe to share between the threads of a
    // stage: they write different heads of new positions, and read old ones after synchronising.
    private let memory: UnsafeMutablePointer<UInt16>

    package init(shape: Shape, capacity: Int) {
        precondition(0 < capacity, "a cache for \(capacity) tokens")
        self.shape = shape
        self.capacity = capacity
        let elementCount = shape.byteCount(capacity: capacity) / MemoryLayout<UInt16>.size
        // Safe: read only below `count`, where it was written.
        unsafe memory = .allocate(capacity: elementCount)
    }

    deinit {
        // Safe: allocated in `init`; integers need no deinitialisation.
        unsafe memory.deallocate()
    }

    package var byteCount: Int { shape.byteCount(capacity: capacity) }

    /// Forgets the tokens from position `count` on, to continue differently from there.
    package func truncate(to count: Int) {
        precondition(0 <= count && count <= self.count, "truncating \(self.count) to \(count)")
        self.count = count
    }

    /// The first element of one head in one layer, counted from the stage's first.
    func base(_ part: Part, layer: Int, head: Int) -> UnsafeMutablePointer<UInt16> {
        precondition(
            0 <= layer && layer < shape.layers.count && 0 <= head && head < shape.headCount,
            "layer \(layer), head \(head)")
        let plane = (layer * 2 + (part == .keys ? 0 : 1)) * shape.headCount + head
        // Safe: the plane exists, as checked.
        return unsafe memory + plane * capacity * shape.headLength
    }

    func keys(layer: Int, head: Int) -> UnsafePointer<UInt16> {
        // Safe: as `base`.
        unsafe UnsafePointer(base(.keys, layer: layer, head: head))
    }

    func values(layer: Int, head: Int) -> UnsafePointer<UInt16> {
        // Safe: as `base`.
        unsafe UnsafePointer(base(.values, layer: layer, head: head))
    }
}
