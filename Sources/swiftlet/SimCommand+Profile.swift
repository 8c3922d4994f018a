import ArgumentParser
import Basics
import Foundation
import RISCV

extension SimCommand {
    struct Profile: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "profile", abstract: "Count a program's instructions, each of them.",
            discussion: """
                By function, by basic block, by kind and mnemonic; by path of calls as a flame \
                graph (--svg) or as folded stacks for other tools (--folded). What the program \
                itself writes goes to stderr.

                Example: swiftlet sim profile --svg flames.svg prog.elf
                """)

        @Option(help: "A picture of all paths of calls.", completion: .file())
        var svg: String?
        @Option(help: "The paths as text, one a line with its count.", completion: .file())
        var folded: String?
        @Option(help: "How many rows each table has.")
        var rows = 15
        @Option(help: "How many instructions may retire.")
        var fuel: UInt64 = .max
        @Option(help: "Its standard input; else none.", completion: .file())
        var stdin: String?
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @OptionGroup var folders: FolderOptions
        @Argument(help: "A riscv64 ELF.", completion: .file())
        var program: String
        @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
        var arguments: [String] = []

        func validate() throws {
            guard rows > 0 else { throw ValidationError("--rows must be 1 or more.") }
        }

        func run() async throws {
            let folders = try folders.open()
            let found = try folders.program(program, arguments)
            let name = URL(fileURLWithPath: program).lastPathComponent
            let fuel = fuel
            let input = try stdin.map(ArtifactFile.bytes) ?? []
            let ending: Ending, profile: RISCV.Profile
            do {
                (ending, profile) = try await OwnThread.run {
                    let machine = try Machine(
                        program: found.bytes, arguments: found.arguments, standardInput: input,
                        folders: folders.folders, programPath: found.path,
                        settings: Machine.Settings(fuel: fuel))
                    return Self.profile(machine)
                }
            } catch let error as ELFError {
                throw Refusal("\(program) cannot run here: \(error).")
            }
            try svg.map { try write(FlameGraph(profile, title: name).svg, to: $0) }
            try folded.map { try write(profile.foldedText, to: $0) }
            if json { Terminal.document(document(profile, ending)) } else { show(profile) }
            if let sentence = ending.sentence { Terminal.complain("\(name) \(sentence).") }
        }

        private static func profile(_ machine: consuming Machine) -> (Ending, RISCV.Profile) {
            var machine = machine, profiler = Profiler()
            while true {
                let pause = profiler.run(&machine, fuel: 100_000_000)
                let (output, errors) = machine.takeOutput()
                Terminal.writeError(output + errors)
                if case .ended(let ending) = pause {
                    return (ending, profiler.profile(of: machine))
                }
            }
        }

        private func write(_ text: String, to path: String) throws {
            do {
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            } catch {
                throw Refusal("\(path) cannot be written: \(Refusal.sentence(of: error))")
            }
        }
    }
}

// MARK: - What is told

extension SimCommand.Profile {
    private func show(_ profile: RISCV.Profile) {
        func share(_ count: UInt64) -> String {
            Text.decimal(100 * Double(count) / Double(max(profile.retired, 1)), 1) + " %"
        }
        var functions = Table("FUNCTION", "OWN", "SHARE", "WITH CALLEES", "SHARE", "CALLS")
        for function in profile.functions.prefix(rows) {
            functions.add(
                function.name, "\(function.ownCount)", share(function.ownCount),
                "\(function.totalCount)", share(function.totalCount), "\(function.callCount)")
        }
        functions.show(orSay: "No instruction has retired.")
        Terminal.line("")
        var blocks = Table("BLOCK", "AT", "INSTRUCTIONS", "TIMES", "RETIRED", "SHARE")
        for block in profile.blocks.prefix(rows) {
            blocks.add(
                "0x" + String(block.address, radix: 16), block.name, "\(block.instructionCount)",
                "\(block.executions)", "\(block.count)", share(block.count))
        }
        blocks.show(orSay: "No instruction has retired.")
        Terminal.line("")
        var mix = Table("KIND", "RETIRED", "SHARE", "MOST OFTEN")
        for kind in InstructionClass.allCases {
            let count = profile.count(of: kind)
            guard count > 0 else { continue }
            let names = profile.mix.filter { $0.kind == kind }.prefix(4).map {
                "\($0.mnemonic) \(share($0.count))"
            }
            mix.add(kind.rawValue, "\(count)", share(count), names.joined(separator: ", "))
        }
        mix.show(orSay: "No instruction has retired.")
        Terminal.line(
            "\(profile.retired) instructions, \(share(profile.compressedCount)) of 16 bits")
    }

    private func document(_ profile: RISCV.Profile, _ ending: Ending) -> JSON {
        func number(_ count: UInt64) -> JSON { .integer(Int64(clamping: count)) }
        return [
            "retired_instructions": number(profile.retired),
            "exit_code": .integer(Int64(ending.exitCode)),
            "compressed_instructions": number(profile.compressedCount),
            "functions": .array(
                profile.functions.map {
                    [
                        "name": .string($0.name), "address": number($0.address),
                        "own": number($0.ownCount), "with_callees": number($0.totalCount),
                        "calls": number($0.callCount),
                    ]
                }),
            "blocks": .array(
                profile.blocks.map {
                    [
                        "address": number($0.address), "name": .string($0.name),
                        "instructions": .integer(Int64($0.instructionCount)),
                        "executions": number($0.executions), "retired": number($0.count),
                    ]
                }),
            "mix": .array(
                profile.mix.map {
                    [
                        "mnemonic": .string($0.mnemonic), "kind": .string($0.kind.rawValue),
                        "retired": number($0.count),
                    ]
                }),
        ]
    }
}
