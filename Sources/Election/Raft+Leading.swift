import Basics
import Wire

extension Raft {
    mutating func becomeLeader(at now: Instant) {
        role = .leader
        leader = id
        leaderSince = now
        electionDue = .distantFuture
        votes = []
        progresses = []
        updateProgresses(at: now)
        pending.append(.becameLeader(term: term))
        // The barrier: entries of earlier terms are committed by it and never by counting (5.4.2).
        barrierIndex = log.lastIndex + 1
        append(nil)
        beginRound(at: now)
        heartbeatDue = now + settings.heartbeatInterval
        learnerHeartbeatDue =
            progresses.count > log.voters.count - 1
            ? now + settings.learnerHeartbeatInterval : .distantFuture
        noticeDue = .distantFuture
        learnersTurn = now
        learnersDue = .distantFuture
        for index in progresses.indices {
            progresses[index].dueIndex = log.lastIndex
            sendBatch(to: index)
        }
        advanceCommitIndex(at: now)
    }

    mutating func append(_ command: Command?) {
        let entry = LogEntry(index: log.lastIndex + 1, term: term, command: command)
        firstUnsavedIndex = min(firstUnsavedIndex ?? entry.index, entry.index)
        log.append(entry)
    }

    /// One progress for every other voter and learner; a newcomer starts at the end of our log and
    /// is led back from there.
    mutating func updateProgresses(at now: Instant) {
        guard role == .leader else { return }
        var nodes = learners.filter { $0 != id && !log.voters.contains($0) }
        nodes.append(contentsOf: log.voters.filter { $0 != id })
        nodes.sort()
        var known = progresses[...]
        progresses = []
        for node in nodes where node != progresses.last?.node {
            while let first = known.first, first.node < node { known.removeFirst() }
            if let first = known.first, first.node == node {
                progresses.append(first)
            } else {
                progresses.append(
                    Progress(node: node, next: log.lastIndex + 1, dueIndex: log.lastIndex))
            }
        }
        if progresses.count > log.voters.count - 1 {
            learnerHeartbeatDue = min(
                learnerHeartbeatDue,
                now + settings.learnerHeartbeatInterval
            )
        } else {
            learnerHeartbeatDue = .distantFuture
        }
    }

    // MARK: Time

    mutating func lead(at now: Instant) {
        if noticeDue <= now {
            noteSlow()
            tellAll(at: now)
        }
        if learnersDue <= now { tellLearners(at: now) }
        guard heartbeatDue <= now || learnerHeartbeatDue <= now else { return }
        let contact = max(quorumContact(at: now) ?? leaderSince, leaderSince)
        guard now - contact <= settings.electionTimeoutMax else {
            pending.append(.note(.quorumLost(term: term)))
            becomeFollower(term: term, leader: nil, at: now)
            return
        }
        beginRound(at: now)
        let isLearnersTurn = learnerHeartbeatDue <= now
        let isVotersTurn = heartbeatDue <= now
        for index in progresses.indices {
            let isVoter = log.voters.contains(progresses[index].node)
            if isVoter ? isVotersTurn : isLearnersTurn { sendHeartbeat(to: index) }
        }
        if isVotersTurn { heartbeatDue = now + settings.heartbeatInterval }
        if isLearnersTurn { learnerHeartbeatDue = now + settings.learnerHeartbeatInterval }
    }

    mutating func beginRound(at now: Instant) {
        round += 1
        rounds.append((round, now))
        // An answer that is later than this proves nothing any more.
        let longest = settings.electionTimeoutMax * 2
        rounds.removeAll { now - $0.sentAt > longest }
    }

    /// When the newest round was sent that a quorum answered; nil before the first.
    ///
    /// This node itself answers always.
    func quorumContact(at now: Instant) -> Instant? {
        var contacts: [Instant] = []
        for voter in log.voters {
            if voter == id {
                contacts.append(now)
            } else if let index = position(of: voter), let contact = progresses[index].contact {
                contacts.append(contact)
            }
        }
        guard contacts.count >= quorum else { return nil }
        return contacts.sorted(by: >)[quorum - 1]
    }

    /// Inlined, because a call of a method that changes nothing copies the whole machine.
    @inline(__always)
    func position(of node: NodeID) -> Int? {
        var low = 0
        var high = progresses.count
        while low < high {
            let middle = (low + high) / 2
            if progresses[middle].node < node { low = middle + 1 } else { high = middle }
        }
        return low < progresses.count && progresses[low].node == node ? low : nil
    }

    // MARK: Replicating

    /// Without entries: it is also the question whether the logs meet before `next`, by which lost
    /// entries are noticed.
    mutating func sendHeartbeat(to index: Int) {
        if progresses[index].next <= log.base.index {
            sendSnapshot(to: index)
        } else {
            send(entries: [], to: index)
        }
    }

