import Basics
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

struct EdgeTests {
    private static func mesh(seed: UInt64) -> Simulator {
        var settings = Simulator.Settings()
        settings.edgeCount = 4
        settings.taskDurationMin = .milliseconds(100)
        settings.taskDurationMax = .milliseconds(300)
        return Simulator(nodeCount: 5, seed: seed, settings: settings)
    }

    private static func isWhole(_ simulator: Simulator) -> Bool {
        simulator.upNumbers.count >= 5 && simulator.isAgreed
            && simulator.edgeNumbers.allSatisfy { simulator.machines[$0].edge?.home != nil }
    }

    /// The relay of each edge node, by number; -1 where it has none.
    private static func homes(_ simulator: Simulator) -> [Int] {
        simulator.edgeNumbers.map { number in
            simulator.machines[number].edge?.home.map { Machine.number(of: $0) } ?? -1
        }
    }

    /// Nodes on two sides that do not hear each other; edge nodes reach both.
    private static func split(_ simulator: inout Simulator, _ side: [Int]) {
        for inside in side {
            for outside in 0..<simulator.nodeCount where !side.contains(outside) {
                simulator.cut(from: inside, to: outside)
                simulator.cut(from: outside, to: inside)
            }
        }
    }

    @Test(arguments: seeds(20))
    func `an edge node leaves a relay that is cut off from the coordinator`(seed: UInt64) throws {
        var simulator = Self.mesh(seed: seed)
        #expect(simulator.run(for: .seconds(60)) { Self.isWhole($0) }, "seed \(seed)")
        simulator.run(for: .seconds(40))
        let relay = try #require(Self.homes(simulator).first { $0 >= 0 })
        let other = try #require((0..<5).first { $0 != relay })
        Self.split(&simulator, [relay, other])
        simulator.run(for: .seconds(30))
        #expect(
            Self.homes(simulator).allSatisfy { $0 != relay && $0 != other && $0 >= 0 },
            "seed \(seed): \(Self.homes(simulator))")
        // And is of use there.
        let asked = try #require((0..<5).first { $0 != relay && $0 != other })
        for number in 0..<8 {
            var task = Simulator.task("work \(number)")
            task.spec.edge = EdgeTerms(use: .only)
            _ = simulator.propose(.taskSubmitted(task), at: asked)
        }
        #expect(
            simulator.run(for: .seconds(30)) { $0.witness.finishedCount == 8 }, "seed \(seed)")
        #expect(simulator.witness.violations == [], "seed \(seed)")
    }

    @Test(arguments: seeds(10))
    func `an edge node stays where it is while no relay has a coordinator`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        #expect(simulator.run(for: .seconds(60)) { Self.isWhole($0) }, "seed \(seed)")
        simulator.run(for: .seconds(40))
        // Two, two and one: nobody has a quorum.
        Self.split(&simulator, [0, 1])
        Self.split(&simulator, [2, 3])
        simulator.run(for: .seconds(30))
        let homes = Self.homes(simulator)
        #expect(homes.allSatisfy { $0 >= 0 }, "seed \(seed)")
        simulator.run(for: .seconds(60))
        #expect(Self.homes(simulator) == homes, "seed \(seed)")
        simulator.heal()
        #expect(simulator.run(for: .seconds(30)) { Self.isWhole($0) }, "seed \(seed)")
        #expect(simulator.witness.violations == [], "seed \(seed)")
    }
}
