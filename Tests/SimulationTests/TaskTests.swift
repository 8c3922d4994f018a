import Basics
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

/// A user who wants tasks done and asks again, anywhere, until each is acknowledged.
private struct Client {
    var waiting: [(task: TaskSubmitted, request: UInt64, node: Int)] = []
    var acknowledged: [Digest] = []

    mutating func submit(
        _ task: TaskSubmitted,
        to simulator: inout Simulator,
        _ chance: inout Chance
    ) {
        guard let node = simulator.upNumbers.randomElement(using: &chance) else { return }
        waiting.append((task, simulator.propose(.taskSubmitted(task), at: node), node))
    }

    mutating func follow(_ simulator: inout Simulator, _ chance: inout Chance) {
        let open = waiting
        waiting = []
        for item in open {
            switch simulator.answer(to: item.request) {
            case .accepted: acknowledged.append(item.task.task)
            case .refused: submit(item.task, to: &simulator, &chance)
            case nil:
                // Whoever took it is dead: nobody knows what became of it.
                if simulator.machines[item.node].isUp {
                    waiting.append(item)
                } else {
                    submit(item.task, to: &simulator, &chance)
                }
            }
        }
    }
}

struct TaskTests {
    private static func settings() -> Simulator.Settings {
        var settings = Simulator.Settings()
        settings.node.slotCount = 2
        settings.network.lossShare = 0.01
        return settings
    }