    /// Sends entries from `next` on: one batch while probing, else as many as may be in flight.
    mutating func sendBatch(to index: Int) {
        repeat {
            let progress = progresses[index]
            if progress.next <= log.base.index {
                if progress.transfer?.index != snapshot?.index { sendSnapshot(to: index) }
                return
            }
            let inFlight = Int(progress.next - progress.match) - 1
            let room = progress.isProbing ? Int.max : settings.inFlightEntryCountMax - inFlight
            guard room > 0, progress.next <= min(progress.dueIndex, log.lastIndex) else { return }
            let entries = batch(from: progress.next, countMax: room)
            send(entries: entries, to: index)
            if progress.isProbing { return }
            progresses[index].next += UInt64(entries.count)
        } while true
    }

    /// A node that is not known to listen gets no entries but with the answer to a heartbeat.
    mutating func sendAll(at now: Instant) {
        // Learners save what is new while the voters do, unless it is too early for them.
        guard now < learnersTurn else {
            for index in progresses.indices { sendAll(to: index) }
            return
        }
        for voter in log.voters {
            if let index = position(of: voter) { sendAll(to: index) }
        }
    }

    mutating func sendAll(to index: Int) {
        progresses[index].dueIndex = log.lastIndex
        if !progresses[index].isProbing { sendBatch(to: index) }
    }

    /// To those who wait for what was appended and, that it is committed, to the quickest voters.
    mutating func sendFirst(to awaiting: [NodeID], at now: Instant) {
        var count = quorum - (isVoter ? 1 : 0)
        for node in awaiting {
            guard let index = position(of: node) else { continue }
            sendAll(to: index)
            if log.voters.contains(node), !progresses[index].isProbing { count -= 1 }
        }
        let others = progresses.indices.filter {
            !progresses[$0].isProbing && log.voters.contains(progresses[$0].node)
                && !awaiting.contains(progresses[$0].node)
        }
        // Sorting keeps the order of those that are about equal, so that it seldom changes.
        let quickest = others.sorted { progresses[$0].distance < progresses[$1].distance }
        for index in quickest.prefix(max(count, 0)) { sendAll(to: index) }
        setNotice(at: now)
    }

    private mutating func setNotice(at now: Instant) {
        guard noticeDue == .distantFuture else { return }
        noticeDue = now + settings.noticeDelay
        noticeIndex = log.lastIndex
    }

    /// Others come first than those who have let a notice come.
    private mutating func noteSlow() {
        for index in progresses.indices
        where progresses[index].match < noticeIndex && noticeIndex < progresses[index].next {
            let roundTrip = progresses[index].roundTrip ?? .zero
            progresses[index].roundTrip = max(roundTrip, settings.noticeDelay)
        }
    }

    private func batch(from first: UInt64, countMax: Int) -> [LogEntry] {
        let count = min(countMax, settings.batchEntryCountMax)
        var byteCount = 0
        var entries: [LogEntry] = []
        for entry in log.slice(from: first, through: log.lastIndex).prefix(count) {
            byteCount += entry.byteCount
            if !entries.isEmpty, byteCount > settings.batchByteCountMax { break }
            entries.append(entry)
        }
        return entries
    }

    private mutating func send(entries: [LogEntry], to index: Int) {
        let previous = progresses[index].next - 1
        guard let previousTerm = log.term(at: previous) else {
            preconditionFailure("next is \(previous + 1) in a log of \(log.lastIndex)")
        }
        progresses[index].toldCommitIndex = commitIndex
        let request = AppendRequest(
            term: term,
            previousIndex: previous,
            previousTerm: previousTerm,
            commitIndex: commitIndex,
            round: round,
            entries: entries
        )
        send(.appendRequest(request), to: progresses[index].node)
    }

    mutating func stopPipeline(to node: NodeID) {
        guard let index = position(of: node) else { return }
        progresses[index].isProbing = true
        progresses[index].next = progresses[index].match + 1
    }

    /// Takes note of an answer to this leader; the place of who gave it, or nil where it is none of
    /// this term.
    mutating func heard(
        _ sender: NodeID, of replyTerm: UInt64, round: UInt64, at now: Instant
    ) -> Int? {
        guard replyTerm <= term else {
            becomeFollower(term: replyTerm, leader: nil, at: now)
            return nil
        }
        guard replyTerm == term, role == .leader, let index = position(of: sender) else {
            return nil
        }
        noteContact(index, round: round, at: now)
        return index
    }

