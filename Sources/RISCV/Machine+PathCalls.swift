import Basics

// Calls on names: opening, listing, making, removing, and what stat tells.
extension Machine {
    private static let workingDirectoryHandle = UInt64(bitPattern: -100) & 0xffff_ffff

    mutating func pathCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64? {
        switch number {
        case 17: return try currentDirectory(a)
        case 34: try makeDirectory(a)
        case 35:
            let place = try place(a[0], a[1])
            try files.unlink(place, directory: a[2] & 0x200 != 0)
            if let node = place.node { releaseIfUnused(node) }
        case 38, 276:
            let old = try place(a[0], a[1]), new = try place(a[2], a[3])
            // RENAME_NOREPLACE is 1; the other flags are refused.
            let flags = number == 276 ? a[4] : 0
            guard flags < 2 else { throw .invalid }
            if flags == 1, new.node != nil { throw .exists }
            try files.rename(old, to: new)
            if let node = new.node, node != old.node { releaseIfUnused(node) }
        case 45:
            guard let node = try place(Self.workingDirectoryHandle, a[0]).node else {
                throw .noEntry
            }
            try truncate(node, a[1])
        case 48, 439: guard try place(a[0], a[1]).node != nil else { throw .noEntry }
        case 49: try changeDirectory(try place(Self.workingDirectoryHandle, a[0]).node)
        case 50: try changeDirectory(try node(a[0] & 0xffff_ffff))
        case 52: files.setMode(UInt32(truncatingIfNeeded: a[1]), of: try node(a[0] & 0xffff_ffff))
        case 53:
            guard let node = try place(a[0], a[1]).node else { throw .noEntry }
            files.setMode(UInt32(truncatingIfNeeded: a[2]), of: node)
        // Owners and times are what they are.
        case 54, 55, 88: break
        case 56: return try open(a)
        case 78: return try readLink(a)
        case 79: try put(statusBytes(try target(a[0], a[1], flags: a[3])), at: a[2])
        case 80: try put(statusBytes(try openFile(a[0]).stream), at: a[1])
        case 291:
            try put(extendedStatusBytes(try target(a[0], a[1], flags: a[2])), at: a[4])
        // symlinkat, linkat: a file has one name here.
        case 36, 37: throw .notPermitted
        default: return nil
        }
        return 0
    }

    /// Where a path leads from a directory handle.
    private func place(_ handle: UInt64, _ address: UInt64) throws(Errno) -> FileTree.Place {
        let path = try path(address)
        return try files.place(path, from: try directory(handle, path))
    }

    private func directory(_ handle: UInt64, _ path: [UInt8]) throws(Errno) -> Int {
        let handle = handle & 0xffff_ffff
        if handle == Self.workingDirectoryHandle || path.first == UInt8(ascii: "/") {
            return workingDirectory
        }
        guard case .node(let node) = try openFile(handle).stream else { throw .notDirectory }
        return node
    }

    /// What stat looks at: a name, or with AT_EMPTY_PATH the handle itself.
    private func target(
        _ handle: UInt64,
        _ address: UInt64,
        flags: UInt64
    ) throws(Errno) -> Stream {
        let path = try path(address)
        if path.isEmpty, flags & 0x1000 != 0 {
            if handle & 0xffff_ffff == Self.workingDirectoryHandle {
                return .node(workingDirectory)
            }
            return try openFile(handle).stream
        }
        guard let node = try files.place(path, from: try directory(handle, path)).node else {
            throw .noEntry
        }
        return .node(node)
    }

    private mutating func open(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let flags = a[2], place = try place(a[0], a[1])
        let creates = flags & 0x40 != 0, isExclusive = flags & 0x80 != 0
        let truncates = flags & 0x200 != 0, wantsDirectory = flags & 0x10000 != 0
        let isWritable = flags & 3 != 0
        var node = place.node
        if let node {
            if creates, isExclusive { throw .exists }
            if files.isDirectory(node), isWritable || creates { throw .isDirectory }
            if wantsDirectory, !files.isDirectory(node) { throw .notDirectory }
        } else if creates {
            var new = FileTree.Node(content: .file([]), mode: 0)
            new.mode = UInt32(truncatingIfNeeded: a[3]) & 0o7777 & ~0o022
            new.changed = wallClock
            guard files.nodeCount < Self.nodeCountMax else { throw .noSpace }
            node = files.add(new, place.name, in: place.directory)
        }
        guard let node else { throw .noEntry }
        guard
            let handle = handles.open(
                OpenFile(stream: .node(node), flags: flags & 0xfff & ~0x2c0),
                closesOnExec: flags & 0x80000 != 0,
                countMax: settings.handleCountMax
            )
        else { throw .tooManyHandles }
        if truncates, isWritable, files.size(of: node) > 0 { try truncate(node, 0) }
        return handle
    }

    /// Names are small, but not free: a bound on how many a program may make.
    private static let nodeCountMax = 1 << 16

    private mutating func changeDirectory(_ node: Int?) throws(Errno) {
        guard let node else { throw .noEntry }
        guard files.isDirectory(node) else { throw .notDirectory }
        workingDirectory = node
    }

