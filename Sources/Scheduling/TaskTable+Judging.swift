import Basics
package import Wire

extension TaskTable {
    package func judge(_ command: TaskSubmitted) -> Verdict {
        guard let record = self[command.task] else {
            guard !hasForgotten(command.task) else {
                return .refused(
                    """
                    the task \(command.task.short) ended long ago and is kept no more: submit it \
                    under another key
                    """)
            }
            // What is done takes nothing any more.
            guard command.result == nil else { return .fresh }
            return quotaRefusal(of: [TaskSet(spec: command.spec)]).map { .refused($0) } ?? .fresh
        }
        return record.spec.isRepeated(by: command.spec)
            ? .done : .refused("another task was submitted under this key: choose another key")
    }

    package func judge(_ command: JobSubmitted) -> Verdict {
        if let job = job(command.job) {
            return isRepeated(job, by: command)
                ? .done : .refused("another job was submitted under this key: choose another key")
        }
        guard !hasForgotten(command.job) else {
            return .refused(
                """
                the job \(command.job.short) ended long ago and is kept no more: submit it under \
                another key
                """)
        }
        guard 1...Self.setCountMax ~= command.sets.count else {
            return .refused("a job has 1 to \(Self.setCountMax) kinds of tasks")
        }
        var count = 0
        for (position, set) in command.sets.enumerated() {
            guard set.after.allSatisfy({ $0 < position }) else {
                return .refused("\(set.name) waits for what comes after it")
            }
            count += max(set.items.count, 1)
        }
        guard count <= Self.itemCountMax else {
            return .refused("a job has at most \(Self.itemCountMax) tasks")
        }
        for index in 0..<count where numbers[command.job.derived(UInt64(index))] != nil {
            return .refused("another task has an id of this job")
        }
        return quotaRefusal(of: command.sets).map { .refused($0) } ?? .fresh
    }

    // The same words in the same order, to the last one.
    private func isRepeated(_ job: JobRecord, by command: JobSubmitted) -> Bool {
        guard job.name == command.name, job.sets.count == command.sets.count else { return false }
        return zip(job.sets, command.sets).allSatisfy { position, set in
            let known = sets[position]
            let items = set.items.isEmpty ? [TaskItem()] : set.items
            return known.name == set.name && known.isGang == set.isGang
                && known.gangPatience == set.gangPatience
                && known.after == set.after.map { job.sets.lowerBound + Int($0) }
                && known.tasks.count == items.count
                && zip(known.tasks, items).allSatisfy { number, item in
                    records[number].spec.isRepeated(by: set.spec.with(item))
                }
        }
    }

    package func judge(_ command: JobCancelled) -> Verdict {
        guard let job = job(command.job) else { return .refused("no such job") }
        if job.isCancelled { return .done }
        return sets[job.sets].contains { !$0.isOver } ? .fresh : .refused("the job has ended")
    }

    /// Fresh where one of its leases can be granted.
    package func judge(_ command: TasksLeased) -> Verdict {
        var verdict = Verdict.done
        for grant in command.grants {
            guard grant.tasks.count == grant.attempts.count else {
                return .refused("tasks and attempts do not match")
            }
            for (task, attempt) in zip(grant.tasks, grant.attempts) {
                let one = judge(lease: task, attempt: attempt, holder: grant.holder)
                if one == .fresh { return .fresh }
                if verdict == .done { verdict = one }
            }
        }
        return verdict
    }

    func judge(lease task: UInt64, attempt: UInt32, holder: NodeID) -> Verdict {
        guard let record = record(task) else { return .refused("no such task") }
        if let lease = record.lease, lease.attempt == attempt, lease.holder == holder {
            return .done
        }
        guard record.state == .queued else { return .refused("the task is not queued") }
        guard sets[record.setPosition].blockerCount == 0 else {
            return .refused("the task waits for others")
        }
        guard attempt == record.attemptCount + 1, !record.isExhausted else {
            return .refused("attempt \(attempt) is not the task's next one")
        }
        guard !isAnybodyLimited || hasRoom(for: sets[record.setPosition]) else {
            return .refused("the task's tenant runs as much as it may")
        }
        return .fresh
    }

    package func judge(_ command: TasksRequeued) -> Verdict {
        var verdict = Verdict.done
        for void in command.voids {
            let one = judge(void)
            if one == .fresh { return .fresh }
            if verdict == .done { verdict = one }
        }
        return verdict
    }

    func judge(_ void: LeaseVoid) -> Verdict {
        guard let record = record(void.task) else { return .refused("no such task") }
        if record.state == .queued, record.attemptCount == void.attempt { return .done }
        guard record.lease?.attempt == void.attempt else {
            return .refused("attempt \(void.attempt) holds no lease")
        }
        return .fresh
    }

    package func judge(_ command: TasksFinished) -> Verdict {
        // A statement without leaves is about one result.
        let isFitting =
            command.leaves.isEmpty
            ? command.statement.isEmpty || command.ends.count == 1
            : command.leaves.count == command.ends.count * 32
        guard isFitting else {
            return .refused("the leaves are not those of the results")
        }
        var verdict = Verdict.done
        for end in command.ends {
            let one = judge(end, by: command.node)
            if one == .fresh { return .fresh }
            if verdict == .done { verdict = one }
        }
        return verdict
    }

    func judge(_ end: TaskEnd, by node: NodeID) -> Verdict {
        guard let record = record(end.task) else { return .refused("no such task") }
        switch record.state {
        case .leased(let lease):
            let isCurrent =
                lease.attempt == end.attempt && lease.fence == end.fence && lease.holder == node
            return isCurrent ? .fresh : .refused("the lease is void")
        case .finished(let completion):
            let isSame = completion.attempt == end.attempt && completion.node == node
            return isSame ? .done : .refused("the task has finished")
        case .queued:
            // Nobody holds a lease: the coordinator gives up for a task that shall not run.
            let isSurrender =
                end.attempt == record.attemptCount && end.fence == Fence()
                && end.result.outcome == .failed
            if isSurrender { return .fresh }
            // An attempt that failed was taken note of, and the task waits for its next one.
            let isFailure = record.failureCount > 0 && end.attempt == record.attemptCount
            return isFailure ? .done : .refused("the lease is void")
        case .cancelled:
            return .refused("the task was cancelled")
        }
    }

    package func judge(_ command: TaskCancelled) -> Verdict {
        guard let record = self[command.task] else { return .refused("no such task") }
        switch record.state {
        case .queued, .leased: return .fresh
        case .cancelled: return .done
        case .finished: return .refused("the task has finished")
        }
    }
}

extension TaskSpec {
    /// Whether this one was asked for again, through another node perhaps, or later: what was to be
    /// done within an hour is due an hour after it was asked for first.
    fileprivate func isRepeated(by other: TaskSpec) -> Bool {
        var other = other
        if other.deadline != 0 {
            other.deadline = other.deadline &- other.submittedAt &+ submittedAt
        }
        (other.submitter, other.submittedAt) = (submitter, submittedAt)
        return self == other
    }
}
