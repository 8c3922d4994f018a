import Basics
import NodeLogic
import Testing
import Wire

/// An edge node and what its relay says, by hand.
struct EdgeNodeTests {
    private static let relay = NodeID(1)
    private static let introduction = Introduction(
        node: relay, certificates: [[1]],
        profile: Profile(name: "first", controlEndpoint: "tcp://h:1"))
    private var device: EdgeNode
    private var effects: [EdgeNode.Effect] = []
    private var now = Instant.zero

    init() { self.init(licenses: []) }

    /// - Parameter licenses: what an earlier life was told that the policy allows.
    private init(licenses: [String] = [], refusalPatience: Duration = .seconds(15)) {
        var settings = EdgeNode.Settings()
        settings.refusalPatience = refusalPatience
        device = EdgeNode(
            EdgeNode.Boot(
                id: NodeID(2), profile: Profile(name: "tab", role: "edge", coreCount: 1),
                startCount: 1, relays: [Self.introduction], parked: [], licenses: licenses),
            settings: settings, seed: 1, now: .zero)
        step(.deadlinePassed)
        step(.connected(Self.relay))
        hear(EdgeOrders())
    }

    private mutating func step(_ event: EdgeNode.Event) {
        effects = []
        now = now + .milliseconds(10)
        device.step(event, at: now, into: &effects)
    }

    private mutating func hear(_ orders: EdgeOrders) {
        step(.received(.edgeOrders(orders), from: Self.relay))
    }

    private func lease(_ number: UInt64, at index: UInt64) -> EdgeLease {
        EdgeLease(
            number: number, task: Digest.of("task \(number)"), attempt: 1,
            fence: Fence(term: 1, index: index),
            spec: TaskSpec(
                submitter: Self.relay, work: .read(ReadWork(artifact: Digest.of("a")))))
    }

    private var unparked: [UInt64] {
        effects.compactMap { if case .unpark(let number) = $0 { number } else { nil } }
    }

    @Test mutating func `what is parked stays until newer orders do not name it`() {
        #expect(device.home == Self.relay)
        hear(EdgeOrders(isHome: true, appliedIndex: 10, leases: [lease(3, at: 9)]))
        #expect(device.parked.map(\.lease.number) == [3])
        // A relay that lags knows nothing of the lease.
        hear(EdgeOrders(isHome: true, appliedIndex: 8))
        #expect(device.parked.map(\.lease.number) == [3])
        #expect(unparked.isEmpty)
        hear(EdgeOrders(isHome: true, appliedIndex: 11))
        #expect(device.parked.isEmpty)
        #expect(unparked == [3])
    }

    @Test mutating func `a lease that was granted anew takes the place of the old one`() {
        hear(EdgeOrders(isHome: true, appliedIndex: 10, leases: [lease(3, at: 9)]))
        hear(EdgeOrders(isHome: true, appliedIndex: 12, leases: [lease(3, at: 12)]))
        #expect(device.parked.map(\.lease.fence.index) == [12])
        #expect(unparked == [3])
    }

    private var licenseChanges: [[String]] {
        effects.compactMap { if case .licensesChanged(let licenses) = $0 { licenses } else { nil } }
    }

    @Test mutating func `licences that an earlier life knew are no news, others are`() {
        self = EdgeNodeTests(licenses: ["MIT"])
        hear(EdgeOrders(isHome: true, appliedIndex: 1, allowedLicenses: ["MIT"]))
        #expect(licenseChanges == [])
        hear(EdgeOrders(isHome: true, appliedIndex: 2, allowedLicenses: ["MIT", "ISC"]))
        #expect(licenseChanges == [["MIT", "ISC"]])
    }

