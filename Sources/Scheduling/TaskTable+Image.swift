package import Basics
package import Wire

// How the table stands in a snapshot, part by part. What follows from the parts is not written, but
// counted again when they are read: who holds which leases, what is queued, what waits for what.
extension TaskTable {
    /// All parts, in the order in which they are to be restored.
    package func forEachPart(_ body: (StatePart.Body) -> Void) {
        for tenant in tenants {
            body(
                .tenant(
                    TenantImage(
                        name: tenant.name, weight: tenant.weight,
                        runningCountMax: tenant.quota.runningCountMax,
                        queuedCountMax: tenant.quota.queuedCountMax,
                        fuelMax: tenant.quota.fuelMax)))
        }
        var written: Set<Digest> = []
        for (number, batch) in batches.numbered {
            if let certificate = batch.certificate, written.insert(certificate).inserted {
                body(.signer(SignerImage(certificates: batch.signer)))
            }
            body(
                .batch(
                    BatchImage(
                        number: UInt64(number), node: batch.node, statement: batch.statement,
                        leaves: batch.leaves, signature: batch.signature,
                        certificate: batch.certificate)))
        }
        for (number, job) in jobs.numbered { body(.job(job.image(number))) }
        for set in sets { body(.set(image(of: set))) }
        for record in records { body(.task(image(of: record))) }
        body(
            .endedTasks(
                EndedImage(
                    countBefore: history.forgottenCount, numbers: history.kept.map(UInt64.init))))
        body(.forgottenTasks(ForgottenImage(words: history.words)))
    }

    private func image(of set: TaskSetRecord) -> SetImage {
        SetImage(
            number: UInt64(set.position), isOfJob: set.job != nil, job: UInt64(set.job ?? 0),
            name: set.name, firstTask: UInt64(set.tasks.lowerBound),
            taskCount: UInt64(set.tasks.count), after: set.after.map(UInt64.init),
            isGang: set.isGang,
            gangPatienceSeconds: UInt64(set.gangPatience.components.seconds),
            grantCountBefore: set.grantCountBefore, next: UInt64(set.next),
            spec: records[set.tasks.lowerBound].spec)
    }

    private func image(of record: TaskRecord) -> TaskImage {
        var image = TaskImage(
            number: UInt64(record.number), task: record.id, set: UInt64(record.setPosition),
            attemptCount: record.attemptCount, returnCount: record.returnCount,
            deathCount: record.deathCount, sharedDeathCount: record.sharedDeathCount,
            failureCount: record.failureCount, lastHolder: record.lastHolder,
            queuedAt: record.queuedAt)
        let first = sets[record.setPosition].tasks.lowerBound
        if record.number != first, case .program(let work) = record.spec.work,
            record.spec != records[first].spec
        {
            image.item = TaskItem(
                arguments: work.arguments, inputs: work.inputs, seed: work.seed)
        }
        switch record.state {
        case .queued: break
        case .leased(let lease):
            image.lease = LeaseImage(
                holder: lease.holder, attempt: lease.attempt, fence: lease.fence)
        case .finished(let end):
            image.completion = CompletionImage(
                result: end.result, node: end.node, attempt: end.attempt, fence: end.fence,
                isSigned: end.proof != nil, batch: UInt64(end.proof?.batch ?? 0),
                leaf: UInt64(end.proof?.leaf ?? 0))
        case .cancelled: image.isCancelled = true
        }
        return image
    }

    // MARK: Restoring

    /// An empty table that is to be filled with parts, in their order.
    package init(restoring header: StateHeader) {
        records = Numbered(nextNumber: Int(clamping: header.nextTask))
        sets = Numbered(nextNumber: Int(clamping: header.nextSet))
        jobs = Numbered(nextNumber: Int(clamping: header.nextJob))
        batches = Numbered(nextNumber: Int(clamping: header.nextBatch))
        grantCount = header.grantCount
    }

    package mutating func restore(_ image: TenantImage) throws(ImageError) {
        guard tenants.last.map({ $0.name < image.name }) ?? true else {
            throw ImageError("the tenant \(image.name) is out of order")
        }
        let quota = Quota(
            runningCountMax: image.runningCountMax, queuedCountMax: image.queuedCountMax,
            fuelMax: image.fuelMax)
        tenants.append(Tenant(name: image.name, weight: image.weight, quota: quota))
        if quota.runningCountMax > 0 { isAnybodyLimited = true }
    }

    package mutating func restore(_ image: SignerImage) throws(ImageError) {
        guard let leaf = image.certificates.first else {
            throw ImageError("a signer has no certificate")
        }
        restoredSigners[Digest.of(leaf)] = image.certificates
    }

