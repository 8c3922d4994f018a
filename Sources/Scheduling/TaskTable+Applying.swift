import Basics
package import Wire

extension TaskTable {
    /// - Parameter signer: the chain of the certificate that the command names.
    package mutating func apply(
        _ command: TaskSubmitted, signer: [[UInt8]] = [], at index: UInt64 = 0
    ) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        let alone = TaskSet(name: command.spec.name, spec: command.spec)
        append(alone, job: nil, after: [], ids: { _ in command.task }, at: index)
        guard let node = command.node, let result = command.result else { return verdict }
        // Done before it was submitted: the entry that makes it known grants the lease and ends it.
        let number = records.nextNumber - 1
        let proof = TaskRecord.Proof(batch: batches.nextNumber, leaf: 0)
        let batch = Batch(
            node: node, statement: command.statement, leaves: [], signature: command.signature,
            certificate: command.certificate, signer: signer, taskCount: 1)
        batches.append(batch)
        records[number].attemptCount = 1
        records[number].lastHolder = node
        grantCount += 1
        set(
            .finished(
                .init(result: result, node: node, attempt: 1, fence: Fence(), proof: proof)
            ),
            of: number
        )
        return verdict
    }

    package mutating func apply(_ command: JobSubmitted, at index: UInt64 = 0) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        let (first, firstTask) = (sets.nextNumber, records.nextNumber)
        for set in command.sets {
            let offset = records.nextNumber - firstTask
            append(
                set,
                job: jobs.nextNumber,
                after: set.after.map { first + Int($0) },
                ids: { command.job.derived(UInt64(offset + $0)) },
                at: index
            )
        }
        jobPositions[command.job] = jobs.nextNumber
        jobs.append(
            JobRecord(
                id: command.job,
                name: command.name,
                submitter: command.submitter,
                submittedAt: command.submittedAt,
                sets: first..<sets.nextNumber,
                tasks: firstTask..<records.nextNumber
            )
        )
        return verdict
    }

    private mutating func append(
        _ set: TaskSet,
        job: Int?,
        after: [Int],
        ids: (Int) -> Digest,
        at index: UInt64
    ) {
        let position = sets.nextNumber
        let first = records.nextNumber
        let items = set.items.isEmpty ? [TaskItem()] : set.items
        for (offset, item) in items.enumerated() {
            let id = ids(offset)
            numbers[id] = records.nextNumber
            if set.spec.deadline != 0 { deadlines.append(records.nextNumber) }
            var record = TaskRecord(
                id: id,
                number: records.nextNumber,
                setPosition: position,
                spec: set.spec.with(item)
            )
            record.queuedAt = index
            records.append(record)
        }
        let blockers = after.filter { !sets[$0].hasSucceeded }
        for blocker in blockers { dependants[blocker, default: []].append(position) }
        sets.append(
            TaskSetRecord(
                position: position,
                job: job,
                set: set,
                tasks: first..<records.nextNumber,
                after: after,
                blockerCount: blockers.count,
                grantCountBefore: grantCount
            )
        )
        queuedCount += items.count
        // Whoever has something to do has a share, though it be none yet.
        let tenant = tenantPlace(set.spec.tenant)
        tenants[tenant].queuedCount += items.count
        tenants[tenant].promisedFuel += UInt128(sets[position].fuel) * UInt128(items.count)
        openSets.append(position)
        // What it waits for may have ended badly already.
        if blockers.contains(where: { sets[$0].isOver }) { cancel(sets[position].tasks) }
    }

    /// `fence` is the term and index of the entry that holds the command.
    package mutating func apply(_ command: TasksLeased, fence: Fence) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        for grant in command.grants {
            for (task, attempt) in zip(grant.tasks, grant.attempts)
            where judge(lease: task, attempt: attempt, holder: grant.holder) == .fresh {
                let number = Int(task)
                records[number].attemptCount = attempt
                records[number].lastHolder = grant.holder
                grantCount += 1
                set(
                    .leased(.init(holder: grant.holder, attempt: attempt, fence: fence)),
                    of: number
                )
            }
        }
        return verdict
    }

    package mutating func apply(_ command: TasksRequeued, at index: UInt64 = 0) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        // Whose loss it was, once for each task that had begun there.
        let blamed = command.voids.compactMap { void in
            void.isBlameless || judge(void) != .fresh ? nil : record(void.task)?.lease?.holder
        }.sorted()
        for void in command.voids where judge(void) == .fresh {
            let number = Int(void.task)
            if void.isBlameless {
                records[number].returnCount += 1
            } else if let lease = records[number].lease, Self.isAlone(lease.holder, in: blamed) {
                records[number].deathCount += 1
            } else {
                records[number].sharedDeathCount += 1
                records[number].returnCount += 1
            }
            requeue(number, at: index)
            // A gang is whole or not at all: who has not ended begins again with the others.
            let set = sets[records[number].setPosition]
            guard set.isGang else { continue }
            for other in set.tasks where records[other].lease != nil {
                records[other].returnCount += 1
                requeue(other, at: index)
            }
        }
        return verdict
    }

    private static func isAlone(_ holder: NodeID, in holders: [NodeID]) -> Bool {
        let next = holders.partitionPoint { $0 < holder } + 1
        return next >= holders.count || holders[next] != holder
    }

    private mutating func requeue(_ number: Int, at index: UInt64) {
        records[number].queuedAt = index
        set(.queued, of: number)
        if records[number].isExhausted { Ascending.insert(number, into: &exhausted) }
    }

    package mutating func apply(_ command: TasksFinished, at index: UInt64 = 0) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        var batch = Batch(
            node: command.node, statement: command.statement, leaves: command.leaves)
        for (leaf, end) in command.ends.enumerated()
        where judge(end, by: command.node) == .fresh {
            let number = Int(end.task)
            if end.result.outcome == .failed, end.fence != Fence() {
                records[number].failureCount += 1
                if records[number].failureCount < records[number].attemptCountMax,
                    records[number].spec.attemptCountMax > 0
                {
                    requeue(number, at: index)
                    continue
                }
            }
            set(
                .finished(
                    .init(
                        result: end.result,
                        node: command.node,
                        attempt: end.attempt,
                        fence: end.fence,
                        proof: command.statement.isEmpty
                            ? nil : .init(batch: batches.nextNumber, leaf: leaf)
                    )
                ),
                of: number
            )
            batch.taskCount += 1
        }
        // What holds no result proves nothing.
        if !command.statement.isEmpty, batch.taskCount > 0 { batches.append(batch) }
        return verdict
    }

    package mutating func apply(_ command: TaskCancelled) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let number = numbers[command.task] else { return verdict }
        set(.cancelled, of: number)
        return verdict
    }

    package mutating func apply(_ command: JobCancelled) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = jobPositions[command.job] else { return verdict }
        jobs[position].isCancelled = true
        cancel(jobs[position].tasks)
        return verdict
    }

    private mutating func cancel(_ tasks: Range<Int>) {
        for number in tasks where !records[number].isOver { set(.cancelled, of: number) }
    }

    // MARK: Changing a state

    private mutating func set(_ state: TaskRecord.State, of number: Int) {
        let position = records[number].setPosition
        let tenant = tenantPlace(sets[position].tenant)
        switch records[number].state {
        case .queued:
            leaveQueue(number, position)
            tenants[tenant].queuedCount -= 1
        case .leased(let lease): endLease(lease, number, position, tenant)
        case .finished, .cancelled: break
        }
        records[number].state = state
        switch state {
        case .queued:
            if number < sets[position].next {
                Ascending.insert(number, into: &sets[position].returned)
            }
            sets[position].queuedCount += 1
            queuedCount += 1
            tenants[tenant].queuedCount += 1
            Ascending.insert(position, into: &openSets)
        case .leased(let lease): beginLease(lease, number, position, tenant)
        case .finished, .cancelled:
            tenants[tenant].promisedFuel -= UInt128(sets[position].fuel)
            end(number, position)
        }
    }

    private mutating func leaveQueue(_ number: Int, _ position: Int) {
        if number == sets[position].next {
            sets[position].next += 1
        } else if number < sets[position].next {
            Ascending.remove(number, from: &sets[position].returned)
        }
        sets[position].queuedCount -= 1
        queuedCount -= 1
        if sets[position].queuedCount == 0 { Ascending.remove(position, from: &openSets) }
        if !exhausted.isEmpty { Ascending.remove(number, from: &exhausted) }
    }

    private mutating func beginLease(
        _ lease: TaskRecord.Lease, _ number: Int, _ position: Int, _ tenant: Int
    ) {
        // The set may have been leased out of order: what `next` names was perhaps leased before.
        while sets[position].next < sets[position].tasks.upperBound,
            records[sets[position].next].state != .queued
        {
            sets[position].next += 1
        }
        let place = holderPlace(lease.holder)
        if place == holders.count || holders[place].node != lease.holder {
            holders.insert(Holder(node: lease.holder), at: place)
        }
        Ascending.insert(number, into: &holders[place].tasks)
        holders[place].slotCount += sets[position].slotCount
        sets[position].leasedCount += 1
        leasedCount += 1
        tenants[tenant].leasedCount += 1
        tenants[tenant].usage.add(sets[position])
    }

    private mutating func endLease(
        _ lease: TaskRecord.Lease, _ number: Int, _ position: Int, _ tenant: Int
    ) {
        let place = holderPlace(lease.holder)
        Ascending.remove(number, from: &holders[place].tasks)
        holders[place].slotCount -= sets[position].slotCount
        if holders[place].tasks.isEmpty { holders.remove(at: place) }
        sets[position].leasedCount -= 1
        leasedCount -= 1
        tenants[tenant].leasedCount -= 1
        tenants[tenant].usage.subtract(sets[position])
    }

    private mutating func end(_ number: Int, _ position: Int) {
        if records[number].spec.deadline != 0 { Ascending.remove(number, from: &deadlines) }
        if records[number].hasSucceeded {
            sets[position].succeededCount += 1
        } else {
            sets[position].failedCount += 1
        }
        endUnit(of: position)
        guard sets[position].failedCount > 0 || sets[position].hasSucceeded,
            let waiting = dependants.removeValue(forKey: position)
        else { return }
        for set in waiting {
            if sets[position].failedCount > 0 {
                cancel(sets[set].tasks)
            } else {
                sets[set].blockerCount -= 1
            }
        }
    }

    // A job, or a task by itself, is over with its last set: that is so once.
    private mutating func endUnit(of position: Int) {
        guard sets[position].isOver else { return }
        guard let job = sets[position].job else {
            history.end(position)
            endedTaskCount += sets[position].tasks.count
            return
        }
        guard let record = jobs.element(job), isOver(record) else { return }
        history.end(record.sets.lowerBound)
        endedTaskCount += record.tasks.count
    }

    mutating func tenantPlace(_ name: String) -> Int {
        if let place = tenants.firstIndex(where: { $0.name == name }) { return place }
        let place = tenants.firstIndex { name < $0.name } ?? tenants.count
        tenants.insert(Tenant(name: name), at: place)
        return place
    }
}

extension TaskTable.Usage {
    mutating func add(_ set: TaskSetRecord) {
        slotCount += set.slotCount
        memoryByteCount &+= set.memoryByteCount
        fuel &+= set.fuel
    }

    mutating func subtract(_ set: TaskSetRecord) {
        slotCount -= set.slotCount
        memoryByteCount &-= set.memoryByteCount
        fuel &-= set.fuel
    }
}

extension TaskSpec {
    /// The spec of one item of a set.
    func with(_ item: TaskItem) -> TaskSpec {
        guard case .program(var work) = self.work else { return self }
        if !item.arguments.isEmpty { work.arguments += item.arguments }
        if !item.inputs.isEmpty { work.inputs += item.inputs }
        work.seed &+= item.seed
        var spec = self
        spec.work = .program(work)
        return spec
    }
}
