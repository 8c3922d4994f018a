/// What a handle reads from or writes to.
enum Stream: Hashable, Sendable {
    case standardInput, standardOutput, standardError
    case node(Int)
    case pipeEnd(Int, isWriter: Bool)
    /// One end of a socket pair: two pipes, each in one direction.
    case socket(reading: Int, writing: Int)

    /// The other end, whose closing is noticed at this one.
    var peer: Stream? {
        switch self {
        case .pipeEnd(let node, let isWriter): .pipeEnd(node, isWriter: !isWriter)
        case .socket(let reading, let writing): .socket(reading: writing, writing: reading)
        case .standardInput, .standardOutput, .standardError, .node: nil
        }
    }
}

/// An open file description: what dup(2) shares.
struct OpenFile: Sendable {
    var stream: Stream
    /// The flags of open(2).
    var flags: UInt64 = 0
    /// A byte offset, or in a directory the number of entries already listed.
    var offset = 0
    var handleCount = 1
    /// The path by which it was opened.
    var path: [UInt8] = []
    /// What a directory held when its listing began.
    var listing: [FileTree.Entry]?

    /// O_RDONLY is 0, O_WRONLY 1, O_RDWR 2; O_PATH can neither.
    var isReadable: Bool { flags & 3 != 1 && flags & 0x20_0000 == 0 }
    var isWritable: Bool { flags & 3 != 0 && flags & 0x20_0000 == 0 }
    var appends: Bool { flags & 0x400 != 0 }
    var neverWaits: Bool { flags & 0x800 != 0 }
}

/// The numbers that a program knows its open files by.
struct HandleTable: Sendable {
    private struct Handle: Sendable {
        var file: Int
        var closesOnExec: Bool
    }

    private var handles: [Handle?]
    private(set) var files: [OpenFile?]
    private(set) var countPeak = 3
    private var openCount = 3

    /// Standard input, output and error.
    init() {
        files = [
            OpenFile(stream: .standardInput, path: Array("/dev/stdin".utf8)),
            OpenFile(stream: .standardOutput, flags: 1, path: Array("/dev/stdout".utf8)),
            OpenFile(stream: .standardError, flags: 1, path: Array("/dev/stderr".utf8)),
        ]
        handles = (0..<3).map { Handle(file: $0, closesOnExec: false) }
    }

    subscript(handle: UInt64) -> OpenFile? {
        get { index(of: handle).flatMap { files[$0] } }
        set { if let index = index(of: handle) { files[index] = newValue } }
    }

    /// The open file description of a handle, by its place in `files`.
    func index(of handle: UInt64) -> Int? {
        guard handle < UInt64(handles.count) else { return nil }
        return handles[Int(handle)]?.file
    }

    /// The numbers in use, rising.
    var open: [UInt64] { handles.indices.filter { handles[$0] != nil }.map(UInt64.init) }

    func closesOnExec(_ handle: UInt64) -> Bool {
        handle < UInt64(handles.count) && handles[Int(handle)]?.closesOnExec == true
    }

    mutating func setClosesOnExec(_ closes: Bool, _ handle: UInt64) {
        guard handle < UInt64(handles.count) else { return }
        handles[Int(handle)]?.closesOnExec = closes
    }

    /// Opens a file under the lowest free number; nil where the limit forbids it.
    mutating func open(_ file: OpenFile, closesOnExec: Bool, countMax: Int) -> UInt64? {
        guard let number = free(from: 0, countMax: countMax) else { return nil }
        let index = files.firstIndex { $0 == nil } ?? files.count
        if index == files.count { files.append(file) } else { files[index] = file }
        place(Handle(file: index, closesOnExec: closesOnExec), at: number)
        return UInt64(number)
    }

    /// Gives an open file another number, at or above `low`.
    mutating func duplicate(
        _ handle: UInt64,
        from low: UInt64,
        closesOnExec: Bool,
        countMax: Int
    ) -> UInt64? {
        guard let index = index(of: handle), low < UInt64(countMax),
            let number = free(from: Int(low), countMax: countMax)
        else { return nil }
        files[index]?.handleCount += 1
        place(Handle(file: index, closesOnExec: closesOnExec), at: number)
        return UInt64(number)
    }

    private mutating func place(_ handle: Handle, at number: Int) {
        while handles.count <= number { handles.append(nil) }
        handles[number] = handle
        openCount += 1
        countPeak = max(countPeak, openCount)
    }

    private func free(from low: Int, countMax: Int) -> Int? {
        for number in low..<max(low, countMax)
        where number >= handles.count || handles[number] == nil { return number }
        return nil
    }

    /// Closes a handle; returns the file when this was its last one.
    mutating func close(_ handle: UInt64) -> OpenFile? {
        guard let index = index(of: handle), var file = files[index] else { return nil }
        handles[Int(handle)] = nil
        openCount -= 1
        file.handleCount -= 1
        files[index] = file.handleCount > 0 ? file : nil
        return file.handleCount > 0 ? nil : file
    }

    func isOpen(_ stream: Stream) -> Bool { files.contains { $0?.stream == stream } }
}
