import ArgumentParser
import Basics
import Foundation
import Simulation

extension BenchCommand {
    struct ScenarioOnNodes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "scenario",
            abstract: "What `simulate` does, with real nodes on this machine.",
            discussion: """
                A mesh of its own, of real processes that are killed with SIGKILL, stopped and \
                continued with SIGSTOP and SIGCONT, and started again, as a scenario of \
                cluster/scenarios says; the same figures come out. With --namespaces each node \
                has a network of its own, which is cut in two and healed, and disturbed where \
                the kernel has netem. What cannot be done here is said and left out. \
                cluster/faults does several of them.

                Example: swiftlet bench scenario kill --nodes 20
                """)

        @Argument(help: "The name of a scenario, or a file.")
        var scenario: String
        @Option(help: "How many nodes; else as many as the scenario says, at most 32.")
        var nodes: Int?
        @Option(help: "What chance is made from: who is hit.")
        var seed: UInt64 = 1
        @Option(help: "How often, each time with a mesh of its own.")
        var runs = 1
        @Option(help: "MiB that go from one node to all others meanwhile.")
        var bulk = 0
        @Flag(help: "A network namespace for each node; needs root.")
        var namespaces = false
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 3...32 ~= nodes ?? 3, 0 < runs, 0...65_536 ~= bulk else {
                throw ValidationError("--nodes is 3 to 32, --runs 1 or more, --bulk at most 65536.")
            }
        }

        func run() async throws {
            var scenarios = try ScenarioFiles.read(scenario, nodes: nodes)
            // Hundreds of processes want more than one machine.
            for index in scenarios.indices {
                scenarios[index].nodeCount = min(scenarios[index].nodeCount, 32)
            }
            var report = ScenarioReport(name: scenario, title: scenarios.first?.title ?? "")
            report.isReal = true
            for scenario in scenarios {
                var cell = ScenarioReport.Cell(scenario: scenario, firstSeed: seed)
                for seed in seed..<seed + UInt64(runs) {
                    cell.add(
                        try await NodeScenario.play(
                            scenario, seed: seed,
                            settings: .init(
                                nodeCount: scenario.nodeCount, slotCount: 1, cacheSize: 16,
                                hasNetwork: namespaces, logLevel: "info"),
                            bulkByteCount: bulk << 20))
                }
                report.add(cell)
            }
            if json { Terminal.document(report.document) } else { report.show() }
            if let sentence = report.complaint { throw Refusal(sentence) }
        }
    }
}
