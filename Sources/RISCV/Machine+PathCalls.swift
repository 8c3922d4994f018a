import Basics

// Calls on names: opening, listing, making, removing.
extension Machine {
    private static let workingDirectoryHandle = UInt64(bitPattern: -100) & 0xffff_ffff
    private static let notFollowing: UInt64 = 0x100
    private static let emptyPath: UInt64 = 0x1000

    mutating func pathCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64? {
        switch number {
        case 17: return try currentDirectory(a)
        // mknodat: no devices, and no pipes with a name.
        case 33: throw .notPermitted
        case 34: try makeDirectory(a)
        case 35:
            let place = try place(a[0], a[1], follows: false)
            try files.unlink(place, directory: a[2] & 0x200 != 0)
            files.stamp(place.directory, wallClock)
            if let node = place.node { releaseIfUnused(node) }
        case 36: try makeLink(a)
        case 37: try makeName(a)
        case 38, 276: try rename(number, a)
        case 45:
            guard let node = try place(Self.workingDirectoryHandle, a[0]).node else {
                throw .noEntry
            }
            try truncate(node, a[1])
        case 48, 439: try checkAccess(number, a)
        case 49: try changeDirectory(try place(Self.workingDirectoryHandle, a[0]).node)
        case 50: try changeDirectory(try node(a[0] & 0xffff_ffff))
        case 52: try files.setMode(UInt32(truncatingIfNeeded: a[1]), of: try node(a[0]))
        case 53, 452:
            let follows = number == 53 || a[3] & Self.notFollowing == 0
            guard let node = try place(a[0], a[1], follows: follows).node else { throw .noEntry }
            try files.setMode(UInt32(truncatingIfNeeded: a[2]), of: node)
        // Owners are what they are.
        case 54:
            _ = try target(a[0], a[1], flags: a[4])
        case 55: _ = try openFile(a[0])
        case 88: try setTimes(a)
        case 56: return try open(a[0], a[1], flags: a[2], mode: a[3])
        case 437:
            guard a[3] >= 24 else { throw .invalid }
            return try open(
                a[0], a[1], flags: try get(UInt64.self, at: a[2]),
                mode: try get(UInt64.self, at: a[2] &+ 8))
        case 78: return try readLink(a)
        // No file has extended attributes.
        case 5...7, 14...16: throw .notSupported
        case 8...10: throw .noData
        case 11...13: return 0
        default: return try statusCall(number, a)
        }
        return 0
    }

    /// Where a path leads from a directory handle.
    private mutating func place(
        _ handle: UInt64,
        _ address: UInt64,
        follows: Bool = true
    ) throws(Errno) -> FileTree.Place {
        let path = try path(address)
        return try place(path, from: try directory(handle, path), follows: follows)
    }

