import Basics
import NodeLogic
import Planning
import Scheduling
import Simulation
import Testing
import Wire

struct PlanTests {
    private static let plan = Digest.of("a plan")

    private static var opened: PlanOpened {
        PlanOpened(
            plan: plan,
            goal: "How many primes are below 7?",
            model: "tiny",
            submitter: Machine.id(of: 1),
            stepCountMax: 5,
            submittedAt: 1,
            programs: [
                PlanProgram(
                    artifact: NamedArtifact(name: "primes", digest: Digest.of("primes.elf")),
                    purpose: "counts the primes below a number"
                )
            ]
        )
    }

    @Test(arguments: seeds(20))
    func `a plan outlives its coordinator and repeats no finished step`(seed: UInt64) throws {
        var settings = Simulator.Settings()
        settings.taskDurationMin = .milliseconds(200)
        settings.taskDurationMax = .seconds(3)
        var simulator = Simulator(nodeCount: 6, seed: seed, settings: settings)
        #expect(
            simulator.run(for: .seconds(30)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        let deployed = simulator.propose(
            .modelDeployed(
                ModelDeployed(
                    model: "tiny",
                    artifact: Digest.of("tiny"),
                    layerCount: 30,
                    wantedStageCount: 2
                )
            ),
            at: 2
        )
        #expect(simulator.run(for: .seconds(5)) { $0.answer(to: deployed) != nil })
        let request = simulator.propose(.planOpened(Self.opened), at: 1)
        #expect(simulator.run(for: .seconds(5)) { $0.answer(to: request) != nil })

        // Each coordinator lives for a moment of the plan.
        var chance = Chance(seed: seed)
        for _ in 0..<3 {
            simulator.run(for: .milliseconds(Int64.random(in: 0...4_000, using: &chance)))
            guard let coordinator = simulator.coordinator else { continue }
            simulator.crash(coordinator)
            simulator.run(for: .seconds(3))
            simulator.restart(coordinator)
        }
        let isClosed = simulator.run(for: .seconds(90)) { simulator in
            simulator.upNumbers.allSatisfy {
                simulator.node($0)?.state.plans[Self.plan]?.closed != nil
            }
        }
        #expect(isClosed, "seed \(seed)")
        let plan = try #require(
            simulator.upNumbers.first.flatMap { simulator.node($0)?.state.plans[Self.plan] }
        )
        let closed = PlanClosed(plan: Self.plan, succeeded: true, answer: "primes says 7")
        #expect(plan.closed == closed)
        #expect(plan.steps.map(\.tool) == ["run", "finish"])
        #expect(Self.repeatedTasks(simulator).isEmpty, "seed \(seed)")
        #expect(simulator.witness.violations == [], "seed \(seed)")
    }

    /// Tasks that were leased after they had finished.
    private static func repeatedTasks(_ simulator: Simulator) -> [UInt64] {
        var ended: Set<UInt64> = []
        var repeated: [UInt64] = []
        for index in simulator.witness.decided.keys.sorted() {
            switch simulator.witness.decided[index]?.body {
            case .tasksFinished(let finished): ended.formUnion(finished.ends.map(\.task))
            case .tasksLeased(let leased):
                repeated += leased.grants.flatMap(\.tasks).filter { ended.contains($0) }
            default: break
            }
        }
        return repeated
    }
}