    private mutating func makeDirectory(_ a: [6 of UInt64]) throws(Errno) {
        let place = try place(a[0], a[1])
        guard place.node == nil else { throw .exists }
        guard files.nodeCount < Self.nodeCountMax else { throw .noSpace }
        var node = FileTree.Node(content: .directory([]), mode: 0)
        node.mode = UInt32(truncatingIfNeeded: a[2]) & 0o7777 & ~0o022
        node.changed = wallClock
        _ = files.add(node, place.name, in: place.directory)
    }

    private mutating func currentDirectory(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let path = files.path(of: workingDirectory) + [0]
        guard UInt64(path.count) <= a[1] else { throw .outOfRange }
        try put(path, at: a[0])
        return UInt64(path.count)
    }

    /// There are no links but the one to the program itself, which the C library asks for.
    private mutating func readLink(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let path = try path(a[1])
        guard path == Array("/proc/self/exe".utf8) else {
            guard try place(a[0], a[1]).node != nil else { throw .noEntry }
            throw .invalid
        }
        let target = Array("/work/program".utf8.prefix(Int(clamping: a[3])))
        try put(target, at: a[2])
        return UInt64(target.count)
    }

    /// getdents64: ".", ".." and the entries in the order of their bytes.
    mutating func listDirectory(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        guard case .node(let directory) = file.stream,
            let entries = files.entries(of: directory)
        else { throw .notDirectory }
        let parent = files.nodes[directory].parent
        let all =
            [
                FileTree.Entry(name: [46], node: directory),
                FileTree.Entry(name: [46, 46], node: parent),
            ] + entries
        var bytes: [UInt8] = []
        while file.offset < all.count {
            let entry = all[file.offset]
            let byteCount = (19 + entry.name.count + 1 + 7) / 8 * 8
            guard UInt64(bytes.count + byteCount) <= a[2] else { break }
            let end = UInt64(bytes.count + byteCount)
            bytes.append(littleEndian: UInt64(entry.node + 1))
            bytes.append(littleEndian: UInt64(file.offset + 1))
            bytes.append(littleEndian: UInt16(byteCount))
            bytes.append(UInt8(mode(of: .node(entry.node)) >> 12))
            bytes += entry.name
            bytes.pad(to: end)
            file.offset += 1
        }
        if bytes.isEmpty, file.offset < all.count { throw .invalid }
        try put(bytes, at: a[1])
        handles[handle] = file
        return UInt64(bytes.count)
    }

    // MARK: - Status

    /// File type and permissions, as st_mode has them.
    private func mode(of stream: Stream) -> UInt32 {
        guard case .node(let node) = stream else { return 0o010600 }
        let kind: UInt32 =
            switch files.nodes[node].content {
            case .directory: 0o040000
            case .file: 0o100000
            case .device: 0o020000
            case .pipe: 0o010000
            }
        return kind | files.nodes[node].mode
    }

    /// struct stat of asm-generic: 128 bytes.
    private func statusBytes(_ stream: Stream) -> [UInt8] {
        let (number, size, changed) = facts(stream)
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(1))
        bytes.append(littleEndian: number)
        bytes.append(littleEndian: mode(of: stream))
        bytes.append(littleEndian: UInt32(1))
        bytes.append(littleEndian: UInt32(Self.userID))
        bytes.append(littleEndian: UInt32(Self.userID))
        bytes.pad(to: 48)
        bytes.append(littleEndian: size)
        bytes.append(littleEndian: UInt64(4096))
        bytes.append(littleEndian: (size + 511) / 512)
        for _ in 0..<3 {
            bytes.append(littleEndian: changed / 1_000_000_000)
            bytes.append(littleEndian: changed % 1_000_000_000)
        }
        bytes.pad(to: 128)
        return bytes
    }

    /// struct statx: 256 bytes.
    private func extendedStatusBytes(_ stream: Stream) -> [UInt8] {
        let (number, size, changed) = facts(stream)
        var bytes: [UInt8] = []
        // STATX_BASIC_STATS.
        bytes.append(littleEndian: UInt32(0x7ff))
        bytes.append(littleEndian: UInt32(4096))
        bytes.append(littleEndian: UInt64(0))
        bytes.append(littleEndian: UInt32(1))
        bytes.append(littleEndian: UInt32(Self.userID))
        bytes.append(littleEndian: UInt32(Self.userID))
        bytes.append(littleEndian: UInt32(mode(of: stream)))
        bytes.append(littleEndian: number)
        bytes.append(littleEndian: size)
        bytes.append(littleEndian: (size + 511) / 512)
        bytes.append(littleEndian: UInt64(0))
        for _ in 0..<4 {
            bytes.append(littleEndian: changed / 1_000_000_000)
            bytes.append(littleEndian: changed % 1_000_000_000)
        }
        bytes.pad(to: 256)
        return bytes
    }

    private func facts(_ stream: Stream) -> (number: UInt64, size: UInt64, changed: UInt64) {
        guard case .node(let node) = stream else { return (1, 0, wallClock) }
        let changed = files.nodes[node].changed
        return (UInt64(node + 1), UInt64(files.size(of: node)), changed)
    }
}
