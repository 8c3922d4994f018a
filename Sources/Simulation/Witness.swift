package import Basics
import NodeLogic
import Scheduling
package import Wire

/// Sees everything and says what must never be.
package struct Witness: Sendable {
    /// One sentence for each thing that must never be; the first thousand.
    package private(set) var violations: [String] = []
    /// The decided commands by index, as the first node to apply them had them.
    package private(set) var decided: [UInt64: Command] = [:]
    package private(set) var finishedCount = 0

    // Looked up, never iterated.
    private var leaders: [UInt64: Int] = [:]
    private var digests: [UInt64: Digest] = [:]
    private var completions: [Digest: TaskRecord.Completion] = [:]
    // The lease that holds, by the task's number.
    private var held: [UInt64: Grant] = [:]

    // The newest fence under which each worker began each task, and who began under it.
    private var orders: [Order: UInt64] = [:]
    private var beginners: [Start: Int] = [:]

    private struct Order: Hashable {
        var task: Digest
        var worker: Int
    }

    private struct Start: Hashable {
        var task: Digest
        var fence: UInt64
    }

    private struct Grant: Hashable {
        var index: UInt64
        var holder: NodeID
    }

    package init() {}

    package func leader(of term: UInt64) -> Int? { leaders[term] }

    mutating func leads(_ number: Int, in term: UInt64) {
        if let other = leaders[term], other != number {
            report("nodes \(other) and \(number) lead in term \(term)")
        }
        leaders[term] = number
    }

    /// A worker acts on a lease: on a newer one than before, and on one that nobody else acts on.
    mutating func started(_ task: Digest, _ fence: Fence, on number: Int) {
        let order = Order(task: task, worker: number)
        if let newest = orders[order], fence.index < newest {
            report("node \(number) began task \(task.short) under an old fence")
        }
        orders[order] = fence.index
        let start = Start(task: task, fence: fence.index)
        if let other = beginners[start], other != number {
            report("nodes \(other) and \(number) began task \(task.short) under one fence")
        }
        beginners[start] = number
    }

    mutating func applied(_ index: UInt64, _ command: Command, refusal: String?, by number: Int) {
        if let known = decided[index] {
            if known != command { report("node \(number) applied another entry at \(index)") }
            return
        }
        decided[index] = command
        switch command.body {
        // A lease that is granted again while it holds keeps its first fence.
        case .tasksLeased(let leased) where refusal == nil:
            for grant in leased.grants {
                for task in grant.tasks where held[task] == nil {
                    held[task] = Grant(index: index, holder: grant.holder)
                }
            }
        case .tasksRequeued(let requeued) where refusal == nil:
            for void in requeued.voids { held[void.task] = nil }
        case .tasksFinished(let finished) where refusal == nil:
            for end in finished.ends where end.fence != Fence() {
                let grant = Grant(index: end.fence.index, holder: finished.node)
                if held[end.task] != grant {
                    report("task \(end.task) finished without its lease at \(index)")
                }
            }
        default: break
        }
    }

    /// Looks at what a node has applied since it stood at `before`.
    mutating func look(
        at process: Machine.Whole,
        of number: Int,
        since before: UInt64,
        digestInterval: UInt64
    ) {
        let appliedIndex = process.appliedIndex
        for index in before..<appliedIndex {
            if case .tasksLeased = decided[index + 1]?.body {
                countLeases(process.node.state.tasks, number)
            }
            switch decided[index + 1]?.body {
            case .taskSubmitted(let submitted): look(at: submitted.task, process, number)
            case .tasksFinished(let finished):
                for end in finished.ends {
                    guard let task = process.node.state.tasks.record(end.task) else { continue }
                    look(at: task.id, process, number)
                }
            default: continue
            }
        }
        if appliedIndex.isMultiple(of: digestInterval) { compare(process, number) }
    }

    /// No tenant has more leases than its limit allows, which it had before it had tasks. The tasks
    /// themselves are counted, not what the table says of their number.
    private mutating func countLeases(_ table: TaskTable, _ number: Int) {
        for tenant in table.tenants where tenant.quota.runningCountMax > 0 {
            let count = table.holders.reduce(0) { count, holder in
                count
                    + holder.tasks.count { task in
                        table.records[task].spec.tenant == tenant.name
                            && table.records[task].lease != nil
                    }
            }
            if count > tenant.quota.runningCountMax {
                report(
                    "the tenant \(tenant.name) has \(count) leases of "
                        + "\(tenant.quota.runningCountMax) on node \(number)")
            }
        }
    }

    /// Compares the whole state, whatever the index is.
    mutating func compare(_ process: Machine.Whole, _ number: Int) {
        compare(process.node.state, process.appliedIndex, number)
        for record in process.node.state.tasks.records { look(at: record.id, process, number) }
    }

    mutating func compare(_ state: ReplicatedState, _ appliedIndex: UInt64, _ number: Int) {
        let digest = state.digest
        if let known = digests[appliedIndex], known != digest {
            report("node \(number) has another state after entry \(appliedIndex)")
        }
        digests[appliedIndex] = digest
    }

    private mutating func look(at task: Digest, _ process: Machine.Whole, _ number: Int) {
        guard let completion = process.node.state.tasks[task]?.completion else { return }
        if let known = completions[task] {
            if known != completion { report("task \(task.short) finished twice") }
        } else {
            completions[task] = completion
            finishedCount += 1
        }
    }

    mutating func report(_ sentence: String) {
        // What is wrong once is wrong a million times; nobody reads on.
        if violations.count < 1_000 { violations.append(sentence) }
    }
}

extension Simulator {
    /// What must hold at the end, when everything had time: no acknowledged task is lost, every
    /// node says the same of each.
    package mutating func checkTasks(_ acknowledged: [Digest]) {
        for number in upNumbers {
            guard let process = machines[number].whole else { continue }
            witness.compare(process, number)
            let table = process.node.state.tasks
            for task in acknowledged
            where table[task]?.completion == nil && !table.hasForgotten(task) {
                let what = table[task] == nil ? "lost" : "not finished"
                witness.report("task \(task.short) is \(what) on node \(number)")
            }
        }
    }
}
