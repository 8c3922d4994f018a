import Basics
import Election
import Membership
package import Scheduling
package import Wire

/// A command that this node wants to see applied: it repeats itself until that is so.
struct Request: Sendable {
    enum Origin: Hashable, Sendable {
        case caller(UInt64)
        /// This node's results. They stand until the log holds them or voids the leases.
        case results(UInt64)
        /// Leases that this node gives back.
        case returned
        case stage(model: String)
        /// In the name of an edge node, which asks again by itself, or of the coordinator itself.
        case relayed
    }

    let number: UInt64
    let origin: Origin
    let command: Command
    /// When to send it (again).
    var due: Instant
    var end: Instant
    /// The coordinator appended it here; 0 before.
    var awaitedIndex: UInt64 = 0
    /// Who does it as a favour; nil once the coordinator was asked.
    var lender: NodeID?

    /// Whether this entry of the log is what was asked for.
    ///
    /// The coordinator chooses the stages of
    /// a deployment, so that the entry says more than the wish.
    func isMet(by applied: Command) -> Bool {
        // Another node may have done the task that this one only asked for.
        if case .taskSubmitted(let wish) = command.body, wish.result == nil,
            case .taskSubmitted(let done) = applied.body
        {
            return wish.task == done.task && wish.spec == done.spec
        }
        guard case .modelDeployed(let wish) = command.body, wish.epoch == 0,
            case .modelDeployed(var placement) = applied.body
        else { return applied == command }
        placement.epoch = 0
        placement.stages = wish.stages
        return placement == wish
    }
}

extension Node {
    // A client that has more than this under way is refused and may come again.
    static let requestCountMax = 10_000

    mutating func ask(
        _ command: Command,
        for origin: Request.Origin,
        from lender: NodeID? = nil,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        requestNumber += 1
        let isCallers = if case .caller = origin { true } else { false }
        let mayEnd = isCallers || origin == .relayed
        var request = Request(
            number: requestNumber,
            origin: origin,
            command: command,
            due: now,
            end: mayEnd ? now + settings.proposalDuration : .distantFuture
        )
        if origin == .relayed, requests.count >= Self.requestCountMax { return }
        if isCallers, requests.count >= Self.requestCountMax || leaveDue != nil {
            let reason = leaveDue == nil ? "too many requests are under way" : "the node leaves"
            conclude(request, .refused(Refusal(reason, .overload)), into: &effects)
            return
        }
        if let lender, case .taskSubmitted(let task) = command.body {
            request.lender = lender
            request.due = now + settings.lendingPatience
            let wanted = LeaseWanted(request: request.number, task: task)
            effects.append(.send(.leaseWanted(wanted), to: lender))
        }
        requests.append(request)
        if request.lender == nil { send(request.number, at: now, into: &effects) }
    }

    /// Sends what is due again and gives up what took too long.
    mutating func repeatRequests(at now: Instant, into effects: inout [Effect]) {
        for request in requests where request.end <= now {
            requests.removeAll { $0.number == request.number }
            if case .caller(let number) = request.origin {
                effects.append(.note(.requestAbandoned(request: number)))
            }
            // It may have been appended and still be decided later.
            var refusal = noAnswer
            refusal.sentence += "; it may take effect later"
            conclude(request, .refused(refusal), into: &effects)
        }
        for request in requests where request.due <= now {
            // While it has a place in the log it is not asked for again: the coordinator may have
            // applied it, and what was decided after it, and would decide it once more.
            if request.awaitedIndex > appliedIndex {
                guard let position = requests.firstIndex(where: { $0.number == request.number })
                else { continue }
                requests[position].due = now + settings.proposalInterval
            } else {
                send(request.number, at: now, into: &effects)
            }
        }
    }

    /// Why nothing was decided in time.
    var noAnswer: Refusal {
        let reason =
            raft.leader == nil
            ? "no coordinator: the mesh has no quorum" : "the coordinator does not answer"
        return Refusal(reason, .unavailable)
    }

    mutating func send(
        _ number: UInt64,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let position = requests.firstIndex(where: { $0.number == number }) else { return }
        if let lender = requests[position].lender { noteBusy(lender, at: now) }
        requests[position].lender = nil
        requests[position].due = now + settings.proposalInterval
        guard let leader = raft.leader else { return }
        let proposal = Proposal(request: number, command: requests[position].command)
        if leader == id {
            take(proposal, from: id, at: now, into: &effects)
        } else {
            effects.append(.send(.proposal(proposal), to: leader))
        }
    }

