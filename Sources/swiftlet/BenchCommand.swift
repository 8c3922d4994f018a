import ArgumentParser
import Basics
import Foundation
import Inference

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure the engines and the mesh.",
        discussion: "Example: swiftlet bench riscv prog.elf",
        subcommands: [
            InferenceSpeed.self, GrammarSpeed.self, PipelineSpeed.self, LatencySpeed.self,
            FailoverSpeed.self, RISCVSpeed.self, Startup.self, TaskSpeed.self, Makespan.self,
            TaskFaults.self, EdgeNodes.self, NodeSize.self, ScenarioOnNodes.self,
            ModelFileMaking.self,
        ])

    struct InferenceSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inference", abstract: "Tokens per second of a model in this process.",
            discussion: """
                With --peer, llama.cpp's llama-bench runs the same file with as many threads, in \
                turns with this engine; the medians of the rounds are compared, and decoding with \
                the memory bandwidth measured between them. cluster/peers builds llama-bench and \
                prints its path.

                Example: swiftlet bench inference --model smollm2.gguf --threads 2
                Example: swiftlet bench inference --model smollm2.gguf --peer "$(cluster/peers)"
                """)

        @Option(help: "A GGUF file.", completion: .file())
        var model: String
        @Option(help: "How many threads; else one for each core.")
        var threads: Int?
        @Option(help: "Tokens of the prompt.")
        var prompt = 256
        @Option(help: "Tokens to decode one by one.")
        var decode = 64
        @Option(help: "Compare with this llama-bench; --prompt and --decode are then fixed.")
        var peer: String?
        @Option(help: "With --peer: how often each side takes its turn.")
        var rounds = 3
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 0 < prompt, 0 < decode, 0 < threads ?? 1, 0 < rounds else {
                throw ValidationError("The counts must be 1 or more.")
            }
        }

        func run() async throws {
            _ = try ArtifactFile.open(model)
            let (path, promptCount, decodeCount) = (model, prompt, decode)
            let threadCount = threads ?? ProcessInfo.processInfo.activeProcessorCount
            if let peer { return try await compare(with: peer, threadCount: threadCount) }
            let speed = try await OwnThread.run {
                let file = try ModelFile(path: path)
                let stage = try Stage(
                    model: file, layers: 0..<file.description.layerCount, threads: threadCount)
                guard promptCount + decodeCount <= file.description.contextLength else {
                    throw Refusal("The counts do not fit the model's context; lower them.")
                }
                let start = ContinuousClock.now
                return try ForwardSpeed.measure(
                    stage, promptCount: promptCount, decodeCount: decodeCount,
                    now: { ContinuousClock.now - start })
            }
            if json {
                return Terminal.document([
                    "model": .string(model), "threads": .integer(Int64(threadCount)),
                    "prompt_tokens": .integer(Int64(prompt)),
                    "decode_tokens": .integer(Int64(decode)),
                    "prefill_tokens_per_second": .number(speed.prefillTokensPerSecond),
                    "decode_tokens_per_second": .number(speed.decodeTokensPerSecond),
                ])
            }
            Terminal.line(
                "prompt \(Text.decimal(speed.prefillTokensPerSecond, 1)) tokens/s, "
                    + "text \(Text.decimal(speed.decodeTokensPerSecond, 1)) tokens/s "
                    + "(\(threadCount) threads)")
        }
    }
}
