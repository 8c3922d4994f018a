// Files in memory: which mapping shows which file, and what a shared one gives back to it.
//
// A mapping is a copy: pages of the file are written into memory when it is made. What a program
// writes to a shared one goes back to its file at msync, munmap and the end, and before somebody
// reads or writes the file by other means; what is written to the file appears in the mapping. So
// those who look through both see the same.
extension Machine {
    /// A part of memory that shows a file.
    struct FileMapping: Sendable {
        var range: Range<UInt64>
        /// Where the range begins in the file.
        var offset: UInt64
        var path: [UInt8]
        /// The node, where the mapping is shared.
        var sharedNode: Int?
        /// Whether what is written there belongs to the file too.
        var isWritable = false
    }

    static let fileMappingCountMax = 1 << 16

    /// Whether a file is still shown by a shared mapping.
    func isMapped(_ node: Int) -> Bool { fileMappings.contains { $0.sharedNode == node } }

    /// Makes a range show no file any more.
    mutating func forgetFiles(in range: Range<UInt64>) {
        guard fileMappings.contains(where: { $0.range.overlaps(range) }) else { return }
        flushShared(in: range)
        var released: [Int] = []
        fileMappings = fileMappings.flatMap { old -> [FileMapping] in
            guard old.range.overlaps(range) else { return [old] }
            if let node = old.sharedNode { released.append(node) }
            var parts: [FileMapping] = []
            if old.range.lowerBound < range.lowerBound {
                var left = old
                left.range = old.range.lowerBound..<range.lowerBound
                parts.append(left)
            }
            if range.upperBound < old.range.upperBound {
                var right = old
                right.range = range.upperBound..<old.range.upperBound
                right.offset += range.upperBound - old.range.lowerBound
                parts.append(right)
            }
            return parts
        }
        for node in released { releaseIfUnused(node) }
    }

    /// Writes shared mappings of one file back to it.
    mutating func flushShared(_ node: Int) {
        for mapping in fileMappings where mapping.sharedNode == node {
            flush(mapping, mapping.range)
        }
    }

    /// Writes the shared mappings of a range back to their files.
    mutating func flushShared(in range: Range<UInt64>) {
        for mapping in fileMappings where mapping.range.overlaps(range) {
            flush(mapping, mapping.range.clamped(to: range))
        }
    }

    private mutating func flush(_ mapping: FileMapping, _ range: Range<UInt64>) {
        guard let node = mapping.sharedNode, mapping.isWritable, memory.isMapped(range) else {
            return
        }
        work += UInt64(range.count) / 4096
        for page in stride(from: range.lowerBound, to: range.upperBound, by: 4096)
        where memory.isTouched(page) {
            let offset = Int(page - mapping.range.lowerBound + mapping.offset)
            let count = min(4096, files.size(of: node) - offset)
            guard count > 0 else { return }
            let bytes = memory.window.bytes(page, count)
            // What is the same already does not make the file a changed one.
            guard let old = try? files.read(node, at: offset, count: count), old != bytes else {
                continue
            }
            guard (try? files.write(bytes, to: node, at: offset)) != nil else { return }
            files.stamp(node, wallClock)
        }
    }

    /// Makes what was written to a file appear in its shared mappings.
    mutating func show(_ bytes: [UInt8], of node: Int, at offset: Int) {
        for mapping in fileMappings where mapping.sharedNode == node {
            let start = Int(mapping.offset), end = start + mapping.range.count
            let low = max(start, offset), high = min(end, offset + bytes.count)
            guard low < high else { continue }
            let address = mapping.range.lowerBound + UInt64(low - start)
            _ = memory.write(
                Array(bytes[low - offset..<high - offset]), at: address, forced: true)
        }
    }
}
