import ArgumentParser
import Basics
import Foundation

extension BenchCommand {
    struct FailoverSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "failover", abstract: "What the loss of a stage does to a text.",
            discussion: """
                Starts real nodes on loopback and ends them again. Time after time one of the \
                stages behind the head is lost in mid-text, by kill -9 and by SIGSTOP in turns; \
                every fourth pair of losses is the coordinator's. The text must come out with the \
                very tokens of the undisturbed one. The stall is the longest silence that the \
                client sees after the loss. Then the node comes back.

                Fails where a token differs, a request fails, or a stall is longer than --limit \
                and the time that the tokens so far take to be computed again.

                Example: swiftlet bench failover --model smollm2.gguf --count 50
                """)

        @Option(help: "A GGUF file.", completion: .file())
        var model: String
        @Option(help: "How many losses.")
        var count = 50
        @Option(help: "Over how many nodes the layers are shared; so many nodes there are.")
        var stages = 3
        @Option(help: "Threads of each node.")
        var threads = 1
        @Option(help: "Tokens of each text.")
        var tokens = 128
        @Option(help: "Seconds that a stall may last beside the replay.")
        var limit = 2.0
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 1...10_000 ~= count, 2...64 ~= stages, 1...256 ~= threads,
                32...10_000 ~= tokens, 0 < limit
            else {
                throw ValidationError(
                    "--count and --threads must be 1 or more, --stages 2, --tokens 32.")
            }
        }

        func run() async throws {
            let file = try ArtifactFile(path: model)
            let prompts = try BenchPrompts(path: model)
            let settings = BenchMesh.Settings(nodeCount: stages, threadCount: threads)
            let bench = try await BenchMesh.with(settings) { mesh in
                try await mesh.add(file)
                var bench = try await FailoverBench(
                    mesh, prompts, tokenCount: tokens, limit: limit)
                for number in 0..<count {
                    let loss = try await bench.lose(number)
                    Terminal.remark("\(number + 1) of \(count): \(loss.sentence)")
                }
                return bench
            }
            json ? Terminal.document(document(bench)) : show(bench)
            let bad = bench.losses.filter { !$0.isGood }
            if let first = bad.first {
                throw Refusal(
                    "\(bad.count) of \(count) losses did not pass; the first: \(first.sentence)")
            }
        }

        private func show(_ bench: FailoverBench) {
            var table = Table("LOSS", "COUNT", "SAME TOKENS", "STALL MS", "LONGEST", "WITHIN")
            for kind in FailoverBench.Kind.allCases {
                for isCoordinator in [false, true] {
                    let losses = bench.losses.filter {
                        $0.kind == kind && $0.isCoordinator == isCoordinator
                    }
                    guard !losses.isEmpty else { continue }
                    let stalls = losses.map(\.stall)
                    table.add(
                        kind.rawValue + (isCoordinator ? " of the coordinator" : ""),
                        "\(losses.count)", "\(losses.count { $0.hasSameTokens })",
                        Text.decimal(Median.of(stalls), 0), Text.decimal(stalls.max() ?? 0, 0),
                        "\(losses.count { $0.isGood })")
                }
            }
            table.show(orSay: "Nothing was lost.")
            Terminal.line(
                "computing a token again takes \(Text.decimal(bench.replayMilliseconds, 2)) ms; "
                    + bench.load.sentence)
        }

        private func document(_ bench: FailoverBench) -> JSON {
            [
                "model": .string(model), "threads": .integer(Int64(threads)),
                "stages": .integer(Int64(stages)), "tokens": .integer(Int64(tokens)),
                "limit_milliseconds": .number(1_000 * limit),
                "replay_milliseconds_per_token": .number(bench.replayMilliseconds),
                "busy_cores_beside": .number(bench.load.busyCoreCount),
                "good": .integer(Int64(bench.losses.count { $0.isGood })),
                "losses": .array(bench.losses.map(\.document)),
            ]
        }
    }
}