    @Test mutating func `it sleeps for as long as it was asked to, whatever year it is`() throws {
        hear(EdgeOrders(isHome: true, appliedIndex: 1))
        let until: UInt64 = 4_000_000_000
        step(.sleep(request: 1, until: until, lasting: .seconds(60)))
        let asked = now
        let sleep = try #require(
            effects.compactMap { effect -> EdgeSleep? in
                if case .send(.edgeSleep(let sleep), to: Self.relay) = effect { sleep } else { nil }
            }.first)
        #expect(sleep.until == until)
        let taken = EdgeSleepTaken(until: until, sequence: sleep.sequence)
        step(.received(.edgeSleepTaken(taken), from: Self.relay))
        #expect(device.phase == .asleep(until: asked + .seconds(60)))
        #expect(device.nextDeadline == asked + .seconds(60))
        // What a relay held may be gone with it, also where that was not heard awake.
        step(.disconnected(Self.relay))
        let isNoted = effects.contains { effect in
            if case .note(.homeLost(Self.relay)) = effect { true } else { false }
        }
        #expect(isNoted)
        #expect(device.phase == .asleep(until: asked + .seconds(60)))
    }

    // MARK: Long outputs

    private static let other = NodeID(3)

    /// Another relay is its spare.
    private mutating func meetOther() throws {
        let introduction = Introduction(
            node: Self.other, certificates: [[3]],
            profile: Profile(name: "second", controlEndpoint: "tcp://h:3"))
        hear(EdgeOrders(isHome: true, relays: [introduction]))
        // Without a home it asks both, and the first that answers is its home again.
        step(.disconnected(Self.relay))
        let asked = effects
        for relay in [Self.relay, Self.other] {
            let sequence = try #require(
                asked.compactMap { effect -> UInt64? in
                    guard case .send(.edgeReport(let report), to: relay) = effect else {
                        return nil
                    }
                    return report.sequence
                }.first)
            step(.received(.edgeOrders(EdgeOrders(sequence: sequence)), from: relay))
        }
        #expect(device.home == Self.relay)
        #expect(device.spare == Self.other)
    }

    /// A task that is done, with outputs of 9,003 bytes.
    private mutating func finishTask() -> Digest {
        let lease = lease(3, at: 9)
        hear(EdgeOrders(isHome: true, appliedIndex: 10, leases: [lease]))
        let result = TaskResult(
            outcome: .succeeded,
            standardOutput: NamedArtifact(name: "stdout", digest: .of("long"), byteCount: 3),
            outputs: [NamedArtifact(name: "out", digest: .of("file"), byteCount: 9_000)])
        let ending = Node.TaskEnding(
            task: lease.task, attempt: lease.attempt, fence: lease.fence, result: result)
        step(.taskFinished(ending, statement: [1]))
        return lease.task
    }

    private var kept: [EdgeResult] {
        effects.compactMap { if case .keep(let result) = $0 { result } else { nil } }
    }
    private var handedIn: [EdgeResult] {
        effects.compactMap { effect in
            if case .send(.edgeResult(let result), to: Self.relay) = effect { result } else { nil }
        }
    }

    /// The next round, in which results are handed in that wait.
    private mutating func waitForRound() {
        now = now + device.settings.resultInterval
        step(.deadlinePassed)
    }

    @Test mutating func `outputs for which a relay has no room are the spare's to keep`() throws {
        try meetOther()
        let task = finishTask()
        #expect(device.keeper(of: task) == Self.relay)
        step(.outputsRefused(task, by: Self.relay))
        #expect(device.keeper(of: task) == Self.other)
        // At once, and as it is.
        #expect(handedIn.map(\.end.result.outcome) == [.succeeded])
        #expect(kept.isEmpty)
    }

    @Test(arguments: [true, false])
    mutating func `a task whose outputs no relay has room for ends as one that failed`(
        hasSpare: Bool
    ) throws {
        if hasSpare { try meetOther() }
        let task = finishTask()
        step(.outputsRefused(task, by: Self.relay))
        if hasSpare { step(.outputsRefused(task, by: Self.other)) }
        waitForRound()
        #expect(kept.isEmpty, "another relay may have room")
        self = EdgeNodeTests(refusalPatience: .seconds(1))
        if hasSpare { try meetOther() }
        _ = finishTask()
        step(.outputsRefused(task, by: Self.relay))
        if hasSpare { step(.outputsRefused(task, by: Self.other)) }
        waitForRound()
        let failure = try #require(kept.first)
        #expect(failure.end.result.outcome == .failed)
        #expect(failure.end.result.sentence.contains("no relay has room for its outputs of 9003"))
        #expect(failure.end.result.outputs.isEmpty)
        #expect(failure.end.fence.index == 9)
        #expect(failure.statement.isEmpty)
        #expect(handedIn == [failure])
        #expect(device.parked.map(\.result) == [failure])
        // It has no outputs any more that somebody could refuse.
        #expect(device.keeper(of: task) == Self.relay)
    }
}
