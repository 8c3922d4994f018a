import Glibc

/// The bytes of a pool's blocks: address space for all of them, pages as they are written.
@safe final class KVMemory: @unchecked Sendable {
    let shape: KVCache.Shape
    let byteCount: Int
    // Owned: mapped in `init`, unmapped in `deinit`. Safe to share between the threads of a
    // stage: they write different heads of new positions, and read old ones after synchronising.
    private let base: UnsafeMutableRawPointer

    init(shape: KVCache.Shape, blockCount: Int) throws(KVPoolError) {
        let (byteCount, overflow) = shape.blockByteCount.multipliedReportingOverflow(
            by: blockCount)
        // Safe: a new private mapping of zeros, which touches no other memory.
        let mapping = unsafe overflow
            ? MAP_FAILED
            : mmap(
                nil, byteCount, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        // Safe: the two pointers are compared, not followed.
        guard let base = unsafe mapping, unsafe base != MAP_FAILED else {
            throw .noMemory(byteCount: byteCount)
        }
        // Attention reads many places of a few kilobytes: large pages spare their translation.
        // Safe: advice about the new mapping; where it is not taken, nothing changes.
        unsafe madvise(base, byteCount, MADV_HUGEPAGE)
        self.shape = shape
        self.byteCount = byteCount
        // Safe: the mapping is owned from here on.
        unsafe self.base = base
    }

    deinit {
        // Safe: mapped in `init` with this length.
        unsafe munmap(base, byteCount)
    }

    /// Where the keys of one head stand in the first block; its values follow them.
    func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        precondition(
            0 <= layer && layer < shape.layers.count && 0 <= head && head < shape.headCount,
            "layer \(layer), head \(head)")
        let part = 2 * (layer * shape.headCount + head)
        // Safe: the head lies in the block, as checked.
        return unsafe base + part * shape.partByteCount
    }

    func copy(_ copy: KVBlockTable.Copy) {
        let length = shape.blockByteCount
        // Safe: both blocks exist, because the table of this pool named them.
        unsafe (base + Int(copy.to) * length).copyMemory(
            from: base + Int(copy.from) * length, byteCount: length)
    }
}
