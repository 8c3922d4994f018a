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

/// Members, sorted by id.
extension [Member] {
    /// Where this node stands, or would stand.
    func insertionPosition(of node: NodeID) -> Int {
        var low = 0
        var high = count
        if high > 8 {
            // Ids are digests, spread evenly: a node stands about where its share of them ends.
            let guess = guess(of: node)
            if self[guess].id < node {
                low = guess + 1
                if guess + 32 < high, self[guess + 32].id >= node { high = guess + 32 }
            } else {
                if self[guess].id == node { return guess }
                high = guess
                if guess > 32, self[guess - 32].id < node { low = guess - 31 }
            }
        }
        while low < high {
            let middle = (low + high) / 2
            if self[middle].id < node { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func position(of node: NodeID) -> Int? {
        let position = insertionPosition(of: node)
        return position < count && self[position].id == node ? position : nil
    }

    private func guess(of node: NodeID) -> Int {
        let least = self[0].id.leadingWord
        let span = self[count - 1].id.leadingWord - least
        let word = node.leadingWord
        guard word > least, span > 0 else { return 0 }
        let share = Swift.min(Double(word - least) / Double(span), 1)
        return Int((share * Double(count - 1)).rounded())
    }
}
