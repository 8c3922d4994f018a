/// The files of one run, in memory: `/work` with the inputs, `/tmp`, and a few devices.
///
/// Nothing of the host is visible. Directories list their entries sorted by bytes, so that every
/// run sees one order. The number of a node is that of its file as long as the file is there.
struct FileTree: Sendable {
    enum Device: UInt8, Sendable { case null, zero, random, standardInput, standardOutput }

    enum Content: Sendable {
        case directory([Entry])
        case file([UInt8])
        case device(Device)
        case pipe([UInt8])
    }

    struct Entry: Sendable {
        var name: [UInt8]
        var node: Int
    }

    struct Node: Sendable {
        var content: Content
        var mode: UInt32
        /// Virtual nanoseconds of the last change.
        var changed: UInt64 = 0
        /// The bytes with which an input began, to tell whether it was changed.
        var original: [UInt8]?
        /// Whether it has a name.
        var isLinked = true
        var parent = 0
    }

    static let root = 0
    static let workingDirectoryName = "work"
    static let nameByteCountMax = 255

    private(set) var nodes: [Node] = []
    private(set) var byteCount = 0
    /// Nodes that may be used again, the last one first.
    private var freeNodes: [Int] = []
    let byteCountMax: Int
    private(set) var workingDirectory = 0

    init(_ inputs: [InputFile], byteCountMax: Int) {
        self.byteCountMax = byteCountMax
        nodes = [Node(content: .directory([]), mode: 0o755)]
        workingDirectory = require(directory: Self.workingDirectoryName, in: Self.root)
        _ = require(directory: "tmp", in: Self.root)
        let devices = require(directory: "dev", in: Self.root)
        let named: [(String, Device)] = [
            ("null", .null), ("zero", .zero), ("random", .random), ("urandom", .random),
            ("stdin", .standardInput), ("stdout", .standardOutput), ("tty", .standardOutput),
        ]
        for (name, device) in named {
            _ = add(Node(content: .device(device), mode: 0o666), Array(name.utf8), in: devices)
        }
        for input in inputs { place(input) }
    }

    /// Inputs come from the caller and are within the caller's limits.
    private mutating func place(_ input: InputFile) {
        var directory = workingDirectory
        let parts = input.name.split(separator: "/").filter { $0 != "." && $0 != ".." }
        guard let last = parts.last else { return }
        for part in parts.dropLast() { directory = require(directory: String(part), in: directory) }
        var node = Node(content: .file(input.bytes), mode: 0o755)
        node.original = input.bytes
        byteCount += input.bytes.count
        if let old = lookup(Array(last.utf8), in: directory) {
            nodes[old] = node
        } else {
            _ = add(node, Array(last.utf8), in: directory)
        }
    }

    private mutating func require(directory name: String, in parent: Int) -> Int {
        lookup(Array(name.utf8), in: parent)
            ?? add(Node(content: .directory([]), mode: 0o755), Array(name.utf8), in: parent)
    }

    /// Adds a node under a name that is free, and keeps the directory sorted.
    mutating func add(_ node: Node, _ name: [UInt8], in directory: Int) -> Int {
        let number = place(node)
        nodes[number].parent = directory
        link(number, name, in: directory)
        return number
    }

    private mutating func link(_ node: Int, _ name: [UInt8], in directory: Int) {
        guard case .directory(var entries) = nodes[directory].content else { return }
        let index =
            entries.firstIndex { name.lexicographicallyPrecedes($0.name) } ?? entries.count
        entries.insert(Entry(name: name, node: node), at: index)
        nodes[directory].content = .directory(entries)
    }

    /// A pipe has no name.
    mutating func addPipe() -> Int {
        var node = Node(content: .pipe([]), mode: 0o600)
        node.isLinked = false
        return place(node)
    }

    private mutating func place(_ node: Node) -> Int {
        if let number = freeNodes.popLast() {
            nodes[number] = node
            return number
        }
        nodes.append(node)
        return nodes.count - 1
    }

