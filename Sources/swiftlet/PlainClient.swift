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

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(socketPath path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Self.failure("socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Refusal("The socket path \(path) is too long.")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            for (index, byte) in path.utf8.enumerated() { bytes[index] = byte }
        }
        let isConnected = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isConnected else { throw Self.failure("connect to \(path)") }
    }

    deinit { close(descriptor) }

    /// Posts a document and returns the answer.
    func post(_ path: String, _ document: JSON) throws -> JSON {
        let body = document.bytes
        let head =
            "POST \(path) HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        try write(Array(head.utf8) + body)
        let lines = try readHead()
        guard let status = lines.first?.split(separator: " ").dropFirst().first,
            let count = lines.firstNonNil(Self.contentLength), count <= Self.bodyByteCountMax
        else { throw Refusal("The node's answer is no HTTP; is it a Swiftlet node?") }
        while buffer.count < count { try readMore() }
        defer { buffer.removeFirst(count) }
        let answer = try JSON(parsing: Array(buffer[..<count]))
        guard status == "200" else {
            throw Refusal(
                answer["error"]?["message"]?.asString ?? "The node answered with \(status).")
        }
        return answer
    }

    private static func contentLength(_ line: String) -> Int? {
        let parts = line.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
        return Int(parts[1].trimmingCharacters(in: .whitespaces))
    }

    private func readHead() throws -> [String] {
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
            try readMore()
        }
    }

    private func readMore() throws {
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        let count = read(descriptor, &piece, piece.count)
        guard count > 0 else { throw Self.failure("read") }
        buffer += piece[..<count]
    }

    private func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { throw Self.failure("write") }
            rest = rest.dropFirst(count)
        }
    }

    private static func failure(_ call: String) -> Refusal {
        Refusal("The node does not answer (\(call): \(String(cString: strerror(errno)))).")
    }
}

extension Array where Element == String {
    fileprivate func firstNonNil<Value>(_ find: (String) -> Value?) -> Value? {
        for element in self { if let value = find(element) { return value } }
        return nil
    }
}
