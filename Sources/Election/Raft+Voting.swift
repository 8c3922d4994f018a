import Basics
import Wire

extension Raft {
    var quorum: Int { log.voters.count / 2 + 1 }

    /// While a leader is heard, a voter helps nobody else to stand (thesis 4.2.3).
    func hearsLeader(at now: Instant) -> Bool {
        role == .leader || now < leaderContact + settings.electionTimeoutMin
    }

    /// Paper 5.4.1: a leader must have every committed entry, so nobody votes for a shorter log.
    private func isUpToDate(_ request: VoteRequest) -> Bool {
        (request.lastTerm, request.lastIndex) >= (log.lastTerm, log.lastIndex)
    }

    mutating func resetElection(at now: Instant) {
        if isVoter {
            electionDue =
                now + span(from: settings.electionTimeoutMin, to: settings.electionTimeoutMax)
        } else if leader != nil {
            electionDue =
                now + settings.electionTimeoutMax + settings.learnerHeartbeatInterval * 2
        } else {
            electionDue = .distantFuture
        }
    }

    private mutating func span(from least: Duration, to most: Duration) -> Duration {
        least + (most - least) * Double.random(in: 0..<1, using: &chance)
    }

    // MARK: Campaigning

    /// Asks whether an election could be won, and changes nothing for anybody yet.
    mutating func askForPreVotes(at now: Instant) {
        role = .preCandidate
        leader = nil
        votes = [id]
        pending.append(.note(.preVoteStarted(term: term + 1)))
        // It disturbs nobody, so it is repeated soon: the others may have heard the fallen leader a
        // little later and refuse a moment longer.
        electionDue =
            now + span(from: settings.heartbeatInterval, to: settings.heartbeatInterval * 2)
        requestVotes(isPreVote: true, term: term + 1)
        if votes.count >= quorum { campaign(at: now) }
    }

    /// The leader wants to be followed by this node.
    mutating func take(_ order: TimeoutNow, from sender: NodeID, at now: Instant) {
        guard order.term == term, role == .follower, leader == sender, isVoter else { return }
        campaign(at: now, isTransfer: true)
    }

    private mutating func campaign(at now: Instant, isTransfer: Bool = false) {
        role = .candidate
        hardState = HardState(term: term + 1, votedFor: id)
        isHardStateUnsaved = true
        votes = [id]
        pending.append(.note(.campaignStarted(term: term)))
        // A split vote is known after one round trip; half the usual time is still many of those.
        electionDue =
            now + span(from: settings.electionTimeoutMin, to: settings.electionTimeoutMax) / 2
        leader = nil
        requestVotes(isPreVote: false, term: term, isTransfer: isTransfer)
        if votes.count >= quorum { becomeLeader(at: now) }
    }

    private mutating func requestVotes(isPreVote: Bool, term: UInt64, isTransfer: Bool = false) {
        let request = VoteRequest(
            term: term,
            lastIndex: log.lastIndex,
            lastTerm: log.lastTerm,
            preVote: isPreVote,
            transfer: isTransfer
        )
        for voter in log.voters where voter != id {
            send(.voteRequest(request), to: voter)
        }
    }

    mutating func take(_ reply: VoteReply, from sender: NodeID, at now: Instant) {
        // A granted pre-vote names the term that was asked for, which nobody has reached yet.
        if reply.term > term, !(reply.preVote && reply.granted) {
            becomeFollower(term: reply.term, leader: nil, at: now)
            return
        }
        guard reply.granted, log.voters.contains(sender), !votes.contains(sender) else { return }
        switch role {
        case .preCandidate:
            guard reply.preVote, reply.term == term + 1 else { return }
            votes.append(sender)
            if votes.count >= quorum { campaign(at: now) }
        case .candidate:
            guard !reply.preVote, reply.term == term else { return }
            votes.append(sender)
            if votes.count >= quorum { becomeLeader(at: now) }
        case .follower, .leader: return
        }
    }

    // MARK: Voting

    mutating func answer(_ request: VoteRequest, from sender: NodeID, at now: Instant) {
        if request.preVote {
            let isGranted =
                request.term > term && isUpToDate(request) && !hearsLeader(at: now)
            let reply = VoteReply(
                term: isGranted ? request.term : term,
                granted: isGranted,
                preVote: true
            )
            send(.voteReply(reply), to: sender)
            return
        }
        if request.term > term {
            // Not even the term is taken over: it would depose a leader that works.
            if hearsLeader(at: now), !request.transfer { return }
            becomeFollower(term: request.term, leader: nil, at: now)
        }
        let isGranted =
            request.term == term && isUpToDate(request)
            && (hardState.votedFor == nil || hardState.votedFor == sender)
        if isGranted, hardState.votedFor == nil {
            hardState.votedFor = sender
            isHardStateUnsaved = true
            pending.append(.note(.voted(for: sender, term: term)))
            resetElection(at: now)
        }
        send(
            .voteReply(VoteReply(term: term, granted: isGranted, preVote: false)),
            to: sender
        )
    }

    // MARK: Roles

    mutating func becomeFollower(term newTerm: UInt64, leader newLeader: NodeID?, at now: Instant) {
        let wasFollower = role == .follower
        if role == .leader { pending.append(.steppedDown(term: term)) }
        if newTerm > term {
            hardState = HardState(term: newTerm)
            isHardStateUnsaved = true
        }
        role = .follower
        leader = newLeader
        votes = []
        refuseReads()
        progresses = []
        rounds = []
        // Paper 5.2: only the leader, or a vote for another, puts off the own campaign. A candidate
        // with an old log must not keep the others from standing.
        if !wasFollower { resetElection(at: now) }
    }

    mutating func stepDown(at now: Instant) {
        guard role == .leader else { return }
        let successor = successor
        becomeFollower(term: term, leader: nil, at: now)
        // After the last word as a leader: the lease must be over before another can stand.
        if let successor { send(.timeoutNow(TimeoutNow(term: term)), to: successor) }
        // The others stand first.
        if isVoter { electionDue = now + settings.electionTimeoutMax * 2 }
    }

    /// The voter with all of the log that answered last; nil where none has all.
    private var successor: NodeID? {
        var best: Progress?
        for progress in progresses
        where log.voters.contains(progress.node) && progress.match == log.lastIndex {
            guard let contact = progress.contact else { continue }
            if best?.contact.map({ $0 < contact }) ?? true { best = progress }
        }
        return best?.node
    }

    mutating func send(_ body: ElectionMessage.Body, to node: NodeID) {
        pending.append(.send(ElectionMessage(body: body), to: node))
    }
}
