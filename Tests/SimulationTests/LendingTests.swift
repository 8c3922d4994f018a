import Basics
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

/// Short tasks that somebody waits for, at a node whose lanes are taken.
struct LendingTests {
    private static func mesh(_ seed: UInt64, nodeCount: Int = 5) -> Simulator {
        var simulator = Simulator(nodeCount: nodeCount, seed: seed)
        let isWhole = simulator.run(for: .seconds(30)) { AgreementTests.isWhole($0) }
        #expect(isWhole, "seed \(seed)")
        return simulator
    }

    private static func borrow(
        _ name: String, at number: Int, _ simulator: inout Simulator
    ) -> (task: Digest, request: UInt64) {
        let task = Simulator.task(name, submitter: number)
        return (task.task, simulator.borrow(task, at: number))
    }

    private static func completion(
        of task: Digest, at number: Int, _ simulator: Simulator
    ) -> TaskRecord.Completion? {
        simulator.node(number)?.state.tasks[task]?.completion
    }

    @Test(arguments: seeds(8))
    func `a peer does it at once and its asker has the result with one entry`(seed: UInt64) {
        var simulator = Self.mesh(seed)
        var peers: Set<NodeID> = []
        var lentCount = 0
        for number in 0..<40 {
            let (task, request) = Self.borrow("short \(number)", at: 2, &simulator)
            let isAnswered = simulator.run(for: .seconds(20)) { $0.answer(to: request) != nil }
            #expect(isAnswered, "seed \(seed)")
            // Where the peer declined, it waits for a lease.
            guard let end = Self.completion(of: task, at: 2, simulator), end.fence == Fence()
            else { continue }
            #expect(end.node != Machine.id(of: 2))
            peers.insert(end.node)
            lentCount += 1
        }
        // Of four offers of this simulator's nodes three are taken.
        #expect(lentCount >= 20, "seed \(seed)")
        #expect(peers.count > 1, "seed \(seed)")
        #expect(simulator.run(for: .seconds(20)) { $0.witness.finishedCount == 40 })
        #expect(simulator.witness.violations == [])
    }

    @Test(arguments: seeds(8))
    func `where the peer dies the coordinator has it done`(seed: UInt64) {
        var simulator = Self.mesh(seed)
        var requests: [UInt64] = []
        for number in 0..<20 {
            requests.append(Self.borrow("short \(number)", at: 0, &simulator).request)
        }
        // Before any of them can have done anything.
        for number in [3, 4] { simulator.crash(number) }
        let areAnswered = simulator.run(for: .seconds(30)) { simulator in
            requests.allSatisfy { simulator.answer(to: $0) != nil }
        }
        #expect(areAnswered, "seed \(seed)")
        #expect(simulator.run(for: .seconds(30)) { $0.witness.finishedCount == 20 })
        #expect(simulator.witness.violations == [])
    }

    @Test func `a node alone asks itself`() {
        var simulator = Self.mesh(3, nodeCount: 1)
        let (task, request) = Self.borrow("alone", at: 0, &simulator)
        #expect(
            simulator.run(for: .seconds(20)) {
                $0.answer(to: request) != nil && Self.completion(of: task, at: 0, $0) != nil
            })
        #expect(Self.completion(of: task, at: 0, simulator)?.fence != Fence())
    }

    @Test func `a drained node is asked for nothing`() {
        var simulator = Self.mesh(5, nodeCount: 3)
        for number in [1, 2] {
            let drained = NodeDrained(node: Machine.id(of: number), isDrained: true)
            _ = simulator.propose(.nodeDrained(drained), at: 0)
        }
        #expect(
            simulator.run(for: .seconds(5)) {
                $0.node(0)?.state.nodes.count { $0.isDrained } == 2
            })
        for number in 0..<10 { _ = Self.borrow("short \(number)", at: 0, &simulator) }
        #expect(simulator.run(for: .seconds(20)) { $0.witness.finishedCount == 10 })
        let table = simulator.node(0)?.state.tasks
        #expect(table?.records.allSatisfy { $0.completion?.node == Machine.id(of: 0) } == true)
    }

    @Test(arguments: seeds(30))
    func `tasks that are waited for are not lost whoever dies`(seed: UInt64) throws {
        let scenarios = try Scenario.read(
            """
            nodes 5
            delay 300us 3ms
            loss 2%
            slots 2
            every 50ms from 0s to 20s await 2
            every 2s from 1s to 20s crash 1 for 1500ms
            end 22s
            rest 60s
            """)
        for scenario in scenarios {
            let outcome = ScenarioRun.play(scenario, seed: seed)
            #expect(outcome.violations == [], "seed \(seed)")
        }
    }
}
