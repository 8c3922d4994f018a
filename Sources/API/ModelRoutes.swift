import Basics
import Hummingbird

/// `/api/models` and `/api/generate`.
struct ModelRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/models") { _, _ in Response(try await backend.models()) }
        router.post("/api/models/deploy") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let model = try fields.requiredString("model")
            let (stages, streams) = try Self.counts(&fields)
            let seconds = try fields.number("wait_seconds", in: 0...3600) ?? 300
            try fields.finish()
            return try await request.whileClientListens {
                Response(
                    try await backend.deploy(
                        model, stageCount: stages, streamCount: streams,
                        wait: .milliseconds(Int64(seconds * 1000))))
            }
        }
        router.post("/api/models/plan") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let model = try fields.requiredString("model")
            let (stages, streams) = try Self.counts(&fields)
            try fields.finish()
            return try await request.whileClientListens {
                Response(
                    try await backend.placement(model, stageCount: stages, streamCount: streams))
            }
        }
        router.post("/api/models/undeploy") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let model = try fields.requiredString("model")
            try fields.finish()
            return Response(try await backend.undeploy(model))
        }
        router.post("/api/generate") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let isStream = try fields.bool("stream") ?? false
            let generation = try Self.generationRequest(&fields)
            let slot = try await limits.generations.enter()
            if isStream {
                let events = try await backend.generate(generation)
                return ServerSentEvents.response(to: request, holding: slot) { sink in
                    for try await event in events { try await sink.send(Self.document(event)) }
                }
            }
            return try await request.whileClientListens {
                defer { withExtendedLifetime(slot) {} }
                let (result, logprobs) =
                    try await backend.generate(generation).resultWithLogprobs()
                return Response(.object((result.asObject ?? []) + Self.members(logprobs)))
            }
        }
    }

    /// How many stages, if that is said, and for how many texts at a time.
    private static func counts(
        _ fields: inout RequestFields
    ) throws -> (stages: Int?, streams: Int) {
        let stages = try fields.integer("stages", in: 1...1024)
        let streams = try fields.integer("streams", in: 1...1024)
        return (stages.map { Int($0) }, Int(streams ?? 1))
    }

    private static func document(_ event: GenerationEvent) -> JSON {
        switch event {
        case .text(let text, let tokens, let logprobs):
            .object(
                [
                    .init("text", .string(text)),
                    .init("tokens", .array(tokens.map { .integer(Int64($0)) })),
                ] + members(logprobs))
        case .finished(let result): ["finished": result]
        }
    }

    private static func members(_ logprobs: [TokenLogprobs]) -> [JSON.Member] {
        logprobs.isEmpty ? [] : [.init("logprobs", .array(logprobs.map(\.document)))]
    }

    private static func generationRequest(
        _ fields: inout RequestFields
    ) throws -> GenerationRequest {
        let prompt = try fields.string("prompt")
        let messages = try fields.objects("messages") { fields in
            GenerationRequest.Message(
                role: try fields.requiredString("role"),
                content: try fields.string("content") ?? "")
        }
        let input: GenerationRequest.Input
        switch (prompt, messages) {
        case (let prompt?, nil): input = .prompt(prompt)
        case (nil, let messages?) where !messages.isEmpty: input = .messages(messages)
        default: throw APIError.malformed("Give either prompt or messages.")
        }
        let schema = fields.value("schema")
        let request = GenerationRequest(
            model: try fields.requiredString("model"), input: input,
            tokenCountMax: try fields.integer("max_tokens", in: 1...1_000_000).map { Int($0) },
            temperature: try fields.number("temperature", in: 0...100) ?? 0,
            topP: try fields.number("top_p", in: 0...1) ?? 1,
            topK: Int(try fields.integer("top_k", in: 0...1_000_000) ?? 0),
            minP: try fields.number("min_p", in: 0...1) ?? 0,
            seed: UInt64(bitPattern: try fields.integer("seed", in: .min ... .max) ?? 0),
            repetitionPenalty: try fields.number("repetition_penalty", in: 0.01...100) ?? 1,
            repetitionWindow: Int(try fields.integer("repetition_window", in: 1...1 << 20) ?? 64),
            presencePenalty: try fields.number("presence_penalty", in: -100...100) ?? 0,
            frequencyPenalty: try fields.number("frequency_penalty", in: -100...100) ?? 0,
            logitBias: try fields.logitBias(),
            logprobCount: try fields.integer("logprobs", in: 0...20).map { Int($0) },
            schema: schema, regex: try fields.regex(beside: schema),
            stop: try fields.strings("stop", countMax: 16) ?? [])
        guard request.stop.allSatisfy({ StopStrings.byteCounts.contains($0.utf8.count) }) else {
            throw APIError.malformed(
                "stop strings have 1 to \(StopStrings.byteCounts.upperBound) bytes.",
                parameter: "stop")
        }
        try fields.finish()
        return request
    }
}

extension AsyncThrowingStream<GenerationEvent, any Error> {
    /// Waits for the end: the document of `finished`.
    func result() async throws -> JSON { try await resultWithLogprobs().result }

    /// Waits for the end, and gathers what came with the text.
    func resultWithLogprobs() async throws -> (result: JSON, logprobs: [TokenLogprobs]) {
        var all: [TokenLogprobs] = []
        for try await event in self {
            switch event {
            case .text(_, _, let logprobs): all += logprobs
            case .finished(let document): return (document, all)
            }
        }
        try Task.checkCancellation()
        throw APIError(
            status: 503, message: "The generation ended before its result; try again.",
            code: "generation_incomplete")
    }
}
