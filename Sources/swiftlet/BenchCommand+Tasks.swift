import ArgumentParser
import Basics
import Foundation

extension BenchCommand {
    struct TaskSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tasks", abstract: "Tasks per second of the mesh, and how long one takes.",
            discussion: """
                A no-op task is a program of three instructions, really run in the sandbox; its \
                signed result stands in the replicated log before the client has it. A batch is \
                one job, timed until the client has read every result; then tasks go one by one, \
                each timed from the question to the answer.

                Asks a node, or with --nodes a mesh of its own on loopback, whose channels are \
                encrypted and whose logs are on the disk like those of any mesh. With --vs ray, \
                Ray (cluster/ray installs it) does as much in turns, and the medians are compared.

                Example: swiftlet bench tasks --data n1 --count 2000
                Example: swiftlet bench tasks --nodes 3 --vs ray
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "Make a mesh of so many nodes on this machine instead.")
        var nodes: Int?
        @Option(help: "How many tasks in the batch.")
        var count = 10_000
        @Option(help: "How many tasks one by one.")
        var single = 500
        @Option(help: "How often all of it.")
        var rounds = 3
        @Option(help: "Compare with: ray.")
        var vs: String?

        func validate() throws {
            guard 1...20_000 ~= count, 0 < single, 0 < rounds, 0 < nodes ?? 1 else {
                throw ValidationError("Counts must be 1 or more, --count at most 20000.")
            }
            guard vs == nil || vs == "ray" else {
                throw ValidationError("The only peer is ray; write --vs ray.")
            }
        }

        func run() async throws {
            let ray = try vs.map { _ in try RayBench() }
            var own: [TaskBench.Round] = []
            var peer: [TaskBench.Round] = []
            func measure(_ node: NodeClient) async throws {
                let bench = try await TaskBench(node)
                for round in 1...rounds {
                    // Each warms up in each turn: the other has had the caches since.
                    _ = try await bench.run(count: min(count, 500), singleCount: 20)
                    own.append(try await bench.run(count: count, singleCount: single))
                    remark("swiftlet", own, round)
                    if let ray {
                        peer.append(try ray.run(count: count, singleCount: single))
                        remark("ray", peer, round)
                    }
                }
            }
            if let nodes {
                try await BenchMesh.with(.init(nodeCount: nodes)) { mesh in
                    try await measure(try mesh.client(mesh.names[0]))
                }
            } else {
                try await options.withNode { try await measure($0) }
            }
            show(Figures(own), peer.isEmpty ? nil : Figures(peer))
        }

        private func remark(_ whose: String, _ done: [TaskBench.Round], _ round: Int) {
            let figures = Figures([done[done.count - 1]])
            Terminal.remark(
                "Round \(round) of \(rounds), \(whose): "
                    + "\(Text.decimal(figures.tasksPerSecond, 0)) tasks/s, one task "
                    + "\(Text.decimal(figures.median, 2)) ms (p50), "
                    + "\(Text.decimal(figures.late, 2)) ms (p99)")
        }

        /// Medians of the rounds.
        private struct Figures {
            var tasksPerSecond: Double
            var median: Double
            var late: Double

            init(_ rounds: [TaskBench.Round]) {
                tasksPerSecond = Median.of(rounds.map(\.tasksPerSecond))
                median = Median.of(rounds.map { $0.percentile(0.5) })
                late = Median.of(rounds.map { $0.percentile(0.99) })
            }

            var document: JSON {
                [
                    "tasks_per_second": .number(tasksPerSecond),
                    "milliseconds_median": .number(median), "milliseconds_p99": .number(late),
                ]
            }
        }

        private func show(_ own: Figures, _ peer: Figures?) {
            if options.json {
                return Terminal.document([
                    "count": .integer(Int64(count)), "rounds": .integer(Int64(rounds)),
                    "nodes": nodes.map { .integer(Int64($0)) } ?? .null,
                    "swiftlet": own.document, "ray": peer?.document ?? .null,
                ])
            }
            var table = Table("WHAT", "SWIFTLET", "RAY", "RATIO")
            func add(_ what: String, _ digits: Int, _ value: (Figures) -> Double) {
                let other = peer.map(value)
                table.add(
                    what, Text.decimal(value(own), digits),
                    other.map { Text.decimal($0, digits) } ?? "-",
                    other.map { Text.decimal(value(own) / $0, 2) } ?? "-")
            }
            add("tasks/s, batch of \(count)", 0) { $0.tasksPerSecond }
            add("one task, ms (p50)", 2) { $0.median }
            add("one task, ms (p99)", 2) { $0.late }
            table.show(orSay: "")
            Terminal.remark("Medians of \(rounds) rounds.")
        }
    }
}
