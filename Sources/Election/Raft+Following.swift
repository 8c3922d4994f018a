package import Basics
import Wire

extension Raft {
    /// Nothing was heard of a leader for so long; a leader without a quorum soon is none.
    package func isWithoutLeader(for duration: Duration, at now: Instant) -> Bool {
        role != .leader && now - leaderContact > duration
    }

    /// Follows whoever leads this term or a later one; false where this node leads that term.
    mutating func follow(
        _ leader: NodeID, of leaderTerm: UInt64, at now: Instant
    ) -> Bool {
        guard !(role == .leader && leaderTerm == term) else {
            pending.append(.note(.implausibleMessage(from: leader)))
            return false
        }
        becomeFollower(term: leaderTerm, leader: leader, at: now)
        leaderContact = now
        resetElection(at: now)
        return true
    }

    /// Figure 2, `AppendEntries`, the receiver's side.
    mutating func take(_ request: AppendRequest, from sender: NodeID, at now: Instant) {
        guard request.term >= term else {
            // Tells a leader of the past, or one whose term a lonely candidate has overtaken.
            refuse(request, hint: 0, to: sender)
            return
        }
        guard follow(sender, of: request.term, at: now) else { return }

        var request = request
        if request.previousIndex < log.base.index {
            // What is committed is in every leader's log: it begins where ours does.
            let passed = min(log.base.index - request.previousIndex, UInt64(request.entries.count))
            request.previousIndex += passed
            request.previousTerm = request.entries.prefix(Int(passed)).last?.term ?? 0
            request.entries.removeFirst(Int(passed))
            guard request.previousIndex == log.base.index else {
                return accept(request, match: request.previousIndex, to: sender)
            }
        }
        guard log.term(at: request.previousIndex) == request.previousTerm else {
            guard request.previousIndex > commitIndex else {
                let index = request.previousIndex
                pending.append(.note(.conflictWithCommitted(index: index, from: sender)))
                return
            }
            let meeting = log.lastIndex(
                upTo: request.previousIndex - 1,
                termAtMost: request.previousTerm
            )
            // What is committed is in every leader's log.
            refuse(request, hint: max(meeting, commitIndex), to: sender)
            return
        }
        guard append(request.entries, from: sender) else { return }
        let match = request.previousIndex + UInt64(request.entries.count)
        commitIndex = max(commitIndex, min(request.commitIndex, match))
        accept(request, match: match, to: sender)
    }

    private mutating func accept(
        _ request: AppendRequest,
        match: UInt64,
        to sender: NodeID
    ) {
        send(
            .appendReply(
                AppendReply(term: term, accepted: true, matchIndex: match, round: request.round)
            ),
            to: sender
        )
    }

    /// Appends what is new.
    ///
    /// Entries that are there already stay: the message may be an old one, and what follows them
    /// may be newer than it (paper 5.3, figure 2 step 3).
    private mutating func append(_ entries: [LogEntry], from sender: NodeID) -> Bool {
        for entry in entries {
            if let term = log.term(at: entry.index) {
                if term == entry.term { continue }
                guard entry.index > commitIndex else {
                    pending.append(
                        .note(.conflictWithCommitted(index: entry.index, from: sender))
                    )
                    return false
                }
                log.removeAll(after: entry.index - 1)
            }
            firstUnsavedIndex = min(firstUnsavedIndex ?? entry.index, entry.index)
            log.append(entry)
        }
        return true
    }

    private mutating func refuse(_ request: AppendRequest, hint: UInt64, to sender: NodeID) {
        send(
            .appendReply(
                AppendReply(term: term, accepted: false, matchIndex: hint, round: request.round)
            ),
            to: sender
        )
    }
}
