import Basics
import Election
import Messages
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

/// Whole nodes whose log is cut off after a few entries.
struct SnapshotTests {
    private static func settings() -> Simulator.Settings {
        var settings = Simulator.Settings()
        settings.codec = .protobuf
        settings.node.slotCount = 4
        settings.node.raft.snapshotEntryCount = 20
        settings.node.raft.tailEntryCount = 5
        settings.node.raft.pieceByteCount = 1_024
        settings.taskDurationMax = .milliseconds(200)
        settings.digestInterval = 1
        return settings
    }

    private static func work(_ count: Int, _ name: String, _ simulator: inout Simulator) {
        for number in 0..<count {
            var task = Simulator.task("\(name) \(number)")
            task.spec.attemptCountMax = 100
            _ = simulator.propose(.taskSubmitted(task), at: simulator.upNumbers[0])
            simulator.run(for: .milliseconds(20))
        }
    }

    private static func tasks(_ count: Int, _ name: String) -> [Digest] {
        (0..<count).map { Simulator.task("\(name) \($0)").task }
    }

    @Test(arguments: seeds(10))
    func `a voter that was away for long and a learner with an empty disk get the state`(
        seed: UInt64
    ) throws {
        var simulator = Simulator(nodeCount: 6, seed: seed, settings: Self.settings())
        #expect(
            simulator.run(for: .seconds(30)) {
                AgreementTests.isWhole($0) && $0.voters.count == 5
            }, "seed \(seed)")
        let before = simulator.installCount
        let voters = simulator.voters
        let voter = try #require(voters.last { $0 != simulator.workingCoordinator && $0 != 0 })
        let learner = try #require((0..<6).first { !voters.contains($0) })
        simulator.kill(voter)
        simulator.kill(learner)
        simulator.loseDisk(learner)
        Self.work(100, "first", &simulator)
        simulator.run(for: .seconds(20))
        simulator.restart(voter)
        simulator.restart(learner)
        #expect(simulator.run(for: .seconds(60)) { AgreementTests.isWhole($0) }, "seed \(seed)")
        // Neither of them could be served from what is left of the log.
        #expect(simulator.installCount >= before + 2, "seed \(seed)")
        Self.work(20, "second", &simulator)
        #expect(
            simulator.run(for: .seconds(30)) {
                $0.isSettled(Self.tasks(20, "second"), without: [])
            }, "seed \(seed)")
        simulator.checkTasks(Self.tasks(100, "first") + Self.tasks(20, "second"))
        #expect(simulator.witness.violations == [], "seed \(seed)")
    }

    @Test(arguments: seeds(10))
    func `a mesh that is started again as a whole goes on from its snapshots`(seed: UInt64) {
        var simulator = Simulator(nodeCount: 3, seed: seed, settings: Self.settings())
        #expect(simulator.run(for: .seconds(30)) { AgreementTests.isWhole($0) })
        Self.work(60, "first", &simulator)
        simulator.run(for: .seconds(5))
        for number in 0..<3 { simulator.kill(number) }
        simulator.run(for: .seconds(1))
        for number in 0..<3 { simulator.restart(number) }
        #expect(simulator.run(for: .seconds(30)) { AgreementTests.isWhole($0) }, "seed \(seed)")
        Self.work(20, "second", &simulator)
        simulator.run(for: .seconds(10))
        simulator.checkTasks(Self.tasks(60, "first") + Self.tasks(20, "second"))
        #expect(simulator.snapshotCount > 10)
        #expect(simulator.witness.violations == [], "seed \(seed)")
    }

    @Test func `what has ended is forgotten by number and by age, and never what has not`() throws {
        var settings = Self.settings()
        settings.node.keptTaskCountMax = 16
        settings.node.keptDuration = .seconds(160)
        var simulator = Simulator(nodeCount: 3, seed: 4, settings: settings)
        #expect(simulator.run(for: .seconds(30)) { AgreementTests.isWhole($0) })
        // Nobody can run it, and it is older than all the others.
        let waiting = Simulator.task("waiting", isEdgeOnly: true)
        _ = simulator.propose(.taskSubmitted(waiting), at: 0)
        Self.work(100, "first", &simulator)
        simulator.run(for: .seconds(10))
        let state = try #require(simulator.node(1)?.state)
        #expect(16...19 ~= state.tasks.records.count)
        #expect(state.tasks[waiting.task]?.state == .queued)
        #expect(state.tasks.history.endedCount == 100)
        // Whoever asks for the same again is told so, and it is not done again.
        let again = simulator.propose(.taskSubmitted(Simulator.task("first 0")), at: 2)
        simulator.run(for: .seconds(2))
        guard case .refused(let refusal) = simulator.answer(to: again) else {
            Issue.record("a task that is forgotten was done again")
            return
        }
        #expect(refusal.sentence.contains("ended long ago"))
        simulator.run(for: .seconds(200))
        let later = try #require(simulator.node(2)?.state)
        #expect(later.tasks.records.map(\.id) == [waiting.task])
        #expect(simulator.run(for: .seconds(30)) { AgreementTests.isWhole($0) })
        simulator.checkTasks(Self.tasks(100, "first"))
        #expect(simulator.witness.violations == [])
    }
}
