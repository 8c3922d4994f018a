import Basics
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

struct AgreementTests {
    static func settings(lossShare: Double = 0) -> Simulator.Settings {
        var settings = Simulator.Settings()
        settings.network.lossShare = lossShare
        return settings
    }

    static func isWhole(_ simulator: Simulator) -> Bool {
        simulator.upNumbers.count == simulator.machines.count && simulator.isAgreed
    }

    @Test(arguments: seeds(100))
    func `thirty nodes agree again after crashes, a partition and lost messages`(seed: UInt64) {
        var simulator = Simulator(
            nodeCount: 30,
            seed: seed,
            settings: Self.settings(lossShare: 0.05)
        )
        let isFounded = simulator.run(for: .seconds(60)) { Self.isWhole($0) }
        #expect(isFounded, "seed \(seed)")

        // One part of the mesh is cut off, with or without the coordinator; one direction between
        // two nodes is deaf; three nodes die.
        var chance = Chance(seed: seed)
        let order = Array(simulator.machines.indices).shuffled(using: &chance)
        simulator.isolate(Array(order.prefix(Int.random(in: 1...14, using: &chance))))
        simulator.cut(from: order[20], to: order[21])
        for number in order[5..<8] {
            simulator.run(for: .milliseconds(Int64.random(in: 0...2_000, using: &chance)))
            simulator.crash(number)
        }
        simulator.run(for: .seconds(12))
        for number in order[5..<8] { simulator.restart(number) }
        simulator.run(for: .seconds(3))

        simulator.heal()
        let isAgreed = simulator.run(for: .seconds(30)) { Self.isWhole($0) }
        #expect(isAgreed, "seed \(seed)")
        simulator.checkTasks([])
        #expect(simulator.witness.violations == [], "seed \(seed)")
    }

    @Test(arguments: seeds(10))
    func `a coordinator that dies is replaced within seconds`(seed: UInt64) throws {
        var simulator = Simulator(nodeCount: 7, seed: seed)
        #expect(
            simulator.run(for: .seconds(30)) {
                Self.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        let old = try #require(simulator.coordinator)
        simulator.crash(old)
        simulator.run(for: .milliseconds(500))
        let isReplaced = simulator.run(for: .seconds(4)) {
            $0.coordinator != nil && $0.coordinator != old
        }
        #expect(isReplaced, "seed \(seed)")
        #expect(simulator.witness.violations == [])
    }

    @Test func `the same seed gives the same run and another seed another`() {
        func run(seed: UInt64) -> (UInt64, Int) {
            var simulator = Simulator(
                nodeCount: 9,
                seed: seed,
                settings: Self.settings(lossShare: 0.05)
            )
            simulator.run(for: .seconds(5))
            simulator.crash(3)
            for task in 0..<20 {
                _ = simulator.propose(
                    .taskSubmitted(Simulator.task("\(task)")),
                    at: task % 2
                )
            }
            simulator.run(for: .seconds(5))
            simulator.restart(3)
            simulator.run(for: .seconds(10))
            return (simulator.transcript, simulator.eventCount)
        }
        let first = run(seed: 5)
        #expect(first == run(seed: 5))
        #expect(first.0 != run(seed: 6).0)
    }

    @Test(arguments: seeds(10))
    func `the side without a quorum decides nothing and says so`(seed: UInt64) throws {
        var simulator = Simulator(nodeCount: 5, seed: seed)
        #expect(
            simulator.run(for: .seconds(30)) {
                Self.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        let old = try #require(simulator.coordinator)
        let other = (old + 1) % 5
        simulator.isolate([old, other])
        let lost = simulator.propose(.taskSubmitted(Simulator.task("lost")), at: old)
        let kept = simulator.propose(
            .taskSubmitted(Simulator.task("kept")),
            at: (old + 2) % 5
        )
        #expect(simulator.run(for: .seconds(5)) { $0.answer(to: kept) != nil })
        guard case .accepted = simulator.answer(to: kept) else {
            Issue.record("the majority refused: \(String(describing: simulator.answer(to: kept)))")
            return
        }
        simulator.run(for: .seconds(31))
        guard case .refused(let refusal) = simulator.answer(to: lost) else {
            Issue.record("the minority accepted: seed \(seed)")
            return
        }
        #expect(refusal.sentence.contains("quorum") && refusal.kind == .unavailable)
        simulator.heal()
        #expect(simulator.run(for: .seconds(30)) { Self.isWhole($0) })
        let names = simulator.node(old)?.state.tasks.records.map(\.spec.name)
        #expect(names == ["kept"])
        #expect(simulator.witness.violations == [])
    }
}
