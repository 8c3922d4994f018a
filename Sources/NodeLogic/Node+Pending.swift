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
        // Whoever read the record may ask a moment later, when it is forgotten.
        guard let set = tasks.sets.element(record.setPosition) else { return nil }
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
        let present = detector.members.filter { member in
            member.state == .alive
                && state.node(member.id).map { $0.revocation == nil && !$0.isDrained } ?? false
        }
        guard !present.isEmpty else { return "every node is drained or out of reach" }
        if let reason = edgeReason(record.spec, present) { return reason }
        let workers = present.filter {
            let edge = $0.isEdge ? edge($0.profile) : nil
            return LeaseChoice.fits(record.spec, edge, isGang: set.isGang)
        }
        guard !workers.isEmpty else {
            return "every node that may run it is drained or out of reach"
        }
        let coreCount = workers.reduce(0) { $0 + Int($1.profile.coreCount) }
        let needed = set.isGang ? set.slotCount * set.queuedCount : set.slotCount
        if needed > coreCount {
            return "it needs \(needed) slots at once, and the nodes have \(coreCount)"
        }
        let largest = workers.map { Int($0.profile.coreCount) }.max() ?? 0
        if set.slotCount > largest {
            return "it needs \(set.slotCount) slots of one node, and the largest has \(largest)"
        }
        let before = tasks.open(countMax: LeaseChoice.setCountMax).reduce(0) { count, other in
            let isBefore =
                other.isReady
                && (other.priority > set.priority
                    || other.priority == set.priority && other.position < set.position)
            return count + (isBefore ? other.queuedCount : 0)
        }
        if set.isGang { return "its gang waits until \(needed) slots are free at one time" }
        if before > 0 { return "\(before) tasks are before it in the queue" }
        return record.lossCount > 0
            ? "it lost attempt \(record.attemptCount), and the next one is a moment away"
            : "it is next, when a slot is free"
    }

    /// What must be minded of an edge node with this profile.
    func edge(_ profile: Profile?) -> LeaseChoice.Edge {
        let device = profile?.device
        let battery = device?.batteryPercent ?? 0
        return LeaseChoice.Edge(
            memoryByteCount: profile?.memoryByteCount ?? 0,
            isSparing: device?.isMetered == true || 1...settings.batteryPercentMin ~= battery)
    }

    /// Why a task for edge nodes alone waits for another one than are there.
    private func edgeReason(_ spec: TaskSpec, _ workers: [Member]) -> String? {
        guard spec.edgeUse == .only else { return nil }
        let edges = workers.filter(\.isEdge)
        guard !edges.isEmpty else { return "it is for edge nodes alone, and none is there" }
        guard case .program(let work) = spec.work else { return "edge nodes run programs alone" }
        guard work.inputs.count <= LeaseChoice.edgeInputCountMax else {
            return "it has \(work.inputs.count) inputs, and an edge node takes "
                + "\(LeaseChoice.edgeInputCountMax)"
        }
        guard edges.contains(where: { !edge($0.profile).isSparing }) else {
            return "every edge node that is there has a low battery or a metered link"
        }
        let largest = edges.map(\.profile.memoryByteCount).max() ?? 0
        guard work.memoryByteCountMax <= largest else {
            return "it may use \(work.memoryByteCountMax >> 20) MiB, and the largest edge node has "
                + "\(largest >> 20)"
        }
        return nil
    }
}
