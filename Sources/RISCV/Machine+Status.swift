import Basics

// What stat, statx and statfs tell.
extension Machine {
    mutating func statusCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64? {
        switch number {
        case 43:
            _ = try target(0xffff_ff9c, a[0], flags: 0)
            try put(fileSystemBytes, at: a[1])
        case 44:
            _ = try openFile(a[0])
            try put(fileSystemBytes, at: a[1])
        case 79: try put(statusBytes(try target(a[0], a[1], flags: a[3])), at: a[2])
        case 80: try put(statusBytes(try openFile(a[0]).stream), at: a[1])
        case 291:
            try put(extendedStatusBytes(try target(a[0], a[1], flags: a[2])), at: a[4])
        default: return nil
        }
        return 0
    }

    /// struct statfs: tmpfs with room for what the program may still write.
    private var fileSystemBytes: [UInt8] {
        let blocks = UInt64(settings.fileByteCountMax) / 4096
        let free = blocks - min(blocks, UInt64(max(0, files.byteCount)) / 4096)
        let nodes = UInt64(Self.nodeCountMax)
        var bytes: [UInt8] = []
        for word in [0x0102_1994, 4096, blocks, free, free, nodes, nodes, 0, 255, 4096, 0] {
            bytes.append(littleEndian: word)
        }
        bytes.pad(to: 120)
        return bytes
    }

    /// File type and permissions, as st_mode has them.
    func mode(of stream: Stream) -> UInt32 {
        guard case .node(let node) = stream else {
            if case .socket = stream { return 0o140777 }
            return 0o010600
        }
        let kind: UInt32 =
            switch files.nodes[node].content {
            case .directory, .unlisted: 0o040000
            case .file, .hostFile, .generated: 0o100000
            case .device, .foreign: 0o020000
            case .pipe: 0o010000
            case .link, .handle: 0o120000
            // eventfd, timerfd and epoll have no type at all.
            case .counter, .timer, .poller: 0
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
        bytes.append(littleEndian: linkCount(of: stream))
        bytes.append(littleEndian: UInt32(Self.userID))
        bytes.append(littleEndian: UInt32(Self.userID))
        bytes.append(littleEndian: device(of: stream))
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
        bytes.append(littleEndian: linkCount(of: stream))
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
        // Major and minor number: of the device that it is, and of the one it lies on.
        bytes.append(littleEndian: UInt32(truncatingIfNeeded: device(of: stream) >> 8))
        bytes.append(littleEndian: UInt32(truncatingIfNeeded: device(of: stream) & 0xff))
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: UInt32(1))
        bytes.pad(to: 256)
        return bytes
    }

    private func facts(_ stream: Stream) -> (number: UInt64, size: UInt64, changed: UInt64) {
        guard case .node(let node) = stream else { return (1, 0, wallClock) }
        // What was there before the run is as old as the run.
        let stamped = files.nodes[node].changed
        let changed = stamped == 0 ? Self.epoch : stamped
        return (UInt64(node + 1), UInt64(files.size(of: node)), changed)
    }

    private func linkCount(of stream: Stream) -> UInt32 {
        guard case .node(let node) = stream else { return 1 }
        if files.isDirectory(node) { return 2 }
        return UInt32(max(0, files.nodes[node].linkCount))
    }

    /// The numbers of the memory devices, major 1, by which programs know them.
    private func device(of stream: Stream) -> UInt64 {
        guard case .node(let node) = stream, case .device(let device) = files.nodes[node].content
        else { return 0 }
        return switch device {
        case .null: 0x103
        case .zero: 0x105
        case .full: 0x107
        case .random: 0x109
        case .terminal: 0x500
        case .standardInput, .standardOutput, .standardError: 0x8800
        }
    }
}
