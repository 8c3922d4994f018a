import Basics
package import Wire

extension StagePlan {
    /// More stages than this, and the hops take longer than the layers.
    package static let stageCountMax = 64
    /// A model that fits one node is split for many texts only where so many times as many tokens
    /// come of it: each further node is one more that can be lost.
    package static let splitGainMin = 1.2
    /// Of the splits that are worth it, the one with fewest stages that has so much of the best.
    fileprivate static let nearlyBest = 0.9
    /// The search looks at so many nodes, and at more only where these have not the memory.
    fileprivate static let candidateCountMin = 16
    /// Borders of models with more layers lie between groups of layers.
    fileprivate static let cutCountMax = 128

    /// The plan for a model on these nodes; without stages where they have not the memory.
    ///
    /// The same arguments give the same plan, in whatever order the candidates come.
    package static func best(for demand: StageDemand, on candidates: [Candidate]) -> StagePlan {
        let field = Field(demand, candidates.sorted { $0.node < $1.node })
        var plan = StagePlan()
        if demand.layerCount > 0, !field.chosen.isEmpty {
            plan = chosen(demand, field)
        }
        plan.leftOut = field.leftOut(of: plan)
        return plan
    }

    private static func chosen(_ demand: StageDemand, _ field: Field) -> StagePlan {
        if demand.keepsPlaced, field.chosen.contains(where: \.isPlaced) {
            let plan = chosen(demand, field, keepsPlaced: true)
            if !plan.stages.isEmpty { return plan }
        }
        return chosen(demand, field, keepsPlaced: false)
    }

    private static func chosen(
        _ demand: StageDemand, _ field: Field, keepsPlaced: Bool
    ) -> StagePlan {
        if let count = demand.stageCount { return field.shared(count, keepsPlaced) }
        let whole = field.whole(keepsPlaced)
        if demand.streamCount == 1 {
            // A single text gains nothing by a second node that a first one could do without.
            return whole ?? field.fastest(keepsPlaced)
        }
        let splits = field.splits(keepsPlaced)
        let rate = { (plan: StagePlan) in plan.tokensPerSecond(streamCount: demand.streamCount) }
        guard let best = splits.map(rate).max(),
            let split = splits.first(where: { nearlyBest * best <= rate($0) })
        else { return whole ?? field.fastest(keepsPlaced) }
        guard let whole else { return split }
        return splitGainMin * rate(whole) <= rate(split) ? split : whole
    }

    /// A placement that stands, with the speeds of today; nil where a stage is on no candidate.
    package static func estimate(
        of placements: [StagePlacement], for demand: StageDemand, on candidates: [Candidate]
    ) -> StagePlan? {
        let field = Field(demand, candidates)
        var pairs: [(Candidate, Range<Int>)] = []
        for placement in placements {
            let layers = Int(placement.firstLayer)..<Int(placement.lastLayer) + 1
            guard layers.upperBound <= demand.layerCount,
                let candidate = candidates.first(where: { $0.node == placement.node })
            else { return nil }
            pairs.append((candidate, layers))
        }
        return pairs.isEmpty ? nil : field.plan(pairs)
    }

    // MARK: Moving

    /// A placement that works is left for one that is so much faster, and for no less: the texts
    /// that are being written are computed again from their beginning. (Petals, arXiv 2312.08361,
    /// moves a server where the swarm would reach a third more; a model here is moved as a whole.)
    package static let moveGainMin = 1.25

    /// How many times as fast the other plan is for this demand.
    package func gain(of other: StagePlan, for demand: StageDemand) -> Double {
        // Whoever asked for stages wants many texts, or small shares: the slowest stage counts.
        if demand.stageCount != nil {
            let slowest = { (plan: StagePlan) in
                let count = Self.rowCount(
                    demand.streamCount, stageCount: max(plan.stages.count, 1))
                return plan.stages.map { $0.seconds(rowCount: count) }.max() ?? .infinity
            }
            return slowest(self) / slowest(other)
        }
        return seconds(streamCount: demand.streamCount)
            / other.seconds(streamCount: demand.streamCount)
    }
}

// MARK: The field

