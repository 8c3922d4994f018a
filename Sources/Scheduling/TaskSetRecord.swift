package import Basics
import Wire

/// Tasks of one spec, which stand in a row in the table: of a job, or one task by itself.
package struct TaskSetRecord: Hashable, Sendable {
    package let position: Int
    /// Of its job in the table; nil for a task by itself.
    package let job: Int?
    package let name: String
    package let tenant: String
    package let priority: Int32
    package let slotCount: Int
    package let memoryByteCount: UInt64
    package let fuel: UInt64
    /// The numbers of its tasks.
    package let tasks: Range<Int>
    /// Sets that must have succeeded before, by position in the table.
    package let after: [Int]
    package let isGang: Bool
    package let gangPatience: Duration
    /// How many leases the table had granted when the set came: by those it ages.
    package let grantCountBefore: UInt64

    package internal(set) var queuedCount: Int
    package internal(set) var leasedCount = 0
    package internal(set) var succeededCount = 0
    /// Ended in any other way.
    package internal(set) var failedCount = 0
    /// Sets in `after` that have not succeeded yet.
    package internal(set) var blockerCount: Int

    // The queue: tasks that were leased before and came back, ascending, then those from `next` on.
    // Some of these may have been cancelled.
    var returned: [Int] = []
    var next: Int

    init(
        position: Int,
        job: Int?,
        set: TaskSet,
        tasks: Range<Int>,
        after: [Int],
        blockerCount: Int,
        grantCountBefore: UInt64
    ) {
        self.position = position
        self.job = job
        name = set.name
        tenant = set.spec.tenant
        priority = min(max(set.spec.priority, -100), 100)
        slotCount = max(Int(set.spec.slotCount), 1)
        if case .program(let work) = set.spec.work {
            memoryByteCount = work.memoryByteCountMax
            fuel = work.fuel
        } else {
            memoryByteCount = 0
            fuel = 0
        }
        self.tasks = tasks
        self.after = after
        isGang = set.isGang
        gangPatience = set.gangPatience
        self.grantCountBefore = grantCountBefore
        queuedCount = tasks.count
        self.blockerCount = blockerCount
        next = tasks.lowerBound
    }

    package var isOver: Bool { queuedCount + leasedCount == 0 }
    package var hasSucceeded: Bool { succeededCount == tasks.count }
    /// Something is queued, and nothing that it needs is missing.
    package var isReady: Bool { queuedCount > 0 && blockerCount == 0 }
}

/// A graph of tasks that was submitted as one.
package struct JobRecord: Hashable, Sendable {
    package let id: Digest
    package let name: String
    package let submitter: NodeID
    package let submittedAt: UInt64
    /// Positions in the table's sets.
    package let sets: Range<Int>
    /// Numbers of all of its tasks.
    package let tasks: Range<Int>
    package internal(set) var isCancelled = false
}

extension TaskSet {
    /// A second at least.
    var gangPatience: Duration { .seconds(Int64(max(gangPatienceSeconds, 1))) }
}
