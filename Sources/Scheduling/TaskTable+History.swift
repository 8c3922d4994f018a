package import Basics

// What has ended is kept for those who ask for it later, but not for ever: the coordinator says
// with an entry of the log how much is forgotten, the oldest first. A job is forgotten as a whole.
extension TaskTable {
    package func hasForgotten(_ id: Digest) -> Bool { history.hasForgotten(id) }

    /// How many of all that has ended must be forgotten so that at most so many of its tasks are
    /// kept.
    package func forgottenCount(keeping taskCountMax: Int) -> UInt64 {
        var count = endedTaskCount
        var forgotten = history.forgottenCount
        for first in history.kept {
            guard count > taskCountMax else { break }
            count -= tasks(ofUnit: first).count
            forgotten += 1
        }
        return forgotten
    }

    /// Forgets until so many are forgotten in all.
    package mutating func forget(through count: UInt64) {
        var setRanges: [Range<Int>] = []
        var jobRanges: [Range<Int>] = []
        var emptied: [Int] = []
        for first in history.forget(through: count) {
            let tasks = tasks(ofUnit: first)
            endedTaskCount -= tasks.count
            for number in tasks {
                numbers[records[number].id] = nil
                guard let batch = records[number].completion?.proof?.batch else { continue }
                batches[batch].taskCount -= 1
                if batches[batch].taskCount == 0 { emptied.append(batch) }
            }
            if let job = sets[first].job {
                let record = jobs[job]
                history.forget(record.id)
                jobPositions[record.id] = nil
                setRanges.append(record.sets)
                jobRanges.append(job..<job + 1)
            } else {
                history.forget(records[tasks.lowerBound].id)
                setRanges.append(first..<first + 1)
            }
        }
        records.remove(setRanges.flatMap { sets[$0].map(\.tasks) })
        sets.remove(setRanges)
        jobs.remove(jobRanges)
        batches.remove(emptied.map { $0..<$0 + 1 })
        forgetTenants()
    }

    // Names are anybody's to choose: one that says nothing and has nothing is not kept either.
    private mutating func forgetTenants() {
        var idle = tenants.filter { $0 == Tenant($0.name) }.map(\.name)
        for set in sets where !idle.isEmpty { idle.removeAll { $0 == set.tenant } }
        tenants.removeAll { idle.contains($0.name) }
    }

    // The tasks of a job or of a task by itself, by the number of its first set.
    func tasks(ofUnit first: Int) -> Range<Int> {
        sets[first].job.map { jobs[$0].tasks } ?? sets[first].tasks
    }
}
