import Basics
import Election
import Scheduling
import Wire

/// A lease of this node, from its start until the log says how it ended.
struct Run: Sendable {
    let task: Digest
    let attempt: UInt32
    let fence: Fence
    /// Done, and on its way into the log.
    var isFinished = false
}

extension Node {
    /// Starts and stops work as the log gives and takes leases.
    mutating func settleTasks(at now: Instant, into effects: inout [Effect]) {
        let tasks = touchedTasks
        touchedTasks.removeAll(keepingCapacity: true)
        for task in tasks {
            let lease = ownLease(of: task)
            if let position = runs.firstIndex(where: { $0.task == task }),
                runs[position].fence != lease?.fence
            {
                stop(position, at: now, into: &effects)
            }
            guard let lease, let record = state.tasks[task],
                !runs.contains(where: { $0.task == task })
            else { continue }
            runs.append(Run(task: task, attempt: lease.attempt, fence: lease.fence))
            effects.append(
                .startTask(task, attempt: lease.attempt, fence: lease.fence, record.spec)
            )
        }
    }

    // What was leased to an earlier life of this node is not taken up again: the coordinator sees
    // in the reports that it is lost, and leases it anew.
    private func ownLease(of task: Digest) -> TaskRecord.Lease? {
        guard let lease = state.tasks[task]?.lease, lease.holder == id,
            lease.fence.index > bootIndex
        else { return nil }
        return lease
    }

    private mutating func stop(
        _ position: Int,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let run = runs.remove(at: position)
        requests.removeAll { $0.origin == .result(run.task) }
        // A slot is free, or a result has arrived: the coordinator should know at once.
        nextReport = now
        if !run.isFinished { effects.append(.stopTask(run.task)) }
        let isOurs = state.tasks[run.task]?.completion.map {
            $0.node == id && $0.attempt == run.attempt
        }
        if isOurs != true { effects.append(.note(.resultVoid(run.task, attempt: run.attempt))) }
    }

    mutating func finish(
        _ task: Digest,
        attempt: UInt32,
        fence: Fence,
        _ result: TaskResult,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard
            let position = runs.firstIndex(where: {
                $0.task == task && $0.fence == fence && !$0.isFinished
            })
        else { return }
        runs[position].isFinished = true
        nextReport = now
        ask(
            Command(
                body: .taskFinished(
                    TaskFinished(
                        task: task,
                        attempt: attempt,
                        fence: fence,
                        node: id,
                        result: result
                    )
                )
            ),
            for: .result(task),
            at: now,
            into: &effects
        )
    }

    /// Tells the coordinator what this node does and could do.
    mutating func report(at now: Instant, into effects: inout [Effect]) {
        nextReport = now + (runs.isEmpty ? settings.idleReportInterval : settings.reportInterval)
        guard let leader = raft.leader, state.isAdmitted(id) else { return }
        let busyCount = runs.count { !$0.isFinished }
        let report = WorkerReport(
            appliedIndex: state.appliedIndex,
            freeSlotCount: leaveDue == nil ? UInt32(max(settings.slotCount - busyCount, 0)) : 0,
            running: runs.map(\.task),
            heldModels: heldModels
        )
        if leader == id {
            take(report, from: id, at: now)
        } else {
            effects.append(.send(.workerReport(report), to: leader))
        }
    }
}
