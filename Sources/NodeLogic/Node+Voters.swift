import Basics
import Election
import Membership
import Scheduling
import Wire

// How many vote: one alone, three from three nodes on, five from five on. Two would be worse than
// one, because the loss of either stops the mesh: two are passed through, never rested at.
extension Node {
    private static let voterCountMax = 5
    private static let sealingInterval: Duration = .seconds(2)
    // A voter that left has stopped by then.
    private static let handOverDuration: Duration = .seconds(10)

    /// All enrolled nodes that may be there receive the log.
    mutating func updateLearners(at now: Instant, into effects: inout [Effect]) {
        guard coordination?.areLearnersStale == true else { return }
        coordination?.areLearnersStale = false
        let learners = state.nodes.compactMap { node -> NodeID? in
            guard node.revocation == nil, node.id != id, !node.isEdge else { return nil }
            switch detector.state(of: node.id) {
            case .alive, .suspect, .unreachable: return node.id
            case .dead, .left, nil: return nil
            }
        }
        guard coordination?.learners != learners else { return }
        coordination?.learners = learners
        elect(.setLearners(learners), at: now, into: &effects)
    }

    /// At most one change at a time; Raft refuses another before it is committed.
    mutating func chooseVoters(at now: Instant, into effects: inout [Effect]) {
        guard raft.voters == state.voters, let voters = nextVoters(at: now) else { return }
        let command = Command(body: .votersChanged(VotersChanged(voters: voters)))
        effects.append(.note(.votersProposed(voters)))
        if let indices = append([command], at: now, into: &effects) {
            coordination?.awaitedIndex = indices.upperBound
        }
    }

    /// The voters after the next change; nil where they are right.
    private func nextVoters(at now: Instant) -> [NodeID]? {
        let voters = state.voters
        let newcomers = newcomers(at: now)
        let lost = voters.filter { isGone($0, at: now) }
        // One that is gone for good makes room; one that may come back only for a replacement.
        if let voter = lost.first(where: {
            isGoneForGood($0, at: now) || !newcomers.isEmpty
        }),
            voters.count > 1
        {
            return voters.filter { $0 != voter }
        }
        let presentCount = voters.count - lost.count + newcomers.count
        let wanted = presentCount >= 5 ? Self.voterCountMax : presentCount >= 3 ? 3 : 1
        if voters.count < wanted, newcomers.count >= (voters.count.isMultiple(of: 2) ? 1 : 2) {
            return (voters + newcomers.prefix(1)).sorted()
        }
        // A sole voter that leaves hands over, though two are passed through.
        if leaveDue != nil, voters == [id], let newcomer = newcomers.first {
            return [id, newcomer].sorted()
        }
        // The other one is getting the key.
        if leaveDue != nil, voters.count > 1, voters.contains(id) { return nil }
        guard voters.count.isMultiple(of: 2), newcomers.isEmpty else { return nil }
        let absent = voters.first { $0 != id && detector.member($0)?.state != .alive }
        return (absent ?? voters.last { $0 != id }).map { voter in
            voters.filter { $0 != voter }
        }
    }

    /// Stable nodes that could vote and do not, those with the most cores first.
    private func newcomers(at now: Instant) -> [NodeID] {
        // A voter alone may want two; five and none lost want nobody.
        let needed = state.voters.contains { isGone($0, at: now) } || leaveDue != nil
        if !needed, state.voters.count == Self.voterCountMax { return [] }
        var candidates: [(Int, NodeID)] = []
        for (node, match) in raft.matchIndices
        where match + UInt64(settings.raft.batchEntryCountMax) >= raft.lastIndex {
            guard let record = state.node(node), record.revocation == nil, !record.isEdge,
                let member = detector.member(node), member.state == .alive,
                !state.voters.contains(node), now - member.since >= settings.voterStabilityMin
            else { continue }
            candidates.append((-Int(member.profile.coreCount), node))
        }
        return candidates.sorted { $0 < $1 }.map(\.1)
    }

    private func isGone(_ voter: NodeID, at now: Instant) -> Bool {
        if isGoneForGood(voter, at: now) { return true }
        guard voter != id else { return false }
        // The dead are forgotten after a day, and by whoever starts anew.
        guard let member = detector.member(voter) else {
            return coordination.map { now - $0.since >= settings.voterDeadMax } ?? false
        }
        switch member.state {
        case .dead: return true
        case .unreachable: return now - member.since >= settings.voterDeadMax
        case .alive, .suspect, .left: return false
        }
    }

    private func isGoneForGood(_ voter: NodeID, at now: Instant) -> Bool {
        guard state.isAdmitted(voter) else { return true }
        guard voter == id else {
            guard let member = detector.member(voter), member.state == .left else { return false }
            return isKeyElsewhere(than: voter) || now - member.since >= Self.handOverDuration
        }
        // Its own leaving a coordinator hands over first.
        return leaveDue != nil && state.voters.count > 1 && isKeyElsewhere(than: id)
    }

    /// With the last voter that has the issuing key gone, a mesh could let in nobody any more.
    private func isKeyElsewhere(than voter: NodeID) -> Bool {
        state.sealedIssuingKey(of: voter) == nil
            || state.voters.contains { $0 != voter && state.sealedIssuingKey(of: $0) != nil }
    }

    /// A coordinator that was not given the key, since its predecessor died before, gets it from
    /// another voter.
    mutating func sealForCoordinator(into effects: inout [Effect]) {
        guard let leader = raft.leader, leader != id, state.voters.contains(id),
            state.voters.contains(leader), state.sealedIssuingKey(of: leader) == nil,
            let record = state.node(leader), record.revocation == nil
        else { return }
        effects.append(.sealIssuingKey(voter: leader, certificates: record.certificates))
    }

    /// What the driver has sealed.
    mutating func take(
        _ key: IssuingKeySealed,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let body = Command.Body.issuingKeySealed(key)
        guard state.judge(Command(body: body)) == .fresh else { return }
        if coordination != nil {
            _ = append([Command(body: body)], at: now, into: &effects)
        } else if key.voter == raft.leader, state.sealedIssuingKey(of: key.voter) == nil {
            let isAsked = requests.contains { request in
                if case .issuingKeySealed = request.command.body { true } else { false }
            }
            if !isAsked { relay(body, at: now, into: &effects) }
        }
    }

    /// Whoever may become the coordinator must be able to issue certificates.
    mutating func sealIssuingKeys(at now: Instant, into effects: inout [Effect]) {
        coordination?.sealings.removeAll { $0.at + Self.sealingInterval <= now }
        for voter in state.voters where state.sealedIssuingKey(of: voter) == nil {
            guard let record = state.node(voter), record.revocation == nil,
                coordination?.sealings.contains(where: { $0.voter == voter }) == false
            else { continue }
            coordination?.sealings.append((voter, now))
            effects.append(
                .sealIssuingKey(voter: voter, certificates: record.certificates)
            )
        }
    }
}
