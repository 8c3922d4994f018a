// Calls that make, copy, close and set up handles.
extension Machine {
    mutating func duplicate(
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
                countMax: low == 0 ? handleCountMax : settings.handleCountMax
            )
        else { throw .tooManyHandles }
        return number
    }

    /// Opens a stream under the lowest free number.
    mutating func open(
        _ stream: Stream,
        flags: UInt64,
        path: [UInt8] = []
    ) throws(Errno) -> UInt64 {
        let file = OpenFile(stream: stream, flags: flags & ~0x8_0000, path: path)
        guard
            let handle = handles.open(
                file,
                closesOnExec: flags & 0x8_0000 != 0,
                countMax: handleCountMax
            )
        else { throw .tooManyHandles }
        return handle
    }

    mutating func close(_ handle: UInt64) {
        let index = handles.index(of: handle)
        guard let file = handles.close(handle) else { return }
        if let index { forgetInterest(in: index) }
        switch file.stream {
        case .pipeEnd(let node, _):
            wakeWaiters()
            if let peer = file.stream.peer, !handles.isOpen(peer), !handles.isOpen(file.stream) {
                files.release(node)
            }
        case .socket(let reading, let writing):
            wakeWaiters()
            guard let peer = file.stream.peer, !handles.isOpen(peer),
                !handles.isOpen(file.stream)
            else { return }
            files.release(reading)
            files.release(writing)
        case .node(let node):
            flushShared(node)
            if case .timer(let timer) = files.nodes[node].content, !handles.isOpen(file.stream) {
                timers.remove(timer)
            }
            releaseIfUnused(node)
        case .standardInput, .standardOutput, .standardError: break
        }
    }

    mutating func closeRange(_ a: [6 of UInt64]) throws(Errno) {
        let first = a[0] & 0xffff_ffff, last = a[1] & 0xffff_ffff
        guard first <= last, a[2] & ~4 == 0 else { throw .invalid }
        for handle in handles.open where first...last ~= handle {
            // CLOSE_RANGE_CLOEXEC.
            if a[2] & 4 != 0 { handles.setClosesOnExec(true, handle) } else { close(handle) }
        }
    }

    /// Gives back an unlinked file or directory that nothing refers to.
    mutating func releaseIfUnused(_ node: Int) {
        guard node != workingDirectory, !handles.isOpen(.node(node)), !isMapped(node) else {
            return
        }
        files.release(node)
    }

    /// fcntl.
    mutating func control(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        switch a[1] & 0xffff_ffff {
        case 0, 1030: return try duplicate(handle, from: a[2], closesOnExec: a[1] != 0)
        case 1: return handles.closesOnExec(handle) ? 1 : 0
        case 2:
            handles.setClosesOnExec(a[2] & 1 != 0, handle)
            return 0
        case 3: return file.flags
        case 4:
            // O_APPEND, O_NONBLOCK and what changes nothing here (O_ASYNC, O_DIRECT, O_NOATIME).
            file.flags = file.flags & ~0x46c00 | a[2] & 0x46c00
            handles[handle] = file
            return 0
        // Locks: nobody else is there, so the test of one finds it free (F_UNLCK).
        case 5, 36:
            try put(UInt16(2), at: a[2])
            return 0
        case 6, 7, 37, 38: return 0
        // The owner of signals, which never come.
        case 8...11: return 0
        case 1031, 1032:
            guard case .pipeEnd = file.stream else { throw .badHandle }
            return UInt64(Self.pipeByteCountMax)
        default: throw .invalid
        }
    }

    /// ioctl: no handle is a terminal.
    mutating func deviceControl(_ handle: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var file = try openFile(handle)
        switch a[1] & 0xffff_ffff {
        // FIONREAD.
        case 0x541b:
            let count: Int
            switch file.stream {
            case .standardInput: count = standardInput.count - standardInputOffset
            case .pipeEnd(let node, _), .socket(let node, _): count = files.size(of: node)
            case .node(let node): count = max(0, files.size(of: node) - file.offset)
            case .standardOutput, .standardError: throw .notTerminal
            }
            try put(UInt32(truncatingIfNeeded: count), at: a[2])
        // FIONBIO.
        case 0x5421:
            let isOn = try get(UInt32.self, at: a[2]) != 0
            file.flags = isOn ? file.flags | 0x800 : file.flags & ~0x800
            handles[handle] = file
        // FIOCLEX, FIONCLEX.
        case 0x5451: handles.setClosesOnExec(true, handle)
        case 0x5450: handles.setClosesOnExec(false, handle)
        default: throw .notTerminal
        }
        return 0
    }
}
