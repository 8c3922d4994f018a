import ArgumentParser
import Basics
import Foundation
import RISCV

extension BenchCommand {
    struct Startup: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "startup", abstract: "What it takes to begin and end a short guest.",
            discussion: """
                Rounds in turns: this program saying its version, and this program running the \
                guest, each as a process of its own; the difference of the medians is the \
                guest's. Then many guests in one process, with the memory that it holds before \
                and after them.

                Example: swiftlet bench startup --rounds 40 hello.elf
                """)

        @Option(help: "How often each takes its turn.")
        var rounds = 40
        @Option(help: "How many guests run in this process.")
        var guests = 10_000
        @Option(help: "interpreter or translator; else the faster one that this host has.")
        var engine: Engine = .best
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "A static riscv64 ELF that ends soon.", completion: .file())
        var program: String
        @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
        var arguments: [String] = []

        func validate() throws {
            guard rounds > 0, guests > 0 else {
                throw ValidationError("--rounds and --guests must be 1 or more.")
            }
        }

        func run() async throws {
            let bytes = try ArtifactFile.bytes(of: program)
            let name = URL(fileURLWithPath: program).lastPathComponent
            let (arguments, rounds, guests, engine) = (arguments, rounds, guests, engine)
            let executable = Bundle.main.executablePath ?? ProcessInfo.processInfo.arguments[0]
            let nothing = TimedProcess([executable, "--version"])
            let guest = TimedProcess(
                [executable, "sim", "run", "--engine", engine.rawValue, program] + arguments)
            let result = try await OwnThread.run {
                var figures = Figures()
                var times: [[Double]] = [[], []]
                for _ in 0..<rounds {
                    times[0].append(try nothing.seconds())
                    times[1].append(try guest.seconds())
                }
                figures.process = Median.of(times[0])
                figures.guest = Median.of(times[1])
                try figures.runGuests(guests) {
                    var machine = try Machine(
                        program: bytes, arguments: [name] + arguments,
                        settings: Machine.Settings(engine: engine))
                    _ = machine.runToEnd()
                }
                return figures
            }
            show(result)
        }

        private func show(_ figures: Figures) {
            let own = figures.guest - figures.process
            if json {
                return Terminal.document([
                    "rounds": .integer(Int64(rounds)),
                    "process_ms": .number(figures.process * 1e3),
                    "guest_ms": .number(figures.guest * 1e3),
                    "difference_ms": .number(own * 1e3),
                    "guests": .integer(Int64(guests)),
                    "ms_per_guest": .number(figures.perGuest * 1e3),
                    "rss_before_bytes": .integer(Int64(figures.memoryBefore)),
                    "rss_after_bytes": .integer(Int64(figures.memoryAfter)),
                ])
            }
            func milliseconds(_ seconds: Double) -> String {
                Text.decimal(seconds * 1e3, 2) + " ms"
            }
            var table = Table("WHAT", "TIME")
            table.add("swiftlet --version", milliseconds(figures.process))
            table.add("swiftlet sim run", milliseconds(figures.guest))
            table.add("the difference", milliseconds(own))
            table.add("a guest in one process", milliseconds(figures.perGuest))
            table.show(orSay: "Nothing was measured.")
            Terminal.line(
                "medians of \(rounds) rounds; resident memory after 100 guests "
                    + "\(Text.byteCount(figures.memoryBefore)), after \(guests) more "
                    + Text.byteCount(figures.memoryAfter))
        }
    }
}

/// Seconds and bytes of `bench startup`.
private struct Figures: Sendable {
    var process = 0.0
    var guest = 0.0
    var perGuest = 0.0
    var memoryBefore: UInt64 = 0
    var memoryAfter: UInt64 = 0

    /// After the first hundred every pool is as full as it gets.
    mutating func runGuests(_ count: Int, _ guest: () throws -> Void) throws {
        for _ in 0..<100 { try guest() }
        memoryBefore = Self.residentByteCount()
        let start = ContinuousClock.now
        for _ in 0..<count { try guest() }
        perGuest = (ContinuousClock.now - start).inSeconds / Double(count)
        memoryAfter = Self.residentByteCount()
    }

    /// VmRSS of this process.
    private static func residentByteCount() -> UInt64 {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (UInt64(line.filter(\.isNumber)) ?? 0) << 10
    }
}

/// A process without input whose output nobody reads, timed from start to end.
private struct TimedProcess: Sendable {
    private let command: [String]

    init(_ command: [String]) { self.command = command }

    func seconds() throws -> Double {
        let start = ContinuousClock.now
        _ = try PeerRun(command[0], Array(command.dropFirst()))
        return (ContinuousClock.now - start).inSeconds
    }
}
