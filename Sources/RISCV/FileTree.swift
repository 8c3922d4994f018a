import Basics

/// The files of one run: `/work` with the inputs, `/tmp`, devices, `/proc`, and what the caller
/// shows of the host.
///
/// Everything that a program changes stays here. Of the host there is nothing but the folders
/// that the caller has given: their entries are listed when somebody first looks, their bytes are
/// read when somebody reads, and a file is copied when somebody first writes to it. Directories
/// list their entries sorted by bytes, so that every run sees one order. The number of a node is
/// that of its file as long as the file is there. Times are virtual: a file of the host is as old
/// as the run.
struct FileTree: Sendable {
    enum Device: UInt8, Sendable {
        case null, zero, full, random, standardInput, standardOutput, standardError, terminal
    }

    enum Content: Sendable {
        case directory([Entry])
        /// A folder of the host in which nobody has looked yet.
        case unlisted
        case file([UInt8])
        /// A file of the host that nobody has changed.
        case hostFile(byteCount: Int)
        case link([UInt8])
        case device(Device)
        case pipe([UInt8])
        /// What eventfd made.
        case counter(value: UInt64, isSemaphore: Bool)
        /// What timerfd made: a key of `Machine.timers`.
        case timer(Int)
        case poller(Poller)
        /// A file whose bytes are made when it is opened.
        case generated(ProcessFile)
        /// A name in `/proc/self/fd`.
        case handle(UInt64)
        /// A device, pipe or socket of the host.
        case foreign
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
        /// The input that it began as, to tell whether it was changed or moved.
        var original: InputFile?
        var linkCount = 1
        /// Of a directory: the one above it.
        var parent = 0
        /// The folder of the host in which it lies, or will be written to.
        var mount: Int?
        /// Its path in that folder, where it comes from there.
        var hostPath: [UInt8]?
        /// How often something was written or taken: what edge-triggered polling compares.
        var activity: UInt64 = 0

        init(content: Content, mode: UInt32, changed: UInt64 = 0) {
            self.content = content
            self.mode = mode
            self.changed = changed
        }
    }

    static let root = 0
    static let workingDirectoryName = "work"
    static let nameByteCountMax = 255
    private static let linkCountMax = 40
    /// Nodes that folders of the host may make: a bound on what a look around costs.
    static let hostNodeCountMax = 1 << 21

    var nodes: [Node] = []
    var byteCount = 0
    /// Nodes that may be used again, the last one first.
    var freeNodes: [Int] = []
    var hostNodeCount = 0
    /// The nodes that are epoll instances.
    var pollers: [Int] = []
    private(set) var byteCountMax: Int
    /// A root of the host, where there is one, and then what the caller has mounted.
    private(set) var mounts: [HostFolders.Mount] = []
    private(set) var mountCount = 0
    private(set) var workingDirectory = 0
    private(set) var handleDirectory = 0

    /// What a program finds that sees nothing of the host, made once for all of them.
    private static let bare = FileTree(.none, byteCountMax: 0)

    init(_ inputs: [InputFile], _ folders: HostFolders = .none, byteCountMax: Int) {
        if folders.root == nil, folders.mounts.isEmpty {
            self = Self.bare
            self.byteCountMax = byteCountMax
        } else {
            self.init(folders, byteCountMax: byteCountMax)
        }
        for input in inputs { place(input) }
    }

    private init(_ folders: HostFolders, byteCountMax: Int) {
        self.byteCountMax = byteCountMax
        nodes = [Node(content: .directory([]), mode: 0o755)]
        if let root = folders.root {
            mounts.append(.init(folder: root, path: "/", isReadOnly: false))
            nodes[Self.root].content = .unlisted
            nodes[Self.root].mount = 0
            nodes[Self.root].hostPath = []
        }
        mountCount = folders.mounts.count
        for mount in folders.mounts { self.mount(mount) }
        workingDirectory = require(directory: Self.workingDirectoryName, in: Self.root)
        // Of these the program sees its own, whatever a root of the host holds.
        for name in ["tmp", "dev", "proc"] where !isMountPoint(Array(name.utf8)) {
            unlinkName(Array(name.utf8), in: Self.root)
            _ = require(directory: name, in: Self.root)
        }
        addDevices()
        addProcess()
    }

    private func isMountPoint(_ name: [UInt8]) -> Bool {
        mounts.contains { Array($0.path.utf8) == [UInt8(ascii: "/")] + name }
    }

    private mutating func mount(_ mount: HostFolders.Mount) {
        let number = mounts.count
        mounts.append(mount)
        let parts = mount.path.split(separator: "/").filter { $0 != "." && $0 != ".." }
        var node = Node(content: .unlisted, mode: 0o755)
        node.mount = number
        node.hostPath = []
        guard let last = parts.last else {
            nodes[Self.root] = node
            return
        }
        var directory = Self.root
        for part in parts.dropLast() { directory = require(directory: String(part), in: directory) }
        unlinkName(Array(last.utf8), in: directory)
        let made = add(node, Array(last.utf8), in: directory)
        nodes[made].mount = number
    }

