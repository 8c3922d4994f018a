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
        // msync, mlock, munlock, mlockall, munlockall, mincore's relatives: nothing to do.
        case 227, 228, 229, 230, 231: return 0
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

    private mutating func map(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let isFixed = a[3] & 0x10 != 0, keepsOthers = a[3] & 0x100000 != 0
        let isAnonymous = a[3] & 0x20 != 0
        guard a[1] > 0, a[0] % 4096 == 0 || !isFixed else { throw .invalid }
        guard a[1] <= Memory.byteCount / 2 else { throw .noMemory }
        let byteCount = (a[1] + 4095) & ~4095
        var content: [UInt8] = []
        if !isAnonymous { content = try fileContent(a[4], offset: a[5], count: a[1]) }
        let address: UInt64
        if isFixed || keepsOthers {
            address = a[0]
        } else {
            let limit = Layout.stackEnd - Layout.stackByteCount - Memory.pageByteCount
            guard let gap = memory.gap(byteCount, from: Layout.mappingStart, to: limit) else {
                throw .noMemory
            }
            address = gap
        }
        guard address >= 4096, let range = Memory.pages(address, byteCount) else {
            throw .noMemory
        }
        if keepsOthers, memory.overlapsMapped(range) { throw .exists }
        let protection = try protection(a[2], range)
        memory.unmap(range)
        memory.map(range, protection)
        if !content.isEmpty, !memory.write(content, at: address, forced: true) { throw .noMemory }
        return address
    }

    /// A file's bytes for a private mapping: a copy, since nothing else can change the file.
    private func fileContent(
        _ handle: UInt64,
        offset: UInt64,
        count: UInt64
    ) throws(Errno) -> [UInt8] {
        let file = try openFile(handle)
        guard case .node(let node) = file.stream, offset % 4096 == 0,
            let offset = Int(exactly: offset), let count = Int(exactly: count)
        else { throw .accessDenied }
        return Array(files.read(node, at: offset, count: count))
    }

    private mutating func unmap(_ address: UInt64, _ byteCount: UInt64) throws(Errno) {
        guard address % 4096 == 0, byteCount > 0, let range = Memory.pages(address, byteCount)
        else { throw .invalid }
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
        guard a[0] % 4096 == 0, a[2] > 0, a[2] <= Memory.byteCount / 2, !isFixed,
            let old = Memory.pages(a[0], a[1]), !old.isEmpty
        else { throw .invalid }
        guard memory.isMapped(old) else { throw .badAddress }
        let byteCount = (a[2] + 4095) & ~4095, oldByteCount = UInt64(old.count)
        if byteCount <= oldByteCount {
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
        let limit = Layout.stackEnd - Layout.stackByteCount - Memory.pageByteCount
        guard mayMove, let address = memory.gap(byteCount, from: Layout.mappingStart, to: limit)
        else { throw .noMemory }
        memory.map(address..<address + byteCount, protection)
        for page in stride(from: 0, to: oldByteCount, by: 4096)
        where memory.isTouched(a[0] + page) {
            let bytes = memory.window.bytes(a[0] + page, 4096)
            guard memory.write(bytes, at: address + page, forced: true) else { throw .noMemory }
        }
        memory.unmap(old)
        return address
    }
}