    private mutating func place(
        _ path: [UInt8],
        from start: Int,
        follows: Bool = true
    ) throws(Errno) -> FileTree.Place {
        let isInside = ["/proc", "/dev"].contains { path.starts(with: Array($0.utf8)) }
        if isInside || start == files.handleDirectory { files.setHandles(handles.open) }
        return try files.place(path, from: start, follows: follows)
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
    mutating func target(
        _ handle: UInt64,
        _ address: UInt64,
        flags: UInt64
    ) throws(Errno) -> Stream {
        // Without a path at all it is the handle too (statx, Linux 6.11).
        let path = address == 0 ? [] : try path(address)
        if path.isEmpty, flags & Self.emptyPath != 0 {
            if handle & 0xffff_ffff == Self.workingDirectoryHandle {
                return .node(workingDirectory)
            }
            return try openFile(handle).stream
        }
        let follows = flags & Self.notFollowing == 0
        let start = try directory(handle, path)
        guard let node = try place(path, from: start, follows: follows).node else {
            throw .noEntry
        }
        if follows, case .handle(let handle) = files.nodes[node].content {
            return try openFile(handle).stream
        }
        return .node(node)
    }

    // MARK: - Opening

    private mutating func open(
        _ directory: UInt64,
        _ address: UInt64,
        flags: UInt64,
        mode: UInt64
    ) throws(Errno) -> UInt64 {
        let path = try path(address)
        // O_TMPFILE includes O_DIRECTORY.
        if flags & 0x41_0000 == 0x41_0000 {
            guard flags & 3 != 0 else { throw .invalid }
            return try openUnnamed(.file([]), flags: flags & 0x8_0c03, "/tmp/#deleted")
        }
        let creates = flags & 0x40 != 0, isExclusive = flags & 0x80 != 0
        let follows = flags & 0x2_0000 == 0 && !(creates && isExclusive)
        let start = try self.directory(directory, path)
        let place = try place(path, from: start, follows: follows)
        var made: Int?
        if let node = place.node {
            if creates, isExclusive { throw .exists }
            try check(node, flags: flags)
            if case .handle(let handle) = files.nodes[node].content {
                return try reopen(handle, flags: flags)
            }
        } else {
            guard creates else { throw .noEntry }
            guard flags & 0x1_0000 == 0 else { throw .invalid }
            if path.last == UInt8(ascii: "/") { throw .isDirectory }
            made = try makeFile(at: place, mode: mode)
        }
        guard var node = place.node ?? made else { throw .noEntry }
        if case .generated(let file) = files.nodes[node].content {
            // What a process file says is what it says when it is opened.
            node = files.addUnnamed(.file(contents(of: file)), mode: 0o444)
        }
        let handle = try open(
            .node(node), flags: flags & (0x28_0fff & ~0x2c0), path: fullPath(path, from: start))
        if flags & 0x200 != 0, flags & 3 != 0 {
            if case .file = files.nodes[node].content { try truncate(node, 0) }
            if case .hostFile = files.nodes[node].content { try truncate(node, 0) }
        }
        return handle
    }

    /// Whether a node that is there may be opened in this way.
    private func check(_ node: Int, flags: UInt64) throws(Errno) {
        let isWritable = flags & 3 != 0, isPathOnly = flags & 0x20_0000 != 0
        if files.isDirectory(node) {
            if isWritable || flags & 0x40 != 0 { throw .isDirectory }
            return
        }
        if flags & 0x1_0000 != 0 { throw .notDirectory }
        switch files.nodes[node].content {
        case .link: if !isPathOnly { throw .tooManyLinks }
        case .foreign: if !isPathOnly { throw .accessDenied }
        case .device(.terminal): throw .noDevice
        case .generated: if isWritable { throw .accessDenied }
        case .file, .hostFile: if isWritable, files.isReadOnly(node) { throw .readOnly }
        default: break
        }
    }

    /// Opens what a handle has open, anew where it is a file.
    private mutating func reopen(_ handle: UInt64, flags: UInt64) throws(Errno) -> UInt64 {
        let file = try openFile(handle)
        if case .node(let node) = file.stream { try check(node, flags: flags) }
        return try open(file.stream, flags: flags & (0x28_0fff & ~0x2c0), path: file.path)
    }

    private mutating func makeFile(at place: FileTree.Place, mode: UInt64) throws(Errno) -> Int {
        var node = FileTree.Node(content: .file([]), mode: 0, changed: wallClock)
        node.mode = UInt32(truncatingIfNeeded: mode) & 0o7777 & ~modeMask
        return try add(node, at: place)
    }

    /// Adds something new under a free name.
    private mutating func add(
        _ node: FileTree.Node,
        at place: FileTree.Place
    ) throws(Errno) -> Int {
        guard place.node == nil else { throw .exists }
        guard files.nodeCount < Self.nodeCountMax else { throw .noSpace }
        guard !files.isReadOnly(place.directory) else { throw .readOnly }
        guard place.directory != files.handleDirectory else { throw .notPermitted }
        files.stamp(place.directory, wallClock)
        return files.add(node, place.name, in: place.directory)
    }

    /// Names are small, but not free: a bound on how many a program may make.
    static let nodeCountMax = 1 << 16

    /// A path made absolute, for those who ask for the name of a handle.
    private mutating func fullPath(_ path: [UInt8], from start: Int) -> [UInt8] {
        if path.first == UInt8(ascii: "/") { return path }
        let directory = files.path(of: start)
        return (directory == [UInt8(ascii: "/")] ? [] : directory) + [UInt8(ascii: "/")] + path
    }

    // MARK: - Names

    private mutating func rename(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) {
        let old = try place(a[0], a[1], follows: false)
        let new = try place(a[2], a[3], follows: false)
        // RENAME_NOREPLACE is 1; the other flags are refused.
        let flags = number == 276 ? a[4] : 0
        guard flags < 2 else { throw .invalid }
        if flags == 1, new.node != nil { throw .exists }
        try files.rename(old, to: new)
        if let node = new.node, node != old.node { releaseIfUnused(node) }
    }

    private mutating func makeLink(_ a: [6 of UInt64]) throws(Errno) {
        let target = try path(a[0])
        guard !target.isEmpty else { throw .noEntry }
        let place = try place(a[1], a[2], follows: false)
        _ = try add(.init(content: .link(target), mode: 0o777, changed: wallClock), at: place)
    }

    /// linkat: one more name for a file.
    private mutating func makeName(_ a: [6 of UInt64]) throws(Errno) {
        let follows = a[4] & 0x400 != 0, old: Stream
        if a[4] & Self.emptyPath != 0 {
            old = try target(a[0], a[1], flags: a[4])
        } else {
            guard let node = try place(a[0], a[1], follows: follows).node else { throw .noEntry }
            old = .node(node)
        }
        guard case .node(let node) = old, !files.isDirectory(node) else { throw .notPermitted }
        let new = try place(a[2], a[3], follows: false)
        guard new.node == nil else { throw .exists }
        guard !files.isReadOnly(new.directory) else { throw .readOnly }
        guard files.nodes[node].mount == files.nodes[new.directory].mount else {
            throw .crossDevice
        }
        files.nodes[node].linkCount += 1
        files.link(node, new.name, in: new.directory)
    }

    private mutating func checkAccess(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) {
        let flags = number == 439 ? a[3] : 0
        guard case .node(let node) = try target(a[0], a[1], flags: flags) else { return }
        if a[2] & 2 != 0, files.isReadOnly(node) { throw .readOnly }
        // Nobody may execute what has no bit for it.
        let isExecutable = files.isDirectory(node) || files.nodes[node].mode & 0o111 != 0
        if a[2] & 1 != 0, !isExecutable { throw .accessDenied }
    }

    private mutating func changeDirectory(_ node: Int?) throws(Errno) {
        guard let node else { throw .noEntry }
        guard files.isDirectory(node) else { throw .notDirectory }
        workingDirectory = node
        files.setLink("cwd", to: files.path(of: node))
    }

    private mutating func makeDirectory(_ a: [6 of UInt64]) throws(Errno) {
        var node = FileTree.Node(content: .directory([]), mode: 0, changed: wallClock)
        node.mode = UInt32(truncatingIfNeeded: a[2]) & 0o7777 & ~modeMask
        _ = try add(node, at: try place(a[0], a[1], follows: false))
    }

    private mutating func currentDirectory(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let path = files.path(of: workingDirectory) + [0]
        guard UInt64(path.count) <= a[1] else { throw .outOfRange }
        try put(path, at: a[0])
        return UInt64(path.count)
    }

    private mutating func readLink(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let path = try path(a[1])
        let stream: Stream
        if path.isEmpty {
            stream = try openFile(a[0]).stream
        } else {
            guard let node = try place(a[0], a[1], follows: false).node else { throw .noEntry }
            stream = .node(node)
        }
        guard case .node(let node) = stream else { throw .invalid }
        let target: [UInt8]
        switch files.nodes[node].content {
        case .link(let text): target = text
        case .handle(let handle): target = try openFile(handle).path
        default: throw .invalid
        }
        guard a[3] > 0 else { throw .invalid }
        let bytes = Array(target.prefix(Int(clamping: a[3])))
        try put(bytes, at: a[2])
        return UInt64(bytes.count)
    }

    /// utimensat: times of the last change as asked, or now; those of reading are not kept.
    private mutating func setTimes(_ a: [6 of UInt64]) throws(Errno) {
        let stream = try a[1] == 0
            ? openFile(a[0]).stream : target(a[0], a[1], flags: a[3])
        var changed: UInt64? = wallClock
        if a[2] != 0 {
            let seconds = try get(UInt64.self, at: a[2] &+ 16)
            let rest = try get(UInt64.self, at: a[2] &+ 24)
            switch rest {
            // UTIME_NOW, UTIME_OMIT.
            case 0x3fff_ffff: break
            case 0x3fff_fffe: changed = nil
            case 0..<1_000_000_000:
                changed = min(seconds, 1 << 33) * 1_000_000_000 + rest
            default: throw .invalid
            }
        }
        guard case .node(let node) = stream, let changed else { return }
        guard !files.isReadOnly(node) else { throw .readOnly }
        files.stamp(node, changed)
    }

    /// getdents64: ".", ".." and the entries in the order of their bytes.
    mutating func listDirectory(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        guard case .node(let directory) = file.stream, files.isDirectory(directory) else {
            throw .notDirectory
        }
        if directory == files.handleDirectory { files.setHandles(handles.open) }
        let all: [FileTree.Entry]
        if let listing = file.listing, file.offset > 0 {
            all = listing
        } else {
            let parent = files.nodes[directory].parent
            all =
                [
                    FileTree.Entry(name: [46], node: directory),
                    FileTree.Entry(name: [46, 46], node: parent),
                ] + (files.entries(of: directory) ?? [])
            file.listing = all
        }
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
}