/// The candidates that a search looks at, in its order, and what it needs to know of them.
private struct Field {
    typealias Candidate = StagePlan.Candidate

    let demand: StageDemand
    let all: [Candidate]
    /// Slow ones first: the last stage has the output matrix, which is as large as many layers.
    let chosen: [Candidate]
    let memory: StageMemory

    init(_ demand: StageDemand, _ candidates: [Candidate]) {
        self.demand = demand
        all = candidates
        memory = StageMemory(demand)
        chosen = Self.choose(of: candidates, demand, memory)
    }

    private static let largestCount = StagePlan.stageCountMax + 8

    /// Those who can do most: layers that they have room for, by the time of a layer.
    private static func choose(
        of candidates: [Candidate], _ demand: StageDemand, _ memory: StageMemory
    ) -> [Candidate] {
        struct Rank {
            let candidate: Candidate
            let seconds: Double
            let roomCount: Int
            var worth: Double { Double(roomCount) / max(seconds, 1e-9) }
        }
        guard demand.layerCount > 0 else { return [] }
        let layerByteCount = max(1, memory.byteCount(of: 0..<demand.layerCount) / demand.layerCount)
        let ranks = candidates.map { candidate in
            Rank(
                candidate: candidate,
                seconds: StageTimes(demand, on: candidate.speed, rowCount: 1).whole,
                roomCount: min(max(0, candidate.freeByteCount) / layerByteCount, demand.layerCount))
        }
        let sorted = ranks.sorted {
            ($0.candidate.isPlaced ? 0 : 1, -$0.worth, $0.candidate.node)
                < ($1.candidate.isPlaced ? 0 : 1, -$1.worth, $1.candidate.node)
        }
        let wanted = min(demand.stageCount ?? 0, StagePlan.stageCountMax)
        let count = max(StagePlan.candidateCountMin, wanted + 8)
        var taken: [Rank] = []
        var roomCount = 0
        for rank in sorted {
            // Twice the layers: what is left over in each node is no use to the others.
            guard taken.count < count || roomCount < 2 * demand.layerCount,
                taken.count < largestCount
            else { break }
            taken.append(rank)
            roomCount += rank.roomCount
        }
        return taken.sorted {
            (-$0.seconds, $0.candidate.node) < (-$1.seconds, $1.candidate.node)
        }.map(\.candidate)
    }

    // MARK: plans

    /// The whole model on the one node that is fastest with it.
    func whole(_ keepsPlaced: Bool) -> StagePlan? {
        let rowCount = demand.streamCount
        let paths = paths(.latency, rowCount: rowCount, stageCountMax: 1, keepsPlaced)
        return paths[0].map { plan($0) }
    }

    /// The split with the least time for one text.
    func fastest(_ keepsPlaced: Bool) -> StagePlan {
        let paths = paths(
            .latency, rowCount: 1, stageCountMax: StagePlan.stageCountMax, keepsPlaced)
        return paths.compactMap { $0.map { plan($0) } }
            .min { $0.secondsPerToken < $1.secondsPerToken }
            ?? StagePlan()
    }

    /// The best with 2, 3, … stages for many texts.
    func splits(_ keepsPlaced: Bool) -> [StagePlan] {
        let countMax = min(demand.streamCount, StagePlan.candidateCountMin, chosen.count)
        guard countMax > 1 else { return [] }
        var found: [Int: [StageSearch.Path?]] = [:]
        return (2...countMax).compactMap { count in
            let rowCount = StagePlan.rowCount(demand.streamCount, stageCount: count)
            if found[rowCount] == nil {
                found[rowCount] = paths(
                    .bottleneck, rowCount: rowCount, stageCountMax: countMax, keepsPlaced)
            }
            let paths = found[rowCount] ?? []
            return count <= paths.count ? paths[count - 1].map { plan($0) } : nil
        }
    }