    private mutating func addDevices() {
        let devices = require(directory: "dev", in: Self.root)
        let named: [(String, Device)] = [
            ("null", .null), ("zero", .zero), ("full", .full), ("random", .random),
            ("urandom", .random), ("stdin", .standardInput), ("stdout", .standardOutput),
            ("stderr", .standardError), ("tty", .terminal),
        ]
        for (name, device) in named {
            _ = add(Node(content: .device(device), mode: 0o666), Array(name.utf8), in: devices)
        }
        _ = require(directory: "shm", in: devices)
        let link = Node(content: .link(Array("/proc/self/fd".utf8)), mode: 0o777)
        _ = add(link, Array("fd".utf8), in: devices)
    }

    /// Inputs come from the caller and are within the caller's limits.
    private mutating func place(_ input: InputFile) {
        var directory = workingDirectory
        let parts = input.name.split(separator: "/").filter { $0 != "." && $0 != ".." }
        guard let last = parts.last else { return }
        for part in parts.dropLast() { directory = require(directory: String(part), in: directory) }
        var node = Node(content: .file(input.bytes), mode: 0o755)
        node.original = InputFile(name: parts.joined(separator: "/"), bytes: input.bytes)
        byteCount += input.bytes.count
        unlinkName(Array(last.utf8), in: directory)
        _ = add(node, Array(last.utf8), in: directory)
    }

    /// The directory of a name; whatever else has the name gives way.
    mutating func require(directory name: String, in parent: Int) -> Int {
        let name = Array(name.utf8)
        if let known = lookup(name, in: parent) {
            if isDirectory(known) { return known }
            unlinkName(name, in: parent)
        }
        return add(Node(content: .directory([]), mode: 0o755), name, in: parent)
    }

    // MARK: - Looking

    /// How many files, directories and pipes there are that are not the host's.
    var nodeCount: Int { nodes.count - freeNodes.count - hostNodeCount }

    func isDirectory(_ node: Int) -> Bool {
        switch nodes[node].content {
        case .directory, .unlisted: true
        default: false
        }
    }

    /// What a directory holds, by name; none where the host does not say.
    mutating func entries(of directory: Int) -> [Entry]? {
        switch nodes[directory].content {
        case .directory(let entries): return entries
        case .unlisted: return list(directory)
        default: return nil
        }
    }

    private mutating func list(_ directory: Int) -> [Entry] {
        guard let mount = nodes[directory].mount, let path = nodes[directory].hostPath else {
            return []
        }
        var found = mounts[mount].folder.entries(of: path) ?? []
        found.removeAll { !Self.isName($0.name) }
        found.sort { $0.name.lexicographicallyPrecedes($1.name) }
        var entries: [Entry] = []
        for entry in found where entries.last?.name != entry.name {
            guard nodes.count < Self.hostNodeCountMax else { break }
            let content: Content =
                switch entry.kind {
                case .folder: .unlisted
                case .file(let byteCount): .hostFile(byteCount: byteCount)
                case .link(let target): .link(target)
                case .other: .foreign
                }
            var node = Node(content: content, mode: entry.mode & 0o777)
            node.parent = directory
            node.mount = mount
            node.hostPath = path.isEmpty ? entry.name : path + [UInt8(ascii: "/")] + entry.name
            entries.append(Entry(name: entry.name, node: place(node)))
        }
        hostNodeCount += entries.count
        nodes[directory].content = .directory(entries)
        return entries
    }

    static func isName(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name.count <= nameByteCountMax && name != [46] && name != [46, 46]
            && !name.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }

    mutating func lookup(_ name: [UInt8], in directory: Int) -> Int? {
        guard let entries = entries(of: directory) else { return nil }
        let index = Self.index(of: name, in: entries)
        return index < entries.count && entries[index].name == name ? entries[index].node : nil
    }

    /// Where a name stands in a sorted directory, or would stand.
    static func index(of name: [UInt8], in entries: [Entry]) -> Int {
        entries.partitionPoint { $0.name.lexicographicallyPrecedes(name) }
    }

    /// Where a path leads: its directory, its last name, and the node if there is one.
    struct Place {
        var directory: Int
        /// Empty where the path ends in "." or "..", or is the root.
        var name: [UInt8]
        var node: Int?
    }

