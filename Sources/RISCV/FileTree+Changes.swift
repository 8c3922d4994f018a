// What a program does to its files.
extension FileTree {
    /// Adds a node under a name that is free, and keeps the directory sorted.
    mutating func add(_ node: Node, _ name: [UInt8], in directory: Int) -> Int {
        let number = place(node)
        nodes[number].parent = directory
        link(number, name, in: directory)
        return number
    }

    /// Gives a node a name in a directory.
    mutating func link(_ node: Int, _ name: [UInt8], in directory: Int) {
        guard var entries = entries(of: directory) else { return }
        entries.insert(Entry(name: name, node: node), at: Self.index(of: name, in: entries))
        nodes[directory].content = .directory(entries)
        if nodes[node].mount == nil || nodes[node].hostPath == nil {
            nodes[node].mount = nodes[directory].mount
        }
    }

    /// Adds a node without a name: a pipe, a counter, a file of memory.
    mutating func addUnnamed(_ content: Content, mode: UInt32 = 0o600) -> Int {
        var node = Node(content: content, mode: mode)
        node.linkCount = 0
        let number = place(node)
        if case .poller = content { pollers.append(number) }
        return number
    }

    mutating func place(_ node: Node) -> Int {
        if let number = freeNodes.popLast() {
            nodes[number] = node
            return number
        }
        nodes.append(node)
        return nodes.count - 1
    }

    mutating func setMode(_ mode: UInt32, of node: Int) throws(Errno) {
        guard !isReadOnly(node) else { throw .readOnly }
        if case .hostFile = nodes[node].content { try copy(node) }
        nodes[node].mode = mode & 0o7777
    }

    mutating func stamp(_ node: Int, _ now: UInt64) { nodes[node].changed = now }

    /// Makes a file of the host one of our own, before it is changed.
    private mutating func copy(_ node: Int) throws(Errno) {
        guard case .hostFile(let count) = nodes[node].content else { return }
        guard byteCount + count <= byteCountMax else { throw .noSpace }
        let bytes = try read(node, at: 0, count: count)
        take(node, with: bytes)
        byteCount += bytes.count
    }

    private mutating func take(_ node: Int, with bytes: [UInt8]) {
        nodes[node].content = .file(bytes)
        nodes[node].hostPath = nil
        hostNodeCount -= 1
    }

    /// Writes at an offset, with zeros in a gap before it.
    mutating func write(_ bytes: [UInt8], to node: Int, at offset: Int) throws(Errno) {
        guard !bytes.isEmpty else { return }
        try copy(node)
        let size = size(of: node)
        let (end, overflow) = offset.addingReportingOverflow(bytes.count)
        guard !overflow, byteCount + max(0, end - size) <= byteCountMax else { throw .noSpace }
        if offset > size { try resize(node, to: offset) }
        change(node) { content in
            let overlap = min(content.count, end)
            content.replaceSubrange(offset..<overlap, with: bytes)
        }
        byteCount += max(0, end - max(size, offset))
    }

    mutating func resize(_ node: Int, to count: Int) throws(Errno) {
        if count == 0, case .hostFile = nodes[node].content { take(node, with: []) }
        try copy(node)
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
    mutating func append(_ bytes: [UInt8], toPipe node: Int) {
        change(node) { $0 += bytes }
        byteCount += bytes.count
    }

    /// Takes bytes from a pipe's front.
    mutating func take(_ count: Int, fromPipe node: Int) -> [UInt8] {
        var taken: [UInt8] = []
        change(node) { content in
            taken = Array(content.prefix(count))
            content.removeFirst(taken.count)
        }
        byteCount -= taken.count
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
            nodes[node].activity &+= 1
        default: break
        }
    }

    /// Removes a name; an open file lives on until it is closed.
    mutating func unlink(_ place: Place, directory wantsDirectory: Bool) throws(Errno) {
        guard let node = place.node else { throw .noEntry }
        guard !place.name.isEmpty, node != workingDirectory else { throw .invalid }
        guard !isReadOnly(place.directory) else { throw .readOnly }
        if let entries = entries(of: node) {
            guard wantsDirectory else { throw .isDirectory }
            guard entries.isEmpty else { throw .notEmpty }
            guard !mounts.indices.contains(where: { isPoint(node, of: $0) }) else { throw .busy }
        } else if wantsDirectory {
            throw .notDirectory
        }
        removeName(place.name, from: place.directory)
        nodes[node].linkCount -= 1
    }

    /// Whether a node is where a folder of the host begins.
    private func isPoint(_ node: Int, of mount: Int) -> Bool {
        nodes[node].mount == mount && nodes[node].hostPath == []
    }

    /// Gives back what has no name and is not open any more.
    mutating func release(_ node: Int) {
        guard nodes[node].linkCount <= 0, node != workingDirectory else { return }
        switch nodes[node].content {
        case .file(let bytes), .pipe(let bytes): byteCount -= bytes.count
        case .poller: pollers.removeAll { $0 == node }
        default: break
        }
        if nodes[node].hostPath?.isEmpty == false { hostNodeCount -= 1 }
        nodes[node] = Node(content: .file([]), mode: 0)
        freeNodes.append(node)
    }