    mutating func take(_ reply: AppendReply, from sender: NodeID, at now: Instant) {
        guard let index = heard(sender, of: reply.term, round: reply.round, at: now) else { return }
        // What comes late says nothing of the snapshot that is on its way.
        if let transfer = progresses[index].transfer {
            guard reply.accepted, reply.matchIndex >= transfer.index else { return }
            progresses[index].transfer = nil
        }
        guard reply.accepted else {
            lead(back: index, to: reply.matchIndex)
            return
        }
        guard reply.matchIndex <= log.lastIndex else {
            pending.append(.note(.implausibleMessage(from: sender)))
            return
        }
        let isNews = reply.matchIndex > progresses[index].match
        if isNews { progresses[index].match = reply.matchIndex }
        if progresses[index].isProbing {
            progresses[index].isProbing = false
            progresses[index].next = progresses[index].match + 1
        } else {
            progresses[index].next = max(progresses[index].next, progresses[index].match + 1)
        }
        if isNews { advanceCommitIndex(at: now) }
        // The commitment may have ended this node's leadership.
        if role == .leader { sendBatch(to: index) }
    }

    mutating func noteContact(_ index: Int, round answered: UInt64, at now: Instant) {
        if let sentAt = rounds.first(where: { $0.number == answered })?.sentAt {
            progresses[index].contact = max(progresses[index].contact ?? sentAt, sentAt)
            // Later answers of a round answer later messages.
            if answered > progresses[index].answeredRound {
                progresses[index].note(roundTrip: now - sentAt)
            }
        }
        guard answered <= round else { return }
        progresses[index].answeredRound = max(progresses[index].answeredRound, answered)
        confirmReads(at: now)
    }

    /// The other log lacks what stands before `next`: try again at its hint.
    private mutating func lead(back index: Int, to hint: UInt64) {
        let isVoter = log.voters.contains(progresses[index].node)
        // A learner that lost its disk has less than it confirmed and is served again. A voter in
        // that state must be removed: others counted on what it had.
        if !isVoter { progresses[index].match = min(progresses[index].match, hint) }
        let next = max(progresses[index].match, min(hint, log.lastIndex)) + 1
        // Otherwise it is an answer to something older, or a second one to the same.
        guard next < progresses[index].next else { return }
        progresses[index].next = next
        progresses[index].isProbing = true
        sendBatch(to: index)
    }

    // MARK: Committing

    /// Paper 5.3, 5.4.2: the highest entry of this term that a quorum has.
    mutating func advanceCommitIndex(at now: Instant) {
        var matches: [UInt64] = []
        for voter in log.voters {
            if voter == id {
                matches.append(log.lastIndex)
            } else {
                matches.append(position(of: voter).map { progresses[$0].match } ?? 0)
            }
        }
        guard matches.count >= quorum else { return }
        let index = matches.sorted(by: >)[quorum - 1]
        guard index > commitIndex, log.term(at: index) == term else { return }
        let awaiting = awaiting(
            log.slice(from: commitIndex + 1, through: index).lazy.map(\.command))
        commitIndex = index
        for index in progresses.indices where !progresses[index].isProbing {
            sendBatch(to: index)
        }
        if let awaiting {
            for node in awaiting {
                if let index = position(of: node) { tellCommitIndex(to: index) }
            }
            setNotice(at: now)
        } else {
            tellAll(at: now)
        }
        // Thesis 4.2.2: a leader that removed itself leads until that is committed.
        if !isVoter, log.votersIndex <= commitIndex {
            becomeFollower(term: term, leader: nil, at: now)
        }
    }

    /// What was appended and what was committed, to whom nothing has said it yet.
    private mutating func tellAll(at now: Instant) {
        noticeDue = .distantFuture
        for voter in log.voters {
            if let index = position(of: voter) { tell(index) }
        }
        tellLearners(at: now)
    }

    /// The same to the learners, at once or when it is their turn.
    private mutating func tellLearners(at now: Instant) {
        let voterCount = log.voters.count - (isVoter ? 1 : 0)
        guard progresses.count > voterCount else {
            learnersDue = .distantFuture
            return
        }
        guard learnersTurn <= now else {
            learnersDue = learnersTurn
            return
        }
        learnersDue = .distantFuture
        learnersTurn = now + settings.learnerPace * (progresses.count - voterCount)
        for index in progresses.indices where !log.voters.contains(progresses[index].node) {
            tell(index)
        }
    }

    private mutating func tell(_ index: Int) {
        sendAll(to: index)
        tellCommitIndex(to: index)
    }

    private mutating func tellCommitIndex(to index: Int) {
        guard !progresses[index].isProbing, progresses[index].toldCommitIndex < commitIndex
        else { return }
        sendHeartbeat(to: index)
    }

    /// Who waits for these besides this leader; nil where each node may have to act on one.
    func awaiting(_ commands: some Sequence<Command?>) -> [NodeID]? {
        var nodes: [NodeID] = []
        for command in commands {
            // A task that was done before it was known concerns only the node that did it, and the
            // one that was asked for it.
            guard case .taskSubmitted(let submitted) = command?.body, submitted.result != nil,
                let node = submitted.node
            else { return nil }
            for node in [submitted.spec.submitter, node]
            where node != id && !nodes.contains(node) { nodes.append(node) }
        }
        return nodes
    }
}