    /// How many files, directories and pipes there are.
    var nodeCount: Int { nodes.count - freeNodes.count }

    func entries(of directory: Int) -> [Entry]? {
        if case .directory(let entries) = nodes[directory].content { entries } else { nil }
    }

    func isDirectory(_ node: Int) -> Bool { entries(of: node) != nil }

    func lookup(_ name: [UInt8], in directory: Int) -> Int? {
        entries(of: directory)?.first { $0.name == name }?.node
    }

    /// Where a path leads: its directory, its last name, and the node if there is one.
    struct Place {
        var directory: Int
        var name: [UInt8]
        var node: Int?
    }

    /// Walks a path from a directory; the last name may be missing, the others may not.
    func place(_ path: [UInt8], from start: Int) throws(Errno) -> Place {
        guard !path.isEmpty else { throw .noEntry }
        guard path.count < 4096 else { throw .nameTooLong }
        var directory = path[0] == UInt8(ascii: "/") ? Self.root : start
        let parts = path.split(separator: UInt8(ascii: "/")).map(Array.init)
        guard var last = parts.last else {
            return Place(directory: Self.root, name: [], node: Self.root)
        }
        for part in parts.dropLast() { directory = try step(part, from: directory) }
        guard last.count <= Self.nameByteCountMax else { throw .nameTooLong }
        guard isDirectory(directory) else { throw .notDirectory }
        if last == [46] || last == [46, 46] {
            let node = try step(last, from: directory)
            last = []
            return Place(directory: directory, name: last, node: node)
        }
        let node = lookup(last, in: directory)
        if path.last == UInt8(ascii: "/"), let node, !isDirectory(node) { throw .notDirectory }
        return Place(directory: directory, name: last, node: node)
    }

    private func step(_ part: [UInt8], from directory: Int) throws(Errno) -> Int {
        guard isDirectory(directory) else { throw .notDirectory }
        if part == [46] { return directory }
        if part == [46, 46] { return nodes[directory].parent }
        guard let node = lookup(part, in: directory) else { throw .noEntry }
        return node
    }

    /// The absolute path of a directory.
    func path(of directory: Int) -> [UInt8] {
        var parts: [UInt8] = [], node = directory
        while node != Self.root {
            let parent = nodes[node].parent
            let name = entries(of: parent)?.first { $0.node == node }?.name ?? []
            parts = [UInt8(ascii: "/")] + name + parts
            node = parent
        }
        return parts.isEmpty ? [UInt8(ascii: "/")] : parts
    }
}

// MARK: - Changes

extension FileTree {
    func size(of node: Int) -> Int {
        switch nodes[node].content {
        case .file(let bytes), .pipe(let bytes): bytes.count
        case .directory(let entries): 64 * entries.count
        case .device: 0
        }
    }

    mutating func setMode(_ mode: UInt32, of node: Int) { nodes[node].mode = mode & 0o7777 }

    mutating func stamp(_ node: Int, _ now: UInt64) { nodes[node].changed = now }

    func read(_ node: Int, at offset: Int, count: Int) -> ArraySlice<UInt8> {
        guard case .file(let bytes) = nodes[node].content, offset < bytes.count else { return [] }
        return bytes[offset..<min(bytes.count, offset + min(count, bytes.count))]
    }

    /// Writes at an offset, with zeros in a gap before it.
    mutating func write(_ bytes: [UInt8], to node: Int, at offset: Int) throws(Errno) {
        let size = size(of: node)
        let (end, overflow) = offset.addingReportingOverflow(bytes.count)
        guard !overflow, byteCount + max(0, end - size) <= byteCountMax else { throw .noSpace }
        guard !bytes.isEmpty else { return }
        if offset > size { try resize(node, to: offset) }
        change(node) { content in
            let overlap = min(content.count, end)
            content.replaceSubrange(offset..<overlap, with: bytes)
        }
        byteCount += max(0, end - max(size, offset))
    }

