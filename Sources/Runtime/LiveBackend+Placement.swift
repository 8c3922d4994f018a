import API
import Basics
import Inference
import NodeLogic
import Scheduling
import Store
import Wire

/// Where a model goes, and where it would go.
extension LiveBackend {
    /// A deployment as this node wishes it: epoch 0 and no stages, which the coordinator completes.
    ///
    /// The model's file is brought here and admitted: what a plan must know of it stands in it.
    func wish(
        _ model: String, stageCount: Int?, streamCount: Int
    ) async throws -> ModelDeployed {
        let statement = try await recorded(model)
        try await admit(statement)
        guard !EncoderModel.isEncoder(path: node.exchange.store.path(of: statement.subject)) else {
            throw APIError(
                status: 400,
                message: "\(model) is an embedding model, which each node runs by itself: ask "
                    + "/v1/embeddings or `swiftlet embed`", code: "embedding_model",
                parameter: "model")
        }
        let file = try node.models.book(of: statement.subject).file
        let layerCount = file.description.layerCount
        let stageCountMax = min(layerCount, StagePlan.stageCountMax)
        guard (1...stageCountMax).contains(stageCount ?? 1) else {
            throw APIError(
                status: 400, message: "\(model) has \(layerCount) layers: take 1 to "
                    + "\(stageCountMax) stages", code: "bad_stage_count", parameter: "stages")
        }
        let aliveCount = await loop.read { node in
            node.members.filter { $0.state == .alive }.count
        }
        guard stageCount ?? 1 <= aliveCount else {
            throw APIError(
                status: 409,
                message: "only \(aliveCount) nodes are alive: start more, or take fewer stages",
                code: "too_few_nodes", parameter: "stages")
        }
        return ModelDeployed(
            model: model, artifact: statement.subject, epoch: 0, layerCount: UInt32(layerCount),
            wantedStageCount: UInt32(stageCount ?? 0), stages: [],
            streamCount: UInt32(streamCount), shape: ModelShape(of: file))
    }

    func placement(
        _ model: String, stageCount: Int?, streamCount: Int
    ) async throws -> JSON {
        let wish = try await wish(model, stageCount: stageCount, streamCount: streamCount)
        return await loop.read { node in
            let placing = node.placing(wish, keepsPlaced: stageCount != nil)
            return PlacementDocument(placing: placing, node: node).document(of: wish)
        }
    }
}

/// A plan as JSON, with the names of the nodes and a sentence for each that has no part in it.
private struct PlacementDocument {
    let placing: Node.Placing
    let node: Node

    private var plan: StagePlan { placing.plan }

    func document(of wish: ModelDeployed) -> JSON {
        let streamCount = placing.demand.streamCount
        let all = placing.demand.byteCounts(of: 0..<placing.demand.layerCount)
        return [
            "model": .string(wish.model), "layer_count": JSON(wish.layerCount),
            "byte_count": JSON(all.weights), "cache_byte_count": JSON(all.cache),
            "streams": JSON(streamCount), "fits": .bool(!plan.stages.isEmpty),
            "reason": .string(reason),
            "stages": .array(plan.stages.map { stage($0) }), "hops": .array(hops),
            "ms_per_token": number(plan.secondsPerToken * 1_000),
            "tokens_per_second": number(plan.tokensPerSecond(streamCount: 1)),
            "tokens_per_second_of_all": number(plan.tokensPerSecond(streamCount: streamCount)),
            "prefill_tokens_per_second": number(plan.prefillTokensPerSecond),
            "left_out": .array(leftOut), "present": present,
        ]
    }

    private func number(_ value: Double) -> JSON {
        plan.stages.isEmpty || !value.isFinite ? .null : .number(rounded(value))
    }

