import ArgumentParser
import Basics
import Foundation
import Inference
import RISCV
import Runtime

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure the engines and the mesh.",
        discussion: "Example: swiftlet bench riscv prog.elf",
        subcommands: [
            InferenceSpeed.self, GrammarSpeed.self, PipelineSpeed.self, LatencySpeed.self,
            FailoverSpeed.self, RISCVSpeed.self, TaskSpeed.self, ModelFileMaking.self,
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

    struct RISCVSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "riscv", abstract: "Million instructions per second of a program.",
            discussion: """
                Where qemu-riscv64 is installed, it runs the same program for comparison.

                Example: swiftlet bench riscv prog.elf
                """)

        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "A static riscv64 ELF.", completion: .file())
        var program: String
        @Argument(help: "Its arguments; those that begin with a hyphen stand after --.")
        var arguments: [String] = []

        func run() async throws {
            let bytes = try ArtifactFile.bytes(of: program)
            let names = [URL(fileURLWithPath: program).lastPathComponent] + arguments
            let (retired, duration) = try await OwnThread.run {
                let start = ContinuousClock.now
                let report = try GuestRun.run(
                    program: bytes, arguments: names, environment: [], files: [],
                    standardInput: [], settings: Machine.Settings())
                return (report.retired, ContinuousClock.now - start)
            }
            let seconds = max(duration.inSeconds, 1e-9)
            let mips = Double(retired) / seconds / 1e6
            let peerSeconds = PeerSimulator.seconds(program, arguments)
            if json {
                return Terminal.document([
                    "mips": .number(mips),
                    "retired_instructions": .integer(Int64(clamping: retired)),
                    "seconds": .number(seconds),
                    "qemu_seconds": peerSeconds.map { .number($0) } ?? .null,
                    "ratio_to_qemu": peerSeconds.map { .number($0 / seconds) } ?? .null,
                ])
            }
            Terminal.line(
                "\(Text.decimal(mips, 1)) MIPS: \(retired) instructions in "
                    + "\(Text.decimal(seconds, 3)) s")
            if let peerSeconds {
                Terminal.line(
                    "qemu-riscv64: \(Text.decimal(peerSeconds, 3)) s; we have "
                        + "\(Text.decimal(peerSeconds / seconds, 2)) times its speed")
            }
        }
    }
}

/// qemu's user mode, where it is installed: what the simulator is compared with.
enum PeerSimulator {
    static func seconds(_ program: String, _ arguments: [String]) -> Double? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let tools = path.split(separator: ":").flatMap { directory in
            ["qemu-riscv64", "qemu-riscv64-static"].map { "\(directory)/\($0)" }
        }
        guard let tool = tools.first(where: FileManager.default.isExecutableFile) else {
            return nil
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = [program] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let start = ContinuousClock.now
        guard (try? process.run()) != nil else { return nil }
        process.waitUntilExit()
        return (ContinuousClock.now - start).inSeconds
    }
}
