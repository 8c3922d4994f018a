internal import Basics

// Calls on handles: reading, writing, seeking, closing.
extension Machine {
    /// One call moves at most this much: it is copied on the way.
    static let transferByteCountMax: UInt64 = 1 << 26
    /// No file is near this, and sums of two such offsets do not overflow.
    private static let offsetMax = 1 << 61

    /// A buffer of the program.
    struct Buffer {
        var address: UInt64
        var count: UInt64
    }

    /// What reading a stream gave.
    enum Taken {
        /// None at its end.
        case bytes([UInt8])
        /// Nothing yet; perhaps at a time.
        case waits(until: UInt64?)
    }

    func openFile(_ handle: UInt64) throws(Errno) -> OpenFile {
        // The argument is an int: the upper half does not count.
        guard let file = handles[handle & 0xffff_ffff] else { throw .badHandle }
        return file
    }

    /// How many handles may be open now.
    var handleCountMax: Int {
        Int(min(UInt64(settings.handleCountMax), resourceLimits[7].soft))
    }

    mutating func fileCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> CallResult? {
        let handle = a[0] & 0xffff_ffff
        switch number {
        case 63, 67, 65, 69, 286:
            let parts = try buffers(number, a)
            return try read(handle, parts, at: try position(number, a))
        case 64, 68, 66, 70, 287:
            let parts = try buffers(number, a)
            return try write(handle, parts, at: try position(number, a))
        case 23: return .value(try duplicate(handle, from: 0, closesOnExec: false))
        case 24:
            let target = a[1] & 0xffff_ffff
            guard target != handle, target < UInt64(settings.handleCountMax) else {
                throw .invalid
            }
            _ = try openFile(handle)
            close(target)
            return .value(
                try duplicate(handle, from: target, closesOnExec: a[2] & 0x80000 != 0)
            )
        case 25: return .value(try control(handle, a))
        case 29: return .value(try deviceControl(handle, a))
        case 32: _ = try openFile(handle)
        case 57:
            _ = try openFile(handle)
            close(handle)
        case 61: return .value(try listDirectory(handle, a))
        case 62: return .value(try seek(handle, a))
        case 46: try truncate(try node(handle), a[1])
        case 47:
            let node = try node(handle)
            // FALLOC_FL_KEEP_SIZE alone changes nothing here; holes and the rest are refused.
            guard a[1] & ~1 == 0 else { throw .notSupported }
            let end = try offset(a[2] &+ a[3])
            if a[1] == 0, end > files.size(of: node) { try truncate(node, UInt64(end)) }
        case 71: return .value(try sendFile(a))
        case 285: return .value(try copyRange(a))
        // sync, fsync, fdatasync, sync_file_range, readahead, fadvise64, syncfs: memory is as
        // durable as it gets.
        case 81, 82, 83, 84, 213, 223, 267: break
        case 436: try closeRange(a)
        default: return nil
        }
        return .value(0)
    }

    private func offset(_ value: UInt64) throws(Errno) -> Int {
        guard let offset = Int(exactly: value), offset <= Self.offsetMax else { throw .invalid }
        return offset
    }

