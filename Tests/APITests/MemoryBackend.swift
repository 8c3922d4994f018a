import API
import Basics
import Synchronization

/// A backend that keeps everything in memory: enough to test what HTTP does around one.
///
/// Models: `echo` repeats its prompt word by word, `broken` fails after one word, `slow` never
/// ends, `held` waits until the test lets it go; any other is not found.
final class MemoryBackend: Backend {
    let artifacts = Mutex<[Digest: [UInt8]]>([:])
    let requests = Mutex<[GenerationRequest]>([])
    let embeddings = Mutex<[EmbeddingRequest]>([])
    let programs = Mutex<[ProgramRequest]>([])
    let jobRequests = Mutex<[JobRequest]>([])
    let chunkCount = Mutex(0)
    let cancellationCount = Mutex(0)
    let waitCount = Mutex(0)
    let gate = AsyncStream<Void>.makeStream()

    func status() async throws -> JSON {
        [
            "id": "ab12", "name": "a \"quoted\" name", "role": "voter", "term": 7,
            "tasks": ["queued": 2, "running": 1],
        ]
    }
    func members() async throws -> JSON { ["members": [], "coordinator": nil, "term": 7] }
    func createToken(timeToLive: Duration, uses: Int, role: String) async throws -> JSON {
        ["token": "t", "uses": .integer(Int64(uses)), "role": .string(role)]
    }
    func tokens() async throws -> JSON { ["tokens": []] }
    func revokeToken(_ id: String) async throws -> JSON { ["id": .string(id), "revoked": true] }
    func revokeNode(_ idOrName: String, reason: String) async throws -> JSON {
        ["node": .string(idOrName), "reason": .string(reason), "revoked": true]
    }
    func rename(to name: String) async throws -> JSON { ["name": .string(name)] }
    func leave() async throws -> JSON { ["left": true] }
    func policy() async throws -> JSON { ["allowed_licenses": ["MIT"]] }
    func setPolicy(allowedLicenses: [String]) async throws -> JSON {
        ["allowed_licenses": .array(allowedLicenses.map { .string($0) })]
    }

    func keys() async throws -> JSON { ["newest": 0] }
    func rotateKeys(grace: Duration) async throws -> JSON {
        ["newest": 1, "grace_seconds": .integer(grace.components.seconds)]
    }
    func distrustOldKeys() async throws -> JSON { ["newest": 1] }
    func setEdgePolicy(replayPercent: Int) async throws -> JSON {
        ["edge_replay_percent": .integer(Int64(replayPercent))]
    }

