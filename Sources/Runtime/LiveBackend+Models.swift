import API
import Basics
import Identity
import Inference
import NodeLogic
import Provenance
import Store
import Wire

extension LiveBackend {
    func models() async throws -> JSON {
        let recorded = await loop.read { node in
            node.state.statements.filter { $0.kind == "model" }
        }
        var documents: [JSON] = []
        for statement in recorded { documents.append(await document(statement)) }
        return ["models": .array(documents)]
    }

    private func document(_ statement: StatementRecorded) async -> JSON {
        let deployment = await loop.read { $0.state.deployment(of: statement.name) }
        let placed = deployment.flatMap { found in
            found.isActive && found.placement.artifact == statement.subject ? found : nil
        }
        let state =
            placed.map { $0.refusal != nil ? "refused" : $0.isReady ? "deployed" : "deploying" }
            ?? "added"
        let kind = node.models.kind(of: statement.subject)
        let layerCount =
            kind == .decoder
            ? try? node.models.book(of: statement.subject).file.description.layerCount : nil
        var members: [JSON.Member] = [
            .init("name", .string(statement.name)), .init("digest", statement.subject.json),
            .init("license", .string(statement.license)),
            .init("byte_count", JSON(statement.byteCount)),
            .init(
                "layer_count",
                layerCount.map { JSON($0) } ?? placed.map { JSON($0.placement.layerCount) }
                    ?? .null),
            .init("state", .string(state)),
            .init("kind", kind.map { .string($0.rawValue) } ?? .null),
            .init("statement", statement.statement.json),
            .init("node", statement.node.json),
            .init("added_at", JSON(Self.addedAt(statement))),
            .init(
                "stages",
                .array(
                    (placed?.placement.stages ?? []).map { stage in
                        [
                            "node": stage.node.json, "first_layer": JSON(stage.firstLayer),
                            "last_layer": JSON(stage.lastLayer),
                            "ready": .bool(placed?.isLoaded(on: stage.node) ?? false),
                        ]
                    })),
        ]
        if let report = placed?.refusal {
            members.append(.init("message", .string(report.refusal)))
        }
        return .object(members)
    }

    /// Seconds since 1970, as the signed statement says; 0 where it cannot be read.
    private static func addedAt(_ recorded: StatementRecorded) -> Int64 {
        let signed = try? SignedStatement(parsing: recorded.bundle)
        return signed.flatMap { try? ArtifactAdded($0.statement) }?.time.seconds ?? 0
    }

    func recorded(_ model: String) async throws -> StatementRecorded {
        let found = await loop.read { node in
            node.state.statements.last { $0.kind == "model" && $0.name == model }
        }
        guard let found else {
            throw APIError(
                status: 404,
                message: "there is no model \(model): add it with `swiftlet model add FILE --name "
                    + "\(model) --license SPDX`", code: "model_not_found", parameter: "model")
        }
        return found
    }

    /// Brings the model's file here and checks that this node may use it.
    func admit(_ statement: StatementRecorded) async throws {
        do {
            try await node.exchange.fetch(
                statement.subject, byteCountMax: ModelShelf.byteCountMax)
        } catch {
            throw APIError(
                status: 503, message: TaskWorker.sentence(of: error), code: "model_not_reachable")
        }
        if let refusal = try await node.admission.refusal(
            of: statement.subject, what: "the model \(statement.name)")
        {
            throw APIError(status: 403, message: refusal, code: "model_refused")
        }
    }

    func deploy(
        _ model: String, stageCount: Int?, streamCount: Int, wait: Duration
    ) async throws -> JSON {
        let statement = try await recorded(model)
        let wish = try await wish(model, stageCount: stageCount, streamCount: streamCount)
        // Applied here when it returns, or found to be so already.
        try await propose(.modelDeployed(wish))
        _ = await loop.wait(within: wait) { node -> Bool? in
            guard let deployment = node.state.deployment(of: model) else { return nil }
            return deployment.isReady || deployment.refusal != nil ? true : nil
        }
        let document = await document(statement)
        if document["state"]?.asString == "refused" {
            throw APIError(
                status: 403, message: document["message"]?.asString ?? "the model is refused",
                code: "model_refused")
        }
        return document
    }

    func undeploy(_ model: String) async throws -> JSON {
        let statement = try await recorded(model)
        try await propose(.modelUndeployed(ModelUndeployed(model: model)))
        return await document(statement)
    }

    func generate(
        _ request: GenerationRequest
    ) async throws -> AsyncThrowingStream<GenerationEvent, any Error> {
        // What is wrong with the request should be an answer, not the end of a stream.
        let generator = node.generator
        let order = GenerationOrder(request)
        let opening = try await generator.open(order)
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: GenerationEvent.self)
        let work = Task {
            do {
                let outcome = try await generator.generate(order, from: opening) { piece in
                    continuation.yield(
                        .text(
                            piece.text, tokens: piece.tokens.map { Int($0) },
                            logprobs: piece.logprobs))
                }
                continuation.yield(.finished(outcome.document))
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in work.cancel() }
        return stream
    }
}

extension Deployment {
    func isLoaded(on node: NodeID) -> Bool {
        reports.contains { $0.node == node && $0.refusal.isEmpty }
    }
}
