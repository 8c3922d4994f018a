import Glibc
import Testing

/// A TCP connection on which ZMTP (ZeroMQ RFC 23) is spoken by hand.
final class RawConnection {
    private let descriptor: Int32

    /// - `endpoint`: a port of this machine.
    init(_ endpoint: String) throws {
        let port = try #require(endpoint.split(separator: ":").last.flatMap { UInt16($0) })
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                connect(descriptor, address, byteCount)
            }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    /// Sends what the other side takes.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { buffer in
                Glibc.send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Whether the other side ends the connection, sooner than it gives up a handshake; what it
    /// says before is not looked at.
    func ends() -> Bool {
        let end = ContinuousClock.now + .seconds(2)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while ContinuousClock.now < end {
            var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&item, 1, 100) > 0 else { continue }
            if recv(descriptor, &buffer, buffer.count, 0) <= 0 { return true }
        }
        return false
    }

    /// Version 3.0, and that this is no server.
    static func greeting(mechanism: String) -> [UInt8] {
        let head = [0xff] + [UInt8](repeating: 0, count: 8) + [0x7f, 3, 0] + Array(mechanism.utf8)
        return head + [UInt8](repeating: 0, count: 64 - head.count)
    }

    static func command(_ name: String, _ body: [UInt8]) -> [UInt8] {
        let content = text(name) + body
        return [4, UInt8(content.count)] + content
    }

    /// What a client of PLAIN (RFC 24) says first.
    static func hello(user: String, password: [UInt8]) -> [UInt8] {
        command("HELLO", text(user) + [UInt8(password.count)] + password)
    }

    /// What a client without a mechanism says first.
    static let ready = command(
        "READY", text("Socket-Type") + [0, 0, 0] + text("DEALER"))

    private static func text(_ text: String) -> [UInt8] {
        [UInt8(text.utf8.count)] + Array(text.utf8)
    }
}
