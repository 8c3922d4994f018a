import Basics
import Hummingbird

/// `/api/plans` and `/api/tools`: the agent's work.
struct PlanRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/tools") { _, _ in Response(try await backend.tools()) }
        router.get("/api/plans") { _, _ in Response(try await backend.plans()) }
        router.post("/api/plans") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let programs = try fields.objects("programs") { fields in
                PlanRequest.Program(
                    artifact: try NamedArtifact(&fields),
                    purpose: try fields.string("purpose") ?? "")
            }
            let plan = PlanRequest(
                goal: try fields.requiredString("goal"),
                model: try fields.requiredString("model"),
                stepCountMax: Int(try fields.integer("max_steps", in: 1...100) ?? 8),
                programs: programs ?? [],
                data: try fields.objects("data") { try NamedArtifact(&$0) } ?? [])
            try fields.finish()
            return Response(try await backend.openPlan(plan))
        }
        router.get("/api/plans/:id") { request, context in
            let id = try context.parameter("id")
            let wait = try request.wait()
            return try await request.answer(within: wait) {
                Response(try await backend.plan(id, wait: wait))
            }
        }
    }
}
