import Basics
import Hummingbird

/// `POST /v1/embeddings`: vectors of texts, in the OpenAI schema.
struct EmbeddingRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.post("/v1/embeddings") { request, _ in
            var request = request
            let (asked, encoding) = try EmbeddingRequest.read(try await request.json(limits))
            let slot = try await limits.generations.enter()
            return try await request.whileClientListens {
                defer { withExtendedLifetime(slot) {} }
                let result = try await backend.embed(asked)
                return Response(result.document(model: asked.model, encoding: encoding))
            }
        }
    }
}
