import Foundation

/// The line to gdb: a socket of this machine, or standard input and output.
struct DebugLine: Sendable {
    private let input: Int32
    private let output: Int32
    /// What gdb is to be told.
    private(set) var address = ""

    init(input: Int32, output: Int32) { (self.input, self.output) = (input, output) }

    func close() {
        Foundation.close(input)
        if output != input { Foundation.close(output) }
        if address.hasPrefix("/") { unlink(address) }
    }

    /// Listens on a Unix socket, or on a port of 127.0.0.1.
    static func listen(port: UInt16, path: String?) throws -> DebugLine {
        guard let path else { return try listen(port: port) }
        let full = URL(fileURLWithPath: path).path
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(full.utf8) + [0], room = MemoryLayout.size(ofValue: name.sun_path)
        guard bytes.count <= room else {
            throw Refusal("\(full) is too long for a socket: at most \(room - 1) bytes.")
        }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        var line = try bound(AF_UNIX, name, "the socket \(full)")
        line.address = full
        return line
    }

    private static func listen(port: UInt16) throws -> DebugLine {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var line = try bound(AF_INET, name, "port \(port) of 127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutableBytes(of: &name) { bytes in
            let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            if let address { _ = getsockname(line.input, address, &length) }
        }
        line.address = "127.0.0.1:\(UInt16(bigEndian: name.sin_port))"
        return line
    }

    private static func bound(_ family: Int32, _ name: some Any, _ what: String) throws -> DebugLine
    {
        let file = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafeBytes(of: name) { bytes -> Int32 in
            let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            return address.map { bind(file, $0, socklen_t(bytes.count)) } ?? -1
        }
        guard file >= 0, result == 0, Foundation.listen(file, 1) == 0 else {
            let reason = String(cString: strerror(errno))
            if file >= 0 { Foundation.close(file) }
            throw Refusal("\(what) cannot be listened on (\(reason)): choose another one.")
        }
        return DebugLine(input: file, output: file)
    }

    func accept() throws -> DebugLine {
        while true {
            let file = Foundation.accept(input, nil, nil)
            if file < 0, errno == EINTR { continue }
            guard file >= 0 else {
                throw Refusal("gdb cannot be reached: \(String(cString: strerror(errno)))")
            }
            // Packets are small and each waits for its answer.
            var isOn: Int32 = 1
            setsockopt(
                file, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
            return DebugLine(input: file, output: file)
        }
    }

    /// Whether `read` would return at once.
    var isReadable: Bool {
        var entry = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// The next bytes; nil at the end of the line.
    func read() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Foundation.read(input, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            return count > 0 ? Array(bytes.prefix(count)) : nil
        }
    }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(output, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // A gdb that has gone: the next `read` says so.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
