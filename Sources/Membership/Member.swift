package import Basics
package import Wire

/// A node of the mesh as this node sees it.
package struct Member: Hashable, Sendable {
    package let id: NodeID
    package internal(set) var state: MemberState
    /// Only the member itself raises it.
    package internal(set) var incarnation: UInt64
    package internal(set) var profile: Profile
    /// Since when it has been in this state here.
    package internal(set) var since: Instant
    /// From a ping of ours to its answer, as short as it was of late: on the control plane, between
    /// the two threads that own the nodes. Nil before the first answer.
    package internal(set) var roundTrip: Duration?
    /// The accuser whose word goes on with our own rumors about a suspect.
    var accuser: NodeID?
    /// Whether that accuser lost its connection too.
    var isHinted = false
    /// Runs while the member is suspect.
    var suspicion: Suspicion?
    /// When the next state comes by itself: unreachable, dead, forgotten.
    var changeDue = Instant.distantFuture

    init(
        id: NodeID,
        state: MemberState,
        incarnation: UInt64,
        profile: Profile,
        since: Instant
    ) {
        self.id = id
        self.state = state
        self.incarnation = incarnation
        self.profile = profile
        self.since = since
    }

    /// Nobody can reach it, as far as is known here.
    var isGone: Bool { state == .unreachable || state == .dead }

    var rumor: Rumor {
        Rumor(
            node: id,
            state: state,
            incarnation: incarnation,
            accuser: accuser,
            profile: profile,
            hinted: isHinted
        )
    }

    /// One more round trip. A shorter one counts at once, a longer one for a sixteenth: that a node
    /// was busy for a moment says little about the way to it.
    mutating func note(roundTrip sample: Duration) {
        roundTrip = roundTrip.map { min(sample, $0 + (sample - $0) / 16) } ?? sample
    }
}
