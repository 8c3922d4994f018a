// brk, mmap and their relatives. Addresses are chosen first-fit upwards from one place, so that
// they depend on the calls alone.
extension Machine {
    mutating func memoryCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64? {
        if 214...233 ~= number {
            // Page by page: a large range is much work for one instruction.
            work += max(a[1], a[2]) >> 12 & 0xff_ffff
        }
        switch number {
        case 214: return setBreak(a[0])
        case 215:
            try unmap(a[0], a[1])
            return 0
        case 216: return try remap(a)
        case 222: return try map(a)
        case 226:
            guard a[0] % 4096 == 0 else { throw .invalid }
            guard let range = Memory.pages(a[0], a[1]), memory.isMapped(range) else {
                throw .noMemory
            }
            memory.protect(range, try protection(a[2], range), adding: false)
            return 0
        case 227:
            guard a[0] % 4096 == 0, let range = Memory.pages(a[0], a[1]) else { throw .invalid }
            guard memory.isMapped(range) else { throw .noMemory }
            flushShared(in: range)
            return 0
        // mlock, munlock, mlockall, munlockall, mlock2: nothing to do.
        case 228, 229, 230, 231, 284: return 0
        case 232:
            guard a[0] % 4096 == 0, let range = Memory.pages(a[0], a[1]) else { throw .invalid }
            guard memory.isMapped(range) else { throw .noMemory }
            try put(.init(repeating: 1, count: range.count / 4096), at: a[2])
            return 0
        case 233:
            // MADV_DONTNEED gives zeros; the other advice changes nothing that can be seen.
            if a[2] == 4 { try forget(a[0], a[1]) }
            return 0
        default: return nil
        }
    }

    private func protection(
        _ value: UInt64,
        _ range: Range<UInt64>
    ) throws(Errno) -> Protection {
        var protection = Protection()
        if value & 1 != 0 { protection.insert(.read) }
        if value & 2 != 0 { protection.insert(.write) }
        if value & 4 != 0 { protection.insert(.execute) }
        // Code has 32-bit addresses.
        if protection.contains(.execute), range.upperBound > TraceCache.addressMax {
            throw .noMemory
        }
        return protection
    }

    /// Moves the break; where it cannot, the old one is the answer, as in Linux.
    private mutating func setBreak(_ address: UInt64) -> UInt64 {
        guard address >= programBreakStart, address < Memory.byteCount else { return programBreak }
        let old = (programBreak + 4095) & ~4095, new = (address + 4095) & ~4095
        if new > old {
            guard !memory.overlapsMapped(old..<new), isAffordable(new - old) else {
                return programBreak
            }
            memory.map(old..<new, [.read, .write])
        } else if new < old {
            memory.unmap(new..<old)
        }
        programBreak = address
        return address
    }

    /// Whether the host lets us keep page bytes for so much; untouched pages are else free.
    private func isAffordable(_ byteCount: UInt64) -> Bool { byteCount <= Memory.byteCount / 2 }

    /// Where a mapping goes that may go anywhere.
    ///
    /// Code needs 32-bit addresses, so that large data without a file goes above them, and leaves
    /// them to libraries.
    private func gap(_ byteCount: UInt64, isCode: Bool, hasFile: Bool) throws(Errno) -> UInt64 {
        let limit = Layout.stackEnd - Layout.stackByteCount - Memory.pageByteCount
        if byteCount >= Layout.highByteCount, !isCode, !hasFile,
            let gap = memory.gap(byteCount, from: Layout.highStart, to: limit)
        {
            return gap
        }
        guard let gap = memory.gap(byteCount, from: Layout.mappingStart, to: limit) else {
            throw .noMemory
        }
        return gap
    }

    /// The place that the program would like, where it is free.
    private func hinted(_ a: [6 of UInt64], _ byteCount: UInt64) -> UInt64? {
        guard a[0] >= Layout.hintMin, a[0] < Memory.byteCount,
            let range = Memory.pages((a[0] + 4095) & ~4095, byteCount),
            range.upperBound <= Layout.stackEnd - Layout.stackByteCount - Memory.pageByteCount,
            a[2] & 4 == 0 || range.upperBound <= TraceCache.addressMax,
            !memory.overlapsMapped(range)
        else { return nil }
        return range.lowerBound
    }

    private mutating func map(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let isFixed = a[3] & 0x10 != 0, keepsOthers = a[3] & 0x100000 != 0
        let isAnonymous = a[3] & 0x20 != 0
        // MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE.
        guard 1...3 ~= a[3] & 0xf else { throw .invalid }
        guard a[1] > 0, a[0] % 4096 == 0 || !isFixed else { throw .invalid }
        guard a[1] <= Memory.byteCount / 2 else { throw .noMemory }
        let byteCount = (a[1] + 4095) & ~4095
        var file: FileMapping?
        if !isAnonymous { file = try fileMapping(a) }
        var address = a[0]
        if !isFixed, !keepsOthers {
            if let place = hinted(a, byteCount) {
                address = place
            } else {
                address = try gap(byteCount, isCode: a[2] & 4 != 0, hasFile: file != nil)
            }
        }
        guard address >= 4096, let range = Memory.pages(address, byteCount) else {
            throw .noMemory
        }
        if keepsOthers, memory.overlapsMapped(range) { throw .exists }
        let protection = try protection(a[2], range)
        var content: [UInt8] = []
        if let file, let count = Int(exactly: a[1]) {
            content = try mappedContent(a[4], offset: Int(file.offset), count: count)
        }
        forgetFiles(in: range)
        memory.unmap(range)
        memory.map(range, protection)
        if !content.isEmpty, !memory.write(content, at: address, forced: true) { throw .noMemory }
        if var file {
            file.range = range
            fileMappings.append(file)
        }
        return address
    }

