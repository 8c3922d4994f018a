import API
import Basics
import Store
import Wire

extension LiveBackend {
    /// Vectors from this node itself: an embedding model needs no deployment, only the admission
    /// that every model needs, and a whole copy of its file here.
    func embed(_ request: EmbeddingRequest) async throws -> EmbeddingResult {
        let statement = try await recorded(request.model)
        try await admit(statement)
        return try await node.embeddings.embed(
            request, artifact: statement.subject,
            path: node.exchange.store.path(of: statement.subject))
    }
}
