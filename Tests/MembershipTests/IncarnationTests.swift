import Basics
import Membership
import Testing
import Wire

/// How far a rumor may raise an incarnation.
struct IncarnationTests {
    private static let own = NodeID(1)
    private static let peer = NodeID(2)
    private static let limit: UInt64 = 1 << 40
    private var detector = FailureDetector(
        id: own,
        profile: VirtualMesh.profile(1),
        acquainted: [
            Rumor(node: peer, state: .alive, incarnation: 5, profile: VirtualMesh.profile(2))
        ],
        seed: 7,
        now: .zero
    )
    private var effects: [FailureDetector.Effect] = []

    /// True where the rumor was taken for one that no correct node sends.
    private mutating func isImplausible(
        _ number: UInt64,
        _ state: MemberState,
        _ incarnation: UInt64,
        role: String = "worker",
        at now: Instant = .zero
    ) -> Bool {
        let rumor = Rumor(
            node: NodeID(number),
            state: state,
            incarnation: incarnation,
            profile: VirtualMesh.profile(Int(number), role: role)
        )
        let message = MembershipMessage(body: .gossip(Gossip(rumors: [rumor])))
        effects = []
        detector.step(.received(message, from: Self.peer), at: now, into: &effects)
        return effects.contains(.note(.implausibleRumor(from: Self.peer)))
    }

    private func incarnation(_ number: UInt64) -> UInt64? {
        detector.member(NodeID(number))?.incarnation
    }

    @Test mutating func `nobody says for a node what it could never outbid`() {
        let isTooFar = isImplausible(2, .alive, Self.limit + 1)
        #expect(isTooFar)
        #expect(incarnation(2) == 5)
        let isFar = isImplausible(2, .alive, Self.limit)
        #expect(!isFar)
        #expect(incarnation(2) == Self.limit)
    }

    @Test mutating func `whatever was said of a node, a moment later it can outbid that`() {
        let isFar = isImplausible(1, .dead, Self.limit)
        #expect(!isFar)
        #expect(incarnation(1) == Self.limit + 1)
        // In the eyes of the others, who have heard of none of that.
        let isEarly = isImplausible(2, .alive, Self.limit + 1)
        #expect(isEarly)
        let isLater = isImplausible(2, .alive, Self.limit + 1, at: .zero + .seconds(1))
        #expect(!isLater)
    }

    @Test mutating func `the limit follows the clock on the wall`() {
        detector.epochSeconds = 1_800_000_000
        let most = Self.limit + 1_800_000_000 << 20
        let isTooFar = isImplausible(2, .alive, most + 1)
        let isFar = isImplausible(2, .alive, most)
        #expect(isTooFar && !isFar)
        // Far more than the numbers of an edge node that has started a hundred thousand times.
        #expect(most > 100_000 << 32)
    }

    @Test mutating func `the numbers of an edge node leap, and nobody becomes one by a rumor`() {
        detector.step(.admitted(NodeID(4), isEdge: true), at: .zero, into: &effects)
        detector.step(.admitted(NodeID(5)), at: .zero, into: &effects)
        let isWorker = isImplausible(4, .alive, 1)
        #expect(isWorker)
        let isFirst = isImplausible(4, .alive, 3 << 32, role: "edge")
        let isSecond = isImplausible(4, .alive, 200 << 32, role: "edge")
        #expect(!isFirst && !isSecond)
        #expect(incarnation(4) == 200 << 32)
        let isWorkerNow = isImplausible(4, .alive, 201 << 32)
        #expect(isWorkerNow)
        // The first word about one that was let in as a worker, and a later one.
        let isEdge = isImplausible(5, .alive, 1, role: "edge")
        let isEdgeNow = isImplausible(2, .alive, 6, role: "edge")
        #expect(isEdge && isEdgeNow)
        #expect(detector.member(NodeID(5)) == nil)
        #expect(detector.member(Self.peer)?.profile.isEdge == false)
    }

    @Test mutating func `nobody has more memory than can be summed`() {
        var profile = VirtualMesh.profile(2)
        profile.memoryByteCount = 1 << 50
        #expect(FailureDetector.isPlausible(profile))
        profile.memoryByteCount = .max
        #expect(!FailureDetector.isPlausible(profile))
    }
}
