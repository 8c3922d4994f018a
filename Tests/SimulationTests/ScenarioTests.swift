import Basics
import Election
import Foundation
import Messages
import NodeLogic
import Simulation
import Testing
import Wire

/// The language of scenarios, and what scenarios of the project bring about.
struct ScenarioTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("cluster/scenarios")

    private static let names =
        (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?
        .filter { $0.hasSuffix(".txt") }.sorted() ?? []

    private static func scenarios(_ name: String, nodes: Int? = nil) throws -> [Scenario] {
        let file = folder.appendingPathComponent("\(name).txt")
        return try Scenario.read(try String(contentsOf: file, encoding: .utf8), nodeCount: nodes)
    }

    /// Plays seeds of one scenario, and expects what it says it expects.
    private static func play(
        _ name: String,
        nodes: Int? = nil,
        seeds: Range<UInt64>,
        codec: StateCodec? = nil,
        change: (inout Scenario) -> Void = { _ in }
    ) throws {
        var total = Tally()
        var expectations: [Scenario.Expectation] = []
        for var scenario in try scenarios(name, nodes: nodes) {
            change(&scenario)
            expectations = scenario.expectations
            var tally = Tally()
            for seed in seeds {
                let outcome = ScenarioRun.play(scenario, seed: seed, codec: codec)
                #expect(outcome.violations == [], "\(name) \(scenario.label) seed \(seed)")
                tally.add(outcome.tally)
            }
            total.add(scenario: tally)
        }
        for expectation in expectations {
            let value = try #require(
                total.measure(expectation.measure)?.value(expectation.statistic),
                "\(name) measures no \(expectation.measure)"
            )
            let isMet =
                expectation.isAtMost ? value <= expectation.limit : value >= expectation.limit
            #expect(isMet, "\(name): \(expectation.text), and it is \(value)")
        }
    }

    // MARK: The language

    @Test(arguments: names)
    func `every scenario can be read and says what it shows`(name: String) throws {
        let text = try String(
            contentsOf: Self.folder.appendingPathComponent(name),
            encoding: .utf8
        )
        let scenarios = try Scenario.read(text)
        #expect(!scenarios.isEmpty)
        #expect(scenarios.allSatisfy { $0.title.count > 20 })
    }

    @Test func `statements, sums of times and sweeps are understood`() throws {
        let text = """
            # A title
            nodes 7   # of five
            sweep D 2s 8s
            at 5s pause coordinator for $D+500ms
            every 2s from 1s to 5s kill 1 for 1s
            end 1min
            expect coordinator p99 <= 2500ms
            """
        let scenarios = try Scenario.read(text)
        #expect(scenarios.map(\.label) == ["D=2s", "D=8s"])
        #expect(scenarios[0].title == "A title")
        #expect(scenarios[0].nodeCount == 7)
        #expect(scenarios[0].end == .seconds(60))
        #expect(scenarios[1].cues.map(\.at) == [.seconds(1), .seconds(3), .seconds(5), .seconds(5)])
        #expect(scenarios[1].cues.contains { $0.duration == .milliseconds(8_500) })
        #expect(scenarios[0].expectations[0].limit == 2.5)
        #expect(try Scenario.read(text, nodeCount: 9)[0].nodeCount == 9)
    }

    @Test(
        arguments: [
            ("nodes many", 1), ("nodes 3\nfly", 2), ("at 5s explode 1", 1), ("at soon heal", 1),
            ("loss 5", 1), ("\n\nexpect beauty median <= 1", 3), ("expect bytes p50 <= 1", 1),
            ("at 1s pause 1 for", 1), ("every 0s from 0s to 1s heal", 1), ("end 5s now", 1),
            ("at 1s drift 1 90%", 1), ("sweep D", 1), ("at 1s cut 1 to 2", 1),
        ])
    func `a mistake is named with its line`(text: String, line: Int) {
        #expect { try Scenario.read(text) } throws: { error in
            (error as? Scenario.Mistake)?.line == line
        }
    }

    // MARK: What comes of them

    @Test func `a silent crash is found within the times that the project promises`() throws {
        try Self.play("detection", seeds: seeds(60))
    }

    @Test func `a coordinator is not kept busy by telling hundreds of nodes`() throws {
        try Self.play("crowd", seeds: seeds(1))
    }

    @Test func `edge nodes sleep unmissed, and what they have parked is done once`() throws {
        try Self.play("edge", seeds: seeds(20))
        try Self.play("edge-200", seeds: seeds(1))
    }

    @Test func `connections that break tell of a death within half a second`() throws {
        try Self.play("kill", seeds: seeds(40))
    }

    @Test func `nodes tell round trips that they never measured`() throws {
        try Self.play("roundtrips", seeds: 0..<4)
    }

    @Test func `healthy nodes do not die of slow ones`() throws {
        try Self.play("anomaly", seeds: 0..<1)
    }

    @Test func `a hundred nodes are one again after ten minutes apart`() throws {
        try Self.play("reunion", seeds: seeds(2))
    }

    @Test func `a minority accepts nothing in ten minutes`() throws {
        try Self.play("partition", seeds: seeds(2))
    }

    @Test func `another coordinator accepts work soon after one dies or stops`() throws {
        try Self.play("succession", seeds: seeds(20))
    }

    @Test func `no fence is violated under partitions, pauses and drift`() throws {
        try Self.play("fencing", seeds: seeds(120))
    }

    @Test func `no task is lost or done twice while nodes die`() throws {
        try Self.play("losses", seeds: seeds(10))
    }

    @Test func `a tenant with limits never has more leases than it may, whoever dies`() throws {
        try Self.play("quotas", seeds: seeds(10))
        try Self.play("quotas", seeds: seeds(2), codec: .protobuf) { scenario in
            scenario.settings.node.raft.snapshotEntryCount = 25
            scenario.settings.node.raft.tailEntryCount = 6
        }
    }

    @Test func `crashes, disks that fail and messages out of order end in agreement`() throws {
        try Self.play("faults", nodes: 12, seeds: seeds(100))
        try Self.play("disks", seeds: seeds(60))
    }

    @Test func `nodes that lag, die and lose their disks are sent snapshots, and nothing is lost`()
        throws
    {
        try Self.play("snapshots", seeds: seeds(20), codec: .protobuf)
    }

    @Test(arguments: ["losses", "disks", "fencing", "edge"])
    func `what holds with the whole log holds with a few entries of it`(name: String) throws {
        let count: UInt64 = name == "fencing" ? 10 : 4
        try Self.play(name, seeds: seeds(count), codec: .protobuf) { scenario in
            scenario.settings.node.raft.snapshotEntryCount = 25
            scenario.settings.node.raft.tailEntryCount = 6
            scenario.settings.node.raft.pieceByteCount = 4_096
        }
    }

    @Test func `a run twice from one seed is the same run`() throws {
        for name in ["faults", "fencing", "losses"] {
            for scenario in try Self.scenarios(name) {
                let first = ScenarioRun.play(scenario, seed: 11)
                let second = ScenarioRun.play(scenario, seed: 11)
                #expect(first.transcript == second.transcript)
                #expect(first.eventCount == second.eventCount)
                #expect(first.transcript != ScenarioRun.play(scenario, seed: 12).transcript)
            }
        }
    }
}
