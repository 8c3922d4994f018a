// Calls on handles: reading, writing, seeking, closing.
extension Machine {
    /// One call moves at most this much: it is copied on the way.
    private static let transferByteCountMax: UInt64 = 1 << 26
    /// No file is near this, and sums of two such offsets do not overflow.
    private static let offsetMax = 1 << 61

    func openFile(_ handle: UInt64) throws(Errno) -> OpenFile {
        // The argument is an int: the upper half does not count.
        guard let file = handles[handle & 0xffff_ffff] else { throw .badHandle }
        return file
    }

    mutating func fileCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> CallResult? {
        let handle = a[0] & 0xffff_ffff
        switch number {
        case 63, 67, 65, 69:
            let parts = try ranges(number, a)
            let offset = number == 67 || number == 69 ? try self.offset(a[3]) : nil
            return try read(handle, parts, at: offset)
        case 64, 68, 66, 70:
            let parts = try ranges(number, a)
            let offset = number == 68 || number == 70 ? try self.offset(a[3]) : nil
            return .value(try write(handle, parts, at: offset))
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
        case 29:
            _ = try openFile(handle)
            throw .notTerminal
        case 57:
            _ = try openFile(handle)
            close(handle)
        case 59: try makePipe(a)
        case 61: return .value(try listDirectory(handle, a))
        case 62: return .value(try seek(handle, a))
        case 46: try truncate(try node(handle), a[1])
        case 47:
            let node = try node(handle)
            let end = try offset(a[2] &+ a[3])
            if end > files.size(of: node) { try truncate(node, UInt64(end)) }
        case 71: return .value(try sendFile(a))
        case 72, 73: return .value(try poll(number, a))
        // sync, fsync, fdatasync: memory is as durable as it gets.
        case 81, 82, 83: break
        default: return nil
        }
        return .value(0)
    }

    private func offset(_ value: UInt64) throws(Errno) -> Int {
        guard let offset = Int(exactly: value), offset <= Self.offsetMax else { throw .invalid }
        return offset
    }

    /// The memory that a read or write names: one buffer, or a vector of them.
    private func ranges(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> [(address: UInt64, count: UInt64)] {
        guard [65, 66, 69, 70].contains(number) else {
            return [(a[1], min(a[2], Self.transferByteCountMax))]
        }
        guard a[2] <= 1024 else { throw .invalid }
        guard let bytes = memory.bytes(a[1], a[2] * 16) else { throw .badAddress }
        return (0..<Int(a[2])).map { index in
            let count = bytes.integer(UInt64.self, at: 16 * index + 8)
            return (
                bytes.integer(UInt64.self, at: 16 * index), min(count, Self.transferByteCountMax)
            )
        }
    }

    // MARK: - Reading

    private mutating func read(
        _ handle: UInt64,
        _ parts: [(address: UInt64, count: UInt64)],
        at offset: Int?
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
            guard let bytes = try take(handle, Int(part.count), at: position) else {
                if total > 0 { break }
                guard case .pipeEnd(let node, _) = try openFile(handle).stream else { break }
                if try openFile(handle).neverWaits { throw .again }
                return .again(pipe: node)
            }
            try put(bytes, at: part.address)
            total += UInt64(bytes.count)
            if bytes.count < part.count { break }
        }
        return .value(total)
    }

    /// The next bytes of a stream, none at its end; nil where a pipe has none yet.
    private mutating func take(
        _ handle: UInt64,
        _ count: Int,
        at offset: Int?
    ) throws(Errno) -> [UInt8]? {
        var file = try openFile(handle)
        switch file.stream {
        case .standardInput:
            let bytes = standardInput[standardInputOffset...].prefix(count)
            standardInputOffset += bytes.count
            return Array(bytes)
        case .standardOutput, .standardError: throw .badHandle
        case .pipeEnd(let node, _):
            let bytes = files.take(count, fromPipe: node)
            if bytes.isEmpty, handles.isOpen(.pipeEnd(node, isWriter: true)) { return nil }
            return bytes
        case .node(let node):
            if case .device(let device) = files.nodes[node].content {
                return deviceBytes(device, count)
            }
            if files.isDirectory(node) { throw .isDirectory }
            let bytes = files.read(node, at: offset ?? file.offset, count: count)
            if offset == nil {
                file.offset += bytes.count
                handles[handle] = file
            }
            return Array(bytes)
        }
    }

    private mutating func deviceBytes(_ device: FileTree.Device, _ count: Int) -> [UInt8] {
        switch device {
        case .null, .standardOutput: return []
        case .zero: return .init(repeating: 0, count: count)
        case .random: return randomBytes(min(count, 1 << 20))
        case .standardInput:
            let bytes = standardInput[standardInputOffset...].prefix(count)
            standardInputOffset += bytes.count
            return Array(bytes)
        }
    }

    // MARK: - Writing

    private mutating func write(
        _ handle: UInt64,
        _ parts: [(address: UInt64, count: UInt64)],
        at offset: Int?
    ) throws(Errno) -> UInt64 {
        guard try openFile(handle).isWritable else { throw .badHandle }
        var total: UInt64 = 0
        for part in parts where part.count > 0 {
            guard let bytes = memory.bytes(part.address, part.count) else {
                if total > 0 { break }
                throw .badAddress
            }
            try append(bytes, to: handle, at: offset.map { $0 + Int(total) })
            total += part.count
        }
        return total
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
        case .pipeEnd(let node, _):
            guard handles.isOpen(.pipeEnd(node, isWriter: false)) else {
                send(Signal.pipe.number, to: current)
                throw .brokenPipe
            }
            guard files.size(of: node) + bytes.count <= settings.fileByteCountMax else {
                throw .again
            }
            files.append(bytes, toPipe: node)
            wakePipe(node)
        case .node(let node):
            if case .device(let device) = files.nodes[node].content {
                if device == .standardOutput { emit(bytes, isError: false) }
                return
            }
            let start = offset ?? (file.appends ? files.size(of: node) : file.offset)
            try files.write(bytes, to: node, at: start)
            files.stamp(node, wallClock)
            if offset == nil {
                file.offset = start + bytes.count
                handles[handle] = file
            }
        }
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

