import ArgumentParser
import Basics
import Foundation

extension BenchCommand {
    struct TaskFaults: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "faults",
            abstract: "Tasks while nodes are killed: none lost, none twice, how soon again.",
            discussion: """
                A mesh of its own on loopback. Jobs are submitted to random nodes, again where a \
                node died meanwhile; and at each interval a random node, be it the coordinator, \
                the one that was asked or one that works, is killed with SIGKILL and started \
                again. In the end every node must name the same result for every task, and no \
                result that was once seen may have changed. The recovery of a task that was \
                running on a killed node is the time until another one has it, or it has ended.

                Example: swiftlet bench faults --nodes 5 --count 10000
                """)

        @Option(help: "How many nodes.")
        var nodes = 5
        @Option(help: "How many tasks.")
        var count = 10_000
        @Option(help: "Seconds between two kills.")
        var interval = 2.0
        @Option(help: "How long one task takes, about.")
        var milliseconds = 20
        @Option(help: "What chance is made from.")
        var seed: UInt64 = 1
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 3...9 ~= nodes, 1...100_000 ~= count, 0.2...60 ~= interval,
                1...10_000 ~= milliseconds
            else {
                throw ValidationError(
                    "--nodes is 3 to 9, --count at most 100000, --interval 0.2 to 60 seconds.")
            }
        }

        func run() async throws {
            let program = try await LoopRate.program(lasting: Double(milliseconds) / 1_000)
            let bench = try await BenchMesh.with(.init(nodeCount: nodes)) { mesh in
                var bench = FaultBench(
                    mesh: mesh, count: count, interval: .milliseconds(Int(interval * 1_000)),
                    seed: seed)
                try await bench.run(program: program)
                return bench
            }
            let late = bench.recoveries
            func percentile(_ share: Double) -> Double { Percentile.of(late, share) }
            if json {
                Terminal.document([
                    "tasks": .integer(Int64(count)), "seconds": .number(bench.seconds),
                    "kills": .integer(Int64(bench.killCount)),
                    "coordinator_kills": .integer(Int64(bench.coordinatorKillCount)),
                    "interrupted_tasks": .integer(Int64(late.count)),
                    "recovery_seconds_median": late.isEmpty ? .null : .number(percentile(0.5)),
                    "recovery_seconds_p99": late.isEmpty ? .null : .number(percentile(0.99)),
                    "mistakes": .array(bench.mistakes.map { .string($0) }),
                ])
            } else {
                Terminal.line(
                    "\(count) tasks in \(Text.decimal(bench.seconds, 0)) s, \(bench.killCount) "
                        + "kills (\(bench.coordinatorKillCount) of the coordinator), "
                        + "\(late.count) tasks interrupted"
                        + (late.isEmpty
                            ? ""
                            : "; on another node after \(Text.decimal(percentile(0.5), 2)) s "
                                + "(median), \(Text.decimal(percentile(0.99), 2)) s (p99)"))
            }
            guard bench.mistakes.isEmpty else {
                throw Refusal(
                    "\(bench.mistakes.count) things went wrong; the first: \(bench.mistakes[0])")
            }
        }
    }
}
