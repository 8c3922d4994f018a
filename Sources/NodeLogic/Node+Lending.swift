import Basics
import Membership
import Scheduling
import Wire

// Leases straight from a peer. Where all lanes of this node are taken, a short task that somebody
// waits for need not wait until the coordinator has leased it: one other node does it at once, as
// this one would have done, and proposes it with its result. One entry of the log makes it known
// and ends it. Until then nothing has happened, whoever dies: the fence of such a task is none, and
// the log takes the first of what is proposed under its id.
//
// Of two nodes by chance the one is asked that has less to do for this one (the power of two
// choices, Mitzenmacher 2001), and the nearer where both have as much. Who declines, or is not
// heard of in time, is left alone for a moment.

/// A node that did not lend of late.
struct BusyLender: Sendable {
    let node: NodeID
    let until: Instant
}

extension Node {
    /// More tasks than that are not asked of one node at a time.
    static let lentCountMax = 32
    private static let tryCountMax = 6

    /// Asks another node to do a task at once; the coordinator, where nobody comes into question.
    mutating func borrow(
        _ command: Command,
        for request: UInt64,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        ask(command, for: .caller(request), from: lender(at: now), at: now, into: &effects)
    }

    private mutating func lender(at now: Instant) -> NodeID? {
        busyLenders.removeAll { $0.until <= now }
        var best: (node: NodeID, count: Int, roundTrip: Duration)?
        var count = 0
        for _ in 0..<Self.tryCountMax where count < 2 {
            let members = detector.members
            let member = members[Int.random(in: members.indices, using: &lendingChance)]
            guard mayLend(member), member.id != best?.node else { continue }
            count += 1
            let lent = requests.count { $0.lender == member.id }
            guard lent < Self.lentCountMax else { continue }
            let roundTrip = detector.estimatedRoundTrip(from: id, to: member.id) ?? .seconds(1)
            if let best, (best.count, best.roundTrip) <= (lent, roundTrip) { continue }
            best = (member.id, lent, roundTrip)
        }
        return best?.node
    }

    private func mayLend(_ member: Member) -> Bool {
        guard member.id != id, member.state == .alive, !member.profile.isEdge,
            let record = state.node(member.id), record.revocation == nil, !record.isDrained
        else { return false }
        return !busyLenders.contains { $0.node == member.id }
    }

    mutating func noteBusy(_ lender: NodeID, at now: Instant) {
        guard !busyLenders.contains(where: { $0.node == lender }) else { return }
        busyLenders.append(BusyLender(node: lender, until: now + settings.lenderRest))
    }

    mutating func take(
        _ declined: LeaseDeclined,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard requests.contains(where: { $0.number == declined.request && $0.lender == sender })
        else { return }
        send(declined.request, at: now, into: &effects)
    }

    // MARK: On the lender

    func take(_ wanted: LeaseWanted, from sender: NodeID, into effects: inout [Effect]) {
        let isOwn =
            wanted.task.spec.submitter == sender && wanted.task.node == nil
            && wanted.task.result == nil
        let isDrained = state.node(id)?.isDrained ?? true
        guard isOwn, leaveDue == nil, !isDrained, state.tasks[wanted.task.task] == nil else {
            let declined = LeaseDeclined(request: wanted.request)
            effects.append(.send(.leaseDeclined(declined), to: sender))
            return
        }
        effects.append(.tryTask(wanted, for: sender))
    }
}