    @Test(arguments: seeds(12))
    func `two hundred tasks give two hundred results whoever dies or is cut off`(seed: UInt64) {
        var settings = Self.settings()
        settings.taskDurationMax = .seconds(6)
        var simulator = Simulator(nodeCount: 9, seed: seed, settings: settings)
        #expect(
            simulator.run(for: .seconds(30)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        var chance = Chance(seed: seed &+ 1_000)
        var client = Client()
        var down: [(number: Int, until: Instant)] = []
        var submittedCount = 0
        let end = simulator.now + .seconds(240)
        while simulator.now < end, simulator.witness.finishedCount < 200 || !client.waiting.isEmpty
        {
            for _ in 0..<3 where submittedCount < 200 {
                var task = Simulator.task("\(submittedCount)")
                // Death follows the tasks here; what is tested is that none is lost.
                task.spec.attemptCountMax = 50
                client.submit(task, to: &simulator, &chance)
                submittedCount += 1
            }
            // Never more than two of the five voters at a time.
            if down.count < 2, Int.random(in: 0..<6, using: &chance) == 0,
                let victim = simulator.upNumbers.randomElement(using: &chance)
            {
                // Cut off, it works on under leases that others get meanwhile.
                if Bool.random(using: &chance) {
                    simulator.crash(victim)
                } else {
                    simulator.isolate([victim])
                }
                let rest = Duration.milliseconds(Int64.random(in: 10...6_000, using: &chance))
                down.append((victim, simulator.now + rest))
            }
            simulator.run(for: .milliseconds(Int64.random(in: 50...500, using: &chance)))
            for item in down where item.until <= simulator.now {
                simulator.restart(item.number)
                simulator.reconnect(item.number)
            }
            down.removeAll { $0.until <= simulator.now }
            client.follow(&simulator, &chance)
        }
        for item in down { simulator.restart(item.number) }
        simulator.heal()
        #expect(simulator.run(for: .seconds(60)) { AgreementTests.isWhole($0) }, "seed \(seed)")
        #expect(client.acknowledged.count == 200, "seed \(seed)")
        #expect(simulator.witness.finishedCount == 200, "seed \(seed)")
        simulator.checkTasks(client.acknowledged)
        #expect(simulator.witness.violations == [], "seed \(seed)")
        let outcomes = simulator.node(simulator.upNumbers[0])?.state.tasks.records.map {
            $0.completion?.result == FakeWork.result(of: $0.spec)
        }
        #expect(outcomes?.allSatisfy { $0 } == true)
    }

    @Test(arguments: seeds(5))
    func `a worker that restarts does not go on with its old leases`(seed: UInt64) throws {
        var settings = Self.settings()
        settings.taskDurationMin = .seconds(5)
        settings.taskDurationMax = .seconds(6)
        var simulator = Simulator(nodeCount: 3, seed: seed, settings: settings)
        #expect(simulator.run(for: .seconds(20)) { AgreementTests.isWhole($0) })
        let task = Simulator.task("work")
        _ = simulator.propose(.taskSubmitted(task), at: 1)
        #expect(
            simulator.run(for: .seconds(5)) { simulator in
                simulator.upNumbers.contains { simulator.node($0)?.running == [task.task] }
            }
        )
        let holder = try #require(simulator.node(0)?.state.tasks[task.task]?.lease?.holder)
        let number = Machine.number(of: holder)
        simulator.crash(number)
        simulator.run(for: .milliseconds(600))
        simulator.restart(number)
        #expect(
            simulator.run(for: .seconds(20)) { $0.witness.finishedCount == 1 },
            "seed \(seed)"
        )
        let record = try #require(simulator.node(number)?.state.tasks[task.task])
        #expect(record.attemptCount >= 2)
        #expect(simulator.witness.violations == [])
    }

    @Test func `a task that outlives no worker is given up`() throws {
        var settings = Self.settings()
        settings.taskDurationMin = .seconds(500)
        settings.taskDurationMax = .seconds(600)
        var simulator = Simulator(nodeCount: 5, seed: 8, settings: settings)
        #expect(
            simulator.run(for: .seconds(30)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        let task = Simulator.task("killer")
        _ = simulator.propose(.taskSubmitted(task), at: 0)
        for _ in 0..<3 {
            #expect(
                simulator.run(for: .seconds(20)) { simulator in
                    simulator.upNumbers.contains { simulator.node($0)?.running == [task.task] }
                }
            )
            let holder = simulator.upNumbers.first { simulator.node($0)?.running == [task.task] }
            let number = try #require(holder)
            simulator.crash(number)
            simulator.run(for: .seconds(1))
            simulator.restart(number)
        }
        // Node 0 may be the one that has just come back.
        #expect(
            simulator.run(for: .seconds(20)) {
                $0.witness.finishedCount == 1
                    && $0.node(0)?.state.tasks[task.task]?.completion != nil
            }
        )
        let result = simulator.node(0)?.state.tasks[task.task]?.completion?.result
        #expect(result?.outcome == .failed)
        #expect(result?.sentence == "its worker died 3 times")
    }

    @Test(arguments: seeds(10))
    func `a model whose stage is lost is placed anew`(seed: UInt64) throws {
        var simulator = Simulator(nodeCount: 5, seed: seed)
        #expect(
            simulator.run(for: .seconds(30)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        let request = simulator.propose(
            .modelDeployed(
                ModelDeployed(
                    model: "tiny",
                    artifact: Digest.of("tiny"),
                    layerCount: 30,
                    wantedStageCount: 3
                )
            ),
            at: 1
        )
        #expect(simulator.run(for: .seconds(5)) { $0.answer(to: request) != nil })
        #expect(
            simulator.run(for: .seconds(5)) {
                $0.node(1)?.state.deployment(of: "tiny")?.isReady == true
            }
        )
        let first = try #require(simulator.node(1)?.state.deployment(of: "tiny")?.placement)
        #expect(first.stages.count == 3)
        #expect(first.stages.last?.lastLayer == 29)
        let lost = Machine.number(of: first.stages[1].node)
        simulator.crash(lost)
        let watcher = lost == 0 ? 1 : 0
        let isReady = simulator.run(for: .seconds(30)) {
            guard let deployment = $0.node(watcher)?.state.deployment(of: "tiny") else {
                return false
            }
            return deployment.isReady && deployment.placement.epoch > first.epoch
                && deployment.placement(of: Machine.id(of: lost)) == nil
        }
        #expect(isReady, "seed \(seed)")
        #expect(simulator.witness.violations == [])
    }

    @Test func `a task for a model waits until the model is loaded`() throws {
        var simulator = Simulator(nodeCount: 3, seed: 4)
        #expect(simulator.run(for: .seconds(20)) { AgreementTests.isWhole($0) })
        _ = simulator.propose(
            .modelDeployed(
                ModelDeployed(
                    model: "tiny",
                    artifact: Digest.of("tiny"),
                    layerCount: 30,
                    wantedStageCount: 2
                )
            ),
            at: 0
        )
        let task = TaskSubmitted(
            task: Digest.of("say"),
            spec: TaskSpec(
                submitter: Machine.id(of: 0),
                work: .generation(
                    GenerationWork(model: "tiny", prompt: "say", sampling: Sampling())
                )
            )
        )
        _ = simulator.propose(.taskSubmitted(task), at: 0)
        #expect(simulator.run(for: .seconds(10)) { $0.witness.finishedCount == 1 })
        let indices = simulator.witness.decided.keys.sorted()
        let ready = try #require(
            indices.last { index in
                if case .stageReady = simulator.witness.decided[index]?.body { true } else { false }
            }
        )
        let leased = try #require(
            indices.first { index in
                guard case .tasksLeased = simulator.witness.decided[index]?.body else {
                    return false
                }
                return true
            }
        )
        #expect(ready < leased)
        let holder = simulator.node(0)?.state.tasks[task.task]?.completion?.node
        let stages = simulator.node(0)?.state.deployment(of: "tiny")?.placement.stages
        #expect(stages?.contains { $0.node == holder } == true)
    }
}
