package import Basics
package import Wire

/// A node of the mesh as this node sees it.
///
/// A thousand of them are walked and searched all the time: what is seldom asked stands elsewhere.
package struct Member: NodeKeyed, Hashable, Sendable {
    package let id: NodeID
    /// Only the member itself raises it.
    package internal(set) var incarnation: UInt64
    /// Since when it has been in this state here.
    package internal(set) var since: Instant
    /// When the next state comes by itself: unreachable, dead, forgotten.
    var changeDue = Instant.distantFuture
    // Negative before the first.
    private var latestRoundTrip = Duration(attoseconds: -1)
    /// The profile, in memory that others may share.
    package private(set) var keptProfile: KeptProfile
    // None or one.
    private var doubts: [Doubt] = []
    package internal(set) var state: MemberState
    package private(set) var isEdge: Bool

    private struct Doubt: Hashable, Sendable {
        var accuser: NodeID?
        var isHinted = false
        var suspicion: Suspicion?
    }

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
        self.since = since
        keptProfile = KeptProfile(profile)
        isEdge = profile.isEdge
    }

    package internal(set) var profile: Profile {
        get { keptProfile.value }
        set {
            keptProfile = KeptProfile(newValue)
            isEdge = newValue.isEdge
        }
    }

    /// From a ping of ours to its answer, as short as it was of late: on the control plane, between
    /// the two threads that own the nodes. Nil before the first answer.
    package var roundTrip: Duration? { latestRoundTrip < .zero ? nil : latestRoundTrip }

    /// The accuser whose word goes on with our own rumors about a suspect.
    var accuser: NodeID? {
        get { doubts.first?.accuser }
        set { change { $0.accuser = newValue } }
    }

    /// Whether that accuser lost its connection too.
    var isHinted: Bool {
        get { doubts.first?.isHinted ?? false }
        set { change { $0.isHinted = newValue } }
    }

    /// Runs while the member is suspect.
    var suspicion: Suspicion? {
        get { doubts.first?.suspicion }
        set { change { $0.suspicion = newValue } }
    }

    private mutating func change(_ body: (inout Doubt) -> Void) {
        var doubt = doubts.first ?? Doubt()
        body(&doubt)
        doubts = doubt == Doubt() ? [] : [doubt]
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
        latestRoundTrip = roundTrip.map { min(sample, $0 + (sample - $0) / 16) } ?? sample
    }
}

/// A profile of which there is one copy, however many keep it: a quarter of a kilobyte, and the
/// same again for its texts.
package struct KeptProfile: Hashable, Sendable {
    private indirect enum Box: Hashable, Sendable { case profile(Profile) }

    private let box: Box

    package init(_ profile: Profile) { box = .profile(profile) }

    package var value: Profile {
        switch box {
        case .profile(let profile): profile
        }
    }
}