    mutating func resize(_ node: Int, to count: Int) throws(Errno) {
        guard case .file = nodes[node].content else { throw .invalid }
        let size = size(of: node)
        guard byteCount + (count - size) <= byteCountMax else { throw .noSpace }
        change(node) { content in
            if count < size { content.removeLast(size - count) }
            if count > size { content.append(contentsOf: repeatElement(0, count: count - size)) }
        }
        byteCount += count - size
    }

    /// Appends to a pipe.
    mutating func append(_ bytes: [UInt8], toPipe node: Int) { change(node) { $0 += bytes } }

    /// Takes bytes from a pipe's front.
    mutating func take(_ count: Int, fromPipe node: Int) -> [UInt8] {
        var taken: [UInt8] = []
        change(node) { content in
            taken = Array(content.prefix(count))
            content.removeFirst(taken.count)
        }
        return taken
    }

    /// Changes bytes in place: the content leaves the node meanwhile, so nothing is copied.
    private mutating func change(_ node: Int, _ body: (inout [UInt8]) -> Void) {
        switch nodes[node].content {
        case .file(var bytes):
            nodes[node].content = .file([])
            body(&bytes)
            nodes[node].content = .file(bytes)
        case .pipe(var bytes):
            nodes[node].content = .pipe([])
            body(&bytes)
            nodes[node].content = .pipe(bytes)
        case .directory, .device: break
        }
    }

    /// Removes a name; an open file lives on until it is closed.
    mutating func unlink(_ place: Place, directory wantsDirectory: Bool) throws(Errno) {
        guard let node = place.node else { throw .noEntry }
        guard !place.name.isEmpty, node != workingDirectory else { throw .invalid }
        if let entries = entries(of: node) {
            guard wantsDirectory else { throw .isDirectory }
            guard entries.isEmpty else { throw .notEmpty }
        } else if wantsDirectory {
            throw .notDirectory
        }
        remove(place.name, from: place.directory)
        nodes[node].isLinked = false
    }

    /// Gives back what has no name and is not open any more.
    mutating func release(_ node: Int) {
        guard !nodes[node].isLinked, node != workingDirectory else { return }
        if case .file(let bytes) = nodes[node].content { byteCount -= bytes.count }
        nodes[node] = Node(content: .file([]), mode: 0)
        freeNodes.append(node)
    }

    private mutating func remove(_ name: [UInt8], from directory: Int) {
        guard case .directory(var entries) = nodes[directory].content else { return }
        entries.removeAll { $0.name == name }
        nodes[directory].content = .directory(entries)
    }

    /// Moves a name over another one, as rename(2).
    mutating func rename(_ old: Place, to new: Place) throws(Errno) {
        guard let node = old.node else { throw .noEntry }
        guard !old.name.isEmpty, !new.name.isEmpty else { throw .invalid }
        if node == new.node { return }
        var ancestor = new.directory
        while ancestor != Self.root {
            // A directory cannot move below itself.
            if ancestor == node { throw .invalid }
            ancestor = nodes[ancestor].parent
        }
        if new.node != nil {
            if isDirectory(node), let target = new.node, !isDirectory(target) {
                throw .notDirectory
            }
            try unlink(new, directory: isDirectory(node))
        }
        remove(old.name, from: old.directory)
        nodes[node].parent = new.directory
        link(node, new.name, in: new.directory)
    }

    /// Files of the working directory that are new or changed, sorted by name.
    func outputs() -> [OutputFile] {
        var files: [OutputFile] = []
        collect(workingDirectory, prefix: [], into: &files)
        return files.sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }

    private func collect(_ directory: Int, prefix: [UInt8], into files: inout [OutputFile]) {
        for entry in entries(of: directory) ?? [] {
            let name = prefix + entry.name
            if case .file(let bytes) = nodes[entry.node].content,
                nodes[entry.node].original != bytes
            {
                files.append(OutputFile(name: String(decoding: name, as: UTF8.self), bytes: bytes))
            }
            collect(entry.node, prefix: name + [UInt8(ascii: "/")], into: &files)
        }
    }
}
