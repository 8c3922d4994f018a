// API: a node's surface over HTTP.
//
//   client ──▶ listener ──▶ ErrorPages ──▶ Bouncer ──▶ InFlight ──▶ route ──▶ Backend
//              Unix socket     every error    TCP only:   so many      reads the request,
//              or TCP + TLS    is one JSON    the key     at a time    writes the answer
//
// The routes are thin: they read a request with every length checked, call one method of
// `Backend`, and write its document. What the mesh does stands behind `Backend`, so that these
// files know HTTP and nothing else.
//
//   /api/…     the mesh, for the commands of `swiftlet`          MeshRoutes, ArtifactRoutes, …
//   /v1/…      the OpenAI schema, for every client that speaks it      OpenAIRoutes,
//                                                                      EmbeddingRoutes
//   /metrics   Prometheus text of what `status` counts                 Metrics
//
// Who may ask. The Unix socket's file has mode 0600: whoever may read the node's data directory
// is its owner. Over TCP there is only TLS, and each request carries `Authorization: Bearer KEY`.
//
// What is bounded. A JSON body has at most 4 MiB, an upload is streamed and counted, generations
// wait in a queue of fixed length and are refused with 429 past it, and all other requests
// together are counted too. A client that goes away cancels what it asked for.

import Glibc
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle

