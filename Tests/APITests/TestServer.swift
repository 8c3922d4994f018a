import API
import AsyncHTTPClient
import Basics
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import ServiceLifecycle

/// A server on a Unix socket of its own, and a client for it, for the length of one test.
struct TestServer {
    struct Answer {
        var status: Int
        var headers: [String: String]
        var text: String

        var json: JSON { (try? JSON(parsing: text)) ?? .null }
    }

    let base: String
    let socketPath: String
    let client: HTTPClient
    var key: String?

    /// Runs `body` while the server listens, and stops it gracefully afterwards.
    static func run(
        _ backend: MemoryBackend, settings: APIServer.Settings = .init(),
        _ body: @escaping @Sendable (TestServer) async throws -> Void,
        whileStopping: @escaping @Sendable () async throws -> Void = {}
    ) async throws {
        let path = "/tmp/swiftlet-\(UUID().uuidString.prefix(8)).sock"
        let (listening, continuation) = AsyncStream<APIServer.Listening>.makeStream()
        let server = APIServer(
            backend: backend, unixSocketPath: path, settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onListening: { continuation.yield($0) })
        let client = HTTPClient()
        try await whileRunning(server) {
            try await whileStopping()
            try await client.shutdown()
        } _: {
            for await _ in listening { break }
            let host = path.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? path
            try await body(
                TestServer(base: "http+unix://\(host)", socketPath: path, client: client))
        }
    }

    /// As `run`, over TCP with TLS and the key `open sesame`; the certificate is made by openssl.
    static func runTLS(
        _ backend: MemoryBackend, _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        let directory = "/tmp/swiftlet-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (certificate, key) = ("\(directory)/cert.pem", "\(directory)/key.pem")
        try makeCertificate(certificate, key: key)
        let (listening, continuation) = AsyncStream<APIServer.Listening>.makeStream()
        let server = APIServer(
            backend: backend, unixSocketPath: "\(directory)/node.sock",
            tcp: .init(
                host: "127.0.0.1", port: 0, certificateChainPath: certificate,
                privateKeyPath: key, key: "open sesame"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onListening: { continuation.yield($0) })
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(certificate)
        let client = HTTPClient(configuration: .init(tlsConfiguration: tls))
        try await whileRunning(server) {
            try await client.shutdown()
        } _: {
            var port = 0
            for await event in listening {
                if case .tcp(let bound) = event {
                    port = bound
                    break
                }
            }
            try await body(
                TestServer(
                    base: "https://127.0.0.1:\(port)", socketPath: "\(directory)/node.sock",
                    client: client, key: "open sesame"))
        }
    }

    private static func whileRunning(
        _ server: APIServer, afterwards: @escaping @Sendable () async throws -> Void,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let group = ServiceGroup(
            configuration: .init(
                services: [server],
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                try await body()
                await group.triggerGracefulShutdown()
                try await afterwards()
            }
            for try await _ in tasks {}
        }
    }

    private static func makeCertificate(_ certificate: String, key: String) throws {
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "1", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
    }

    func request(_ method: String, _ path: String, body: String? = nil) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + path)
        request.method = .RAW(value: method)
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body))
        }
        return request
    }

    func send(_ request: HTTPClientRequest) async throws -> Answer {
        let response = try await client.execute(request, timeout: .seconds(20))
        let body = try await response.body.collect(upTo: 16 << 20)
        var headers: [String: String] = [:]
        for header in response.headers { headers[header.name.lowercased()] = header.value }
        return Answer(
            status: Int(response.status.code), headers: headers, text: String(buffer: body))
    }

    func get(_ path: String) async throws -> Answer { try await send(request("GET", path)) }

    func post(_ path: String, _ body: String) async throws -> Answer {
        try await send(request("POST", path, body: body))
    }
}
