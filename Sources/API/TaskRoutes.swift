import Basics
import Hummingbird

/// `/api/tasks`: programs to run, and what became of them.
struct TaskRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/tasks") { request, _ in
            Response(try await backend.tasks(ofJob: request.uri.queryParameters.get("job")))
        }
        router.post("/api/tasks") { request, _ in
            var request = request
            let wait = try request.wait()
            var fields = try await request.fields(limits)
            let key = try fields.string("key")
            let program = try Self.programRequest(&fields)
            try fields.finish()
            let answer = try await backend.submitProgram(
                program, key: key, isAwaited: wait > .zero)
            guard wait > .zero, answer["state"] == nil, let id = answer["task"]?.asString else {
                return Response(answer)
            }
            return try await request.answer(within: wait) {
                Response(try await backend.task(id, wait: wait))
            }
        }
        router.get("/api/tasks/:id") { request, context in
            let id = try context.parameter("id")
            let wait = try request.wait()
            return try await request.answer(within: wait) {
                Response(try await backend.task(id, wait: wait))
            }
        }
        router.get("/api/tasks/:id/logs") { _, context in
            Response(try await backend.taskLogs(try context.parameter("id")))
        }
        router.post("/api/tasks/:id/cancel") { _, context in
            Response(try await backend.cancelTask(try context.parameter("id")))
        }
    }

    static func programRequest(_ fields: inout RequestFields) throws -> ProgramRequest {
        guard var programFields = try fields.object("program") else {
            throw APIError.malformed("program is missing.", parameter: "program")
        }
        let artifact = try NamedArtifact(&programFields)
        try programFields.finish()
        let environment = try fields.objects("environment") { fields in
            ProgramRequest.Variable(
                name: try fields.requiredString("name"),
                value: try fields.string("value") ?? "")
        }
        try RequestFields.checkDistinct(environment?.map(\.name) ?? [], in: "environment")
        var request = ProgramRequest(
            program: artifact, arguments: try fields.strings("arguments") ?? [],
            environment: environment ?? [], inputs: try inputs(&fields),
            standardInput: try fields.digest("standard_input"),
            fuel: try fields.integer("fuel", in: 1 ... .max).map { UInt64($0) },
            memoryByteCountMax: try fields.integer("memory_byte_count_max", in: 1 ... .max)
                .map { UInt64($0) },
            seed: UInt64(bitPattern: try fields.integer("seed", in: .min ... .max) ?? 0))
        request.terms = try terms(&fields)
        return request
    }

    /// The files of a program.
    static func inputs(_ fields: inout RequestFields) throws -> [NamedArtifact] {
        let inputs = try fields.objects("inputs") { try NamedArtifact(&$0) } ?? []
        try RequestFields.checkDistinct(inputs.map(\.name), in: "inputs")
        return inputs
    }

    private static func terms(_ fields: inout RequestFields) throws -> TaskTerms {
        var terms = TaskTerms()
        terms.tenant = try fields.tenant()
        terms.priority = Int(try fields.integer("priority", in: TaskTerms.priorities) ?? 0)
        terms.attemptCountMax =
            try fields.integer("attempts", in: TaskTerms.attemptCounts).map { Int($0) }
        terms.deadlineSeconds =
            try fields.integer("deadline_seconds", in: TaskTerms.deadlines).map { Int($0) }
        terms.slotCount = Int(try fields.integer("slots", in: TaskTerms.slotCounts) ?? 1)
        if let text = try fields.string("edge") {
            guard let use = EdgeUse(rawValue: text) else {
                throw APIError.malformed("edge is powered, any, never or only.", parameter: "edge")
            }
            terms.edgeUse = use
        }
        return terms
    }
}

extension NamedArtifact {
    /// `{"name", "digest"}`.
    init(_ fields: inout RequestFields) throws {
        self.init(
            name: try fields.requiredString("name"), digest: try fields.requiredDigest("digest"))
    }
}
