import API
import Basics
import Inference

/// The embedding models that this node has opened; computes on one lane of its own.
///
/// A request goes through in slices, so that one with many texts does not hold up the others, and
/// ends soon after its client has left.
final class EmbeddingHost: Sendable {
    /// Touched on the lane alone.
    private final class State {
        /// The most recently used last.
        var opened: [(artifact: Digest, embedder: Embedder)] = []
    }

    /// Mappings are pages of files; what is bounded here is the scratch memory.
    private static let openedCountMax = 4
    /// A fraction of a second of work for a small encoder; a longer text is a slice of its own.
    private static let sliceTokenCountMax = 2_048
    /// As in the OpenAI schema: the tokens of all texts of a request.
    private static let tokenCountMax = 300_000
    /// The elements of all vectors of a request, 16 MiB of floats.
    private static let elementCountMax = 1 << 22

    private let threadCount: Int
    private let lane = Lane(name: "embeddings", capacity: 256)
    // The lane is serial: whoever runs on it may touch the state.
    private nonisolated(unsafe) let state = State()

    init(threadCount: Int) { self.threadCount = threadCount }

    func close() { lane.close() }

    /// The vectors of the texts, by a model whose admission the caller has checked.
    func embed(
        _ request: EmbeddingRequest, artifact: Digest, path: String
    ) async throws -> EmbeddingResult {
        do {
            let texts = try await lane.run { [self] in
                try tokens(of: request, embedder(artifact, path))
            }
            var result = EmbeddingResult(
                vectors: [], tokenCount: texts.reduce(0) { $0 + $1.count })
            while result.vectors.count < texts.count {
                try Task.checkCancellation()
                let slice = Self.slice(of: texts, from: result.vectors.count)
                let vectors = try await lane.run { [self] in
                    try embedder(artifact, path).embed(slice)
                }
                result.vectors += vectors.map { vector in
                    guard let count = request.dimensionCount else { return vector }
                    var shortened = Array(vector.prefix(count))
                    Pooling.normalise(&shortened)
                    return shortened
                }
            }
            return result
        } catch is Lane.LaneFull {
            throw APIError(
                status: 429, message: "the node has all the texts it can hold; try again soon",
                code: "too_many_requests")
        } catch let error as EncoderError {
            // A text may fit the model, and not the memory that a decoder needs for it.
            throw Self.refusal("\(error)", code: "bad_input")
        }
    }

    /// The next texts: as many as a slice may have tokens, and at least one.
    private static func slice(of texts: [[TokenID]], from start: Int) -> [[TokenID]] {
        var end = start + 1
        var tokenCount = texts[start].count
        while end < texts.count, tokenCount + texts[end].count <= sliceTokenCountMax {
            tokenCount += texts[end].count
            end += 1
        }
        return Array(texts[start..<end])
    }

    // MARK: on the lane

    private func embedder(_ artifact: Digest, _ path: String) throws -> Embedder {
        if let index = state.opened.firstIndex(where: { $0.artifact == artifact }) {
            let found = state.opened.remove(at: index)
            state.opened.append(found)
            return found.embedder
        }
        let embedder: Embedder
        do {
            embedder = try Embedder(path: path, threads: threadCount)
        } catch {
            throw APIError(
                status: 400, message: "the model makes no embeddings: \(error)",
                code: "bad_model", parameter: "model")
        }
        state.opened.append((artifact, embedder))
        if Self.openedCountMax < state.opened.count { state.opened.removeFirst() }
        return embedder
    }

    /// Finds everything that is wrong with a request, before its first vector.
    private func tokens(
        of request: EmbeddingRequest, _ embedder: Embedder
    ) throws -> [[TokenID]] {
        let dimensionCount = embedder.dimensionCount
        let wanted = request.dimensionCount ?? dimensionCount
        guard 1...dimensionCount ~= wanted else {
            throw Self.refusal(
                "\(request.model) has vectors of \(dimensionCount): take 1 to \(dimensionCount) "
                    + "dimensions", code: "bad_dimensions", parameter: "dimensions")
        }
        guard request.inputs.count <= Self.elementCountMax / wanted else {
            throw Self.refusal(
                "\(request.inputs.count) vectors of \(wanted) are more than an answer holds: ask "
                    + "in parts of \(Self.elementCountMax / wanted)", code: "too_many_inputs")
        }
        var texts: [[TokenID]] = []
        var tokenCount = 0
        for (index, input) in request.inputs.enumerated() {
            do throws(EncoderError) {
                texts.append(try embedder.tokens(of: input, index: index))
            } catch {
                throw Self.refusal(
                    "\(error)", code: error.isAboutLength
                        ? "context_length_exceeded" : "bad_input")
            }
            tokenCount += texts[index].count
            guard tokenCount <= Self.tokenCountMax else {
                throw Self.refusal(
                    "the input has more than \(Self.tokenCountMax) tokens: ask in parts",
                    code: "too_many_tokens")
            }
        }
        return texts
    }

    private static func refusal(
        _ message: String, code: String, parameter: String = "input"
    ) -> APIError {
        APIError(status: 400, message: message, code: code, parameter: parameter)
    }
}

extension Embedder {
    /// The tokens of an input, of which `embed` will take each.
    fileprivate func tokens(
        of input: EmbeddingRequest.Input, index: Int
    ) throws(EncoderError) -> [TokenID] {
        let ids: [TokenID]
        switch input {
        case .text(let text): ids = try tokens(of: text)
        case .tokens(let given): ids = given
        }
        try check(ids, index: index)
        return ids
    }
}

extension EncoderError {
    fileprivate var isAboutLength: Bool {
        switch self {
        case .textTooLong, .tokenizer(.textTooLong): true
        default: false
        }
    }
}