    /// What a mapping of a file will be, its range still missing.
    private func fileMapping(_ a: [6 of UInt64]) throws(Errno) -> FileMapping {
        let file = try openFile(a[4])
        guard case .node(let node) = file.stream, file.isReadable else { throw .accessDenied }
        guard a[5] % 4096 == 0, a[5] < 1 << 60 else { throw .invalid }
        guard fileMappings.count < Self.fileMappingCountMax else { throw .noMemory }
        let isShared = a[3] & 0xf != 2
        if isShared, a[2] & 2 != 0, !file.isWritable { throw .accessDenied }
        var mapping = FileMapping(range: 0..<0, offset: a[5], path: file.path)
        if isShared {
            mapping.sharedNode = node
            mapping.isWritable = file.isWritable
        }
        return mapping
    }

    private mutating func mappedContent(
        _ handle: UInt64,
        offset: Int,
        count: Int
    ) throws(Errno) -> [UInt8] {
        let node = try node(handle)
        switch files.nodes[node].content {
        case .file, .hostFile:
            // It is copied: what does not fit need not be read.
            let rest = min(count, files.size(of: node) - min(offset, files.size(of: node)))
            guard UInt64(rest) <= memory.byteCountMax else { throw .noMemory }
            flushShared(node)
            return try files.read(node, at: offset, count: count)
        // A mapping of /dev/zero is memory.
        case .device(.zero): return []
        default: throw .noDevice
        }
    }

    private mutating func unmap(_ address: UInt64, _ byteCount: UInt64) throws(Errno) {
        guard address % 4096 == 0, byteCount > 0, let range = Memory.pages(address, byteCount)
        else { throw .invalid }
        forgetFiles(in: range)
        memory.unmap(range)
    }

    /// Gives up the content of pages and keeps them mapped.
    private mutating func forget(_ address: UInt64, _ byteCount: UInt64) throws(Errno) {
        guard address % 4096 == 0, let range = Memory.pages(address, byteCount) else {
            throw .invalid
        }
        guard memory.isMapped(range) else { throw .noMemory }
        memory.clear(range)
    }

    private mutating func remap(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let mayMove = a[3] & 1 != 0, isFixed = a[3] & 2 != 0
        guard a[0] % 4096 == 0, a[2] > 0, a[2] <= Memory.byteCount / 2, !isFixed || mayMove,
            let old = Memory.pages(a[0], a[1]), !old.isEmpty
        else { throw .invalid }
        guard memory.isMapped(old) else { throw .badAddress }
        let byteCount = (a[2] + 4095) & ~4095, oldByteCount = UInt64(old.count)
        if isFixed { return try move(old, to: try fixedTarget(a, old, byteCount), byteCount) }
        if byteCount <= oldByteCount {
            forgetFiles(in: a[0] + byteCount..<old.upperBound)
            memory.unmap(a[0] + byteCount..<old.upperBound)
            return a[0]
        }
        let protection = memory.protection(of: old.lowerBound)
        if let growth = Memory.pages(old.upperBound, byteCount - oldByteCount),
            !memory.overlapsMapped(growth)
        {
            memory.map(growth, protection)
            return a[0]
        }
        guard mayMove else { throw .noMemory }
        let address = try gap(
            byteCount, isCode: protection.contains(.execute), hasFile: false)
        return try move(old, to: address, byteCount)
    }

    /// The address of MREMAP_FIXED, cleared of what was there.
    private mutating func fixedTarget(
        _ a: [6 of UInt64],
        _ old: Range<UInt64>,
        _ byteCount: UInt64
    ) throws(Errno) -> UInt64 {
        guard a[4] % 4096 == 0, a[4] >= 4096, let new = Memory.pages(a[4], byteCount),
            !new.overlaps(old)
        else { throw .invalid }
        forgetFiles(in: new)
        memory.unmap(new)
        return a[4]
    }

    private mutating func move(
        _ old: Range<UInt64>,
        to address: UInt64,
        _ byteCount: UInt64
    ) throws(Errno) -> UInt64 {
        memory.map(address..<address + byteCount, memory.protection(of: old.lowerBound))
        for page in stride(from: 0, to: min(UInt64(old.count), byteCount), by: 4096)
        where memory.isTouched(old.lowerBound + page) {
            let bytes = memory.window.bytes(old.lowerBound + page, 4096)
            guard memory.write(bytes, at: address + page, forced: true) else { throw .noMemory }
        }
        forgetFiles(in: old)
        memory.unmap(old)
        return address
    }
}