    /// Where pread, pwrite and their vector forms begin; nil for the others.
    private func position(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> Int? {
        switch number {
        case 67...70: try offset(a[3])
        // preadv2 and pwritev2 with offset -1 go on where the file is.
        case 286, 287: a[3] == .max ? nil : try offset(a[3])
        default: nil
        }
    }

    /// The memory that a read or write names: one buffer, or a vector of them.
    private func buffers(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> [Buffer] {
        guard [65, 66, 69, 70, 286, 287].contains(number) else {
            return [Buffer(address: a[1], count: min(a[2], Self.transferByteCountMax))]
        }
        return try buffers(at: a[1], count: a[2])
    }

    /// A vector of buffers, as readv has them.
    func buffers(at address: UInt64, count: UInt64) throws(Errno) -> [Buffer] {
        guard count <= 1024 else { throw .invalid }
        guard let bytes = memory.bytes(address, count * 16) else { throw .badAddress }
        return (0..<Int(count)).map { index in
            let count = bytes.integer(UInt64.self, at: 16 * index + 8)
            return Buffer(
                address: bytes.integer(UInt64.self, at: 16 * index),
                count: min(count, Self.transferByteCountMax)
            )
        }
    }

    // MARK: - Reading

    mutating func read(
        _ handle: UInt64,
        _ parts: [Buffer],
        at offset: Int?,
        neverWaits: Bool = false
    ) throws(Errno) -> CallResult {
        guard try openFile(handle).isReadable else { throw .badHandle }
        var total: UInt64 = 0
        for part in parts where part.count > 0 {
            // Checked first, so that nothing is taken from a stream and then lost.
            guard memory.canWrite(part.address, part.count) else {
                if total > 0 { break }
                throw .badAddress
            }
            let position = offset.map { $0 + Int(total) }
            switch try take(handle, Int(part.count), at: position) {
            case .bytes(let bytes):
                try put(bytes, at: part.address)
                total += UInt64(bytes.count)
                if bytes.count < part.count { return .value(total) }
            case .waits(let time):
                if total > 0 { return .value(total) }
                let file = try openFile(handle)
                if neverWaits || file.neverWaits { throw .again }
                return .again(until: time)
            }
        }
        return .value(total)
    }

    /// The next bytes of a stream.
    private mutating func take(
        _ handle: UInt64,
        _ count: Int,
        at offset: Int?
    ) throws(Errno) -> Taken {
        var file = try openFile(handle)
        switch file.stream {
        case .standardInput: return .bytes(takeInput(count))
        case .standardOutput, .standardError: throw .badHandle
        case .pipeEnd(let node, _), .socket(let node, _):
            if offset != nil { throw .illegalSeek }
            guard files.size(of: node) > 0 else {
                let isOpen = file.stream.peer.map { handles.isOpen($0) } ?? false
                return isOpen ? .waits(until: nil) : .bytes([])
            }
            let bytes = files.take(count, fromPipe: node)
            wakeWaiters()
            return .bytes(bytes)
        case .node(let node):
            if let taken = try takeSpecial(node, count) { return taken }
            let bytes = try files.read(node, at: offset ?? file.offset, count: count)
            if offset == nil {
                file.offset += bytes.count
                handles[handle] = file
            }
            return .bytes(bytes)
        }
    }

    private mutating func takeInput(_ count: Int) -> [UInt8] {
        let bytes = standardInput[standardInputOffset...].prefix(count)
        standardInputOffset += bytes.count
        return Array(bytes)
    }

    /// What reading gives that is not reading a file; nil where it is.
    private mutating func takeSpecial(_ node: Int, _ count: Int) throws(Errno) -> Taken? {
        switch files.nodes[node].content {
        case .directory, .unlisted: throw .isDirectory
        case .device(let device): return .bytes(deviceBytes(device, count))
        case .counter(let value, let isSemaphore):
            guard count >= 8 else { throw .invalid }
            guard value > 0 else { return .waits(until: nil) }
            let taken = isSemaphore ? 1 : value
            files.nodes[node].content = .counter(value: value - taken, isSemaphore: isSemaphore)
            files.nodes[node].activity &+= 1
            wakeWaiters()
            return .bytes(Self.bytes(of: taken))
        case .timer(let timer):
            guard count >= 8 else { throw .invalid }
            let expirations = timers.takeExpirations(of: timer, at: uptime)
            if expirations == 0 { return .waits(until: timers.next(of: timer)) }
            return .bytes(Self.bytes(of: expirations))
        case .poller, .foreign, .generated, .handle, .link, .pipe: throw .invalid
        case .file, .hostFile:
            flushShared(node)
            return nil
        }
    }

    private static func bytes(of value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        return bytes
    }

    private mutating func deviceBytes(_ device: FileTree.Device, _ count: Int) -> [UInt8] {
        switch device {
        case .null, .standardOutput, .standardError, .terminal: []
        case .zero, .full: .init(repeating: 0, count: count)
        case .random: randomBytes(min(count, 1 << 20))
        case .standardInput: takeInput(count)
        }
    }

    // MARK: - Writing

    mutating func write(
        _ handle: UInt64,
        _ parts: [Buffer],
        at offset: Int?,
        neverWaits: Bool = false
    ) throws(Errno) -> CallResult {
        let file = try openFile(handle)
        guard file.isWritable else { throw .badHandle }
        var total: UInt64 = 0
        for part in parts where part.count > 0 {
            guard let bytes = memory.bytes(part.address, part.count) else {
                if total > 0 { break }
                throw .badAddress
            }
            if total == 0, try isFull(file, bytes) {
                if neverWaits || file.neverWaits { throw .again }
                return .again(until: nil)
            }
            work += part.count / 8
            try append(bytes, to: handle, at: offset.map { $0 + Int(total) })
            total += part.count
        }
        return .value(total)
    }

    /// Whether a stream takes nothing now.
    private func isFull(_ file: OpenFile, _ bytes: [UInt8]) throws(Errno) -> Bool {
        switch file.stream {
        case .pipeEnd(let node, _), .socket(_, let node):
            return files.size(of: node) >= Self.pipeByteCountMax
                && file.stream.peer.map { handles.isOpen($0) } ?? false
        case .node(let node):
            guard case .counter(let value, _) = files.nodes[node].content else { return false }
            guard bytes.count >= 8 else { throw .invalid }
            let added = bytes.integer(UInt64.self, at: 0)
            guard added < .max else { throw .invalid }
            return added > .max - 1 - value
        case .standardInput, .standardOutput, .standardError: return false
        }
    }

    private mutating func append(
        _ bytes: [UInt8],
        to handle: UInt64,
        at offset: Int?
    ) throws(Errno) {
        var file = try openFile(handle)
        switch file.stream {
        case .standardInput: throw .badHandle
        case .standardOutput: emit(bytes, isError: false)
        case .standardError: emit(bytes, isError: true)
        case .pipeEnd(let node, _), .socket(_, let node):
            if offset != nil { throw .illegalSeek }
            guard let peer = file.stream.peer, handles.isOpen(peer) else {
                send(SignalInfo(Signal.pipe.number, code: SignalInfo.byUser), to: current)
                throw .brokenPipe
            }
            guard files.byteCount + bytes.count <= settings.fileByteCountMax else {
                throw .noSpace
            }
            files.append(bytes, toPipe: node)
            wakeWaiters()
        case .node(let node):
            if try appendSpecial(bytes, to: node) { return }
            let start = offset ?? (file.appends ? files.size(of: node) : file.offset)
            try files.write(bytes, to: node, at: start)
            files.stamp(node, wallClock)
            show(bytes, of: node, at: start)
            if offset == nil {
                file.offset = start + bytes.count
                handles[handle] = file
            }
        }
    }

    /// Writes to what is no file; false where it is one.
    private mutating func appendSpecial(_ bytes: [UInt8], to node: Int) throws(Errno) -> Bool {
        switch files.nodes[node].content {
        case .device(let device):
            switch device {
            case .standardOutput: emit(bytes, isError: false)
            case .standardError: emit(bytes, isError: true)
            case .full: throw .noSpace
            case .null, .zero, .random, .standardInput, .terminal: break
            }
        case .counter(let value, let isSemaphore):
            let sum = value + bytes.integer(UInt64.self, at: 0)
            files.nodes[node].content = .counter(value: sum, isSemaphore: isSemaphore)
            files.nodes[node].activity &+= 1
            wakeWaiters()
        case .timer, .poller, .foreign, .generated, .handle, .link, .pipe, .directory, .unlisted:
            throw .invalid
        case .file, .hostFile:
            flushShared(node)
            return false
        }
        return true
    }

    private mutating func emit(_ bytes: [UInt8], isError: Bool) {
        let room = settings.outputByteCountMax - outputByteCount
        let kept = bytes.count <= room ? bytes : Array(bytes.prefix(room))
        outputByteCount += kept.count
        if isError { standardError += kept } else { standardOutput += kept }
        if kept.count < bytes.count {
            ending = .limitReached(.output(byteCountMax: settings.outputByteCountMax))
        }
    }

    // MARK: - Handles

    func node(_ handle: UInt64) throws(Errno) -> Int {
        guard case .node(let node) = try openFile(handle).stream else { throw .invalid }
        return node
    }

    private mutating func seek(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        let size: Int
        switch file.stream {
        case .node(let node): size = files.size(of: node)
        // A program's input is like a file.
        case .standardInput: return try seekInput(a)
        default: throw .illegalSeek
        }
        let base: Int
        switch a[2] {
        case 0: base = 0
        case 1: base = file.offset
        case 2: base = size
        // SEEK_DATA and SEEK_HOLE: no file has holes.
        case 3, 4:
            guard let start = Int(exactly: a[1]), start < size else { throw .noDevice }
            file.offset = a[2] == 3 ? start : size
            handles[handle] = file
            return UInt64(file.offset)
        default: throw .invalid
        }
        let (sum, overflow) = base.addingReportingOverflow(Int(bitPattern: UInt(a[1])))
        guard !overflow, 0...Self.offsetMax ~= sum else { throw .invalid }
        file.offset = sum
        if sum == 0 { file.listing = nil }
        handles[handle] = file
        return UInt64(sum)
    }

    private mutating func seekInput(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let bases = [0, standardInputOffset, standardInput.count]
        guard a[2] < 3 else { throw .invalid }
        let base = bases[Int(a[2])]
        let (sum, overflow) = base.addingReportingOverflow(Int(bitPattern: UInt(a[1])))
        guard !overflow, 0...standardInput.count ~= sum else { throw .invalid }
        standardInputOffset = sum
        return UInt64(sum)
    }

    mutating func truncate(_ node: Int, _ count: UInt64) throws(Errno) {
        guard !files.isReadOnly(node) else { throw .readOnly }
        let count = try offset(count)
        try files.resize(node, to: count)
        files.stamp(node, wallClock)
    }

    private mutating func sendFile(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let source = try node(a[1] & 0xffff_ffff)
        var file = try openFile(a[1])
        guard try openFile(a[0]).isWritable else { throw .badHandle }
        var start = file.offset
        if a[2] != 0 { start = try offset(try get(UInt64.self, at: a[2])) }
        let count = Int(min(a[3], Self.transferByteCountMax))
        let bytes = try files.read(source, at: start, count: count)
        try append(bytes, to: a[0] & 0xffff_ffff, at: nil)
        if a[2] != 0 {
            try put(UInt64(start + bytes.count), at: a[2])
        } else {
            file.offset += bytes.count
            handles[a[1] & 0xffff_ffff] = file
        }
        return UInt64(bytes.count)
    }

    /// copy_file_range: from file to file, at offsets in memory or their own.
    private mutating func copyRange(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let source = try node(a[0] & 0xffff_ffff), target = try node(a[2] & 0xffff_ffff)
        guard try openFile(a[0]).isReadable, try openFile(a[2]).isWritable else {
            throw .badHandle
        }
        for node in [source, target] {
            switch files.nodes[node].content {
            case .file, .hostFile: break
            default: throw .invalid
            }
        }
        let start = try a[1] == 0 ? openFile(a[0]).offset : offset(get(UInt64.self, at: a[1]))
        let end = try a[3] == 0 ? nil : offset(get(UInt64.self, at: a[3]))
        let count = Int(min(a[4], Self.transferByteCountMax))
        let bytes = try files.read(source, at: start, count: count)
        try append(bytes, to: a[2] & 0xffff_ffff, at: end)
        if a[1] == 0 {
            handles[a[0] & 0xffff_ffff]?.offset += bytes.count
        } else {
            try put(UInt64(start + bytes.count), at: a[1])
        }
        if let end { try put(UInt64(end + bytes.count), at: a[3]) }
        return UInt64(bytes.count)
    }
}
