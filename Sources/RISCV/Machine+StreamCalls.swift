// Calls that make streams without a name, and those of socket pairs.
extension Machine {
    /// A writer waits once so much lies in a pipe; what one call writes is never cut.
    static let pipeByteCountMax = 1 << 16
    private static let nonBlocking: UInt64 = 0x800
    private static let closesOnExec: UInt64 = 0x8_0000

    mutating func streamCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> CallResult? {
        let handle = a[0] & 0xffff_ffff
        switch number {
        case 19:
            guard a[1] & ~(Self.nonBlocking | Self.closesOnExec | 1) == 0 else { throw .invalid }
            let content = FileTree.Content.counter(
                value: a[0] & 0xffff_ffff,
                isSemaphore: a[1] & 1 != 0
            )
            return .value(try openUnnamed(content, flags: 2 | a[1] & ~1, "anon_inode:[eventfd]"))
        case 20:
            return .value(
                try openUnnamed(.poller(Poller()), flags: 2 | a[0], "anon_inode:[eventpoll]"))
        case 21: return .value(try changeInterest(a))
        case 22, 441: return try waitForEvents(number, a)
        case 59: try makePipe(a)
        case 72: return try select(a)
        case 73: return try poll(a)
        case 279:
            return .value(
                try openUnnamed(.file([]), flags: 2 | (a[1] & 1 != 0 ? Self.closesOnExec : 0),
                    "/memfd:" + String(decoding: try path(a[0]), as: UTF8.self)))
        // socket: nobody is there to talk to.
        case 198: throw .noFamily
        case 199: try makeSocketPair(a)
        // bind … setsockopt, accept4: of sockets, none of which has an address.
        case 200...203, 242:
            _ = try openFile(handle)
            throw .notSocket
        case 204, 205, 208: _ = try pair(handle)
        case 209:
            _ = try pair(handle)
            if a[3] != 0 { try put(UInt32(0), at: a[3]) }
        case 206:
            _ = try pair(handle)
            let part = Buffer(address: a[1], count: min(a[2], Self.transferByteCountMax))
            return try write(handle, [part], at: nil, neverWaits: a[3] & 0x40 != 0)
        case 207:
            _ = try pair(handle)
            let part = Buffer(address: a[1], count: min(a[2], Self.transferByteCountMax))
            return try read(handle, [part], at: nil, neverWaits: a[3] & 0x40 != 0)
        case 210: _ = try pair(handle)
        case 211, 212: return try message(number, a)
        default: return nil
        }
        return .value(0)
    }

    mutating func openUnnamed(
        _ content: FileTree.Content,
        flags: UInt64,
        _ name: String
    ) throws(Errno) -> UInt64 {
        guard files.nodeCount < Self.nodeCountMax else { throw .noSpace }
        let node = files.addUnnamed(content)
        do throws(Errno) {
            return try open(.node(node), flags: flags, path: Array(name.utf8))
        } catch {
            files.release(node)
            throw error
        }
    }

    private func pair(_ handle: UInt64) throws(Errno) -> Stream {
        let stream = try openFile(handle).stream
        guard case .socket = stream else { throw .notSocket }
        return stream
    }

    private mutating func makePipe(_ a: [6 of UInt64]) throws(Errno) {
        let flags = a[1] & (Self.nonBlocking | Self.closesOnExec | 0x4000)
        guard flags == a[1] & 0xffff_ffff else { throw .invalid }
        let node = files.addUnnamed(.pipe([]))
        let name = Array("pipe:[\(node + 1)]".utf8)
        try openBoth(
            (.pipeEnd(node, isWriter: false), flags), (.pipeEnd(node, isWriter: true), flags | 1),
            name, [node], at: a[0])
    }

    private mutating func makeSocketPair(_ a: [6 of UInt64]) throws(Errno) {
        // AF_UNIX; SOCK_STREAM only, since a pipe keeps no borders.
        guard a[0] & 0xffff_ffff == 1 else { throw .noFamily }
        guard a[1] & 0xf == 1 else { throw .notSupported }
        let flags = 2 | a[1] & (Self.nonBlocking | Self.closesOnExec)
        let first = files.addUnnamed(.pipe([])), second = files.addUnnamed(.pipe([]))
        try openBoth(
            (.socket(reading: first, writing: second), flags),
            (.socket(reading: second, writing: first), flags),
            Array("socket:[\(first + 1)]".utf8), [first, second], at: a[3])
    }

    /// Opens both ends and tells their numbers, or leaves nothing behind.
    private mutating func openBoth(
        _ first: (stream: Stream, flags: UInt64),
        _ second: (stream: Stream, flags: UInt64),
        _ name: [UInt8],
        _ nodes: [Int],
        at address: UInt64
    ) throws(Errno) {
        var made: [UInt64] = []
        do throws(Errno) {
            made.append(try open(first.stream, flags: first.flags, path: name))
            made.append(try open(second.stream, flags: second.flags, path: name))
            try put(UInt32(made[0]), at: address)
            try put(UInt32(made[1]), at: address &+ 4)
        } catch {
            for handle in made { close(handle) }
            if made.isEmpty { for node in nodes { files.release(node) } }
            throw error
        }
    }

    /// sendmsg and recvmsg without addresses and without control messages.
    private mutating func message(
        _ number: UInt64, _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult {
        let handle = a[0] & 0xffff_ffff
        _ = try pair(handle)
        let vector = try get(UInt64.self, at: a[1] &+ 16)
        let count = try get(UInt64.self, at: a[1] &+ 24)
        let parts = try buffers(at: vector, count: count)
        let neverWaits = a[2] & 0x40 != 0
        if number == 211 { return try write(handle, parts, at: nil, neverWaits: neverWaits) }
        try put(UInt64(0), at: a[1] &+ 40)
        try put(UInt32(0), at: a[1] &+ 48)
        return try read(handle, parts, at: nil, neverWaits: neverWaits)
    }

    /// Lets every thread that waits for a stream look again.
    mutating func wakeWaiters() {
        for index in threads.indices {
            if case .waiting = threads[index].state { threads[index].state = .runnable }
        }
    }
}
