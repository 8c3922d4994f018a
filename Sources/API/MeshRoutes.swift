import Basics
import Hummingbird

/// `/api/status`, members, tokens, revocation, policy, `/metrics`, and a front page.
struct MeshRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/") { _, _ in
            Response(bytes: Array(Self.frontPage.utf8), type: "text/plain; charset=utf-8")
        }
        router.get("/metrics") { _, _ in
            let metrics = Metrics(status: try await backend.status())
            return Response(bytes: Array(metrics.text.utf8), type: Metrics.contentType)
        }
        router.get("/api/status") { _, _ in Response(try await backend.status()) }
        router.get("/api/members") { _, _ in Response(try await backend.members()) }
        router.post("/api/leave") { _, _ in Response(try await backend.leave()) }
        router.post("/api/sleep") { _, _ -> Response in throw Self.notEdge }
        router.post("/api/wake") { _, _ -> Response in throw Self.notEdge }
        router.post("/api/rename") { request, _ in
            Response(try await backend.rename(to: try await request.newName(limits)))
        }
        router.post("/api/nodes/revoke") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let node = try fields.requiredString("node")
            let reason = try fields.string("reason") ?? "unspecified"
            try fields.finish()
            return Response(try await backend.revokeNode(node, reason: reason))
        }
        router.post("/api/nodes/drain") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let node = try fields.requiredString("node")
            let isDrained = try fields.bool("drained") ?? true
            try fields.finish()
            return Response(try await backend.drain(node, isDrained: isDrained))
        }
        addTokens(to: router)
        addKeys(to: router)
        addPolicy(to: router)
    }

    private static let notEdge = APIError(
        status: 409,
        message: "Only edge nodes sleep; a node that shall rest is drained, and then stopped.",
        code: "not_edge")

    private func addTokens(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/tokens") { _, _ in Response(try await backend.tokens()) }
        router.post("/api/tokens") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let seconds = try fields.integer("ttl_seconds", in: 1...(30 * 86_400)) ?? 3600
            let uses = try fields.integer("uses", in: 1...10_000) ?? 1
            let role = try fields.string("role") ?? "worker"
            try fields.finish()
            return Response(
                try await backend.createToken(
                    timeToLive: .seconds(seconds), uses: Int(uses), role: role))
        }
        router.delete("/api/tokens/:id") { _, context in
            Response(try await backend.revokeToken(try context.parameter("id")))
        }
    }

    private func addKeys(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/keys") { _, _ in Response(try await backend.keys()) }
        router.post("/api/keys/rotate") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let seconds = try fields.integer("grace_seconds", in: 0...(30 * 86_400))
            try fields.finish()
            return Response(
                try await backend.rotateKeys(grace: .seconds(seconds ?? 30 * 86_400)))
        }
        router.post("/api/keys/distrust") { _, _ in
            Response(try await backend.distrustOldKeys())
        }
    }

    private func addPolicy(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/policy") { _, _ in Response(try await backend.policy()) }
        router.put("/api/policy") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            guard let licenses = try fields.strings("allowed_licenses", countMax: 1024) else {
                throw APIError.malformed(
                    "allowed_licenses is missing.", parameter: "allowed_licenses")
            }
            try fields.finish()
            return Response(try await backend.setPolicy(allowedLicenses: licenses))
        }
        router.put("/api/policy/edge") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            guard let percent = try fields.integer("replay_percent", in: 0...100) else {
                throw APIError.malformed(
                    "replay_percent is missing.", parameter: "replay_percent")
            }
            try fields.finish()
            return Response(try await backend.setEdgePolicy(replayPercent: Int(percent)))
        }
    }

    private static let frontPage = """
        This is a node of a Swiftlet mesh.

          /v1/models, /v1/chat/completions, /v1/completions   the OpenAI schema
          /api/status, /api/members, /api/tasks, ...           the mesh, as JSON
          /metrics                                             Prometheus

        """
}
