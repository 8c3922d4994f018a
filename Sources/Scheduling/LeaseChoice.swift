package import Basics
package import Wire

/// Which queued task goes to which worker.
///
/// First come, first served, by the free slots that the workers report. Among workers with a free
/// slot a task goes to one that its wish names, then not to the one that it was lost on, then to
/// the one with most slots free, then to the lowest id.
package struct LeaseChoice {
    package struct Worker: Hashable, Sendable {
        package var node: NodeID
        package var freeSlotCount: Int

        package init(node: NodeID, freeSlotCount: Int) {
            self.node = node
            self.freeSlotCount = freeSlotCount
        }
    }

    package enum Wish: Hashable, Sendable {
        /// Not now: what the task needs is on its way.
        case wait
        case anybody
        /// These hold what the task needs; others can fetch it.
        case rather([NodeID])
    }

    /// One entry of the log holds one command; this many at once keep the log's latency short.
    package static let countMax = 64

    /// The leases to append now, for at most `countMax` tasks.
    package static func leases(
        of table: TaskTable,
        to workers: [Worker],
        wish: (TaskSpec) -> Wish
    ) -> [TaskLeased] {
        var workers = workers.filter { $0.freeSlotCount > 0 }
        var leases: [TaskLeased] = []
        // Tasks that wait do not hold up those behind them; some are looked past, not all.
        for record in table.queued(countMax: 4 * countMax) {
            guard !workers.isEmpty, leases.count < countMax else { break }
            guard !record.isExhausted else { continue }
            let wanted: [NodeID]
            switch wish(record.spec) {
            case .wait: continue
            case .anybody: wanted = []
            case .rather(let nodes): wanted = nodes
            }
            let best = best(of: workers, wanted: wanted, lastHolder: record.lastHolder)
            leases.append(
                TaskLeased(
                    task: record.id,
                    attempt: record.attemptCount + 1,
                    holder: workers[best].node
                )
            )
            workers[best].freeSlotCount -= 1
            if workers[best].freeSlotCount == 0 { workers.remove(at: best) }
        }
        return leases
    }

    // There is at least one worker.
    private static func best(
        of workers: [Worker],
        wanted: [NodeID],
        lastHolder: NodeID?
    ) -> Int {
        func rank(_ worker: Worker) -> (Int, Int, Int, NodeID) {
            (
                wanted.contains(worker.node) ? 0 : 1, worker.node == lastHolder ? 1 : 0,
                -worker.freeSlotCount, worker.node
            )
        }
        var best = 0
        for index in workers.indices where rank(workers[index]) < rank(workers[best]) {
            best = index
        }
        return best
    }
}
