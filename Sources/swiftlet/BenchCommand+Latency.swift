import ArgumentParser
import Basics
import Foundation
import Inference

extension BenchCommand {
    struct LatencySpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "latency", abstract: "How long until the first token, and until a proof.",
            discussion: """
                Starts real nodes on loopback and ends them again, and measures as a client sees \
                it: the first token of a second turn that shares nine tenths of its prompt with \
                the first, beside a prompt that nobody knows, over each count of stages; the first \
                token of a short prompt on a node that stands by, on one that is started for it, \
                and on one whose pages of the model are not in memory; and replaying a signed \
                text, beside what generating it took. Each is the median of the rounds.

                Example: swiftlet bench latency --model smollm2.gguf
                """)

        @Option(help: "A GGUF file.", completion: .file())
        var model: String
        @Option(help: "Over how many nodes the two turns go, one count after the other.")
        var stages: CountList = [1, 2]
        @Option(help: "Threads of each node.")
        var threads = 1
        @Option(help: "Tokens of the second turn's prompt.")
        var turn = 1_280
        @Option(help: "Tokens of the short prompt.")
        var prompt = 16
        @Option(help: "Tokens of the text that is replayed.")
        var replay = 256
        @Option(help: "How often everything takes its turn.")
        var rounds = 5
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 1...256 ~= threads, 64...1_000_000 ~= turn, 2...100_000 ~= prompt,
                2...100_000 ~= replay, 1...1_000 ~= rounds
            else {
                throw ValidationError(
                    "--threads and --rounds must be 1 or more, --prompt and --replay 2, --turn 64.")
            }
        }

        func run() async throws {
            let file = try ArtifactFile(path: model)
            let prompts = try BenchPrompts(path: model)
            let contextLength = prompts.file.description.contextLength
            guard turn < contextLength, prompt + replay < contextLength else {
                throw Refusal("The model's context is \(contextLength) tokens; lower the counts.")
            }
            let settings = BenchMesh.Settings(
                nodeCount: stages.counts.max() ?? 1, threadCount: threads)
            var bench = LatencyBench(
                prompts: prompts, turnTokenCount: turn, shortTokenCount: prompt,
                replayTokenCount: replay, rounds: rounds)
            try await BenchMesh.with(settings) { mesh in
                try await mesh.add(file)
                try await bench.measureTurns(mesh, stageCounts: stages.counts)
            }
            // A node by itself: what it takes to start it is not what it takes to find others.
            try await BenchMesh.with(.init(nodeCount: 1, threadCount: threads)) { mesh in
                try await mesh.add(file)
                try await bench.measureReplays(mesh)
                try await bench.measureStarts(mesh, file)
            }
            json ? Terminal.document(document(bench)) : show(bench)
        }

        private func show(_ bench: LatencyBench) {
            var table = Table("FIRST TOKEN", "MS", "OF COLD", "ROUNDS")
            func add(_ name: String, _ rounds: [Double], _ share: Double? = nil) {
                table.add(
                    name, Text.decimal(Median.of(rounds), 1),
                    share.map { "\(Text.decimal(100 * $0, 1)) %" } ?? "",
                    rounds.map { Text.decimal($0, 0) }.joined(separator: " "))
            }
            for line in bench.turns {
                let over = line.stageCount == 1 ? "1 stage" : "\(line.stageCount) stages"
                add("\(turn) new tokens, \(over)", line.cold)
                add("90 % of them known, \(over)", line.warm, line.share)
            }
            add("\(prompt) tokens, standby", bench.standby)
            add("\(prompt) tokens, new node, warm pages", bench.warmNode)
            add("\(prompt) tokens, new process, warm pages", bench.warmProcess)
            add("\(prompt) tokens, new node, cold pages", bench.coldNode)
            add("\(prompt) tokens, new process, cold pages", bench.coldProcess)
            table.show(orSay: "Nothing was measured.")
            let generation = Text.decimal(Median.of(bench.generations), 0)
            let verification = Text.decimal(Median.of(bench.replays), 0)
            Terminal.line(
                "\(replay) tokens: generated in \(generation) ms, replayed in \(verification) ms, "
                    + "\(Text.decimal(100 * bench.replayShare, 1)) % of it")
            Terminal.line(
                "\(threads) threads a node, medians of \(rounds) rounds; " + bench.load.sentence)
        }

        private func document(_ bench: LatencyBench) -> JSON {
            func figure(_ rounds: [Double]) -> JSON {
                [
                    "milliseconds": .number(Median.of(rounds)),
                    "rounds": .array(rounds.map { .number($0) }),
                ]
            }
            return [
                "model": .string(model), "threads": .integer(Int64(threads)),
                "rounds": .integer(Int64(rounds)),
                "busy_cores_beside": .number(bench.load.busyCoreCount),
                "turns": .array(
                    bench.turns.map { line in
                        [
                            "stages": .integer(Int64(line.stageCount)),
                            "prompt_tokens": .integer(Int64(turn)),
                            "cold": figure(line.cold), "shared": figure(line.warm),
                            "share_of_cold": .number(line.share),
                        ]
                    }),
                "prompt_tokens": .integer(Int64(prompt)),
                "standby": figure(bench.standby), "new_node_warm": figure(bench.warmNode),
                "new_process_warm": figure(bench.warmProcess),
                "new_node_cold": figure(bench.coldNode),
                "new_process_cold": figure(bench.coldProcess),
                "pages_left_when_cold": .number(bench.pagesLeftShare),
                "replay": [
                    "tokens": .integer(Int64(replay)), "generate": figure(bench.generations),
                    "verify": figure(bench.replays), "share": .number(bench.replayShare),
                ],
            ]
        }
    }
}
