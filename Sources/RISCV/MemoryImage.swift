/// The guest's memory at one moment, as a value.
struct MemoryImage: Sendable, Equatable {
    /// Neighbouring pages that allow the same.
    struct Mapping: Sendable, Equatable {
        var range: Range<UInt64>
        var protection: Protection
    }

    private(set) var mappings: [Mapping] = []
    /// Addresses of the pages that have been written, ascending.
    private(set) var pages: [UInt64] = []
    /// 4,096 bytes for each of them.
    private(set) var bytes: [UInt8] = []
    private var touchedPageCountPeak: UInt64 = 0
    private var limitReached = false

    init(of memory: borrowing Memory) {
        touchedPageCountPeak = memory.touchedPageCountPeak
        limitReached = memory.limitReached
        bytes.reserveCapacity(Int(memory.touchedPageCount * Memory.pageByteCount))
        for range in memory.ranges {
            for page in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
                add(page, memory.protection(of: page))
                guard memory.isTouched(page) else { continue }
                pages.append(page)
                bytes += memory.window.bytes(page, 4096)
            }
        }
    }

    private mutating func add(_ page: UInt64, _ protection: Protection) {
        if let last = mappings.last, last.range.upperBound == page, last.protection == protection {
            mappings[mappings.count - 1].range = last.range.lowerBound..<page + 4096
        } else {
            mappings.append(Mapping(range: page..<page + 4096, protection: protection))
        }
    }

    /// Makes a memory with at least the same limit what it was; decoded code is to be forgotten.
    func restore(_ memory: inout Memory) {
        for range in memory.ranges { memory.unmap(range) }
        for mapping in mappings { memory.map(mapping.range, mapping.protection) }
        for (index, page) in pages.enumerated() {
            let content = Array(bytes[4096 * index..<4096 * (index + 1)])
            let isWritten = memory.write(content, at: page, forced: true)
            precondition(isWritten, "the page was written under the same limit before")
        }
        memory.touchedPageCountPeak = touchedPageCountPeak
        memory.limitReached = limitReached
    }
}
