import Basics
import Wire

extension TasksLeased {
    /// A lease of one task.
    init(_ task: UInt64 = 0, attempt: UInt32, holder: NodeID) {
        self.init(grants: [LeaseGrant(holder: holder, tasks: [task], attempts: [attempt])])
    }
}

extension TasksRequeued {
    /// One lost lease.
    init(_ task: UInt64 = 0, attempt: UInt32, reason: String = "lost", blameless: Bool = false) {
        let void = LeaseVoid(
            task: task,
            attempt: attempt,
            reason: reason,
            isBlameless: blameless
        )
        self.init(voids: [void])
    }
}

extension TasksFinished {
    /// The end of one task.
    init(
        _ task: UInt64 = 0,
        attempt: UInt32,
        index: UInt64,
        node: NodeID,
        _ result: TaskResult = TaskResult(outcome: .succeeded)
    ) {
        let fence = Fence(term: 1, index: index)
        self.init(
            node: node,
            ends: [TaskEnd(task: task, attempt: attempt, fence: fence, result: result)]
        )
    }
}
