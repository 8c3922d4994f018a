import ArgumentParser
import Basics
import Foundation

extension BenchCommand {
    struct Makespan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "makespan",
            abstract: "How well a mesh keeps its workers busy: longer tasks through one node.",
            discussion: """
                A mesh of its own on loopback, each node with one slot; all tasks are submitted \
                to the first as one job. A task counts for so long as --milliseconds says, in this \
                machine's instructions, measured beforehand by running it here. The ideal is that \
                time for all of them, divided by the workers. More nodes than cores measure \
                nothing: their tasks would take turns.

                Example: swiftlet bench makespan --nodes 2 --count 200
                """)

        @Option(help: "How many nodes, each a worker with one slot.")
        var nodes = 2
        @Option(help: "How many tasks.")
        var count = 200
        @Option(help: "How long one task takes.")
        var milliseconds = 100
        @Option(help: "How often.")
        var rounds = 3
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 1...ProcessInfo.processInfo.activeProcessorCount ~= nodes, 1...20_000 ~= count,
                1...10_000 ~= milliseconds, 0 < rounds
            else {
                throw ValidationError(
                    "--nodes is 1 to the number of cores, --count at most 20000, "
                        + "--milliseconds at most 10000, --rounds 1 or more.")
            }
        }

        func run() async throws {
            let (lanes, wanted) = (nodes, Double(milliseconds) / 1_000)
            // As many at a time as there will be workers: cores that share a clock or a cache are
            // slower together.
            let program = try await LoopRate.program(lasting: wanted, lanes: lanes)
            var shares: [Double] = []
            var seconds: [Double] = []
            try await BenchMesh.with(.init(nodeCount: nodes, slotCount: 1)) { mesh in
                let bench = try await TaskBench(
                    try mesh.client(mesh.names[0]), program: program, name: "loop.elf")
                _ = try await bench.batch(nodes * 2)
                for _ in 0..<rounds {
                    let before = try await LoopRate.duration(of: program, lanes: lanes)
                    let makespan = try await bench.batch(count)
                    let after = try await LoopRate.duration(of: program, lanes: lanes)
                    let one = (before + after) / 2
                    seconds.append(makespan)
                    shares.append(one * Double(count) / Double(nodes) / makespan)
                }
            }
            let (share, makespan) = (Median.of(shares), Median.of(seconds))
            if json {
                return Terminal.document([
                    "nodes": .integer(Int64(nodes)), "count": .integer(Int64(count)),
                    "seconds": .number(makespan), "share_of_ideal": .number(share),
                ])
            }
            Terminal.line(
                "\(count) tasks of \(milliseconds) ms on \(nodes) workers: "
                    + "\(Text.decimal(makespan, 2)) s, \(Text.decimal(share * 100, 1)) % of the "
                    + "ideal (median of \(rounds))")
        }
    }
}
