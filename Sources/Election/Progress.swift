import Basics

/// How far the log of one other node is, as its leader knows (figure 2, `nextIndex`, `matchIndex`).
struct Progress: Sendable {
    let node: NodeID
    /// The highest entry known to be on that node's disk.
    var match: UInt64 = 0
    /// The next entry to send.
    var next: UInt64
    /// True until the two logs are known to meet at `next - 1`: entries are sent one batch at a
    /// time and wait for the answer.
    ///
    /// False: `next` runs ahead of the answers.
    var isProbing = true
    /// What it needs is not kept any more, and this is on its way.
    var transfer: Transfer?
    /// When the newest round that it answered was sent.
    var contact: Instant?
    /// The newest round that it answered.
    var answeredRound: UInt64 = 0
    /// The commit index that was last told.
    var toldCommitIndex: UInt64 = 0
    /// Entries up to here are to be sent now; later ones can wait for the next notice.
    var dueIndex: UInt64 = 0
    /// Of heartbeats, smoothed; nil before the first answer.
    var roundTrip: Duration?

    /// In whole milliseconds of a round trip.
    var distance: Int { roundTrip.map { Int($0 / .milliseconds(1)) } ?? .max }

    /// One more round trip.
    mutating func note(roundTrip sample: Duration) {
        roundTrip = roundTrip.map { $0 + (sample - $0) / 8 } ?? sample
    }
}
