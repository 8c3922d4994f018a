import Basics
import Foundation
import Inference

extension BenchCommand.InferenceSpeed {
    /// The medians of all rounds of one test.
    private struct Line: Sendable {
        var test: SpeedTest
        var own: Double
        var peer: Double
        /// Round by round, what the medians are of.
        var ownRounds: [Double]
        var peerRounds: [Double]
        /// Of the bandwidth; nil for a prefill, which reads the weights once for many tokens.
        var bandwidthShare: Double?
    }

    private struct Comparison: Sendable {
        var lines: [Line]
        var readBytesPerSecond: Double
        var weightByteCount: Int
    }

    func compare(with peer: String, threadCount: Int) async throws {
        guard FileManager.default.isExecutableFile(atPath: peer) else {
            throw Refusal("\(peer) is no program; cluster/peers builds one and prints its path.")
        }
        let bench = PeerBench(program: peer, model: model, threadCount: threadCount)
        let rounds = rounds
        let comparison = try await OwnThread.run { try Self.measure(bench, rounds: rounds) }
        if json { return Terminal.document(document(comparison, bench)) }
        var table = Table("TEST", "SWIFTLET", "LLAMA.CPP", "RATIO", "BANDWIDTH")
        for line in comparison.lines {
            table.add(
                line.test.name, "\(Text.decimal(line.own, 1)) t/s",
                "\(Text.decimal(line.peer, 1)) t/s", Text.decimal(line.own / line.peer, 2),
                line.bandwidthShare.map { "\(Text.decimal(100 * $0, 0)) %" } ?? "")
        }
        table.show(orSay: "Nothing was measured.")
        Terminal.line(
            "\(threadCount) threads read \(Text.decimal(comparison.readBytesPerSecond / 1e9, 1)) "
                + "GB/s; a token reads \(Text.decimal(Double(comparison.weightByteCount) / 1e6, 1))"
                + " MB of weights; medians of \(rounds) rounds in turns")
    }

    /// A B A B …: bandwidth, then each test on our side and on theirs, round after round.
    private static func measure(_ bench: PeerBench, rounds: Int) throws -> Comparison {
        let file = try ModelFile(path: bench.model)
        let description = file.description
        let layers = 0..<description.layerCount
        let stage = try Stage(model: file, layers: layers, threads: bench.threadCount)
        let tests = SpeedTest.all.filter { $0.positionCount <= description.contextLength }
        guard !tests.isEmpty else {
            throw Refusal("The model's context is shorter than every test; take another model.")
        }
        let memory = ReadBandwidth()
        var bandwidths: [Double] = []
        var own = [[Double]](repeating: [], count: tests.count)
        var peer = own
        for round in 1...rounds {
            bandwidths.append(memory.measure(threadCount: bench.threadCount))
            for (index, test) in tests.enumerated() {
                Terminal.remark("Round \(round) of \(rounds): \(test.name)")
                own[index].append(try test.tokensPerSecond(stage))
                peer[index].append(try bench.tokensPerSecond(test))
            }
        }
        // Of the embedding table of a model that has another output matrix, a token reads a row.
        let embedding = file.header.tensor("token_embd.weight")?.byteCount ?? 0
        let weightByteCount =
            file.weightByteCount(layers: layers) - (description.isTied ? 0 : embedding)
        let bandwidth = Median.of(bandwidths)
        let lines = tests.indices.map { index in
            let speed = Median.of(own[index])
            return Line(
                test: tests[index], own: speed, peer: Median.of(peer[index]),
                ownRounds: own[index], peerRounds: peer[index],
                bandwidthShare: tests[index].decodeCount == 0
                    ? nil : speed * Double(weightByteCount) / bandwidth)
        }
        return Comparison(
            lines: lines, readBytesPerSecond: bandwidth, weightByteCount: weightByteCount)
    }

    private func document(_ comparison: Comparison, _ bench: PeerBench) -> JSON {
        let tests = comparison.lines.map { line -> JSON in
            [
                "test": .string(line.test.name), "depth": .integer(Int64(line.test.depth)),
                "prompt_tokens": .integer(Int64(line.test.promptCount)),
                "decode_tokens": .integer(Int64(line.test.decodeCount)),
                "tokens_per_second": .number(line.own),
                "peer_tokens_per_second": .number(line.peer),
                "rounds": .array(line.ownRounds.map { .number($0) }),
                "peer_rounds": .array(line.peerRounds.map { .number($0) }),
                "ratio": .number(line.own / line.peer),
                "bandwidth_share": line.bandwidthShare.map { .number($0) } ?? .null,
            ]
        }
        return [
            "model": .string(model), "threads": .integer(Int64(bench.threadCount)),
            "rounds": .integer(Int64(rounds)), "peer": .string(bench.program),
            "read_bytes_per_second": .number(comparison.readBytesPerSecond),
            "weight_byte_count": .integer(Int64(comparison.weightByteCount)),
            "tests": .array(tests),
        ]
    }
}