    package mutating func restore(_ image: BatchImage) throws(ImageError) {
        var batch = Batch(node: image.node, statement: image.statement, leaves: image.leaves)
        if let certificate = image.certificate {
            guard let signer = restoredSigners[certificate] else {
                throw ImageError("nobody signed the batch of results \(image.number)")
            }
            batch.signature = image.signature
            batch.certificate = certificate
            batch.signer = signer
        }
        guard batches.restore(batch, number: Int(clamping: image.number)) else {
            throw ImageError("the batch of results \(image.number) is out of order")
        }
    }

    package mutating func restore(_ image: JobImage) throws(ImageError) {
        guard let sets = Self.range(image.firstSet, image.setCount, below: sets.nextNumber),
            let tasks = Self.range(image.firstTask, image.taskCount, below: records.nextNumber),
            let number = Int(exactly: image.number)
        else { throw ImageError("the job \(image.job.short) has no such sets or tasks") }
        let job = JobRecord(
            id: image.job, name: image.name, submitter: image.submitter,
            submittedAt: image.submittedAt, sets: sets, tasks: tasks,
            isCancelled: image.isCancelled)
        guard jobs.restore(job, number: number) else {
            throw ImageError("the job \(image.job.short) is out of order")
        }
        jobPositions[image.job] = number
    }

    package mutating func restore(_ image: SetImage) throws(ImageError) {
        let what = "the set of tasks \(image.number)"
        guard let tasks = Self.range(image.firstTask, image.taskCount, below: records.nextNumber),
            let number = Int(exactly: image.number),
            UInt64(tasks.lowerBound)...UInt64(tasks.upperBound) ~= image.next,
            image.after.allSatisfy({ $0 < image.number }), image.gangPatienceSeconds < 1 << 33
        else { throw ImageError("\(what) is none") }
        let job = image.isOfJob ? Int(clamping: image.job) : nil
        guard job.map({ jobs.element($0)?.sets.contains(number) ?? false }) ?? true,
            image.isOfJob || image.after.isEmpty,
            image.after.allSatisfy({ sets.contains(number: Int(clamping: $0)) })
        else { throw ImageError("\(what) belongs to no job that is there") }
        let set = TaskSet(
            name: image.name, spec: image.spec, isGang: image.isGang,
            gangPatienceSeconds: UInt32(clamping: image.gangPatienceSeconds))
        var record = TaskSetRecord(
            position: number, job: job, set: set, tasks: tasks, after: image.after.map { Int($0) },
            blockerCount: 0, grantCountBefore: image.grantCountBefore)
        record.queuedCount = 0
        record.next = Int(image.next)
        guard sets.restore(record, number: number) else {
            throw ImageError("\(what) is out of order")
        }
        restoredSpecs[number] = image.spec
    }

    package mutating func restore(_ image: TaskImage) throws(ImageError) {
        let what = "the task \(image.task.short)"
        guard let number = Int(exactly: image.number),
            let set = sets.element(Int(clamping: image.set)), set.tasks.contains(number),
            var spec = restoredSpecs[set.position]
        else { throw ImageError("\(what) belongs to no set that is there") }
        if let item = image.item, case .program(var work) = spec.work {
            (work.arguments, work.inputs, work.seed) = (item.arguments, item.inputs, item.seed)
            spec.work = .program(work)
        }
        var record = TaskRecord(
            id: image.task, number: number, setPosition: set.position, spec: spec)
        record.attemptCount = image.attemptCount
        record.returnCount = image.returnCount
        record.deathCount = image.deathCount
        record.sharedDeathCount = image.sharedDeathCount
        record.failureCount = image.failureCount
        record.lastHolder = image.lastHolder
        record.queuedAt = image.queuedAt
        record.state = try state(in: image, what)
        guard image.returnCount <= image.attemptCount,
            records.restore(record, number: number)
        else { throw ImageError("\(what) is out of order") }
        numbers[image.task] = number
        count(record)
    }

    private mutating func state(
        in image: TaskImage, _ what: String
    ) throws(ImageError) -> TaskRecord.State {
        let count = [image.lease != nil, image.completion != nil, image.isCancelled].count { $0 }
        guard count <= 1 else { throw ImageError("\(what) is in two states") }
        if let lease = image.lease {
            return .leased(
                .init(holder: lease.holder, attempt: lease.attempt, fence: lease.fence))
        }
        guard let end = image.completion else { return image.isCancelled ? .cancelled : .queued }
        var proof: TaskRecord.Proof?
        if end.isSigned {
            let batch = Int(clamping: end.batch)
            guard let leaves = batches.element(batch)?.leaves.count,
                let leaf = Int(exactly: end.leaf), leaf <= leaves
            else { throw ImageError("\(what) has its result in no batch that is there") }
            batches[batch].taskCount += 1
            proof = .init(batch: batch, leaf: leaf)
        }
        return .finished(
            .init(
                result: end.result, node: end.node, attempt: end.attempt, fence: end.fence,
                proof: proof))
    }

