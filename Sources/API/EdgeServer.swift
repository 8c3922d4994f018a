package import Basics
import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle

/// What an edge node can do for its user.
package protocol EdgeBackend: Sendable {
    /// `id`, `name`, `role`, `state` ("alive", "asleep", "alone", "removed"), `removed`, `relay`,
    /// `spare`, `parked`, `certificate_expires_at`, `certificate_warning`.
    func status() async throws -> JSON
    /// `id`, `until`. Returns once the whole mesh knows.
    func sleep(for time: Duration) async throws -> JSON
    func wake() async throws -> JSON
    /// `id`, `name`.
    func rename(to name: String) async throws -> JSON
    /// `id`, `left`.
    func leave() async throws -> JSON
}

/// Answers HTTP on an edge node's Unix socket: the few questions that such a node can answer.
package struct EdgeServer: Service {
    private let backend: any EdgeBackend
    private let unixSocketPath: String
    private let logger: Logger

    package init(backend: any EdgeBackend, unixSocketPath: String, logger: Logger) {
        self.backend = backend
        self.unixSocketPath = unixSocketPath
        self.logger = logger
    }

    package func run() async throws {
        let path = unixSocketPath
        defer { unlink(path) }
        let loop = ServingLoop()
        let application = Application(
            router: router(),
            configuration: .init(address: .unixDomainSocket(path: path), serverName: "swiftlet"),
            onServerRunning: { _ in chmod(path, 0o600) },
            eventLoopGroupProvider: .shared(loop.group), logger: logger)
        try await loop.run { try await application.run() }
    }

    private func router() -> Router<BasicRequestContext> {
        let backend = backend
        let limits = Limits(settings: .init())
        let router = Router()
        router.add(middleware: ErrorPages())
        router.get("/api/status") { _, _ in Response(try await backend.status()) }
        router.post("/api/leave") { _, _ in Response(try await backend.leave()) }
        router.post("/api/rename") { request, _ in
            Response(try await backend.rename(to: try await request.newName(limits)))
        }
        router.post("/api/wake") { _, _ in Response(try await backend.wake()) }
        router.post("/api/sleep") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let seconds = try fields.integer("seconds", in: 1...(30 * 86_400)) ?? 600
            try fields.finish()
            return Response(try await backend.sleep(for: .seconds(seconds)))
        }
        // What is not above is another node's to answer.
        let methods: [HTTPRequest.Method] = [.get, .put, .post, .delete]
        for path in ["/api/**", "/v1/**"] {
            for method in methods {
                router.on(RouterPath(path), method: method) { _, _ -> Response in
                    throw APIError(
                        status: 404,
                        message: "This is an edge node, which knows little of the mesh: ask one of "
                            + "the mesh's nodes.",
                        code: "edge_node")
                }
            }
        }
        return router
    }
}
