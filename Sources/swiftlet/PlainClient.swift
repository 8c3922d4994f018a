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
        let head =
            "POST \(target) HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        try write(Array(head.utf8) + body, to: descriptor)
        let lines = try readHead(from: descriptor)
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count > 1, let text = Self.field("content-length", of: lines),
            let count = Int(text), 0...Self.bodyByteCountMax ~= count
        else { throw Refusal("The node's answer is no HTTP; is it a Swiftlet node?") }
        while buffer.count < count { try readMore(from: descriptor) }
        let answer = try JSON(parsing: Array(buffer[..<count]))
        buffer.removeFirst(count)
        if Self.field("connection", of: lines)?.lowercased() == "close" { hangUp() }
        guard words[1] == "200" else {
            throw Refusal(
                answer["error"]?["message"]?.asString ?? "The node answered with \(words[1]).")
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

    private static func field(_ name: String, of lines: [String]) -> String? {
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == name else { continue }
            return parts[1].trimmingCharacters(in: .whitespaces)
        }
        return nil
    }

    private func readHead(from descriptor: Int32) throws -> [String] {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let found = buffer.firstRange(of: end) {
                let text = String(decoding: buffer[..<found.lowerBound], as: UTF8.self)
                buffer.removeFirst(found.upperBound)
                return text.components(separatedBy: "\r\n")
            }
            guard buffer.count < Self.headByteCountMax else {
                throw Refusal("The node's answer has no end of its head.")
            }
            try readMore(from: descriptor)
        }
    }

    private func readMore(from descriptor: Int32) throws {
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
