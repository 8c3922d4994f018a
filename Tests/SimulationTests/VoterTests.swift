import Basics
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

struct VoterTests {
    @Test(arguments: [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (8, 5)])
    func `the voters are one, three or five`(nodeCount: Int, voterCount: Int) {
        var simulator = Simulator(nodeCount: nodeCount, seed: 3)
        simulator.run(for: .seconds(15))
        #expect(AgreementTests.isWhole(simulator))
        #expect(simulator.node(0)?.state.voters.count == voterCount)
        // Each of them could issue certificates.
        let keys = simulator.node(0)?.state.issuingKeys.map(\.voter)
        #expect(keys == simulator.node(0)?.state.voters)
        #expect(simulator.witness.violations == [])
    }

    @Test(arguments: [(5, 3), (3, 1)])
    func `where a voter leaves and nobody can take its place, another one goes as well`(
        nodeCount: Int, voterCount: Int
    ) {
        var simulator = Simulator(nodeCount: nodeCount, seed: 5)
        #expect(
            simulator.run(for: .seconds(30)) { $0.node(0)?.state.voters.count == nodeCount })
        simulator.leave(nodeCount - 1)
        let isOdd = simulator.run(for: .seconds(30)) { simulator in
            simulator.upNumbers.allSatisfy {
                simulator.node($0)?.state.voters.count == voterCount
            }
        }
        #expect(isOdd)
        #expect(simulator.witness.violations == [])
    }

    @Test(arguments: seeds(10))
    func `a voter that is gone for long is replaced`(seed: UInt64) throws {
        var simulator = Simulator(nodeCount: 7, seed: seed)
        #expect(simulator.run(for: .seconds(30)) { $0.node(0)?.state.voters.count == 5 })
        let voter = try #require(simulator.node(0)?.state.voters.last.map(Machine.number))
        simulator.crash(voter)
        let isReplaced = simulator.run(for: .seconds(60)) { simulator in
            simulator.upNumbers.allSatisfy { number in
                let voters = simulator.node(number)?.state.voters ?? []
                return voters.count == 5 && !voters.contains(Machine.id(of: voter))
            }
        }
        #expect(isReplaced, "seed \(seed)")
        #expect(simulator.witness.violations == [])
    }

    @Test(arguments: seeds(10))
    func `the founder of two leaves and the other one decides alone`(seed: UInt64) {
        var simulator = Simulator(nodeCount: 2, seed: seed)
        #expect(simulator.run(for: .seconds(20)) { AgreementTests.isWhole($0) })
        simulator.run(for: .seconds(2))
        simulator.leave(0)
        #expect(simulator.run(for: .seconds(15)) { $0.upNumbers == [1] }, "seed \(seed)")
        let request = simulator.propose(.taskSubmitted(Simulator.task("after")), at: 1)
        #expect(
            simulator.run(for: .seconds(20)) { simulator in
                if case .accepted = simulator.answer(to: request) { true } else { false }
            },
            "seed \(seed)"
        )
        #expect(simulator.node(1)?.state.voters == [Machine.id(of: 1)])
        // Else it could let in nobody any more.
        #expect(simulator.node(1)?.state.sealedIssuingKey(of: Machine.id(of: 1)) != nil)
        #expect(simulator.witness.violations == [])
    }

    @Test(arguments: seeds(5))
    func `a revoked node is put out and its work goes elsewhere`(seed: UInt64) throws {
        var settings = Simulator.Settings()
        settings.taskDurationMin = .seconds(60)
        settings.taskDurationMax = .seconds(61)
        var simulator = Simulator(nodeCount: 4, seed: seed, settings: settings)
        #expect(
            simulator.run(for: .seconds(20)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 3
            }
        )
        let task = Simulator.task("work")
        _ = simulator.propose(.taskSubmitted(task), at: 0)
        #expect(
            simulator.run(for: .seconds(5)) {
                $0.node(0)?.state.tasks[task.task]?.lease != nil
            }
        )
        let holder = try #require(simulator.node(0)?.state.tasks[task.task]?.lease?.holder)
        let asker = Machine.number(of: holder) == 0 ? 1 : 0
        _ = simulator.propose(
            .nodeRevoked(NodeRevoked(node: holder, reason: "stolen")),
            at: asker
        )
        let isMoved = simulator.run(for: .seconds(10)) { simulator in
            guard let state = simulator.node(asker)?.state,
                let lease = state.tasks[task.task]?.lease
            else { return false }
            return lease.holder != holder && !state.voters.contains(holder)
        }
        #expect(isMoved, "seed \(seed)")
        let isForgotten = simulator.run(for: .seconds(5)) { simulator in
            simulator.upNumbers.allSatisfy { number in
                Machine.id(of: number) == holder
                    || simulator.node(number)?.members.contains { $0.node == holder } == false
            }
        }
        #expect(isForgotten, "seed \(seed)")
        #expect(simulator.witness.violations == [])
    }

    @Test(arguments: seeds(5))
    func `a voter that nobody remembers is replaced as well`(seed: UInt64) throws {
        var simulator = Simulator(nodeCount: 4, seed: seed)
        let isSettled = simulator.run(for: .seconds(30)) {
            AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 3
        }
        #expect(isSettled)
        let voters = try #require(simulator.node(0)?.state.voters.map(Machine.number))
        try #require(voters.count == 3)
        let newcomer = try #require((0..<4).first { !voters.contains($0) })
        simulator.vanish(newcomer)
        simulator.vanish(voters[2])
        simulator.run(for: .seconds(60))
        // Those who start anew know the lost one from the log alone.
        for voter in voters.prefix(2) { simulator.crash(voter) }
        simulator.run(for: .seconds(1))
        for voter in voters.prefix(2) { simulator.restart(voter) }
        simulator.run(for: .seconds(5))
        simulator.restart(newcomer)
        let wanted = (voters.prefix(2) + [newcomer]).map(Machine.id).sorted()
        let isReplaced = simulator.run(for: .seconds(120)) {
            $0.node(newcomer)?.state.voters == wanted
        }
        #expect(isReplaced, "seed \(seed)")
        #expect(simulator.witness.violations == [])
    }

    @Test func `a voter without which nothing could be decided is not revoked`() throws {
        var simulator = Simulator(nodeCount: 3, seed: 4)
        #expect(simulator.run(for: .seconds(30)) { $0.node(0)?.state.voters.count == 3 })
        simulator.vanish(2)
        simulator.run(for: .seconds(60))
        func revoke(_ number: Int) -> Node.Answer? {
            let body = Command.Body.nodeRevoked(NodeRevoked(node: Machine.id(of: number)))
            let request = simulator.propose(body, at: 0)
            simulator.run(for: .seconds(5))
            return simulator.answer(to: request)
        }
        guard case .refused(let refusal) = revoke(1) else {
            Issue.record("the last other voter was revoked")
            return
        }
        #expect(refusal.sentence.contains("gone for good"))
        for number in [2, 1] {
            guard case .accepted = revoke(number) else {
                Issue.record("node \(number) was not revoked")
                return
            }
        }
        #expect(simulator.run(for: .seconds(20)) { $0.node(0)?.state.voters.count == 1 })
    }
}
