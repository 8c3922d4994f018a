import Basics
import Election
import Membership
package import Scheduling
import Wire

extension Node {
    /// Why a queued task does not run, in a few words; nil where it runs or has ended.
    ///
    /// Any node can say it from what was decided and who is alive; the coordinator alone knows how
    /// many slots are free at this moment.
    package func pendingReason(of record: TaskRecord) -> String? {
        guard record.state == .queued else { return nil }
        let tasks = state.tasks
        let set = tasks.sets[record.setPosition]
        let blocker = set.after.first { !tasks.sets[$0].hasSucceeded }
        if let blocker {
            let other = tasks.sets[blocker]
            return "waits for \(other.name): \(other.succeededCount) of \(other.tasks.count) "
                + "tasks have succeeded"
        }
        if raft.leader == nil { return "the mesh has no coordinator: too few voters are alive" }
        let together = set.isGang ? set.queuedCount : 1
        if let reason = tasks.tenant(set.tenant)?.waitReason(ofCount: together) { return reason }
        if case .generation(let work) = record.spec.work,
            let deployment = state.deployment(of: work.model), !deployment.isReady
        {
            return "the model \(work.model) is still being deployed"
        }
        let workers = detector.members.filter { member in
            member.state == .alive
                && state.node(member.id).map { $0.revocation == nil && !$0.isDrained } ?? false
        }
        guard !workers.isEmpty else { return "every node is drained or out of reach" }
        if record.spec.edgeUse == .only, !workers.contains(where: \.isEdge) {
            return "it is for edge nodes alone, and none is there"
        }
        let coreCount = workers.reduce(0) { $0 + Int($1.profile.coreCount) }
        let needed = set.isGang ? set.slotCount * set.queuedCount : set.slotCount
        if needed > coreCount {
            return "it needs \(needed) slots at once, and the nodes have \(coreCount)"
        }
        if record.lossCount > 0 {
            return "it lost attempt \(record.attemptCount), and the next one is a moment away"
        }
        let before = tasks.open(countMax: LeaseChoice.setCountMax).reduce(0) { count, other in
            let isBefore =
                other.isReady
                && (other.priority > set.priority
                    || other.priority == set.priority && other.position < set.position)
            return count + (isBefore ? other.queuedCount : 0)
        }
        if set.isGang { return "its gang waits until \(needed) slots are free at one time" }
        return before == 0
            ? "it is next, when a slot is free" : "\(before) tasks are before it in the queue"
    }
}
