import Basics
import Membership
import Testing
import Wire

/// How far a rumor may raise an incarnation.
struct IncarnationTests {
    private static let own = NodeID(1)
    private static let peer = NodeID(2)
    private static let step: UInt64 = 1 << 32
    private static let first: UInt64 = 1 << 40
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
        role: String = "worker"
    ) -> Bool {
        let rumor = Rumor(
            node: NodeID(number),
            state: state,
            incarnation: incarnation,
            profile: VirtualMesh.profile(Int(number), role: role)
        )
        let message = MembershipMessage(body: .gossip(Gossip(rumors: [rumor])))
        effects = []
        detector.step(.received(message, from: Self.peer), at: .zero, into: &effects)
        return effects.contains(.note(.implausibleRumor(from: Self.peer)))
    }

    private func incarnation(_ number: UInt64) -> UInt64? {
        detector.member(NodeID(number))?.incarnation
    }

    @Test mutating func `nobody says for a node what it could never outbid`() {
        let isTooFar = isImplausible(2, .alive, 5 + Self.step + 1)
        #expect(isTooFar)
        #expect(incarnation(2) == 5)
        let isFar = isImplausible(2, .alive, 5 + Self.step)
        #expect(!isFar)
        #expect(incarnation(2) == 5 + Self.step)
    }

    @Test mutating func `a node outbids what others believe, and no more`() {
        let isTooFar = isImplausible(1, .suspect, 1 + Self.step + 1)
        #expect(isTooFar)
        #expect(incarnation(1) == 1)
        let isFar = isImplausible(1, .suspect, 1 + Self.step)
        #expect(!isFar)
        #expect(incarnation(1) == 2 + Self.step)
    }

    @Test mutating func `of an unknown node more is believed, within a bound`() {
        detector.step(.admitted(NodeID(3)), at: .zero, into: &effects)
        let isTooFar = isImplausible(3, .alive, Self.first + 1)
        #expect(isTooFar)
        #expect(incarnation(3) == nil)
        let isFar = isImplausible(3, .alive, Self.first)
        #expect(!isFar)
        #expect(incarnation(3) == Self.first)
    }

    @Test mutating func `the numbers of an edge node leap, and no worker becomes one`() {
        detector.step(.admitted(NodeID(4)), at: .zero, into: &effects)
        let isFirst = isImplausible(4, .alive, 300 << 32, role: "edge")
        let isSecond = isImplausible(4, .alive, 900 << 32, role: "edge")
        #expect(!isFirst && !isSecond)
        #expect(incarnation(4) == 900 << 32)
        let isEdge = isImplausible(2, .alive, 6, role: "edge")
        #expect(isEdge)
        #expect(detector.member(Self.peer)?.profile.isEdge == false)
    }
}
