import Basics
import Wire

/// Reads that see all that was decided before they were asked, without an entry of the log
/// (thesis 6.4): the leader notes what is committed, proves by a round of heartbeats that it leads
/// still, and who asks waits until it has applied as much.
extension Raft {
    /// A question that waits for the answers to a round that began after it came.
    struct Read: Sendable {
        let ticket: UInt64
        let index: UInt64
        let round: UInt64
    }

    mutating func read(_ ticket: UInt64, at now: Instant) {
        // Without its barrier a leader does not know what is committed.
        guard role == .leader, commitIndex >= barrierIndex,
            reads.count < settings.readCountMax
        else {
            pending.append(.readRefused(ticket))
            return
        }
        reads.append(Read(ticket: ticket, index: commitIndex, round: round + 1))
        // Those that come while a round is under way share the next one.
        if reads.count == 1 { beginReadRound(at: now) }
        confirmReads(at: now)
    }

    /// Answers all reads whose round a quorum has answered.
    mutating func confirmReads(at now: Instant) {
        guard !reads.isEmpty else { return }
        var answered: [UInt64] = []
        for voter in log.voters {
            if voter == id {
                answered.append(round)
            } else {
                answered.append(position(of: voter).map { progresses[$0].answeredRound } ?? 0)
            }
        }
        guard answered.count >= quorum else { return }
        let proven = answered.sorted(by: >)[quorum - 1]
        let count = reads.prefix { $0.round <= proven }.count
        for read in reads.prefix(count) {
            pending.append(.readReady(read.ticket, index: read.index))
        }
        reads.removeFirst(count)
        if count > 0, let next = reads.first, next.round > round {
            beginReadRound(at: now)
            confirmReads(at: now)
        }
    }

    private mutating func beginReadRound(at now: Instant) {
        beginRound(at: now)
        for index in progresses.indices where log.voters.contains(progresses[index].node) {
            let next = progresses[index].next
            // Who asks may be one of them, and lack entries that could wait until now.
            sendAll(to: index)
            if progresses[index].next == next { sendHeartbeat(to: index) }
        }
    }

    /// Who leads no more proves nothing.
    mutating func refuseReads() {
        for read in reads { pending.append(.readRefused(read.ticket)) }
        reads = []
    }
}
