import Basics
import Membership
import Testing
import Wire

/// When an edge node for which nobody speaks is missed.
struct SleepTests {
    private static let own = NodeID(1)
    private static let edge = NodeID(4)
    private var detector = FailureDetector(
        id: own,
        profile: VirtualMesh.profile(1),
        acquainted: [
            Rumor(
                node: edge,
                state: .alive,
                incarnation: 1,
                profile: VirtualMesh.profile(4, role: "edge")
            )
        ],
        seed: 7,
        now: .zero
    )

    /// Runs deadlines until then; what is believed of the edge node.
    private mutating func state(at seconds: Int) -> MemberState? {
        var effects: [FailureDetector.Effect] = []
        var now = Instant.zero
        while detector.nextDeadline <= .zero + .seconds(seconds) {
            now = max(now, detector.nextDeadline)
            detector.step(.deadlinePassed, at: now, into: &effects)
        }
        return detector.state(of: Self.edge)
    }

    private mutating func sleep(until seconds: Int, at now: Int) {
        var effects: [FailureDetector.Effect] = []
        let until = Instant.zero + .seconds(seconds)
        detector.step(.asleep(Self.edge, until: until), at: .zero + .seconds(now), into: &effects)
    }

    @Test mutating func `an edge node for which nobody speaks is given up after a while`() {
        // Found out after two seconds, and borne for ten.
        let before = state(at: 11), after = state(at: 12)
        #expect(before == .alive)
        #expect(after == .unreachable)
    }

    @Test mutating func `a sleeping edge node is not missed before it should be back`() {
        let before = state(at: 11)
        #expect(before == .alive)
        // Its timer comes at twelve seconds, and before anybody looks who sleeps.
        sleep(until: 60, at: 11)
        let timed = state(at: 12), asleep = state(at: 59), late = state(at: 61)
        #expect(timed == .alive)
        #expect(asleep == .alive)
        #expect(late == .unreachable)
    }
}
