import ArgumentParser
import Basics
import Foundation
import RISCV

/// The simulator by itself: what engineers ask of it.
struct SimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sim",
        abstract: "Run a program in a chosen engine, compare the engines, check them with tests.",
        discussion: "Example: swiftlet sim diff prog.elf",
        subcommands: [Run.self, Diff.self, Suite.self, GDB.self, Profile.self])

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Run a program in this process, in one of the engines.",
            discussion: """
                As `swiftlet run --local`, with as much fuel as it wants. Options come before the \
                program, its own arguments after it.

                With --sysroot the program may be dynamically linked, and an absolute path names a \
                program in that folder. Nothing on this machine changes: what the program writes \
                is kept in memory, unless --write-through is given for the folders of --mount.

                Example: swiftlet sim run --engine interpreter prog.elf
                Example: swiftlet sim run --sysroot riscv64/ --mount .:/a /usr/bin/python3 /a/b.py
                """)

        @Option(help: "interpreter or translator; else the faster one that this host has.")
        var engine: Engine = .best
        @Option(help: "How many instructions may retire.")
        var fuel: UInt64?
        @Option(help: "Its standard input; else none.", completion: .file())
        var stdin: String?
        @Option(help: "NAME=VALUE for its environment; may be given several times.")
        var env: [String] = []
        @Option(help: "How many MiB of memory it may write.")
        var memory: UInt64?
        @OptionGroup var folders: FolderOptions
        @Flag(help: "Tell on standard error what it used and which system calls it made.")
        var calls = false
        @Flag(help: "Fence translated code against speculation too, which takes more time.")
        var hardened = false
        @Option(
            help: "Write a line for each instruction, as Spike's commit log has them.",
            completion: .file())
        var trace: String?
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "A riscv64 ELF.", completion: .file())
        var program: String
        @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
        var arguments: [String] = []

        func run() async throws {
            let order = RunOrder(
                program: program, arguments: arguments,
                environment: try RunOrder.variables(env), inputs: [],
                standardInput: try stdin.map(ArtifactFile.bytes) ?? [], fuel: fuel ?? .max,
                memoryByteCountMax: try RunOrder.memoryByteCountMax(memory), seed: 0)
            try await LocalRun.run(
                order, in: try folders.open(), isJSON: json, output: nil, engine: engine,
                showsCalls: calls, trace: trace, isHardened: hardened)
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "diff", abstract: "Run a program in both engines, in lock step.",
            discussion: """
                After so many instructions, registers, memory, output and the count must be equal. \
                The first difference is named, and the command fails.

                Example: swiftlet sim diff --every 1000 prog.elf
                """)

        @Option(help: "Compare after so many instructions.")
        var every: UInt64 = 1_000_000
        @Option(help: "Stop after so many instructions.")
        var fuel: UInt64 = .max
        @Option(help: "Its standard input; else none.", completion: .file())
        var stdin: String?
        @Option(help: "NAME=VALUE for its environment; may be given several times.")
        var env: [String] = []
        @OptionGroup var folders: FolderOptions
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "A riscv64 ELF.", completion: .file())
        var program: String
        @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
        var arguments: [String] = []

        func validate() throws {
            guard every > 0 else { throw ValidationError("--every must be 1 or more.") }
        }

        func run() async throws {
            guard Engine.best == .translator else {
                throw Refusal("This host has no translator; there is nothing to compare.")
            }
            let folders = try folders.open()
            let program = try folders.program(program, arguments)
            let variables = try RunOrder.variables(env).map { "\($0.name)=\($0.value)" }
            let input = try stdin.map(ArtifactFile.bytes) ?? []
            let (every, fuel) = (every, fuel)
            let (outcome, retired) = try await OwnThread.run {
                var comparison = try EngineComparison(
                    program: program.bytes, arguments: program.arguments,
                    environment: variables, standardInput: input, folders: folders.folders,
                    programPath: program.path,
                    settings: Machine.Settings(fuel: fuel))
                while true {
                    let outcome = comparison.step(every)
                    if outcome != .same { return (outcome, comparison.retired) }
                }
            }
            try show(outcome, retired: retired)
        }

        private func show(_ outcome: EngineComparison.Outcome, retired: UInt64) throws {
            var difference: EngineComparison.Difference?
            if case .different(let found) = outcome { difference = found }
            if json {
                Terminal.document([
                    "equal": .bool(difference == nil),
                    "retired_instructions": .integer(Int64(clamping: retired)),
                    "difference": difference.map { .string($0.what) } ?? .null,
                ])
            }
            if let difference { throw Refusal("The engines part \(difference).") }
            if !json {
                Terminal.line("Both engines agree, every \(every) instructions up to \(retired).")
            }
        }
    }
}

extension Engine: ExpressibleByArgument {}