    private mutating func conclude(
        _ request: Request,
        _ answer: Answer,
        into effects: inout [Effect]
    ) {
        guard case .caller(let number) = request.origin else { return }
        effects.append(.answer(request: number, answer))
    }

    // MARK: What comes back

    mutating func take(
        _ reply: ProposalReply,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard !reply.retry,
            let position = requests.firstIndex(where: { $0.number == reply.request })
        else { return }
        let request = requests[position]
        if !reply.refusal.isEmpty {
            // Of its own leases and stages a node believes the log, not a coordinator that may
            // have been replaced.
            switch request.origin {
            case .caller, .returned, .relayed: break
            case .results, .stage: return
            }
            requests.remove(at: position)
            let refusal = Refusal(reply.refusal, reply.refusalKind)
            conclude(request, .refused(refusal), into: &effects)
            return
        }
        // A place in the log of one that leads no more may never be reached.
        guard sender == raft.leader else { return }
        requests[position].awaitedIndex = reply.index
        if reply.index <= state.appliedIndex { recheck(request.number, at: now, into: &effects) }
    }

    /// An entry was applied: whoever asked for it, or waited for its place, learns what became
    /// of it.
    mutating func settleRequests(
        with command: Command,
        _ verdict: Verdict,
        at index: UInt64,
        _ now: Instant,
        into effects: inout [Effect]
    ) {
        guard !requests.isEmpty else { return }
        for request in requests {
            if request.isMet(by: command) {
                if case .refused = verdict, request.lender != nil {
                    // What the lender proposed is void: this node's own word is another one.
                    send(request.number, at: now, into: &effects)
                    continue
                }
                requests.removeAll { $0.number == request.number }
                if case .refused(let refusal) = verdict {
                    conclude(request, .refused(refusal), into: &effects)
                } else {
                    conclude(request, .accepted(index: index), into: &effects)
                }
            } else if request.awaitedIndex == index {
                recheck(request.number, at: now, into: &effects)
            }
        }
    }

    /// Entries were passed over: what stood in a place that was promised is to be found out.
    mutating func recheckRequests(at now: Instant, into effects: inout [Effect]) {
        for request in requests where 1...appliedIndex ~= request.awaitedIndex {
            recheck(request.number, at: now, into: &effects)
        }
    }

    // The place it was promised is taken: either its effect is there, or it was lost.
    private mutating func recheck(
        _ number: UInt64,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let position = requests.firstIndex(where: { $0.number == number }) else { return }
        let request = requests[position]
        switch state.judge(request.command) {
        case .done:
            requests.remove(at: position)
            conclude(request, .accepted(index: request.awaitedIndex), into: &effects)
        case .refused(let refusal):
            requests.remove(at: position)
            conclude(request, .refused(refusal), into: &effects)
        case .fresh:
            requests[position].awaitedIndex = 0
        }
    }

    // MARK: On the coordinator

    /// Judges what another node, or this one, wants appended.
    mutating func take(
        _ proposal: Proposal,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        var reply = ProposalReply(request: proposal.request, refusalKind: .conflict)
        guard coordination != nil, raft.isLeaderWithQuorum(at: now) else {
            reply.retry = true
            return answer(reply, to: sender, at: now, into: &effects)
        }
        if let index = coordination?.index(of: proposal.request, from: sender) {
            reply.index = index
            return answer(reply, to: sender, at: now, into: &effects)
        }
        guard mayPropose(proposal.command, sender) else {
            reply.refusal = "only the coordinator decides this"
            return answer(reply, to: sender, at: now, into: &effects)
        }
        if let refusal = proposal.command.sizeRefusal {
            (reply.refusal, reply.refusalKind) = (refusal.sentence, refusal.kind)
            return answer(reply, to: sender, at: now, into: &effects)
        }
        switch verdict(on: proposal.command) {
        case .done: reply.index = state.appliedIndex
        case .refused(let refusal):
            (reply.refusal, reply.refusalKind) = (refusal.sentence, refusal.kind)
        case .fresh:
            if let command = completed(proposal.command) {
                proposals.append((command, proposal.request, sender))
                return
            }
            reply.refusal = "no nodes have room for the model now; `swiftlet model plan` tells why"
            reply.refusalKind = .unavailable
        }
        answer(reply, to: sender, at: now, into: &effects)
    }

