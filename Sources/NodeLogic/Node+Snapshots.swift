import Basics
import Election
import Membership
import Scheduling
import Wire

// The state as a whole: written when enough is new, read when it comes from another node or from
// the disk, and then taken up in the place of one that was made entry by entry.
extension Node {
    /// Hands out the state for a snapshot at the end of the step in which it is due.
    mutating func takeSnapshot(into effects: inout [Effect]) {
        guard isSnapshotDue else { return }
        isSnapshotDue = false
        effects.append(.takeSnapshot(raft.head(at: state.appliedIndex), state))
    }

    /// Bytes from another node were read: nil where they are no state.
    mutating func snapshotRead(
        _ head: SnapshotHead,
        _ image: ReplicatedState?,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let isGood =
            image.map {
                $0.appliedIndex == head.index && $0.appliedTerm == head.term
                    && $0.voters == head.voters.sorted()
            } ?? false
        if isGood, let image { arrived = [image] }
        elect(.snapshotRead(head, isGood: isGood), at: now, into: &effects)
        arrived = []
    }

    /// From now on the log begins with this snapshot, which is of this node or has arrived.
    mutating func adopt(
        _ head: SnapshotHead,
        base: LogPosition,
        isLogKept: Bool,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        effects.append(.adoptSnapshot(head, base: base, isLogKept: isLogKept))
        guard head.index > state.appliedIndex, let image = arrived.first else { return }
        let old = state
        state = image
        effects.append(.stateReplaced(index: state.appliedIndex))
        takeUp(since: old, at: now, into: &effects)
    }

    /// Does what the commands would have made this node do that lie between two states.
    mutating func takeUp(
        since old: ReplicatedState,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        appliedIndex = state.appliedIndex
        isUnsettled = true
        for record in state.nodes {
            let known = old.node(record.id)
            if record.revocation != nil {
                if known?.revocation == nil { expel(record.id, at: now, into: &effects) }
                guard !hasLeft else { return }
            } else if known == nil {
                admit(record.id, at: now, into: &effects)
            } else if known?.certificates != record.certificates {
                tell(record.id, into: &effects)
            }
            if record.sleepSequence != known?.sleepSequence ?? 0 {
                let news = NodeSlept(
                    node: record.id, until: record.asleepUntil, sequence: record.sleepSequence)
                slept(news, at: now, into: &effects)
            }
        }
        followRoot(at: now)
        touchedTasks += state.tasks.holder(id)?.tasks ?? []
        areRunsTouched = true
        areStagesTouched = true
        touchedWards += wards.map(\.node)
        settleEnrolments(into: &effects)
        recheckRequests(at: now, into: &effects)
        settleReads(into: &effects)
    }
}