    func heldByteCount(of digest: Digest) async throws -> UInt64? {
        artifacts.withLock { $0[digest].map { UInt64($0.count) } }
    }
    func putArtifact(_ chunks: ByteChunks, byteCountHint: UInt64?) async throws -> JSON {
        var bytes: [UInt8] = []
        for try await chunk in chunks {
            bytes += chunk
            chunkCount.withLock { $0 += 1 }
        }
        let (digest, whole) = (Digest.of(bytes), bytes)
        artifacts.withLock { $0[digest] = whole }
        return ["digest": .string(digest.hex), "byte_count": .integer(Int64(bytes.count))]
    }
    func artifact(_ digest: Digest) async throws -> ArtifactContent {
        guard let bytes = artifacts.withLock({ $0[digest] }) else {
            throw APIError(status: 404, message: "No such artifact.", code: "artifact_not_found")
        }
        return ArtifactContent(byteCount: UInt64(bytes.count), chunks: ByteChunks(bytes))
    }
    func addStatement(_ request: StatementRequest) async throws -> JSON {
        ["digest": .string(request.digest.hex), "kind": .string(request.kind.rawValue)]
    }
    func statements(kind: ArtifactKind?) async throws -> JSON { ["statements": []] }
    func statement(_ digest: Digest) async throws -> [UInt8] { Array(#"{"x": 1}"#.utf8) }
    func verify(_ request: VerifyRequest) async throws -> JSON {
        ["verified": true, "replayed": .bool(request.replay), "checks": []]
    }

    func models() async throws -> JSON {
        [
            "models": [
                ["name": "echo", "state": "deployed", "added_at": 12],
                ["name": "idle", "state": "added", "kind": "decoder", "added_at": 13],
                ["name": "elsewhere", "state": "added", "kind": nil, "added_at": 14],
                ["name": "vectors", "state": "added", "kind": "encoder", "added_at": 15],
            ]
        ]
    }
    func placement(_ model: String, stageCount: Int?, streamCount: Int) async throws -> JSON {
        ["model": .string(model), "streams": .integer(Int64(streamCount))]
    }
    func deploy(
        _ model: String, stageCount: Int?, streamCount: Int, wait: Duration
    ) async throws -> JSON {
        ["name": .string(model), "stage_count": .integer(Int64(stageCount ?? 0))]
    }
    func undeploy(_ model: String) async throws -> JSON { ["name": .string(model)] }

    func generate(
        _ request: GenerationRequest
    ) async throws -> AsyncThrowingStream<GenerationEvent, any Error> {
        requests.withLock { $0.append(request) }
        guard ["echo", "broken", "slow", "held"].contains(request.model) else {
            throw APIError(
                status: 404, message: "No model \(request.model).", code: "model_not_found",
                parameter: "model")
        }
        let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
        let task = Task { try await self.produce(request, continuation) }
        continuation.onTermination = { [self] reason in
            if case .cancelled = reason { cancellationCount.withLock { $0 += 1 } }
            task.cancel()
        }
        return stream
    }

    /// Of a text its bytes counted and a quarter of its vowels, of tokens their number and a
    /// quarter of the last. Model `echo` alone.
    func embed(_ request: EmbeddingRequest) async throws -> EmbeddingResult {
        embeddings.withLock { $0.append(request) }
        guard request.model == "echo" else {
            throw APIError(
                status: 404, message: "No model \(request.model).", code: "model_not_found",
                parameter: "model")
        }
        let vectors = request.inputs.map { input -> [Float] in
            switch input {
            case .text(let text):
                [Float(text.utf8.count), Float(text.filter { "aeiou".contains($0) }.count) / 4]
            case .tokens(let ids): [Float(ids.count), Float(ids.last ?? 0) / 4]
            }
        }
        return EmbeddingResult(vectors: vectors, tokenCount: 7 * request.inputs.count)
    }

    private func produce(
        _ request: GenerationRequest,
        _ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    ) async throws {
        let text =
            switch request.input {
            case .prompt(let prompt): prompt
            case .messages(let messages): messages.last?.content ?? ""
            }
        let words = text.split(separator: " ").map { String($0) + " " }
        for (index, word) in words.enumerated() {
            let bytes = Array(word.utf8)
            let logprobs = request.logprobCount.map { count in
                TokenLogprobs(
                    chosen: .init(token: index, bytes: bytes, logprob: -0.5),
                    top: (0..<count).map {
                        .init(token: $0, bytes: [0x61 + UInt8($0)], logprob: -Double($0))
                    })
            }
            continuation.yield(
                .text(word, tokens: [index], logprobs: logprobs.map { [$0] } ?? []))
            if request.model == "broken" {
                continuation.finish(
                    throwing: APIError(status: 503, message: "A stage died.", code: "stage_lost"))
                return
            }
        }
        if request.model == "slow" { try await Task.sleep(for: .seconds(600)) }
        if request.model == "held" { for await _ in gate.stream { break } }
        continuation.yield(
            .finished([
                "text": .string(words.joined()),
                "tokens": .array(words.indices.map { .integer(Int64($0)) }), "prompt_tokens": 5,
                "finish_reason": "stop", "statement": "cd34",
            ]))
        continuation.finish()
    }

    func submitProgram(
        _ request: ProgramRequest, key: String?, isAwaited: Bool
    ) async throws -> JSON {
        programs.withLock { $0.append(request) }
        return ["task": "ef56"]
    }
    func submitJob(_ request: JobRequest) async throws -> JSON {
        jobRequests.withLock { $0.append(request) }
        return ["job": "ab12", "task_count": .integer(Int64(request.sets.count))]
    }
    func jobs() async throws -> JSON { ["jobs": []] }
    func job(_ id: String, wait: Duration) async throws -> JSON { ["job": .string(id)] }
    func jobResults(_ id: String) async throws -> JSON { ["job": .string(id), "tasks": []] }
    func cancelJob(_ id: String) async throws -> JSON {
        ["job": .string(id), "state": "cancelled"]
    }
    func drain(_ idOrName: String, isDrained: Bool) async throws -> JSON {
        ["node": .string(idOrName), "drained": .bool(isDrained)]
    }
    func setTenant(_ request: TenantRequest) async throws -> JSON {
        ["tenant": .string(request.tenant), "weight": .integer(Int64(request.weight ?? 1))]
    }
    func tenants() async throws -> JSON { ["tenants": []] }
    func tasks(ofJob job: String?) async throws -> JSON {
        ["tasks": [], "job": job.map { .string($0) } ?? .null]
    }
    func task(_ id: String, wait: Duration) async throws -> JSON {
        if id == "boom" { throw ForeignError() }
        if id == "endless" {
            waitCount.withLock { $0 += 1 }
            try await Task.sleep(for: wait)
        }
        return ["task": .string(id), "wait_milliseconds": .integer(wait.components.seconds * 1000)]
    }
    func taskLogs(_ id: String) async throws -> JSON { ["task": .string(id), "state": "queued"] }
    func cancelTask(_ id: String) async throws -> JSON { ["task": .string(id)] }
    func openPlan(_ request: PlanRequest) async throws -> JSON {
        ["plan": "77", "goal": .string(request.goal)]
    }
    func plans() async throws -> JSON { ["plans": []] }
    func plan(_ id: String, wait: Duration) async throws -> JSON { ["plan": .string(id)] }
    func tools() async throws -> JSON { ["tools": []] }
}

/// An error that is none of the API's, with a text that must stay inside.
struct ForeignError: Error {
    let secret = "the key is hunter2"
}