    // What follows from one task.
    private mutating func count(_ record: TaskRecord) {
        let position = record.setPosition
        let tenant = tenantPlace(sets[position].tenant)
        if !record.isOver { tenants[tenant].promisedFuel += UInt128(sets[position].fuel) }
        switch record.state {
        case .queued:
            tenants[tenant].queuedCount += 1
            sets[position].queuedCount += 1
            queuedCount += 1
            if record.number < sets[position].next { sets[position].returned.append(record.number) }
            if openSets.last != position { openSets.append(position) }
            if record.isExhausted { exhausted.append(record.number) }
        case .leased(let lease):
            let place = holderPlace(lease.holder)
            if place == holders.count || holders[place].node != lease.holder {
                holders.insert(Holder(node: lease.holder), at: place)
            }
            holders[place].tasks.append(record.number)
            holders[place].slotCount += sets[position].slotCount
            sets[position].leasedCount += 1
            leasedCount += 1
            tenants[tenant].leasedCount += 1
            tenants[tenant].usage.add(sets[position])
        case .finished, .cancelled:
            if record.hasSucceeded {
                sets[position].succeededCount += 1
            } else {
                sets[position].failedCount += 1
            }
        }
        if record.spec.deadline != 0, !record.isOver { deadlines.append(record.number) }
    }

    package mutating func restore(ended: EndedImage) throws(ImageError) {
        let kept = ended.numbers.map { Int(clamping: $0) }
        for first in kept {
            guard hasEnded(first) else {
                throw ImageError("the set of tasks \(first) should have ended and has not")
            }
        }
        let jobCount = jobs.count { isOver($0) }
        guard Set(kept).count == kept.count, ended.countBefore < 1 << 48,
            kept.count == jobCount + sets.count(where: { $0.job == nil && $0.isOver })
        else { throw ImageError("what has ended is not what is said to have ended") }
        history = History(forgottenCount: ended.countBefore, kept: kept, words: history.words)
    }

    private func hasEnded(_ first: Int) -> Bool {
        guard let set = sets.element(first) else { return false }
        guard let job = set.job else { return set.isOver }
        guard let record = jobs.element(job) else { return false }
        return record.sets.lowerBound == first && isOver(record)
    }

    package mutating func restore(forgotten: ForgottenImage) throws(ImageError) {
        guard forgotten.words.count <= History.forgottenCountMax else {
            throw ImageError("\(forgotten.words.count) ids are said to be forgotten")
        }
        history = History(
            forgottenCount: history.forgottenCount, kept: history.kept, words: forgotten.words)
    }

    /// Counts what follows from all parts together; no part comes after this.
    package mutating func finishRestoring() throws(ImageError) {
        restoredSpecs = [:]
        restoredSigners = [:]
        for set in sets {
            let records = records[set.tasks]
            guard records.count == set.tasks.count, !records.isEmpty,
                records.allSatisfy({ $0.setPosition == set.position })
            else {
                throw ImageError("tasks of the set \(set.position) are missing")
            }
            // Of what has ended badly nothing is waited for any more.
            for other in set.after where !sets[other].hasSucceeded {
                sets[set.position].blockerCount += 1
                if sets[other].failedCount == 0 {
                    dependants[other, default: []].append(set.position)
                }
            }
        }
        for job in jobs {
            var end = job.tasks.lowerBound
            for set in sets[job.sets] where set.tasks.lowerBound == end {
                end = set.tasks.upperBound
            }
            guard sets[job.sets].count == job.sets.count, end == job.tasks.upperBound else {
                throw ImageError("sets of the job \(job.id.short) are missing")
            }
        }
        for batch in batches where batch.taskCount == 0 {
            throw ImageError("a batch of results holds none")
        }
        for first in history.kept {
            endedTaskCount += tasks(ofUnit: first).count
        }
    }

    // Numbers of strangers: nil where they are not below a limit.
    private static func range(_ first: UInt64, _ count: UInt64, below limit: Int) -> Range<Int>? {
        let (end, isTooMuch) = first.addingReportingOverflow(count)
        guard !isTooMuch, end <= UInt64(limit) else { return nil }
        return Int(first)..<Int(end)
    }
}

extension JobRecord {
    fileprivate func image(_ number: Int) -> JobImage {
        JobImage(
            number: UInt64(number), job: id, name: name, submitter: submitter,
            submittedAt: submittedAt, firstSet: UInt64(sets.lowerBound),
            setCount: UInt64(sets.count), firstTask: UInt64(tasks.lowerBound),
            taskCount: UInt64(tasks.count), isCancelled: isCancelled)
    }
}
