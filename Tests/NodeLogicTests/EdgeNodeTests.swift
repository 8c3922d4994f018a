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
    private init(licenses: [String]) {
        device = EdgeNode(
            EdgeNode.Boot(
                id: NodeID(2), profile: Profile(name: "tab", role: "edge", coreCount: 1),
                startCount: 1, relays: [Self.introduction], parked: [], licenses: licenses),
            settings: EdgeNode.Settings(), seed: 1, now: .zero)
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
}