    /// So many stages, or the most that there can be, as equal in time as the layers allow.
    func shared(_ wanted: Int, _ keepsPlaced: Bool) -> StagePlan {
        let countMax = min(max(wanted, 1), StagePlan.stageCountMax)
        let rowCount = StagePlan.rowCount(demand.streamCount, stageCount: countMax)
        let paths = paths(
            .bottleneck, rowCount: rowCount, stageCountMax: countMax, keepsPlaced)
        return paths.last { $0 != nil }.flatMap { $0.map { plan($0) } }
            ?? StagePlan()
    }

    private func paths(
        _ objective: StageSearch.Objective, rowCount: Int, stageCountMax: Int, _ keepsPlaced: Bool
    ) -> [StageSearch.Path?] {
        let activation = activationByteCount * rowCount
        let paths = StageSearch(
            cuts: cuts(stageCountMax),
            times: chosen.map { StageTimes(demand, on: $0.speed, rowCount: rowCount) },
            memory: memory, freeByteCounts: chosen.map(\.freeByteCount),
            required: chosen.map { keepsPlaced && $0.isPlaced },
            headHops: chosen.map { StagePlan.headHop($0) },
            hop: { StagePlan.hop(chosen[$0], chosen[$1], byteCount: activation) },
            objective: objective
        ).paths(stageCountMax: stageCountMax)
        return paths.isEmpty ? [nil] : paths
    }

    private var activationByteCount: Int {
        Int(demand.shape.embeddingLength) * MemoryLayout<Float>.size
    }

    /// Where stages may meet: after each layer, or after each group of some.
    private func cuts(_ stageCountMax: Int) -> [Int] {
        let countMax = max(StagePlan.cutCountMax, stageCountMax)
        let count = min(demand.layerCount, countMax)
        return (0...count).map { demand.layerCount * $0 / count }
    }

    private func plan(_ path: StageSearch.Path) -> StagePlan {
        plan(
            path.candidates.indices.map { (chosen[path.candidates[$0]], path.layers($0)) })
    }

    func plan(_ pairs: [(Candidate, Range<Int>)]) -> StagePlan {
        let stages = pairs.map { candidate, layers in
            let (weights, cache) = memory.byteCounts(of: layers)
            let seconds = [1, 2, NodeSpeed.prefillRowCount].map {
                StageTimes(demand, on: candidate.speed, rowCount: $0).seconds(for: layers)
            }
            return StagePlan.Stage(
                candidate: candidate, layers: layers, weightByteCount: weights,
                cacheByteCount: cache, seconds: seconds[0],
                secondsPerMore: seconds[1] - seconds[0], prefillSeconds: seconds[2])
        }
        var hops = zip(pairs, pairs.dropFirst()).map { one, other in
            StagePlan.hop(one.0, other.0, byteCount: activationByteCount)
        }
        if let first = pairs.first, let last = pairs.last {
            hops.insert(StagePlan.headHop(first.0), at: 0)
            hops.append(StagePlan.headHop(last.0))
        }
        return StagePlan(stages: stages, hops: hops)
    }

    // MARK: reasons

    /// Why the others have no part in the plan.
    func leftOut(of plan: StagePlan) -> [StagePlan.LeftOut] {
        guard demand.layerCount > 0 else { return [] }
        let isWhole = plan.stages.count < 2
        let needed = isWhole ? 0..<demand.layerCount : smallestStage
        let byteCount = memory.byteCount(of: needed)
        return all.compactMap { candidate in
            guard !plan.stages.contains(where: { $0.node == candidate.node }) else { return nil }
            let seconds = StageTimes(demand, on: candidate.speed, rowCount: 1).whole
            let reason: StagePlan.Reason =
                if candidate.freeByteCount < byteCount {
                    .tooLittleMemory(needed: byteCount, free: max(0, candidate.freeByteCount))
                } else if isWhole {
                    .slower(seconds: seconds)
                } else {
                    .notNeeded(seconds: seconds)
                }
            return StagePlan.LeftOut(node: candidate.node, reason: reason)
        }
    }

    // The layer that is smallest with all that belongs to its place.
    private var smallestStage: Range<Int> {
        let layers = (0..<demand.layerCount).map { $0..<$0 + 1 }
        return layers.min { memory.byteCount(of: $0) < memory.byteCount(of: $1) } ?? 0..<0
    }
}
