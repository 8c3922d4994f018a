import Basics
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

struct JobTests {
    /// Forty tasks, then a gang of four, then forty more.
    private static func job(_ name: String) -> JobSubmitted {
        func set(
            _ part: String, _ count: Int, after: [UInt32] = [], gang: Bool = false
        ) -> TaskSet {
            let program = NamedArtifact(name: "\(part).elf", digest: Digest.of(part))
            let spec = TaskSpec(
                submitter: Machine.id(of: 0),
                name: part,
                attemptCountMax: 50,
                work: .program(ProgramWork(program: program))
            )
            return TaskSet(
                name: part,
                spec: spec,
                items: (0..<count).map { TaskItem(arguments: ["\($0)"]) },
                after: after,
                isGang: gang,
                gangPatienceSeconds: 30
            )
        }
        return JobSubmitted(
            job: Digest.of("job \(name)"),
            name: name,
            submitter: Machine.id(of: 0),
            sets: [
                set("split", 40), set("meet", 4, after: [0], gang: true),
                set("join", 40, after: [0, 1]),
            ]
        )
    }

    @Test(arguments: seeds(8))
    func `a job ends in order and with whole gangs whoever dies`(seed: UInt64) throws {
        var settings = Simulator.Settings()
        settings.node.slotCount = 2
        settings.network.lossShare = 0.01
        var simulator = Simulator(nodeCount: 5, seed: seed, settings: settings)
        #expect(
            simulator.run(for: .seconds(30)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        let job = Self.job("\(seed)")
        var chance = Chance(seed: seed &+ 7)
        var down: (number: Int, until: Instant)?
        // Asked again and again, as a client does that gets no answer: it is one job.
        for _ in 0..<3 { _ = simulator.propose(.jobSubmitted(job), at: 1) }
        let end = simulator.now + .seconds(300)
        while simulator.now < end, simulator.witness.finishedCount < 84 {
            if down == nil, let victim = simulator.upNumbers.randomElement(using: &chance) {
                simulator.crash(victim)
                let rest = Duration.milliseconds(Int64.random(in: 100...4_000, using: &chance))
                down = (victim, simulator.now + rest)
            }
            simulator.run(for: .milliseconds(Int64.random(in: 300...3_000, using: &chance)))
            if let item = down, item.until <= simulator.now {
                simulator.restart(item.number)
                down = nil
            }
            // The node that was asked may have died before anybody knew of the job.
            if simulator.witness.finishedCount == 0, let node = simulator.upNumbers.first {
                _ = simulator.propose(.jobSubmitted(job), at: node)
            }
        }
        if let item = down { simulator.restart(item.number) }
        #expect(simulator.run(for: .seconds(60)) { AgreementTests.isWhole($0) }, "seed \(seed)")
        let table = try #require(simulator.node(0)?.state.tasks)
        let isDone = table.records.count == 84 && table.records.allSatisfy { $0.hasSucceeded }
        #expect(isDone, "seed \(seed)")
        simulator.checkTasks(table.records.map { $0.id })
        #expect(simulator.witness.violations == [], "seed \(seed)")
        Self.expectOrder(simulator, seed)
    }

    /// As the log has it: each set after those that it waits for, each gang in one entry.
    private static func expectOrder(_ simulator: Simulator, _ seed: UInt64) {
        var endedCount = 0
        for index in simulator.witness.decided.keys.sorted() {
            switch simulator.witness.decided[index]?.body {
            case .tasksFinished(let finished): endedCount += finished.ends.count
            case .tasksLeased(let leased):
                let tasks = leased.grants.flatMap { $0.tasks }
                let gang = tasks.filter { 40..<44 ~= $0 }
                #expect(gang.isEmpty || endedCount >= 40, "seed \(seed): the gang came too soon")
                let isLast = tasks.contains { 44 <= $0 }
                #expect(!isLast || endedCount >= 44, "seed \(seed): the last came too soon")
            default: break
            }
        }
    }
}
