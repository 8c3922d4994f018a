import ArgumentParser
import Basics
import Foundation
import Inference

extension BenchCommand {
    struct PipelineSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pipeline",
            abstract: "What it costs to share a model's layers over nodes.",
            discussion: """
                Starts real nodes on loopback and ends them again. In each round every count of \
                stages takes its turn: milliseconds per token of one text, tokens per second of \
                several at a time, and with --peer llama.cpp over as many RPC servers. The medians \
                of the rounds are compared; a hop is what each further stage adds to a token. At \
                the end: the memory of each node, beside the weights of its layers.

                Guessing ahead is off, so that each token is computed by itself, as the peer does \
                it; --guesses 3 shows what `up` does by itself.

                Example: swiftlet bench pipeline --model smollm2.gguf
                Example: swiftlet bench pipeline --model smollm2.gguf --peer "$(cluster/peers)"
                """)

        @Option(help: "A GGUF file.", completion: .file())
        var model: String
        @Option(help: "Over how many nodes, one count after the other.")
        var stages: CountList = [1, 2, 3]
        @Option(help: "How many texts at a time.")
        var streams: CountList = [1, 4]
        @Option(help: "Threads of each node, and of each peer.")
        var threads = 1
        @Option(help: "Tokens of each text.")
        var tokens = 128
        @Option(help: "How often everything takes its turn.")
        var rounds = 5
        @Option(help: "Tokens that are guessed ahead.")
        var guesses = 0
        @Option(help: "The directory of llama.cpp's programs, or the path of one.")
        var peer: String?
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 1...256 ~= threads, 2...100_000 ~= tokens, 1...1_000 ~= rounds else {
                throw ValidationError("--threads and --rounds must be 1 or more, --tokens 2.")
            }
        }

        func run() async throws {
            let file = try ArtifactFile(path: model)
            let prompts = try BenchPrompts(path: model)
            let peer = try peer.map {
                try PeerPipeline(directory: $0, model: model, threadCount: threads)
            }
            let settings = BenchMesh.Settings(
                nodeCount: stages.counts.max() ?? 1, threadCount: threads,
                cacheSize: PipelineBench.cacheSize(
                    prompts.file.description, streamCount: streams.counts.max() ?? 1,
                    tokenCount: tokens),
                guessCount: guesses)
            let measurement = try await BenchMesh.with(settings) { mesh in
                try await mesh.add(file)
                var bench = PipelineBench(
                    mesh: mesh, prompts: prompts, streamCounts: streams.counts, tokenCount: tokens,
                    peer: peer)
                return try await bench.measure(stageCounts: stages.counts, rounds: rounds)
            }
            json ? Terminal.document(document(measurement)) : show(measurement)
        }

        private func show(_ measurement: PipelineBench.Measurement) {
            var table = Table(
                "STAGES", "MS/TOKEN", "HOP MS", "CPU MS", "TEXTS", "TOKENS/S", "LLAMA.CPP", "RATIO")
            for line in measurement.lines {
                for (index, (streamCount, rate)) in zip(streams.counts, line.rates).enumerated() {
                    let processor = Median.of(line.rateProcessorRounds[index])
                    let isOne = streamCount == 1
                    let ratio =
                        isOne ? line.peerRatio : line.streamRatio(streamCount, streams.counts)
                    table.add(
                        "\(line.stageCount)",
                        isOne ? Text.decimal(line.millisecondsPerToken, 2) : "",
                        isOne ? measurement.hop(line).map { Text.decimal($0, 2) } ?? "" : "",
                        Text.decimal(processor, 2),
                        "\(streamCount)", Text.decimal(rate, 1),
                        isOne ? line.peerRate.map { Text.decimal($0, 1) } ?? "" : "",
                        ratio.map { Text.decimal($0, 2) } ?? "")
                }
            }
            table.show(orSay: "Nothing was measured.")
            Terminal.line(
                "CPU MS: of all nodes for each token; RATIO: one text against llama.cpp, several "
                    + "against one text.")
            var memory = Table(
                "STAGES", "NODE", "RESIDENT", "ALLOWED", "WEIGHTS", "CACHE", "FILE", "HUGE",
                "OTHER")
            for line in measurement.lines {
                for part in line.memory {
                    func text(_ count: UInt64) -> String { Text.byteCount(count) }
                    memory.add(
                        "\(line.stageCount)", part.node, text(part.memory.residentByteCount),
                        text(part.memory.allowedByteCount),
                        text(part.memory.stageWeightByteCount), text(part.memory.cacheByteCount),
                        text(part.memory.fileByteCount), text(part.memory.hugeByteCount),
                        text(part.memory.otherByteCount))
                }
            }
            memory.show(orSay: "No node was looked at.")
            Terminal.line(
                "ALLOWED: the weights of the stage, the cache that is reserved, and 64 MiB; "
                    + "RESIDENT: pages of the model's file, huge pages, and others.")
            Terminal.line(
                "\(threads) threads a node, \(guesses) guesses, medians of \(rounds) rounds; "
                    + measurement.load.sentence)
        }

        private func document(_ measurement: PipelineBench.Measurement) -> JSON {
            let lines = measurement.lines.map { line -> JSON in
                [
                    "stages": .integer(Int64(line.stageCount)),
                    "milliseconds_per_token": .number(line.millisecondsPerToken),
                    "hop_milliseconds": measurement.hop(line).map { .number($0) } ?? .null,
                    "processor_milliseconds_per_token": .number(Median.of(line.processorRounds)),
                    "rounds": .array(line.rounds.map { .number($0) }),
                    "decode_tokens_per_second": .number(1_000 / line.millisecondsPerToken),
                    "peer_tokens_per_second": line.peerRate.map { .number($0) } ?? .null,
                    "peer_rounds": .array(line.peerRounds.map { .number($0) }),
                    "ratio_to_peer": line.peerRatio.map { .number($0) } ?? .null,
                    "streams": .array(
                        zip(streams.counts, line.rates).enumerated().map { index, part in
                            let (count, rate) = part
                            return [
                                "streams": .integer(Int64(count)),
                                "processor_milliseconds_per_token": .number(
                                    Median.of(line.rateProcessorRounds[index])),
                                "tokens_per_second": .number(rate),
                                "ratio_to_one": line.streamRatio(count, streams.counts)
                                    .map { .number($0) } ?? .null,
                            ]
                        }),
                    "memory": .array(line.memory.map(\.document)),
                ]
            }
            return [
                "model": .string(model), "threads": .integer(Int64(threads)),
                "guesses": .integer(Int64(guesses)), "tokens": .integer(Int64(tokens)),
                "rounds": .integer(Int64(rounds)),
                "busy_cores_beside": .number(measurement.load.busyCoreCount),
                "pipelines": .array(lines),
            ]
        }
    }
}

/// "1,2,3": counts in the order in which they are measured.
struct CountList: ExpressibleByArgument, ExpressibleByArrayLiteral, CustomStringConvertible {
    let counts: [Int]

    init(arrayLiteral counts: Int...) { self.counts = counts }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let counts = parts.compactMap { Int($0) }
        guard counts.count == parts.count, counts.allSatisfy({ 1...64 ~= $0 }),
            Set(counts).count == counts.count
        else { return nil }
        self.counts = counts
    }

    var description: String { counts.map(String.init).joined(separator: ",") }
    var defaultValueDescription: String { description }
}
