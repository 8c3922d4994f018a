import Basics
import Election
import Scheduling
import Wire

/// A lease of this node, from its start until the log says how it ended.
struct Run: Sendable {
    let task: Digest
    let number: Int
    let attempt: UInt32
    let fence: Fence
    /// The request that carries its result, once it is done; 0 before.
    var results: UInt64 = 0

    var isFinished: Bool { results != 0 }
}

extension Node {
    /// Starts and stops work as the log gives and takes leases.
    mutating func settleTasks(at now: Instant, into effects: inout [Effect]) {
        if areRunsTouched {
            areRunsTouched = false
            stopVoid(into: &effects)
        }
        guard !touchedTasks.isEmpty else { return }
        let tasks = touchedTasks
        touchedTasks.removeAll(keepingCapacity: true)
        for number in tasks {
            guard let lease = ownLease(of: number) else { continue }
            let place = place(ofRun: number)
            if place < runs.count, runs[place].number == number {
                guard runs[place].fence != lease.fence else { continue }
                stop(runs.remove(at: place), into: &effects)
            }
            let record = state.tasks.records[number]
            runs.insert(
                Run(
                    task: record.id,
                    number: number,
                    attempt: lease.attempt,
                    fence: lease.fence
                ),
                at: place
            )
            effects.append(
                .startTask(record.id, attempt: lease.attempt, fence: lease.fence, record.spec)
            )
        }
    }

    // Where the run of a task is, or would be.
    private func place(ofRun number: Int) -> Int {
        if let last = runs.last, last.number < number { return runs.count }
        return runs.partitionPoint { $0.number < number }
    }

    // What was leased to an earlier life of this node is not taken up again: the coordinator sees
    // in the reports that it is lost, and leases it anew.
    private func ownLease(of number: Int) -> TaskRecord.Lease? {
        guard let lease = state.tasks.record(UInt64(number))?.lease, lease.holder == id,
            lease.fence.index > bootIndex || lease.fence.term > bootTerm
        else { return nil }
        return lease
    }

    private mutating func stopVoid(into effects: inout [Effect]) {
        let stopped = runs.filter { ownLease(of: $0.number)?.fence != $0.fence }
        guard !stopped.isEmpty else { return }
        let standing = runs.filter { ownLease(of: $0.number)?.fence == $0.fence }
        runs = standing
        for run in stopped { stop(run, into: &effects) }
        // Results whose leases are all void are wanted by nobody.
        var isLast = true
        requests.removeAll { request in
            guard case .results(let number) = request.origin else { return false }
            let isOver = !standing.contains { $0.results == number }
            if !isOver { isLast = false }
            return isOver
        }
        if isLast, stopped.contains(where: \.isFinished) { effects.append(.resultsTaken) }
    }

    private func stop(_ run: Run, into effects: inout [Effect]) {
        if !run.isFinished { effects.append(.stopTask(run.task)) }
        // Where its end is forgotten already, nobody can say whose it was.
        guard let record = state.tasks.record(UInt64(run.number)) else { return }
        let isOurs = record.completion.map { $0.node == id && $0.attempt == run.attempt }
        if isOurs != true, record.failureCount == 0 {
            effects.append(.note(.resultVoid(run.task, attempt: run.attempt)))
        }
    }

    mutating func finish(
        _ endings: [TaskEnding],
        statement: [UInt8],
        leaves: [UInt8],
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let number = requestNumber + 1
        var ends: [TaskEnd] = []
        var isOneVoid = false
        for ending in endings {
            guard let task = state.tasks.number(of: ending.task) else { continue }
            let place = place(ofRun: task)
            if place < runs.count, runs[place].number == task, runs[place].fence == ending.fence,
                !runs[place].isFinished
            {
                runs[place].results = number
            } else if leaves.isEmpty {
                isOneVoid = true
                continue
            }
            // What was signed together stays together: a void result among them is void by itself.
            ends.append(
                TaskEnd(
                    task: UInt64(task),
                    attempt: ending.attempt,
                    fence: ending.fence,
                    result: ending.result
                )
            )
        }
        guard ends.count == endings.count || leaves.isEmpty && !ends.isEmpty,
            runs.contains(where: { $0.results == number })
        else {
            // What was signed together with one that is forgotten is signed no more.
            let alone = runs.indices.filter { runs[$0].results == number }
            for place in alone { runs[place].results = 0 }
            giveBack(alone.map { runs[$0].task }, at: now, into: &effects)
            effects.append(.resultsTaken)
            return
        }
        let finished = TasksFinished(
            node: id,
            ends: ends,
            statement: isOneVoid ? [] : statement,
            leaves: leaves
        )
        let command = Command(body: .tasksFinished(finished))
        ask(command, for: .results(number), at: now, into: &effects)
    }

    mutating func giveBack(
        _ tasks: [Digest],
        because reason: String = "its worker is busy",
        at now: Instant,
        into effects: inout [Effect]
    ) {
        var requeued = TasksRequeued()
        for task in tasks {
            guard let number = state.tasks.number(of: task) else { continue }
            let place = place(ofRun: number)
            guard place < runs.count, runs[place].number == number, !runs[place].isFinished
            else { continue }
            requeued.voids.append(
                LeaseVoid(
                    task: UInt64(number),
                    attempt: runs[place].attempt,
                    reason: reason,
                    isBlameless: true
                )
            )
        }
        guard !requeued.voids.isEmpty else { return }
        ask(Command(body: .tasksRequeued(requeued)), for: .returned, at: now, into: &effects)
    }

    /// Tells the coordinator what this node does and could do.
    mutating func report(at now: Instant, into effects: inout [Effect]) {
        // What is applied and what runs are said together: leases that were applied in this very
        // turn would count as unknown here, and be lost.
        settleTasks(at: now, into: &effects)
        let isIdle = runs.isEmpty && wards.isEmpty
        nextReport = now + (isIdle ? settings.idleReportInterval : settings.reportInterval)
        guard let leader = raft.leader, state.isAdmitted(id) else { return }
        let isStaying = leaveDue == nil
        let report = WorkerReport(
            appliedIndex: state.appliedIndex,
            heldModels: heldModels,
            slotCount: isStaying ? UInt32(slotCount) : 0,
            backlogCount: isStaying ? UInt32(backlogCount) : 0,
            running: runs.map { UInt64($0.number) },
            wards: wardReports
        )
        if leader == id {
            take(report, from: id, at: now)
        } else {
            effects.append(.send(.workerReport(report), to: leader))
            sealForCoordinator(into: &effects)
        }
    }
}
