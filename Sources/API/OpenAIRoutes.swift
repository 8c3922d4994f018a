import Basics
import Hummingbird

/// `/v1/…`: the OpenAI schema, as far as clients use it for models, chats and completions.
struct OpenAIRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/v1/models") { _, _ in
            let models = Self.answering(try await backend.models())
            return Response(["object": "list", "data": .array(models)])
        }
        router.get("/v1/models/:model") { _, context in
            let name = try context.parameter("model")
            let models = Self.answering(try await backend.models())
            guard let model = models.first(where: { $0["id"]?.asString == name }) else {
                throw APIError(
                    status: 404, message: "The model \(name) is neither deployed nor an encoder.",
                    code: "model_not_found", parameter: "model")
            }
            return Response(model)
        }
        router.post("/v1/chat/completions") { request, _ in
            var request = request
            let asked = try OpenAIRequest.chat(try await request.json(limits))
            return try await answer(request, asked, kind: .chat)
        }
        router.post("/v1/completions") { request, _ in
            var request = request
            let asked = try OpenAIRequest.completion(try await request.json(limits))
            return try await answer(request, asked, kind: .completion)
        }
    }

    private func answer(
        _ request: Request, _ asked: OpenAIRequest, kind: OpenAIResponse.Kind
    ) async throws -> Response {
        let response = OpenAIResponse(kind: kind, request: asked)
        let slot = try await limits.generations.enter()
        guard asked.isStream else {
            return try await request.whileClientListens {
                defer { withExtendedLifetime(slot) {} }
                let events = try await backend.generate(asked.generation)
                let (result, logprobs) = try await events.resultWithLogprobs()
                return Response(response.whole(result, logprobs))
            }
        }
        // Before the first byte: what is wrong with the request still has its own status.
        let events = try await backend.generate(asked.generation)
        return ServerSentEvents.response(to: request, holding: slot) { sink in
            if kind == .chat { try await sink.send(response.opening) }
            var result: JSON?
            // In code points, as a completion's offsets count.
            var offset = 0
            for try await event in events {
                switch event {
                case .text(let text, _, let logprobs):
                    guard !text.isEmpty || !logprobs.isEmpty else { continue }
                    try await sink.send(
                        response.chunk(text: text, logprobs: logprobs, offset: offset))
                    offset += text.unicodeScalars.count
                case .finished(let document): result = document
                }
            }
            try Task.checkCancellation()
            guard let result else {
                throw APIError(
                    status: 503, message: "The generation ended before its result; try again.",
                    code: "generation_incomplete")
            }
            try await sink.send(response.closing(result))
            if asked.includesUsage { try await sink.send(response.usageChunk(result)) }
            try await sink.send(text: "[DONE]")
        }
    }

    /// The models that answer now, as `Model` objects of the schema.
    private static func answering(_ document: JSON) -> [JSON] {
        // An encoder needs no deployment: each node runs it by itself.
        (document["models"]?.asArray ?? []).filter {
            $0["state"]?.asString == "deployed" || $0["kind"]?.asString == "encoder"
        }.map {
            [
                "id": $0["name"] ?? "", "object": "model", "created": $0["added_at"] ?? 0,
                "owned_by": "swiftlet",
            ]
        }
    }
}