    /// Walks a path from a directory; the last name may be missing, the others may not.
    ///
    /// Symbolic links are followed here and nowhere else, and ".." of the root is the root, so
    /// that a walk stays in this tree.
    ///
    /// - Parameter follows: whether a link as the last name is followed too.
    mutating func place(
        _ path: [UInt8],
        from start: Int,
        follows: Bool = true
    ) throws(Errno) -> Place {
        guard !path.isEmpty else { throw .noEntry }
        guard path.count < 4096 else { throw .nameTooLong }
        let slash = UInt8(ascii: "/")
        var directory = path[0] == slash ? Self.root : start
        var parts = Array(path.split(separator: slash).reversed()), followed = 0
        let needsDirectory = path.last == slash
        while let part = parts.popLast() {
            let name = Array(part), isLast = parts.isEmpty
            guard isDirectory(directory) else { throw .notDirectory }
            if name == [46] || name == [46, 46] {
                if name.count == 2 { directory = nodes[directory].parent }
                if isLast { return Place(directory: directory, name: [], node: directory) }
                continue
            }
            guard name.count <= Self.nameByteCountMax else { throw .nameTooLong }
            guard let node = lookup(name, in: directory) else {
                guard isLast else { throw .noEntry }
                return Place(directory: directory, name: name, node: nil)
            }
            if case .link(let target) = nodes[node].content, !isLast || follows || needsDirectory {
                followed += 1
                guard followed <= Self.linkCountMax else { throw .tooManyLinks }
                guard !target.isEmpty, parts.count < 4096 else { throw .noEntry }
                if target[0] == slash { directory = Self.root }
                parts += target.split(separator: slash).reversed()
                continue
            }
            guard isLast else {
                directory = node
                continue
            }
            if needsDirectory, !isDirectory(node) { throw .notDirectory }
            return Place(directory: directory, name: name, node: node)
        }
        return Place(directory: directory, name: [], node: directory)
    }

    /// The absolute path of a directory.
    mutating func path(of directory: Int) -> [UInt8] {
        var parts: [UInt8] = [], node = directory
        while node != Self.root {
            let parent = nodes[node].parent
            let name = entries(of: parent)?.first { $0.node == node }?.name ?? []
            parts = [UInt8(ascii: "/")] + name + parts
            node = parent
        }
        return parts.isEmpty ? [UInt8(ascii: "/")] : parts
    }

    /// Whether nothing may be changed there.
    func isReadOnly(_ node: Int) -> Bool {
        nodes[node].mount.map { mounts[$0].isReadOnly } ?? false
    }

    func size(of node: Int) -> Int {
        switch nodes[node].content {
        case .file(let bytes), .pipe(let bytes), .link(let bytes): bytes.count
        case .hostFile(let byteCount): byteCount
        case .directory(let entries): 64 * entries.count
        case .unlisted, .device, .counter, .timer, .poller, .generated, .handle, .foreign: 0
        }
    }

    func read(_ node: Int, at offset: Int, count: Int) throws(Errno) -> [UInt8] {
        switch nodes[node].content {
        case .file(let bytes):
            guard offset < bytes.count else { return [] }
            return Array(bytes[offset..<min(bytes.count, offset + min(count, bytes.count))])
        case .hostFile(let byteCount):
            guard offset < byteCount, let mount = nodes[node].mount,
                let path = nodes[node].hostPath
            else { return [] }
            let count = min(count, byteCount - offset)
            guard let bytes = mounts[mount].folder.read(path, at: offset, count: count) else {
                throw .accessDenied
            }
            return bytes
        default: return []
        }
    }
}

// MARK: - The process

extension FileTree {
    /// `/proc` with what programs look up about themselves and their machine.
    private mutating func addProcess() {
        let processes = require(directory: "proc", in: Self.root)
        for file in ProcessFile.allCases where file.isGlobal { add(file, in: processes) }
        let own = require(directory: String(Machine.processID), in: processes)
        for name in ["self", "thread-self"] {
            let target = Array(String(Machine.processID).utf8)
            _ = add(Node(content: .link(target), mode: 0o777), Array(name.utf8), in: processes)
        }
        for file in ProcessFile.allCases where !file.isGlobal { add(file, in: own) }
        handleDirectory = require(directory: "fd", in: own)
        nodes[handleDirectory].mode = 0o500
        setLink("exe", to: Array(Machine.programPathDefault.utf8))
        setLink("cwd", to: path(of: workingDirectory))
        setLink("root", to: [UInt8(ascii: "/")])
    }

    /// Adds a file under its path below a directory.
    private mutating func add(_ file: ProcessFile, in directory: Int) {
        var directory = directory
        let parts = file.path.split(separator: "/")
        for part in parts.dropLast() { directory = require(directory: String(part), in: directory) }
        let name = Array((parts.last ?? "").utf8)
        let node = Node(content: .generated(file), mode: 0o444)
        _ = add(node, name, in: directory)
    }

    /// Makes a symbolic link of `/proc/self` say something else.
    mutating func setLink(_ name: String, to target: [UInt8]) {
        let own = nodes[handleDirectory].parent, name = Array(name.utf8)
        unlinkName(name, in: own)
        _ = add(Node(content: .link(target), mode: 0o777), name, in: own)
    }

    /// Makes `/proc/self/fd` show the open handles.
    mutating func setHandles(_ handles: [UInt64]) {
        for entry in entries(of: handleDirectory) ?? [] {
            unlinkName(entry.name, in: handleDirectory)
        }
        for handle in handles {
            let node = Node(content: .handle(handle), mode: 0o700)
            _ = add(node, Array(String(handle).utf8), in: handleDirectory)
        }
    }
}
