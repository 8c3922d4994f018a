import Basics
import Foundation
import Glibc

/// Asks a node through its Unix socket, one question at a time, with the calls of the system alone.
///
/// For measuring: a client library takes a tenth of a millisecond of what a short task takes, and
/// that is not the node's.
final class PlainClient {
    private static let headByteCountMax = 64 << 10
    private static let bodyByteCountMax = 64 << 20

    private let path: String
    /// Open until the node says that it ends with an answer.
    private var descriptor: Int32?
    private var buffer: [UInt8] = []

    init(socketPath path: String) throws {
        self.path = path
        descriptor = try Self.connection(to: path)
    }

    deinit { hangUp() }

    /// Posts a document and returns the answer.
    func post(_ target: String, _ document: JSON) throws -> JSON {
        let descriptor = try self.descriptor ?? Self.connection(to: path)
        self.descriptor = descriptor
        let body = document.bytes
        let question =
            "POST \(target) HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        try write(Array(question.utf8) + body, to: descriptor)
        let head = try readHead(from: descriptor)
        guard let status = head.status, let count = head.bodyByteCount,
            0...Self.bodyByteCountMax ~= count
        else { throw Refusal("The node's answer is no HTTP; is it a Swiftlet node?") }
        while buffer.count < count { try readMore(from: descriptor) }
        let answer = try JSON(parsing: Array(buffer[..<count]))
        buffer.removeFirst(count)
        if head.isLast { hangUp() }
        guard status == 200 else {
            throw Refusal(
                answer["error"]?["message"]?.asString ?? "The node answered with \(status).")
        }
        return answer
    }

    private func hangUp() {
        if let descriptor { close(descriptor) }
        descriptor = nil
        buffer = []
    }

    private static func connection(to path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Refusal("The socket path \(path) is too long.")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw failure("socket") }
        let result = withUnsafePointer(to: address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let failure = failure("connect to \(path)")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    /// What is looked at of an answer's head.
    private struct Head {
        var status: Int?
        var bodyByteCount: Int?
        /// The node ends the connection with this answer.
        var isLast = false

        init(_ bytes: ArraySlice<UInt8>) {
            for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
                let text = Substring(decoding: line, as: UTF8.self)
                guard let colon = text.utf8.firstIndex(of: 58) else { continue }
                let value = text[text.index(after: colon)...].drop { $0 == " " }
                switch text[..<colon].lowercased() {
                case "content-length": bodyByteCount = Int(value)
                case "connection": isLast = value.lowercased() == "close"
                default: break
                }
            }
            let words = bytes.prefix(64).split(separator: 32, maxSplits: 2)
            if words.count > 1 { status = Int(String(decoding: words[1], as: UTF8.self)) }
        }
    }

    private func readHead(from descriptor: Int32) throws -> Head {
        var seenCount = 0
        while true {
            // The last of CR LF CR LF.
            while seenCount < buffer.count {
                seenCount += 1
                guard buffer[seenCount - 1] == 10, seenCount >= 4, buffer[seenCount - 3] == 10,
                    buffer[seenCount - 2] == 13
                else { continue }
                let head = Head(buffer[..<seenCount])
                buffer.removeFirst(seenCount)
                return head
            }
            guard buffer.count < Self.headByteCountMax else {
                throw Refusal("The node's answer has no end of its head.")
            }
            try readMore(from: descriptor)
        }
    }

    private func readMore(from descriptor: Int32) throws {
        // Who waits in `read` is woken for nothing when the node has taken the question.
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&item, 1, -1) < 0, errno == EINTR {}
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        let count = read(descriptor, &piece, piece.count)
        guard count != 0 else { throw Refusal("The node hung up in the middle of an answer.") }
        guard count > 0 else { throw Self.failure("read") }
        buffer += piece[..<count]
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Self.failure("write") }
            rest = rest.dropFirst(count)
        }
    }

    private static func failure(_ call: String) -> Refusal {
        Refusal("The node does not answer (\(call): \(String(cString: strerror(errno)))).")
    }
}
