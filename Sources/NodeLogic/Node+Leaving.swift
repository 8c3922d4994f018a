import Basics
import Election
import Membership
import Wire

// A node that leaves says so, stays until the others have heard it and until it votes no more, and
// is then done. It never waits for ever: a mesh without a quorum cannot let it go properly.
extension Node {
    private static let leaveRounds = 4

    mutating func leave(at now: Instant, into effects: inout [Effect]) {
        guard leaveDue == nil else { return }
        leaveDue = now + settings.leaveDuration
        leaveDeadline = now + settings.leaveDuration * Self.leaveRounds
        isUnsettled = true
        detect(.leaving, at: now, into: &effects)
        // First that it takes no more, then what it has: nobody died of that.
        report(at: now, into: &effects)
        let begun = runs.filter { !$0.isFinished }.map(\.task)
        giveBack(begun, because: "its worker leaves", at: now, into: &effects)
    }

    mutating func goOnLeaving(at now: Instant, into effects: inout [Effect]) {
        guard let due = leaveDue, let deadline = leaveDeadline, due <= now, !hasLeft else {
            return
        }
        let others = state.voters.contains { $0 != id && detector.member($0)?.state == .alive }
        let isAlone = !detector.members.contains { $0.id != id && $0.state == .alive }
        let mayGo = !state.voters.contains(id) || isAlone
        guard mayGo || deadline <= now else {
            // The others remove it faster than it could remove itself.
            if raft.role == .leader, others { elect(.stepDown, at: now, into: &effects) }
            leaveDue = min(now + .milliseconds(200), deadline)
            return
        }
        hasLeft = true
        effects.append(.left)
    }

    /// The mesh has put this node out: it holds its peace from now on.
    mutating func beRevoked(at now: Instant, into effects: inout [Effect]) {
        for run in runs where !run.isFinished { effects.append(.stopTask(run.task)) }
        elect(.stepDown, at: now, into: &effects)
        hasLeft = true
        effects.append(.left)
    }
}