    private mutating func answer(
        _ reply: ProposalReply,
        to sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        if sender == id {
            take(reply, from: id, at: now, into: &effects)
        } else {
            effects.append(.send(.proposalReply(reply), to: sender))
        }
    }

    /// Group commit: what came together is appended together.
    mutating func appendProposals(at now: Instant, into effects: inout [Effect]) {
        guard !proposals.isEmpty else { return }
        let waiting = proposals
        proposals.removeAll(keepingCapacity: true)
        let indices = append(waiting.map(\.command), at: now, into: &effects)
        for (offset, proposal) in waiting.enumerated() {
            var reply = ProposalReply(request: proposal.request, refusalKind: .conflict)
            if let indices {
                reply.index = indices.lowerBound + UInt64(offset)
                if reply.index > state.appliedIndex {
                    coordination?.remember(
                        reply.index,
                        of: proposal.request,
                        from: proposal.sender
                    )
                }
            } else {
                reply.retry = true
            }
            answer(reply, to: proposal.sender, at: now, into: &effects)
        }
    }

    /// As the state has it; but a model is not deployed as wished while one of its nodes is not
    /// known to be alive.
    ///
    /// Whoever waits for a token of it says so by wishing again.
    private func verdict(on command: Command) -> Verdict {
        let verdict = state.judge(command)
        if case .fresh = verdict, case .nodeRevoked(let revoked) = command.body,
            endsQuorum(withoutVoter: revoked.node)
        {
            return .refused(
                "too few of the other voters are there: revoke those first that are gone for good")
        }
        guard case .done = verdict, case .modelDeployed(let wish) = command.body, wish.epoch == 0,
            let placement = state.deployment(of: wish.model)?.placement
        else { return verdict }
        let isServed = placement.stages.allSatisfy {
            $0.node == id || detector.member($0.node)?.state == .alive
        }
        return isServed ? .done : .fresh
    }

    /// Whether nothing could be decided any more once this voter is heard no more.
    private func endsQuorum(withoutVoter voter: NodeID) -> Bool {
        guard state.voters.contains(voter) else { return false }
        let others = state.voters.filter { $0 != voter }
        let presentCount = others.count { $0 == id || detector.member($0)?.state == .alive }
        // They have to decide its end as a voter.
        return presentCount <= others.count / 2
    }

    /// The indices, or nil where this node does not lead or the log is full.
    mutating func append(
        _ commands: [Command],
        at now: Instant,
        into effects: inout [Effect]
    ) -> ClosedRange<UInt64>? {
        elect(.propose(commands), at: now, into: &effects)
    }

    // A node speaks for itself; what concerns all is the coordinator's to decide.
    private func mayPropose(_ command: Command, _ sender: NodeID) -> Bool {
        switch command.body {
        case .meshFounded, .nodeEnrolled, .votersChanged, .tasksLeased, .planAdvanced,
            .historyTrimmed:
            false
        // Whoever made this node a voter may have died before it had the key sealed for it.
        case .issuingKeySealed(let key):
            key.voter == id && state.voters.contains(sender)
                && state.sealedIssuingKey(of: id) == nil
        case .tasksRequeued(let requeued):
            requeued.voids.allSatisfy { void in
                guard void.isBlameless else { return false }
                // A lease that is void already, cancelled for instance, holds up nothing that
                // is given back with it.
                guard let lease = state.tasks.record(void.task)?.lease,
                    lease.attempt == void.attempt
                else { return true }
                return speaks(sender, for: lease.holder)
            }
        case .taskSubmitted(let submitted): submitted.node == nil || submitted.node == sender
        case .tasksFinished(let finished):
            speaks(sender, for: finished.node)
                && finished.ends.allSatisfy { $0.fence != Fence() }
        case .nodeSlept(let slept): speaks(sender, for: slept.node)
        case .stageReady(let ready): ready.node == sender
        case .modelDeployed(let placement): placement.epoch == 0
        case .planClosed(let closed): !closed.succeeded
        default: true
        }
    }
}

extension Command {
    /// Why the log does not take it, where it is too large for one entry.
    package var sizeRefusal: Refusal? {
        let count = wireByteCount
        guard count > Self.byteCountMax else { return nil }
        return Refusal(
            "this has \(count) bytes where an entry of the log has \(Self.byteCountMax) at most: "
                + "split it, or put what is long into inputs", .tooLarge)
    }
}
