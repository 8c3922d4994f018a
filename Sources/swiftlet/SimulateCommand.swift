import ArgumentParser
import Basics
import NodeLogic
import Simulation
import Wire

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run a whole mesh in virtual time, with faults.",
        discussion: """
            The real logic of a node, many times, in an invented network: nodes join, one crashes, \
            some are cut off, messages are lost, and all comes back. What must never happen is \
            checked at each event. The same seed gives the same run.

            Example: swiftlet simulate --nodes 30 --seed 7
            """)

    @Option(help: "How many nodes.")
    var nodes = 30
    @Option(help: "Everything that happens by chance follows from it.")
    var seed: UInt64 = 1
    @Option(help: "The share of messages that are lost while faults last.")
    var loss = 0.05
    @Flag(help: "Answer with one JSON document.")
    var json = false

    func validate() throws {
        guard 3...1000 ~= nodes else { throw ValidationError("--nodes must be 3 to 1000.") }
        guard 0...0.5 ~= loss else { throw ValidationError("--loss must be 0 to 0.5.") }
    }

    func run() async throws {
        let (nodes, seed, loss) = (nodes, seed, loss)
        let outcome = try await OwnThread.run {
            Self.simulate(nodes: nodes, seed: seed, loss: loss)
        }
        if json {
            Terminal.document(outcome.document(nodes: nodes, seed: seed))
        } else {
            outcome.show(nodes: nodes, seed: seed)
        }
        guard outcome.violations.isEmpty, outcome.agreed else {
            throw Refusal(
                outcome.violations.first ?? "The nodes do not agree 30 virtual seconds later; "
                    + "replay with: swiftlet simulate --nodes \(nodes) --seed \(seed)")
        }
    }

    private struct Outcome: Sendable {
        var virtualSeconds: Double
        var eventCount: Int
        var transcript: UInt64
        var violations: [String]
        var agreed: Bool

        func document(nodes: Int, seed: UInt64) -> JSON {
            [
                "nodes": .integer(Int64(nodes)), "seed": .string(String(seed)),
                "virtual_seconds": .number(virtualSeconds), "events": .integer(Int64(eventCount)),
                "transcript": .string(String(transcript, radix: 16)),
                "violations": .array(violations.map { .string($0) }), "agreed": .bool(agreed),
            ]
        }

        func show(nodes: Int, seed: UInt64) {
            Terminal.line(
                "\(nodes) nodes, seed \(seed): \(eventCount) events in "
                    + "\(Text.decimal(virtualSeconds, 1)) virtual seconds, transcript "
                    + String(transcript, radix: 16))
            Terminal.line(
                "violations: \(violations.count), agreed: \(agreed ? "yes" : "no")")
        }
    }

    /// Twenty seconds of peace, twenty of faults, thirty to recover.
    private static func simulate(nodes: Int, seed: UInt64, loss: Double) -> Outcome {
        var simulator = Simulator(nodeCount: nodes, seed: seed)
        simulator.run(for: .seconds(20))
        simulator.setLossShare(loss)
        // A minority, never the founder: who dies and who is cut off follows from the seed.
        let victim = 1 + Int(seed % UInt64(nodes - 1))
        simulator.crash(victim)
        let cut = (1..<max(2, nodes / 4)).map { (victim + $0) % nodes }.filter { $0 != victim }
        simulator.isolate(cut)
        simulator.run(for: .seconds(20))
        simulator.heal()
        simulator.setLossShare(0)
        simulator.restart(victim)
        simulator.run(for: .seconds(30))
        let nodesUp = simulator.machines.compactMap(\.node)
        let coordinators = Set(nodesUp.map(\.coordinator))
        let everyone = simulator.machines.map(\.id).sorted()
        let agreed =
            coordinators.count == 1 && coordinators.first != .some(nil)
            && nodesUp.allSatisfy { node in
                node.members.filter { $0.state == .alive }.map(\.node).sorted() == everyone
            }
        return Outcome(
            virtualSeconds: simulator.now.sinceStart.inSeconds, eventCount: simulator.eventCount,
            transcript: simulator.transcript, violations: simulator.witness.violations,
            agreed: agreed)
    }
}