    // Estimates: three digits behind the point say more than they know.
    private func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }

    private func name(_ id: NodeID) -> JSON {
        .string(node.members.first { $0.node == id }?.profile.name ?? "")
    }

    private func stage(_ stage: StagePlan.Stage) -> JSON {
        [
            "node": stage.node.json, "name": name(stage.node),
            "first_layer": JSON(stage.layers.lowerBound),
            "last_layer": JSON(stage.layers.upperBound - 1),
            "byte_count": JSON(stage.weightByteCount),
            "cache_byte_count": JSON(stage.cacheByteCount),
            "free_byte_count": JSON(stage.candidate.freeByteCount),
            "ms_per_token": .number(rounded(stage.seconds * 1_000)),
            "measured": .bool(stage.candidate.speed.isMeasured),
        ]
    }

    private var hops: [JSON] {
        let nodes = [nil] + plan.stages.map { Optional($0.candidate) } + [nil]
        return zip(plan.hops, zip(nodes, nodes.dropFirst())).map { seconds, ends in
            let isMeasured = [ends.0, ends.1].allSatisfy { $0.map { $0.roundTrip != nil } ?? true }
            return [
                "from": ends.0?.node.json ?? .null, "to": ends.1?.node.json ?? .null,
                "ms": .number(rounded(seconds * 1_000)), "measured": .bool(isMeasured),
            ]
        }
    }

    /// Why the plan is as it is, in one sentence.
    private var reason: String {
        let demand = placing.demand
        let all = demand.byteCounts(of: 0..<demand.layerCount)
        let size = "\(Self.mebibytes(all.weights + all.cache)) with its caches"
        switch (plan.stages.count, demand.stageCount) {
        case (0, _): return "no nodes have room for the model: it takes \(size)"
        case (let count, let wanted?) where count < wanted:
            return "\(wanted) stages were asked for; there are nodes and layers for \(count)"
        case (_, _?): return "as many stages as were asked for, as equal in time as can be"
        case (1, nil) where demand.streamCount > 1:
            return "one node holds it, and a split would not give 1.2 times the tokens"
        case (1, nil): return "the fastest node of those that can hold it"
        case (_, nil) where demand.streamCount > 1:
            return "\(demand.streamCount) texts at a time gain by it, or no node can hold all"
        default: return "no node can hold it alone: it takes \(size)"
        }
    }

    private var leftOut: [JSON] {
        let planned = plan.leftOut.map { ($0.node, Self.sentence(of: $0.reason)) }
        let barred = placing.obstacles.map { ($0.node, Self.sentence(of: $0.obstacle)) }
        return (planned + barred).sorted { $0.0 < $1.0 }.map { id, sentence in
            ["node": id.json, "name": name(id), "reason": .string(sentence)]
        }
    }

    private static func sentence(of reason: StagePlan.Reason) -> String {
        switch reason {
        case .tooLittleMemory(let needed, let free):
            "too little memory: \(mebibytes(free)) free, \(mebibytes(needed)) needed"
        case .slower(let seconds): "slower: \(milliseconds(seconds)) ms for a token"
        case .notNeeded(let seconds):
            "not needed: alone it would take \(milliseconds(seconds)) ms for a token"
        }
    }

    private static func sentence(of obstacle: Node.Placing.Obstacle) -> String {
        switch obstacle {
        case .state(let state): "\(state)"
        case .edge: "an edge node serves no layers"
        case .revoked: "revoked"
        case .leaving: "about to leave"
        }
    }

    private static func mebibytes(_ count: Int) -> String { "\(count >> 20) MiB" }

    private static func milliseconds(_ seconds: Double) -> String {
        "\((seconds * 10_000).rounded() / 10)"
    }

    /// How the model is placed now; null where it is not.
    private var present: JSON {
        guard let present = placing.present else { return .null }
        return [
            "stage_count": JSON(present.stages.count),
            "ms_per_token": .number(rounded(present.secondsPerToken * 1_000)),
            "tokens_per_second": .number(rounded(present.tokensPerSecond(streamCount: 1))),
            "worth_moving": .bool(placing.isWorthMoving),
        ]
    }
}
