import Basics

/// What this node says to one peer: at most one connection, and what waits for it.
///
///   idle ── send ──▶ dialling ── handshake ──▶ greeting ── HelloAccepted ──▶ open
///     ▲                 └───────── fails ──────────┴──▶ waiting ── pause over ──▶ dialling or idle
///     └─────────────────────────────── connection lost ──────────────────────────────── open
///
/// A link that was idle for long goes: the next message makes another.
final class Link {
    typealias Instant = ContinuousClock.Instant

    enum Stage {
        case idle
        case dialling(giveUpAt: Instant)
        case greeting(sequence: UInt64, giveUpAt: Instant)
        case open(lastUse: Instant)
        case waiting(until: Instant)
    }

    let peer: PeerAddress
    var connection: Connection?
    var stage = Stage.idle
    var queue: [[UInt8]] = []
    /// It is to be dialled after the pause, even where nothing waits for it.
    var isWanted = false
    /// Attempts since the last accepted hello.
    var failureCount = 0

    init(_ peer: PeerAddress) { self.peer = peer }

    /// 50 ms, doubled with each failure up to 2 s.
    var pause: Duration { min(.milliseconds(50 << min(failureCount, 6)), .seconds(2)) }

    func deadline(idleTimeout: Duration) -> Instant? {
        switch stage {
        case .idle: nil
        case .dialling(let giveUpAt), .greeting(_, let giveUpAt): giveUpAt
        case .open(let lastUse): lastUse + idleTimeout
        case .waiting(let until): until
        }
    }
}
