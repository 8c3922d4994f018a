import Basics
import Foundation
import Glibc

/// One HTTP/1.1 exchange (RFC 9112) with a node over its Unix socket, without any library: the
/// program under test is not asked to test itself.
final class NodeSocket {
    struct Answer {
        var status: Int
        var body: [UInt8]
    }

    private let descriptor: Int32
    private var received: [UInt8] = []

    init(path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure("\(path) is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        let connected = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // No close before the throw: the object is whole, so `deinit` closes the descriptor.
        guard connected == 0 else {
            let reason = String(cString: strerror(errno))
            throw Failure("no node answers at \(path): \(reason)")
        }
    }

    deinit { close(descriptor) }

    /// Sends one request and reads the whole answer; `line` gets each line of the body as it comes.
    func exchange(
        _ method: String, _ path: String, _ body: JSON?, within limit: Duration,
        line: (String) throws -> Void = { _ in }
    ) async throws -> Answer {
        let content = body.map { Array($0.text.utf8) } ?? []
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(content.count)\r\n\r\n"
        try send(Array(head.utf8) + content)
        let deadline = ContinuousClock.now + limit
        let end = Array("\r\n\r\n".utf8)
        var headEnd = received.firstRange(of: end)
        while headEnd == nil {
            guard try await receive(until: deadline) else { throw Failure("the node hung up") }
            headEnd = received.firstRange(of: end)
        }
        // The loop ended because it is there.
        let range = headEnd!
        let header = String(decoding: received[..<range.lowerBound], as: UTF8.self).lowercased()
        received.removeFirst(range.upperBound)
        guard let status = Int(header.split(separator: " ")[1]) else {
            throw Failure("the answer is not HTTP: \(header)")
        }
        var decoder = BodyDecoder(isChunked: header.contains("transfer-encoding: chunked"))
        var answer: [UInt8] = []
        var lineStart = 0
        while true {
            answer += decoder.take(&received)
            while let newline = answer[lineStart...].firstIndex(of: UInt8(ascii: "\n")) {
                try line(String(decoding: answer[lineStart..<newline], as: UTF8.self))
                lineStart = newline + 1
            }
            guard try await receive(until: deadline) else { break }
        }
        return Answer(status: status, body: answer)
    }

    private func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure("the node hung up") }
            sent += count
        }
    }

    /// False at the end of the stream.
    private func receive(until deadline: ContinuousClock.Instant) async throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += buffer[..<count]
                return true
            }
            if count == 0 { return false }
            guard errno == EAGAIN || errno == EINTR else {
                throw Failure("reading failed: \(String(cString: strerror(errno)))")
            }
            guard ContinuousClock.now < deadline else { throw Failure("the node is too slow") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

/// Takes the chunks of a body apart (RFC 9112 section 7.1); a plain body ends with the stream.
private struct BodyDecoder {
    let isChunked: Bool
    // Bytes left in this chunk with the line end after it; nil before a chunk's size line.
    private var left: Int?

    init(isChunked: Bool) { self.isChunked = isChunked }

    mutating func take(_ bytes: inout [UInt8]) -> [UInt8] {
        defer { if !isChunked { bytes.removeAll() } }
        guard isChunked else { return bytes }
        var body: [UInt8] = []
        while !bytes.isEmpty {
            guard let rest = left else {
                guard let newline = bytes.firstIndex(of: UInt8(ascii: "\n")) else { break }
                let text = String(decoding: bytes[..<newline], as: UTF8.self)
                bytes.removeFirst(newline + 1)
                let size = text.prefix { $0.isHexDigit }
                if let count = Int(size, radix: 16) { left = count + 2 }
                continue
            }
            let count = min(rest, bytes.count)
            // The last two bytes of a chunk are its line end.
            body += bytes[..<max(0, min(count, rest - 2))]
            bytes.removeFirst(count)
            left = count == rest ? nil : rest - count
        }
        return body
    }
}

extension [UInt8] {
    fileprivate func firstRange(of pattern: [UInt8]) -> Range<Int>? {
        guard pattern.count <= count else { return nil }
        for start in 0...(count - pattern.count)
        where self[start..<(start + pattern.count)].elementsEqual(pattern) {
            return start..<(start + pattern.count)
        }
        return nil
    }
}
