import API
import AsyncHTTPClient
import Basics
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Asks a node over HTTP: through its Unix socket, or over TLS with a key.
struct NodeClient: Sendable {
    enum Address: Sendable {
        case unixSocket(path: String)
        case https(base: String, key: String, rootPath: String?)
    }

    /// Answers that are read whole: the largest JSON document that we take.
    private static let documentByteCountMax = 256 << 20

    // Of the process and not of a client: an upload that is refused early has things to put away
    // when its client is closed.
    private static let loop = ServingLoop()

    private let http: HTTPClient
    private let address: Address
    private let base: String

    init(_ address: Address) throws {
        var configuration = HTTPClient.Configuration(timeout: .init(connect: .seconds(10)))
        // A node that is not there is an answer, not a reason to wait.
        configuration.connectionPool.retryConnectionEstablishment = false
        switch address {
        case .unixSocket(let path):
            guard access(path, F_OK) == 0 else {
                let isHidden = errno == EACCES
                let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
                if isHidden { throw Self.forbidden(directory) }
                throw Refusal(
                    "No node runs in \(directory); start it with: swiftlet up --data \(directory)")
            }
            let host = path.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? path
            base = "http+unix://\(host)"
        case .https(let url, _, let rootPath):
            if let rootPath {
                var tls = TLSConfiguration.makeClientConfiguration()
                tls.trustRoots = .certificates(try Self.roots(in: rootPath))
                configuration.tlsConfiguration = tls
            }
            base = url
        }
        self.address = address
        http = HTTPClient(eventLoopGroup: Self.loop.group, configuration: configuration)
    }

    private static func roots(in path: String) throws -> [NIOSSLCertificate] {
        let bytes = try ArtifactFile.bytes(of: path)
        guard let roots = try? NIOSSLCertificate.fromPEMBytes(bytes), !roots.isEmpty else {
            throw Refusal(
                "\(path) holds no certificate in PEM; give --ca the file identity/root.pem of a "
                    + "node.")
        }
        return roots
    }

    private static func forbidden(_ directory: String) -> Refusal {
        Refusal("You may not look into \(directory); run this as the owner of that directory.")
    }

    /// Nil where the node is asked over TLS.
    var socketPath: String? { if case .unixSocket(let path) = address { path } else { nil } }

    func close() async throws {
        try await http.shutdown()
    }

    /// Does the work on the client's own thread, so that an answer wakes no other one.
    func onLoop<Value: Sendable>(
        _ work: @Sendable () async throws -> Value
    ) async rethrows -> Value {
        try await withTaskExecutorPreference(Self.loop) { try await work() }
    }

    // MARK: documents

    func get(_ path: String) async throws -> JSON { try await document("GET", path) }
    func delete(_ path: String) async throws -> JSON { try await document("DELETE", path) }
    func post(_ path: String, _ body: JSON) async throws -> JSON {
        try await document("POST", path, body)
    }
    func put(_ path: String, _ body: JSON) async throws -> JSON {
        try await document("PUT", path, body)
    }

    private func document(
        _ method: String, _ path: String, _ body: JSON? = nil
    ) async throws -> JSON {
        let bytes = try await bytes(method, path, body)
        do {
            return try JSON(parsing: bytes)
        } catch {
            throw Refusal("The node's answer is not JSON; is it a Swiftlet node?")
        }
    }