    private mutating func wakePipe(_ node: Int) {
        for index in threads.indices {
            if case .pipe(node) = threads[index].state { threads[index].state = .runnable }
        }
    }

    // MARK: - Handles

    private mutating func duplicate(
        _ handle: UInt64,
        from low: UInt64,
        closesOnExec: Bool
    ) throws(Errno) -> UInt64 {
        _ = try openFile(handle)
        guard
            let number = handles.duplicate(
                handle,
                from: low,
                closesOnExec: closesOnExec,
                countMax: settings.handleCountMax
            )
        else { throw .tooManyHandles }
        return number
    }

    private mutating func close(_ handle: UInt64) {
        guard let file = handles.close(handle) else { return }
        switch file.stream {
        case .pipeEnd(let node, let isWriter):
            wakePipe(node)
            if !handles.isOpen(.pipeEnd(node, isWriter: !isWriter)) { files.release(node) }
        case .node(let node):
            releaseIfUnused(node)
        case .standardInput, .standardOutput, .standardError: break
        }
    }

    /// Gives back an unlinked file or directory that nothing refers to.
    mutating func releaseIfUnused(_ node: Int) {
        if node != workingDirectory, !handles.isOpen(.node(node)) { files.release(node) }
    }

    private mutating func control(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        switch a[1] {
        case 0, 1030: return try duplicate(handle, from: a[2], closesOnExec: a[1] != 0)
        case 1: return handles.closesOnExec(handle) ? 1 : 0
        case 2:
            handles.setClosesOnExec(a[2] & 1 != 0, handle)
            return 0
        case 3: return file.flags
        case 4:
            // O_APPEND and O_NONBLOCK can change.
            file.flags = file.flags & ~0xc00 | a[2] & 0xc00
            handles[handle] = file
            return 0
        // Locks: nobody else is there.
        case 5, 6, 7: return 0
        default: throw .invalid
        }
    }

    private mutating func makePipe(_ a: [6 of UInt64]) throws(Errno) {
        let node = files.addPipe(), closesOnExec = a[1] & 0x80000 != 0
        let waits = a[1] & 0x800
        let ends = [false, true].map { isWriter in
            handles.open(
                OpenFile(
                    stream: .pipeEnd(node, isWriter: isWriter),
                    flags: waits | (isWriter ? 1 : 0)
                ),
                closesOnExec: closesOnExec,
                countMax: settings.handleCountMax
            )
        }
        guard let reader = ends[0], let writer = ends[1] else {
            if let reader = ends[0] { close(reader) }
            throw .tooManyHandles
        }
        try put(UInt32(reader), at: a[0])
        try put(UInt32(writer), at: a[0] &+ 4)
    }

    private mutating func seek(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        guard case .node(let node) = file.stream else { throw .illegalSeek }
        let base: Int
        switch a[2] {
        case 0: base = 0
        case 1: base = file.offset
        case 2: base = files.size(of: node)
        default: throw .invalid
        }
        let (sum, overflow) = base.addingReportingOverflow(Int(bitPattern: UInt(a[1])))
        guard !overflow, 0...Self.offsetMax ~= sum else { throw .invalid }
        file.offset = sum
        handles[handle] = file
        return UInt64(sum)
    }

    func node(_ handle: UInt64) throws(Errno) -> Int {
        guard case .node(let node) = try openFile(handle).stream else { throw .invalid }
        return node
    }

    mutating func truncate(_ node: Int, _ count: UInt64) throws(Errno) {
        let count = try offset(count)
        try files.resize(node, to: count)
        files.stamp(node, wallClock)
    }

    private mutating func sendFile(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let source = try node(a[1] & 0xffff_ffff)
        var file = try openFile(a[1])
        var start = file.offset
        if a[2] != 0 {
            guard let offset = memory.integer(UInt64.self, at: a[2]) else { throw .badAddress }
            start = try self.offset(offset)
        }
        let count = Int(min(a[3], Self.transferByteCountMax))
        let bytes = Array(files.read(source, at: start, count: count))
        try append(bytes, to: a[0] & 0xffff_ffff, at: nil)
        if a[2] != 0 {
            try put(UInt64(start + bytes.count), at: a[2])
        } else {
            file.offset += bytes.count
            handles[a[1] & 0xffff_ffff] = file
        }
        return UInt64(bytes.count)
    }

    /// poll and select: files are always ready, and nothing comes from outside.
    private mutating func poll(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        guard number == 73, a[1] <= 1024 else { throw .notImplemented }
        var ready: UInt64 = 0
        for index in 0..<a[1] {
            let entry = a[0] &+ 8 * index
            guard let handle = memory.integer(UInt32.self, at: entry),
                let wanted = memory.integer(UInt16.self, at: entry &+ 4)
            else { throw .badAddress }
            // POLLIN 1, POLLOUT 4, POLLNVAL 32.
            let isOpen = handles[UInt64(handle)] != nil
            let events = Int32(bitPattern: handle) < 0 ? 0 : isOpen ? wanted & 5 : 32
            try put(events, at: entry &+ 6)
            if events != 0 { ready += 1 }
        }
        return ready
    }
}
