import ArgumentParser
import Basics
import Foundation
import Messages
import Simulation
import Wire

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run a whole mesh in virtual time, with faults.",
        discussion: """
            The real logic of a node, many times, in an invented network. A scenario is a small \
            text that says what happens and what must come of it; --list names those that the \
            program brings along, and a path is a file of yours. What must never happen is \
            checked at each event. The same seed gives the same run, so a seed is a bug report.

            Example: swiftlet simulate --scenario partition --nodes 100 --seed 7 --runs 20
            """)

    @Option(help: "The name of a scenario, or a file.")
    var scenario = "faults"
    @Option(help: "How many nodes; else as many as the scenario says.")
    var nodes: Int?
    @Option(help: "The first seed: all that happens by chance follows from it.")
    var seed: UInt64 = 1
    @Option(help: "How many seeds, one after the other; else as many as the scenario says.")
    var runs: Int?
    @Flag(help: "Print a line for each event, of one run.")
    var trace = false
    @Flag(help: "Play each seed twice and compare the transcripts.")
    var twice = false
    @Flag(help: "List the scenarios that the program brings along.")
    var list = false
    @Flag(help: "Answer with one JSON document.")
    var json = false

    func validate() throws {
        if let nodes, !(1...2_000 ~= nodes) {
            throw ValidationError("--nodes must be 1 to 2000.")
        }
        if let runs, runs < 1 { throw ValidationError("--runs must be 1 or more.") }
    }

    func run() async throws {
        if list { return try ScenarioFiles.show(json: json) }
        let scenarios = try ScenarioFiles.read(scenario, nodes: nodes)
        let command = self
        let report = try await OwnThread.run { command.play(scenarios) }
        if json { Terminal.document(report.document) } else { report.show() }
        if let sentence = report.complaint { throw Refusal(sentence) }
    }

    private func play(_ scenarios: [Scenario]) -> ScenarioReport {
        var report = ScenarioReport(name: scenario, title: scenarios.first?.title ?? "")
        var progress = ProgressLine("simulating")
        for scenario in scenarios {
            var cell = ScenarioReport.Cell(scenario: scenario, firstSeed: seed)
            let count = trace ? 1 : runs ?? scenario.runCount
            let start = CPUTime.ofThread
            for seed in seed..<seed + UInt64(count) {
                progress.show("\(scenario.label) seed \(seed)")
                let outcome = Self.play(scenario, seed: seed, trace: trace)
                cell.add(outcome)
                guard twice else { continue }
                let again = Self.play(scenario, seed: seed, trace: false)
                cell.compare(outcome, with: again)
            }
            cell.cpuTime = CPUTime.ofThread - start
            report.add(cell)
        }
        progress.clear()
        return report
    }

    private static func play(
        _ scenario: Scenario, seed: UInt64, trace: Bool
    ) -> ScenarioRun.Outcome {
        ScenarioRun.play(
            scenario, seed: seed, codec: .protobuf, byteCount: { WireCost.byteCount(of: $0) },
            trace: trace ? { Terminal.remark($0) } : nil)
    }
}

/// What a message costs on the network.
enum WireCost {
    /// Of ZMTP with CURVE (RFC 23, RFC 26): 9 bytes of a frame at most, 33 of the box; of TCP over
    /// IPv4 with time stamps: 52, and as much for the acknowledgement that goes back.
    static let frameByteCount = 9 + 33 + 2 * 52

    private static let mesh = Digest.of("mesh")

    static func byteCount(of body: Envelope.Body) -> Int {
        Envelope(protocol: 1, mesh: mesh, sender: NodeID(mesh), body: body).encoded().count
            + frameByteCount
    }
}

/// Time that a thread computed.
enum CPUTime {
    static var ofThread: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
