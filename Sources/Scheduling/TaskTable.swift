package import Basics
import Wire

/// Every task of the mesh: the fold of the task commands of the log.
///
/// `judge` says what a command would do, `apply` does it; both are functions of the table and the
/// command alone, so all nodes agree. A command that is not `.fresh` changes nothing.
package struct TaskTable: Hashable, Sendable {
    /// Who holds leases, and on which tasks, by number.
    package struct Holder: Hashable, Sendable {
        package let node: NodeID
        /// Ascending.
        package internal(set) var tasks: [Int] = []
        /// Slots that they take.
        package internal(set) var slotCount = 0
    }

    /// Results that were signed together.
    package struct Batch: Hashable, Sendable {
        package let node: NodeID
        /// A Sigstore bundle; empty where it follows from the task, the signature and the signer.
        package let statement: [UInt8]
        /// 32 bytes for each result; empty where one was signed by itself.
        package let leaves: [UInt8]
        package var signature: [UInt8] = []
        /// SHA-256 of the signer's, and its chain, leaf first, DER; shared with all that it signed.
        package var certificate: Digest?
        package var signer: [[UInt8]] = []
        /// How many tasks have their result in it.
        package internal(set) var taskCount = 0
    }

    /// What a tenant uses now and how much it may.
    package struct Tenant: Hashable, Sendable {
        package let name: String
        package internal(set) var weight: UInt32 = 1
        package internal(set) var quota = Quota()
        package internal(set) var usage = Usage()
        package internal(set) var queuedCount = 0
        package internal(set) var leasedCount = 0
        /// Of its tasks that are not over: what they may burn.
        package internal(set) var promisedFuel: UInt128 = 0
    }

    /// The resources that leases take.
    package struct Usage: Hashable, Sendable {
        package internal(set) var slotCount = 0
        package internal(set) var memoryByteCount: UInt64 = 0
        package internal(set) var fuel: UInt64 = 0
    }

    /// In the order of submission, which is the same on every node: a task's number is how many
    /// were submitted before it.
    package internal(set) var records = Numbered<TaskRecord>()
    package internal(set) var sets = Numbered<TaskSetRecord>()
    package internal(set) var jobs = Numbered<JobRecord>()
    /// Sorted by node.
    package internal(set) var holders: [Holder] = []
    package internal(set) var batches = Numbered<Batch>()
    /// Sorted by name.
    package internal(set) var tenants: [Tenant] = []
    /// Somebody may not run as much as the workers take: nothing is looked up where nobody is.
    var isAnybodyLimited = false
    /// How many leases were granted ever.
    package internal(set) var grantCount: UInt64 = 0
    package internal(set) var queuedCount = 0
    package internal(set) var leasedCount = 0
    /// Jobs and tasks by themselves, by the number of their first set.
    package internal(set) var history = History()
    /// Tasks of all that has ended and is kept.
    package internal(set) var endedTaskCount = 0

    // Looked up, never iterated.
    var numbers: [Digest: Int] = [:]
    var jobPositions: [Digest: Int] = [:]
    /// Sets with something queued, ready or not, ascending.
    var openSets: [Int] = []
    /// Tasks with a deadline that are not over, ascending.
    var deadlines: [Int] = []
    /// The sets that wait for one, by its position; in the order of submission.
    var dependants: [Int: [Int]] = [:]
    /// Tasks that the coordinator must end because they shall not run again, ascending.
    var exhausted: [Int] = []
    /// By set, while the table is restored.
    var restoredSpecs: [Int: TaskSpec] = [:]
    /// By certificate, while the table is restored.
    var restoredSigners: [Digest: [[UInt8]]] = [:]

    /// A job is one entry of the log, and one message.
    package static let setCountMax = 256
    package static let itemCountMax = 20_000

    package init() {}

    package func number(of task: Digest) -> Int? { numbers[task] }
    package subscript(task: Digest) -> TaskRecord? { numbers[task].map { records[$0] } }

    package func record(_ number: UInt64) -> TaskRecord? {
        records.element(Int(clamping: number))
    }

    package func job(_ id: Digest) -> JobRecord? { jobPositions[id].map { jobs[$0] } }

    /// Nothing of it is queued or leased.
    package func isOver(_ job: JobRecord) -> Bool { sets[job.sets].allSatisfy(\.isOver) }

    /// Those that the coordinator has to end.
    package var exhaustedTasks: [TaskRecord] { exhausted.map { records[$0] } }

    /// Those with a deadline at or before this second.
    package func overdue(at second: UInt64) -> [TaskRecord] {
        deadlines.lazy.map { records[$0] }.filter { $0.spec.deadline <= second }
    }

    package func holder(_ node: NodeID) -> Holder? {
        let place = holderPlace(node)
        return place < holders.count && holders[place].node == node ? holders[place] : nil
    }

    package func tenant(_ name: String) -> Tenant? { tenants.first { $0.name == name } }

    /// The queued tasks of a set in the order in which they go.
    package func queued(of set: TaskSetRecord, countMax: Int) -> [Int] {
        var found: [Int] = []
        for number in set.returned where records[number].state == .queued {
            guard found.count < countMax else { return found }
            found.append(number)
        }
        var number = set.next
        while number < set.tasks.upperBound, found.count < countMax {
            if records[number].state == .queued { found.append(number) }
            number += 1
        }
        return found
    }

    /// Of a queue that is longer than that nobody looks at what stands behind.
    private static let walkCountMax = 16_384

    /// Sets with something queued, in the order of submission.
    package func open(
        countMax: Int, where isWanted: (TaskSetRecord) -> Bool = { _ in true }
    ) -> [TaskSetRecord] {
        var found: [TaskSetRecord] = []
        for position in openSets.prefix(Self.walkCountMax) {
            let set = sets[position]
            guard isWanted(set) else { continue }
            found.append(set)
            if found.count == countMax { break }
        }
        return found
    }

    /// The first tasks of the queue, in the order of submission.
    package func queued(countMax: Int) -> [TaskRecord] {
        var found: [TaskRecord] = []
        for position in openSets where found.count < countMax {
            let numbers = queued(of: sets[position], countMax: countMax - found.count)
            found += numbers.map { records[$0] }
        }
        return found
    }

    func holderPlace(_ node: NodeID) -> Int {
        holders.partitionPoint { $0.node < node }
    }
}

/// Sorted arrays of numbers.
enum Ascending {
    static func insert(_ number: Int, into numbers: inout [Int]) {
        if let last = numbers.last, number <= last {
            let place = place(of: number, in: numbers)
            if numbers[place] != number { numbers.insert(number, at: place) }
        } else {
            numbers.append(number)
        }
    }

    static func remove(_ number: Int, from numbers: inout [Int]) {
        let place = place(of: number, in: numbers)
        if place < numbers.count, numbers[place] == number { numbers.remove(at: place) }
    }

    // Where the number stands, or would stand: the first one not below it.
    private static func place(of number: Int, in numbers: [Int]) -> Int {
        if let first = numbers.first, number <= first { return 0 }
        return numbers.partitionPoint { $0 < number }
    }
}