    /// Removes a name and what it stood for, where the tree itself lays something else there.
    mutating func unlinkName(_ name: [UInt8], in directory: Int) {
        guard let node = lookup(name, in: directory) else { return }
        removeName(name, from: directory)
        nodes[node].linkCount -= 1
        release(node)
    }

    private mutating func removeName(_ name: [UInt8], from directory: Int) {
        guard var entries = entries(of: directory) else { return }
        entries.removeAll { $0.name == name }
        nodes[directory].content = .directory(entries)
    }

    /// Moves a name over another one, as rename(2).
    mutating func rename(_ old: Place, to new: Place) throws(Errno) {
        guard let node = old.node else { throw .noEntry }
        guard !old.name.isEmpty, !new.name.isEmpty else { throw .invalid }
        if node == new.node { return }
        guard !isReadOnly(old.directory), !isReadOnly(new.directory) else { throw .readOnly }
        guard nodes[old.directory].mount == nodes[new.directory].mount else { throw .crossDevice }
        guard !mounts.indices.contains(where: { isPoint(node, of: $0) }) else { throw .busy }
        var ancestor = new.directory
        while ancestor != Self.root {
            // A directory cannot move below itself.
            if ancestor == node { throw .invalid }
            ancestor = nodes[ancestor].parent
        }
        if let target = new.node {
            if isDirectory(node), !isDirectory(target) { throw .notDirectory }
            if !isDirectory(node), isDirectory(target) { throw .isDirectory }
            try unlink(new, directory: isDirectory(node))
        }
        removeName(old.name, from: old.directory)
        nodes[node].parent = new.directory
        link(node, new.name, in: new.directory)
    }

    // MARK: - What is left

    /// Files of the working directory that are new, changed or moved, sorted by name.
    mutating func outputs() -> [OutputFile] {
        var files: [OutputFile] = []
        collect(workingDirectory, prefix: [], into: &files)
        return files.sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }

    private mutating func collect(
        _ directory: Int, prefix: [UInt8], into files: inout [OutputFile]
    ) {
        // A folder in which nobody has looked holds nothing that is new.
        guard case .directory(let entries) = nodes[directory].content else { return }
        for entry in entries {
            let name = prefix + entry.name
            if case .file(let bytes) = nodes[entry.node].content {
                let text = String(decoding: name, as: UTF8.self)
                let original = nodes[entry.node].original
                if original?.name != text || original?.bytes != bytes {
                    files.append(OutputFile(name: text, bytes: bytes))
                }
            }
            collect(entry.node, prefix: name + [UInt8(ascii: "/")], into: &files)
        }
    }

    /// What must be done to the folder of a mount so that it is as the program has left it.
    mutating func changes(of mount: Int) -> [HostChange] {
        var changes: [HostChange] = []
        for node in nodes.indices where isPoint(node, of: mount) && nodes[node].linkCount > 0 {
            compare(node, path: [], mount: mount, into: &changes)
        }
        return changes
    }

    private mutating func compare(
        _ directory: Int,
        path: [UInt8],
        mount: Int,
        into changes: inout [HostChange]
    ) {
        guard case .directory(let entries) = nodes[directory].content else { return }
        let theirs = mounts[mount].folder.entries(of: path) ?? []
        let prefix = path.isEmpty ? [] : path + [UInt8(ascii: "/")]
        for name in theirs.map(\.name).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let index = Self.index(of: name, in: entries)
            let node = index < entries.count && entries[index].name == name ? entries[index] : nil
            let isFile = theirs.contains { entry in
                if entry.name == name, case .file = entry.kind { return true }
                return false
            }
            if let node {
                let isSame = nodes[node.node].hostPath == prefix + name
                // A file is written over; anything else gives way first.
                if case .file = nodes[node.node].content, isFile { continue }
                if isSame || nodes[node.node].mount != mount { continue }
            }
            changes.append(.remove(path: prefix + name))
        }
        for entry in entries where nodes[entry.node].mount == mount {
            let path = prefix + entry.name
            if nodes[entry.node].hostPath == path {
                compare(entry.node, path: path, mount: mount, into: &changes)
            } else {
                create(entry.node, path: path, into: &changes)
            }
        }
    }

    private mutating func create(_ node: Int, path: [UInt8], into changes: inout [HostChange]) {
        switch nodes[node].content {
        case .file, .hostFile:
            guard let bytes = try? read(node, at: 0, count: size(of: node)) else { return }
            changes.append(.file(path: path, bytes: bytes, mode: nodes[node].mode & 0o777))
        case .link(let target): changes.append(.link(path: path, target: target))
        case .directory, .unlisted:
            changes.append(.folder(path: path, mode: nodes[node].mode & 0o777))
            for entry in entries(of: node) ?? [] {
                create(entry.node, path: path + [UInt8(ascii: "/")] + entry.name, into: &changes)
            }
        default: break
        }
    }
}