    /// The answer's body as it is.
    func bytes(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> [UInt8] {
        var request = request(method, path)
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let sent = request
        return try await onLoop {
            let response = try await send(sent)
            let body = try await response.body.collect(upTo: Self.documentByteCountMax)
            return Array(body.readableBytesView)
        }
    }

    /// Polls a document until `isOver`; `progress` gets each state on the way.
    func poll(
        _ path: String, until isOver: (JSON) -> Bool, _ progress: (JSON) -> Void
    ) async throws -> JSON {
        while true {
            let document = try await get("\(path)?wait_seconds=1")
            if isOver(document) { return document }
            progress(document)
        }
    }

    // MARK: streams

    /// Posts, and hands on each document of the answer's server-sent events as it comes.
    func events(
        _ path: String, _ body: JSON, _ receive: (JSON) throws -> Void
    ) async throws {
        var request = request("POST", path)
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: body.bytes))
        let response = try await send(request)
        var line: [UInt8] = []
        for try await buffer in response.body {
            for byte in buffer.readableBytesView {
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    continue
                }
                defer { line.removeAll(keepingCapacity: true) }
                guard line.starts(with: "data: ".utf8) else { continue }
                let event = try JSON(parsing: line.dropFirst(6))
                if let sentence = event["error"]?["message"]?.asString {
                    throw Refusal(sentence)
                }
                try receive(event)
            }
        }
    }

    /// True where the node itself holds the artifact.
    func holds(_ digest: Digest) async throws -> Bool {
        let response = try await execute(request("HEAD", "/api/artifacts/\(digest.hex)"))
        return response.status == .ok
    }

    /// Uploads pieces of a known whole; returns the digest that the node found.
    func upload<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces, byteCount: UInt64
    ) async throws -> Digest where Pieces.Element == ByteBuffer {
        var request = request("POST", "/api/artifacts")
        request.body = .stream(pieces, length: .known(Int64(byteCount)))
        let response = try await send(request)
        let bytes = try await response.body.collect(upTo: 1 << 20).readableBytesView
        let answer = try JSON(parsing: bytes)
        guard let digest = answer["digest"]?.asString.flatMap({ Digest(hex: $0) }) else {
            throw Refusal("The node did not say which artifact it stored; is it older?")
        }
        return digest
    }

    /// Hands on an artifact's bytes as they come, and checks in the end that they are the ones.
    func download(_ digest: Digest, _ receive: ([UInt8]) throws -> Void) async throws {
        let response = try await send(request("GET", "/api/artifacts/\(digest.hex)"))
        var hash = SHA256()
        for try await buffer in response.body {
            let bytes = Array(buffer.readableBytesView)
            hash.update(bytes)
            try receive(bytes)
        }
        guard hash.finish() == digest else {
            throw Refusal("The artifact \(digest.hex) came damaged; ask another node for it.")
        }
    }

    // MARK: requests

    private func request(_ method: String, _ path: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + path)
        request.method = .RAW(value: method)
        if case .https(_, let key, _) = address {
            request.headers.add(name: "Authorization", value: "Bearer \(key)")
        }
        return request
    }

    /// Sends; an answer that is not a success becomes the node's own sentence.
    private func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        let response = try await execute(request)
        guard !(200..<300).contains(response.status.code) else { return response }
        let body = try await response.body.collect(upTo: 1 << 20)
        let document = try? JSON(parsing: Array(body.readableBytesView))
        let sentence = document?["error"]?["message"]?.asString
        throw Refusal(sentence ?? "The node answered with status \(response.status.code).")
    }

    private func execute(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        do {
            // Work may take long; whether the node is there shows at once.
            return try await http.execute(request, timeout: .hours(24 * 7))
        } catch let error as HTTPClientError {
            throw unreachable("\(error.shortDescription)")
        } catch let error as any ChannelFailure {
            throw unreachable("\(error)")
        } catch let error as IOError {
            if case .unixSocket(let path) = address, error.errnoCode == EACCES {
                throw Self.forbidden(URL(fileURLWithPath: path).deletingLastPathComponent().path)
            }
            throw unreachable(String(cString: strerror(error.errnoCode)))
        } catch let error as NIOSSLError {
            throw unreachable(
                "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
                    ? "its certificate hangs on no root that is trusted here" : "TLS: \(error)")
        }
    }

    private func unreachable(_ reason: String) -> Refusal {
        switch address {
        case .unixSocket(let path):
            let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
            return Refusal(
                "The node in \(directory) does not answer (\(reason)); start it with: "
                    + "swiftlet up --data \(directory)")
        case .https(let base, _, _):
            return Refusal(
                "\(base) does not answer (\(reason)); check the URL, the key and --ca.")
        }
    }
}

/// Errors that a connection attempt may end with.
protocol ChannelFailure: Error {}
extension NIOConnectionError: ChannelFailure {}
extension ChannelError: ChannelFailure {}
