package import Basics
package import Wire

/// Every task of the mesh: the fold of the task commands of the log.
///
/// `judge` says what a command would do, `apply` does it; both are functions of the table and the
/// command alone, so all nodes agree. A command that is not `.fresh` changes nothing.
package struct TaskTable: Hashable, Sendable {
    /// In the order of submission, which is the same on every node.
    package private(set) var records: [TaskRecord] = []
    private var positions: [Digest: Int] = [:]
    // Positions in `records`, ascending: the queue in the order of submission. A task that lost
    // its worker keeps its place.
    private var queuedPositions: [Int] = []
    private var leasedPositions: [Int] = []

    package init() {}

    package subscript(task: Digest) -> TaskRecord? { positions[task].map { records[$0] } }

    package var queuedCount: Int { queuedPositions.count }
    package var leasedCount: Int { leasedPositions.count }

    /// The first tasks of the queue.
    package func queued(countMax: Int) -> [TaskRecord] {
        queuedPositions.prefix(countMax).map { records[$0] }
    }

    package var leased: [TaskRecord] { leasedPositions.map { records[$0] } }

    // MARK: Judging

    package func judge(_ command: TaskSubmitted) -> Verdict {
        guard let record = self[command.task] else { return .fresh }
        return record.spec == command.spec ? .done : .refused("another task has this id")
    }

    package func judge(_ command: TaskLeased) -> Verdict {
        guard let record = self[command.task] else { return .refused("no such task") }
        if let lease = record.lease, lease.attempt == command.attempt,
            lease.holder == command.holder
        {
            return .done
        }
        guard record.state == .queued else { return .refused("the task is not queued") }
        guard command.attempt == record.attemptCount + 1, !record.isExhausted else {
            return .refused("attempt \(command.attempt) is not the task's next one")
        }
        return .fresh
    }

    package func judge(_ command: TaskRequeued) -> Verdict {
        guard let record = self[command.task] else { return .refused("no such task") }
        if record.state == .queued, record.attemptCount == command.attempt { return .done }
        guard record.lease?.attempt == command.attempt else {
            return .refused("attempt \(command.attempt) holds no lease")
        }
        return .fresh
    }

    package func judge(_ command: TaskFinished) -> Verdict {
        guard let record = self[command.task] else { return .refused("no such task") }
        switch record.state {
        case .leased(let lease):
            let isCurrent =
                lease.attempt == command.attempt && lease.fence == command.fence
                && lease.holder == command.node
            return isCurrent ? .fresh : .refused("the lease is void")
        case .finished(let completion):
            let isSame =
                completion.attempt == command.attempt && completion.node == command.node
            return isSame ? .done : .refused("the task has finished")
        case .queued:
            // Nobody holds a lease: the coordinator gives up for a task that has none left.
            let isSurrender =
                record.isExhausted && command.attempt == record.attemptCount
                && command.fence == Fence() && command.result.outcome == .failed
            return isSurrender ? .fresh : .refused("the lease is void")
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

    // MARK: Applying

    package mutating func apply(_ command: TaskSubmitted) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        positions[command.task] = records.count
        queuedPositions.append(records.count)
        records.append(TaskRecord(id: command.task, spec: command.spec))
        return verdict
    }

    /// `fence` is the term and index of the entry that holds the command.
    package mutating func apply(_ command: TaskLeased, fence: Fence) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = positions[command.task] else { return verdict }
        records[position].attemptCount = command.attempt
        records[position].lastHolder = command.holder
        set(
            .leased(.init(holder: command.holder, attempt: command.attempt, fence: fence)),
            at: position
        )
        return verdict
    }

    package mutating func apply(_ command: TaskRequeued) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = positions[command.task] else { return verdict }
        set(.queued, at: position)
        return verdict
    }

    package mutating func apply(_ command: TaskFinished) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = positions[command.task] else { return verdict }
        set(
            .finished(
                .init(result: command.result, node: command.node, attempt: command.attempt)
            ),
            at: position
        )
        return verdict
    }

    package mutating func apply(_ command: TaskCancelled) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = positions[command.task] else { return verdict }
        set(.cancelled, at: position)
        return verdict
    }

    private mutating func set(_ state: TaskRecord.State, at position: Int) {
        switch records[position].state {
        case .queued: Self.remove(position, from: &queuedPositions)
        case .leased: Self.remove(position, from: &leasedPositions)
        case .finished, .cancelled: break
        }
        records[position].state = state
        switch state {
        case .queued: Self.insert(position, into: &queuedPositions)
        case .leased: Self.insert(position, into: &leasedPositions)
        case .finished, .cancelled: break
        }
    }

    private static func insert(_ position: Int, into positions: inout [Int]) {
        positions.insert(position, at: place(of: position, in: positions))
    }

    private static func remove(_ position: Int, from positions: inout [Int]) {
        positions.remove(at: place(of: position, in: positions))
    }

    // Where the position stands, or would stand: the first one not below it.
    private static func place(of position: Int, in positions: [Int]) -> Int {
        var low = 0
        var high = positions.count
        while low < high {
            let middle = (low + high) / 2
            if positions[middle] < position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
