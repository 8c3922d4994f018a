import Basics
import Foundation
import Inference

/// Measures a mesh with one count of stages after the other, round after round.
struct PipelineBench {
    /// What one count of stages gave.
    struct Line: Sendable {
        let stageCount: Int
        /// One text: milliseconds per token behind the first, round by round.
        var rounds: [Double] = []
        /// Tokens per second of all texts together, by count of texts, round by round.
        var rateRounds: [[Double]]
        /// What each of those tokens took of the processors, likewise.
        var rateProcessorRounds: [[Double]]
        var peerRounds: [Double] = []
        /// Of all nodes together, for each token of one text; other work on the machine does not
        /// change it much.
        var processorRounds: [Double] = []
        var memory: [NodePart] = []

        var millisecondsPerToken: Double { Median.of(rounds) }
        var rates: [Double] { rateRounds.map(Median.of) }
        var peerRate: Double? { peerRounds.isEmpty ? nil : Median.of(peerRounds) }
        var peerRatio: Double? { peerRate.map { 1_000 / millisecondsPerToken / $0 } }

        /// How much more than one text so many give together.
        func streamRatio(_ count: Int, _ counts: [Int]) -> Double? {
            guard 1 < count, let one = counts.firstIndex(of: 1),
                let position = counts.firstIndex(of: count)
            else { return nil }
            return rates[position] / rates[one]
        }
    }

    /// A node's memory while it serves a stage.
    struct NodePart: Sendable {
        var node: String
        var memory: NodeMemory

        var document: JSON { .object([.init("node", .string(node))] + memory.members) }
    }

    struct Measurement: Sendable {
        var lines: [Line]
        var load: MachineLoad

        /// What each stage beyond the first adds to a token; nil for the first.
        func hop(_ line: Line) -> Double? {
            guard 1 < line.stageCount, let one = lines.first(where: { $0.stageCount == 1 }) else {
                return nil
            }
            return (line.millisecondsPerToken - one.millisecondsPerToken)
                / Double(line.stageCount - 1)
        }
    }

    /// Tokens of each prompt: enough for a cache block, too few to weigh.
    private static let promptTokenCount = 16

    /// MiB of keys and values that so many texts at a time need: nodes that reserve no more show
    /// what they take beside them.
    static func cacheSize(
        _ description: ModelDescription, streamCount: Int, tokenCount: Int
    ) -> Int {
        let shape = KVCache.Shape(
            layers: 0..<description.layerCount, headCount: description.headCountKV,
            headLength: description.headLength)
        // One more, since the text before may still be on its way out.
        let byteCount = (streamCount + 1) * shape.byteCount(capacity: promptTokenCount + tokenCount)
        return (byteCount >> 20) + 1
    }

    let mesh: BenchMesh
    var prompts: BenchPrompts
    let streamCounts: [Int]
    let tokenCount: Int
    let peer: PeerPipeline?

    mutating func measure(stageCounts: [Int], rounds: Int) async throws -> Measurement {
        var lines = stageCounts.map {
            Line(
                stageCount: $0, rateRounds: Array(repeating: [], count: streamCounts.count),
                rateProcessorRounds: Array(repeating: [], count: streamCounts.count))
        }
        var load = MachineLoad()
        for round in 1...rounds {
            for index in lines.indices {
                Terminal.remark("Round \(round) of \(rounds): \(lines[index].stageCount) stages")
                let placed = try await mesh.deploy(stageCount: lines[index].stageCount)
                try await load.sample()
                try await measure(&lines[index], head: placed[0].name)
                if round == rounds { lines[index].memory = try memory(of: placed) }
                if let peer {
                    let rate = try await peer.tokensPerSecond(
                        serverCount: lines[index].stageCount, tokenCount: tokenCount, in: mesh)
                    lines[index].peerRounds.append(rate)
                }
            }
        }
        return Measurement(lines: lines, load: load)
    }

    /// The head is the first stage's node, so that one stage alone needs no network.
    private mutating func measure(_ line: inout Line, head: String) async throws {
        let client = try mesh.client(head)
        // Pages, connections and threads are warm after a few tokens.
        _ = try await client.benchText(
            prompts.next(tokenCount: Self.promptTokenCount), count: 8, prompts)
        let before = try processorTime()
        let one = try await client.benchText(
            prompts.next(tokenCount: Self.promptTokenCount), count: tokenCount, prompts)
        guard 0 < one.decodeTokensPerSecond else {
            throw Refusal("The node measured no speed; take more --tokens.")
        }
        let busy = Double(try processorTime() - before) / 1e6
        line.processorRounds.append(busy / Double(Self.promptTokenCount + tokenCount))
        line.rounds.append(1_000 / one.decodeTokensPerSecond)
        for (index, streamCount) in streamCounts.enumerated() {
            let before = try processorTime()
            line.rateRounds[index].append(try await rate(client, streamCount: streamCount))
            let busy = Double(try processorTime() - before) / 1e6
            let count = streamCount * (Self.promptTokenCount + tokenCount)
            line.rateProcessorRounds[index].append(busy / Double(count))
        }
    }

    private func processorTime() throws -> UInt64 {
        try mesh.names.reduce(0) {
            $0 + ProcessorTime.nanoseconds(of: try mesh.node($1).process.pid)
        }
    }

    /// Tokens per second of so many texts that begin together, from the first request to the last
    /// answer.
    private mutating func rate(_ client: NodeClient, streamCount: Int) async throws -> Double {
        var texts: [String] = []
        for _ in 0..<streamCount {
            texts.append(try prompts.next(tokenCount: Self.promptTokenCount))
        }
        let (count, prompts) = (tokenCount, prompts)
        let start = ContinuousClock.now
        try await withThrowingTaskGroup { group in
            for text in texts {
                group.addTask { _ = try await client.benchText(text, count: count, prompts) }
            }
            try await group.waitForAll()
        }
        return Double(streamCount * count) / (ContinuousClock.now - start).inSeconds
    }

    private func memory(of stages: [BenchMesh.Stage]) throws -> [NodePart] {
        try stages.map { stage in
            let weights = prompts.file.weightByteCount(layers: stage.layers)
            return NodePart(
                node: stage.name,
                memory: try NodeMemory(
                    of: mesh.node(stage.name).process.pid, stageWeightByteCount: UInt64(weights),
                    cacheByteCount: UInt64(mesh.settings.cacheSize) << 20))
        }
    }
}