/// Answers HTTP on a Unix socket and, where asked, on TCP with TLS and a key.
package struct APIServer: Service {
    /// Where to answer over TCP. There is no way to ask for TCP without TLS or without a key.
    package struct TCP: Sendable {
        package var host: String
        package var port: Int
        /// PEM, the server's own certificate first.
        package var certificateChainPath: String
        package var privateKeyPath: String
        /// What clients send as `Authorization: Bearer`.
        package var key: String

        package init(
            host: String, port: Int, certificateChainPath: String, privateKeyPath: String,
            key: String
        ) {
            self.host = host
            self.port = port
            self.certificateChainPath = certificateChainPath
            self.privateKeyPath = privateKeyPath
            self.key = key
        }

        /// From `HOST:PORT`, as `--http` takes it (an IPv6 host in brackets); throws one sentence
        /// about what is wrong with the address or the key.
        package init(
            address: String, certificatePath: String, keyPath: String, apiKey: String?
        ) throws {
            guard let colon = address.lastIndex(of: ":"), colon != address.startIndex,
                let port = UInt16(address[address.index(after: colon)...])
            else {
                throw APIError(
                    status: 500, message: "\(address) is no address for HTTP; write HOST:PORT.",
                    code: "bad_address")
            }
            guard let apiKey, !apiKey.isEmpty else {
                throw APIError(
                    status: 500,
                    message: "HTTP over TCP needs a key; set SWIFTLET_API_KEY to a long secret.",
                    code: "key_missing")
            }
            let host = address[..<colon]
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
            self.init(
                host: String(isBracketed ? host.dropFirst().dropLast() : host), port: Int(port),
                certificateChainPath: certificatePath, privateKeyPath: keyPath, key: apiKey)
        }

        /// Tries the address and lets it go again: one sentence where nobody can listen there.
        package func checkAddress() throws {
            func refusal(_ reason: String) -> APIError {
                let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
                return APIError(
                    status: 500, message: "HTTPS cannot listen on \(place): \(reason).",
                    code: "bad_address")
            }
            guard let address = try? SocketAddress.makeAddressResolvingHost(host, port: port)
            else { throw refusal("\(host) is no host that is known here; write --http HOST:PORT") }
            let descriptor = socket(
                address.protocol.rawValue, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
            defer { close(descriptor) }
            // As the listener does: connections that have just ended do not keep the port.
            var isReused: Int32 = 1
            setsockopt(
                descriptor, SOL_SOCKET, SO_REUSEADDR, &isReused,
                socklen_t(MemoryLayout<Int32>.size))
            let code = address.withSockAddr { pointer, byteCount in
                bind(descriptor, pointer, socklen_t(byteCount)) == 0 ? 0 : errno
            }
            guard code == 0 else {
                throw refusal(
                    code == EADDRINUSE
                        ? "the port is in use; stop the other process, or choose another --http"
                        : "\(String(cString: strerror(code))); choose another --http")
            }
        }
    }

    /// The limits, with the defaults that we would run ourselves.
    package struct Settings: Sendable {
        package var jsonByteCountMax = 4 << 20
        package var uploadByteCountMax: UInt64 = 64 << 30
        /// Generations that run at once; the stages compute them in common steps.
        package var generationCountMax = 32
        /// Generations that wait for one to end before new ones are refused with 429.
        package var waitingGenerationCountMax = 64
        /// All other requests at once, long polls among them.
        package var requestCountMax = 512
        package var idleTimeout: Duration = .seconds(120)
        /// How long requests may take to end once the node is told to stop.
        package var shutdownGrace: Duration = .seconds(3)

        package init() {}
    }

    /// Where the server has begun to listen.
    package enum Listening: Hashable, Sendable {
        case unixSocket(path: String)
        case tcp(port: Int)
    }

    private let backend: any Backend
    private let unixSocketPath: String
    private let tcp: TCP?
    private let settings: Settings
    private let logger: Logger
    private let onListening: @Sendable (Listening) async -> Void

    package init(
        backend: any Backend, unixSocketPath: String, tcp: TCP? = nil,
        settings: Settings = .init(), logger: Logger,
        onListening: @escaping @Sendable (Listening) async -> Void = { _ in }
    ) {
        self.backend = backend
        self.unixSocketPath = unixSocketPath
        self.tcp = tcp
        self.settings = settings
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until the service is told to stop.
    package func run() async throws {
        try checkSocketPath()
        let limits = Limits(settings: settings), loop = ServingLoop()
        var services: [any Service] = [unixService(limits: limits, on: loop)]
        if let tcp { services.append(try tcpService(tcp, limits: limits, on: loop)) }
        var configuration = ServiceGroupConfiguration(services: services, logger: logger)
        configuration.maximumGracefulShutdownDuration = settings.shutdownGrace
        // The listener takes an old socket's file away before it binds, and leaves its own.
        defer { unlink(unixSocketPath) }
        let group = ServiceGroup(configuration: configuration)
        try await loop.run { try await group.run() }
    }

    /// A socket's path must fit `sockaddr_un.sun_path`: 108 bytes with the final zero.
    private func checkSocketPath() throws {
        guard unixSocketPath.utf8.count < 108 else {
            throw APIError(
                status: 500,
                message: "The socket path \(unixSocketPath) is longer than 107 bytes; "
                    + "choose a data directory with a shorter path.",
                code: "socket_path_too_long")
        }
    }

    private func unixService(limits: Limits, on loop: ServingLoop) -> any Service {
        let path = unixSocketPath
        let onListening = onListening
        return Application(
            router: router(key: nil, limits: limits),
            server: .http1(configuration: channelConfiguration),
            configuration: .init(address: .unixDomainSocket(path: path), serverName: "swiftlet"),
            onServerRunning: { _ in
                // Connecting takes write permission: under any usual umask nobody else had it
                // in the moment between bind and this line either.
                chmod(path, 0o600)
                await onListening(.unixSocket(path: path))
            },
            eventLoopGroupProvider: .shared(loop.group), logger: logger)
    }

    private func tcpService(
        _ tcp: TCP, limits: Limits, on loop: ServingLoop
    ) throws -> any Service {
        guard !tcp.key.isEmpty else {
            throw APIError(
                status: 500, message: "HTTP over TCP needs a key that is not empty.",
                code: "key_missing")
        }
        let served = try ServedCertificate(
            chainPath: tcp.certificateChainPath, keyPath: tcp.privateKeyPath, logger: logger)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: Array(served.chain.prefix(1)), privateKey: served.key)
        // Of each connection that opens: the certificate is renewed while the server runs.
        tls.sslContextCallback = { _, promise in promise.succeed(served.current) }
        let onListening = onListening
        let gate = ConnectionGate()
        let configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionTicket(gate)],
            idleTimeout: TimeAmount(settings.idleTimeout))
        return Application(
            router: router(key: tcp.key, limits: limits),
            server: try .tls(.http1(configuration: configuration), tlsConfiguration: tls),
            configuration: .init(
                address: .hostname(tcp.host, port: tcp.port), serverName: "swiftlet"),
            onServerRunning: { channel in
                await onListening(.tcp(port: channel.localAddress?.port ?? tcp.port))
            },
            eventLoopGroupProvider: .shared(loop.group), logger: logger)
    }

    private var channelConfiguration: HTTP1Channel.Configuration {
        .init(idleTimeout: TimeAmount(settings.idleTimeout))
    }

    private func router(key: String?, limits: Limits) -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: ErrorPages())
        if let key { router.add(middleware: Bouncer(key: key)) }
        router.add(middleware: InFlight(admission: limits.requests))
        MeshRoutes(backend: backend, limits: limits).add(to: router)
        ArtifactRoutes(backend: backend, limits: limits).add(to: router)
        ModelRoutes(backend: backend, limits: limits).add(to: router)
        TaskRoutes(backend: backend, limits: limits).add(to: router)
        JobRoutes(backend: backend, limits: limits).add(to: router)
        PlanRoutes(backend: backend, limits: limits).add(to: router)
        OpenAIRoutes(backend: backend, limits: limits).add(to: router)
        EmbeddingRoutes(backend: backend, limits: limits).add(to: router)
        router.nameMethods()
        return router
    }
}

/// What both listeners share.
struct Limits: Sendable {
    let jsonByteCountMax: Int
    let uploadByteCountMax: UInt64
    let requests: Admission
    let generations: Admission

    init(settings: APIServer.Settings) {
        jsonByteCountMax = settings.jsonByteCountMax
        uploadByteCountMax = settings.uploadByteCountMax
        requests = Admission(capacity: settings.requestCountMax, waitingCountMax: 0)
        generations = Admission(
            capacity: settings.generationCountMax,
            waitingCountMax: settings.waitingGenerationCountMax)
    }
}
