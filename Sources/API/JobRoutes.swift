import Basics
import Hummingbird

/// `/api/jobs`: graphs of tasks; and the weights and limits of those who share the mesh.
struct JobRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/jobs") { _, _ in Response(try await backend.jobs()) }
        router.post("/api/jobs") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let job = JobRequest(
                key: try fields.string("key"), name: try fields.requiredString("name"),
                sets: try fields.objects("sets") { try Self.set(&$0) } ?? [])
            try fields.finish()
            guard !job.sets.isEmpty else {
                throw APIError.malformed("A job has at least one set of tasks.", parameter: "sets")
            }
            return Response(try await backend.submitJob(job))
        }
        router.get("/api/jobs/:id") { request, context in
            let id = try context.parameter("id")
            let wait = try request.wait()
            return try await request.answer(within: wait) {
                Response(try await backend.job(id, wait: wait))
            }
        }
        router.get("/api/jobs/:id/results") { _, context in
            Response(try await backend.jobResults(try context.parameter("id")))
        }
        router.post("/api/jobs/:id/cancel") { _, context in
            Response(try await backend.cancelJob(try context.parameter("id")))
        }
        router.put("/api/tenants") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let tenant = TenantRequest(
                tenant: try fields.tenant(),
                weight: try fields.integer("weight", in: 1...1_000).map { Int($0) },
                runningCountMax: try Self.limit("running_count_max", &fields),
                queuedCountMax: try Self.limit("queued_count_max", &fields),
                fuelMax: try Self.limit("fuel_max", &fields))
            try fields.finish()
            return Response(try await backend.setTenant(tenant))
        }
        router.get("/api/tenants") { _, _ in Response(try await backend.tenants()) }
    }

    // 0 takes the limit away.
    private static func limit(_ name: String, _ fields: inout RequestFields) throws -> UInt64? {
        try fields.integer(name, in: 0 ... .max).map { UInt64($0) }
    }

    private static let itemCountMax = 20_000

    private static func set(_ fields: inout RequestFields) throws -> JobRequest.Set {
        let name = try fields.requiredString("name")
        let items = try fields.objects("items", countMax: itemCountMax) { fields in
            JobRequest.Item(
                arguments: try fields.strings("arguments") ?? [],
                inputs: try TaskRoutes.inputs(&fields),
                seed: UInt64(bitPattern: try fields.integer("seed", in: .min ... .max) ?? 0))
        }
        let program = try TaskRoutes.programRequest(&fields)
        for item in items ?? [] {
            // The program finds both in one directory.
            try RequestFields.checkDistinct(
                (program.inputs + item.inputs).map(\.name), in: "inputs")
        }
        return JobRequest.Set(
            name: name, program: program, items: items ?? [],
            after: try fields.strings("after") ?? [],
            isGang: try fields.bool("gang") ?? false,
            gangPatienceSeconds: Int(
                try fields.integer("gang_patience_seconds", in: TaskTerms.gangPatience) ?? 60))
    }
}
