import ArgumentParser
import Basics
import Foundation
import RISCV

extension BenchCommand {
    struct RISCVSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "riscv", abstract: "Both engines on programs, beside other simulators.",
            discussion: """
                Each round runs every program once in each engine, under qemu-riscv64 where that \
                is installed, under each peer, and natively where there is such a build of it, as \
                processes of their own. The medians of their CPU time are compared, start-up \
                included: take programs that run for some tenths of a second. A program counts as \
                one of floats where one in twenty of its instructions is an operation of F or D.

                In a peer's command {} stands for the program's path and {name} for its file name.

                Example: swiftlet bench riscv --rounds 5 --native programs/native programs/bench-*
                Example: swiftlet bench riscv --peer "spike=spike bare/{name}.htif" coremark
                """)

        @Option(help: "How often each takes its turn.")
        var rounds = 5
        @Option(
            help: ArgumentHelp(
                "A native build of the program, or a folder of builds of the same names.",
                valueName: "file-or-folder"),
            completion: .file())
        var native: String?
        @Option(
            help: ArgumentHelp(
                "Another simulator; may be given several times.", valueName: "name=command"))
        var peer: [String] = []
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "Static riscv64 ELF files.", completion: .file())
        var programs: [String]

        func validate() throws {
            guard rounds > 0 else { throw ValidationError("--rounds must be 1 or more.") }
            for text in peer where SimulatorRunner(peer: text) == nil {
                throw ValidationError(
                    "--peer \(text) has no command; write a name, =, and the command with {}.")
            }
        }

        func run() async throws {
            let runners = SimulatorRunner.installed() + peer.compactMap(SimulatorRunner.init(peer:))
            var results: [SimulatorBench.Result] = []
            for program in programs {
                var own = runners
                if let native, let path = try Self.nativeBuild(of: program, in: native) {
                    own.append(SimulatorRunner(name: SimulatorRunner.nativeName, command: [path]))
                }
                results.append(try await SimulatorBench.measure(program, own, rounds: rounds))
            }
            let bench = SimulatorBench(rounds: rounds, results: results)
            if json { Terminal.document(bench.document) } else { bench.show() }
        }

        private static func nativeBuild(of program: String, in place: String) throws -> String? {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) else {
                throw Refusal("There is no native build at \(place); check the path.")
            }
            if !isFolder.boolValue { return place }
            let path = "\(place)/\(URL(fileURLWithPath: program).lastPathComponent)"
            return FileManager.default.isExecutableFile(atPath: path) ? path : nil
        }
    }
}

/// One way to run a program as a process of its own: an engine of ours, a peer, the host itself.
struct SimulatorRunner: Sendable {
    static let nativeName = "native"

    let name: String
    /// Words, with {} and {name} for the program.
    private let command: [String]

    init(name: String, command: [String]) {
        self.name = name
        self.command = command
    }

    /// From `name=command`; nil where either is missing.
    init?(peer text: String) {
        let parts = text.split(separator: "=", maxSplits: 1)
        let words = parts.last?.split(separator: " ").map(String.init) ?? []
        guard parts.count == 2, !words.isEmpty else { return nil }
        self.init(name: String(parts[0]), command: words)
    }

    /// Our engines, and qemu where it is installed.
    static func installed() -> [SimulatorRunner] {
        let own = ProcessInfo.processInfo.arguments[0]
        let executable = Bundle.main.executablePath ?? own
        var runners = Engine.allCases.map { engine in
            SimulatorRunner(
                name: engine.rawValue,
                command: [executable, "sim", "run", "--engine", engine.rawValue, "{}"])
        }
        let peer = "qemu-riscv64"
        if let tool = [peer, "\(peer)-static"].lazy.compactMap(Self.tool).first {
            runners.append(SimulatorRunner(name: peer, command: [tool, "{}"]))
        }
        return runners
    }

    private static func tool(_ name: String) -> String? {
        if name.contains("/") { return name }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map { "\($0)/\(name)" }
            .first(where: FileManager.default.isExecutableFile)
    }

    /// The time that the process spent on a core, in user and system mode, and its exit code.
    func run(_ program: String) throws -> (seconds: Double, exitCode: Int32) {
        let file = URL(fileURLWithPath: program).lastPathComponent
        let words = command.map {
            $0.replacingOccurrences(of: "{}", with: program)
                .replacingOccurrences(of: "{name}", with: file)
        }
        guard let tool = Self.tool(words[0]) else {
            throw Refusal("\(name) cannot be started: there is no \(words[0]) on the PATH.")
        }
        let before = Self.secondsOfChildren()
        let run = try PeerRun(tool, Array(words.dropFirst()), called: name)
        return (max(Self.secondsOfChildren() - before, 1e-6), run.status)
    }

    /// The CPU time of all children that have ended; only one runs at a time.
    private static func secondsOfChildren() -> Double {
        var usage = rusage()
        getrusage(Int32(RUSAGE_CHILDREN.rawValue), &usage)
        let times = [usage.ru_utime, usage.ru_stime]
        return times.reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }
}
