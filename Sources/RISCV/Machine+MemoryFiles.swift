// Files in memory: which mapping shows which file, and what a shared one gives back to it.
//
// A mapping is a copy: pages of the file are written into memory when it is made. A shared and
// writable one is written back to its file at msync, munmap and the end, and before somebody reads
// or writes the file by other means, so that those who look through both see the same.
extension Machine {
    /// A part of memory that shows a file.
    struct FileMapping: Sendable {
        var range: Range<UInt64>
        /// Where the range begins in the file.
        var offset: UInt64
        var path: [UInt8]
        /// The node, where what is written there belongs to the file too.
        var sharedNode: Int?
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
        guard let node = mapping.sharedNode, memory.isMapped(range) else { return }
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
}
