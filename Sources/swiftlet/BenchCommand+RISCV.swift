import ArgumentParser
import Basics
import Foundation
import RISCV

extension BenchCommand {
    struct RISCVSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "riscv", abstract: "Million instructions per second of a program.",
            discussion: """
                Each round runs the program once in each engine and, where it is installed, under \
                qemu-riscv64, as processes of their own. The medians of their CPU time are \
                compared, start-up included: take a program that runs for some tenths of a second.

                Example: swiftlet bench riscv --rounds 5 prog.elf
                """)

        @Option(help: "How often each takes its turn.")
        var rounds = 5
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "A static riscv64 ELF.", completion: .file())
        var program: String
        @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
        var arguments: [String] = []

        func validate() throws {
            guard rounds > 0 else { throw ValidationError("--rounds must be 1 or more.") }
        }

        func run() async throws {
            let runners = SimulatorRunner.installed(program, arguments)
            let retired = try await retiredCount()
            let rounds = rounds
            let medians = try await OwnThread.run {
                var seconds = [[Double]](repeating: [], count: runners.count)
                for round in 1...rounds {
                    for (index, runner) in runners.enumerated() {
                        Terminal.remark("Round \(round) of \(rounds): \(runner.name)")
                        seconds[index].append(try runner.secondsOfCPU())
                    }
                }
                return seconds.map(Median.of)
            }
            show(runners.map(\.name), medians, retired: retired)
        }

        /// How many instructions the program retires, which no engine changes.
        private func retiredCount() async throws -> UInt64 {
            let bytes = try ArtifactFile.bytes(of: program)
            let names = [URL(fileURLWithPath: program).lastPathComponent] + arguments
            return try await OwnThread.run {
                var machine = try Machine(program: bytes, arguments: names)
                return machine.runToEnd().retired
            }
        }

        private func show(_ names: [String], _ seconds: [Double], retired: UInt64) {
            let peer = names.count > Engine.allCases.count ? seconds.last : nil
            if json {
                var members: [JSON.Member] = [
                    .init("retired_instructions", .integer(Int64(clamping: retired))),
                    .init("rounds", .integer(Int64(rounds))),
                ]
                for (name, time) in zip(names, seconds) {
                    let key = name == SimulatorRunner.peerName ? "qemu" : name
                    members.append(.init("\(key)_seconds", .number(time)))
                }
                if let peer {
                    members.append(
                        .init("ratio_to_qemu", .number(peer / (seconds.dropLast().min() ?? peer))))
                }
                return Terminal.document(.object(members))
            }
            var table = Table("ENGINE", "CPU", "MIPS", "RATIO")
            for (name, time) in zip(names, seconds) {
                table.add(
                    name, "\(Text.decimal(time, 3)) s",
                    Text.decimal(Double(retired) / time / 1e6, 0),
                    peer.map { Text.decimal($0 / time, 2) } ?? "")
            }
            table.show(orSay: "Nothing was measured.")
            Terminal.line("\(retired) instructions; medians of \(rounds) rounds in turns")
        }
    }
}

/// One way to run the program as a process of its own: an engine of ours, or qemu's user mode.
struct SimulatorRunner: Sendable {
    static let peerName = "qemu-riscv64"

    let name: String
    private let command: [String]

    /// Our engines, and qemu where it is installed.
    static func installed(_ program: String, _ arguments: [String]) -> [SimulatorRunner] {
        let own = ProcessInfo.processInfo.arguments[0]
        let executable = Bundle.main.executablePath ?? own
        var runners = Engine.allCases.map { engine in
            SimulatorRunner(
                name: engine.rawValue,
                command: [executable, "sim", "run", "--engine", engine.rawValue, program]
                    + arguments)
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let tools = path.split(separator: ":").flatMap { directory in
            [peerName, "\(peerName)-static"].map { "\(directory)/\($0)" }
        }
        if let tool = tools.first(where: FileManager.default.isExecutableFile) {
            runners.append(SimulatorRunner(name: peerName, command: [tool, program] + arguments))
        }
        return runners
    }

    /// The time that the process spent on a core, in user and system mode.
    func secondsOfCPU() throws -> Double {
        let before = Self.secondsOfChildren()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw Refusal("\(name) cannot be started: \(Refusal.sentence(of: error))")
        }
        process.waitUntilExit()
        return max(Self.secondsOfChildren() - before, 1e-6)
    }

    /// The CPU time of all children that have ended; only one runs at a time.
    private static func secondsOfChildren() -> Double {
        var usage = rusage()
        getrusage(Int32(RUSAGE_CHILDREN.rawValue), &usage)
        let times = [usage.ru_utime, usage.ru_stime]
        return times.reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }
}
