import Basics
import Scheduling
import Wire

/// What a coordinator remembers of its term, and of this term only: all else is in the log.
struct Coordination: Sendable {
    /// What a worker said last, and when.
    struct Word: Sendable {
        var node: NodeID
        var at: Instant
        var report: WorkerReport
        /// Not yet compared with the leases.
        var isNew = true
    }

    /// A task that lost an attempt, and waits before the next one.
    private struct BackOff: Sendable {
        var task: Int
        var until: Instant
    }

    /// A gang that waits for room.
    private struct GangWait: Sendable {
        var set: Int
        var since: Instant
    }

    /// A proposal that was appended and is not applied yet.
    private struct Pending: Sendable {
        var sender: NodeID
        var request: UInt64
        var index: UInt64
    }

    /// A placement that stands.
    private struct Watch: Sendable {
        var model: String
        var epoch: UInt64
        var since: Instant
        /// When it was last compared with a new plan.
        var reviewedAt: Instant
    }

    let term: UInt64
    /// Since when it leads: silence before that is no silence.
    let since: Instant
    /// Sorted by node.
    private(set) var words: [Word] = []
    private var pending: [Pending] = []
    // Sorted by task.
    private var backOffs: [BackOff] = []
    private var gangWaits: [GangWait] = []
    // In the order of the deployments.
    private var watches: [Watch] = []
    var orders: [CertificatePending] = []
    /// The last entry of its own duties: it decides again when that is applied, and so never
    /// decides twice on one state.
    var awaitedIndex: UInt64 = 0
    var nextTurn: Instant
    /// It has come, and what belongs to it is not decided yet.
    var isTurnOwed = false
    /// Who receives the log beside the voters; nil before they were named.
    var learners: [NodeID]?
    /// Somebody came, went or changed its state since they were named.
    var areLearnersStale = true
    /// When the sealing for each voter was asked for.
    var sealings: [(voter: NodeID, at: Instant)] = []

    init(term: UInt64, since: Instant) {
        self.term = term
        self.since = since
        nextTurn = since
    }

    mutating func hear(_ report: WorkerReport, from node: NodeID, at now: Instant) {
        let position = position(of: node)
        if position < words.count, words[position].node == node {
            // Reports may overtake each other.
            guard words[position].report.appliedIndex <= report.appliedIndex else { return }
            words[position] = Word(node: node, at: now, report: report)
        } else {
            words.insert(Word(node: node, at: now, report: report), at: position)
        }
    }

    /// An edge node is back from its sleep: its silence counts from now on.
    mutating func wake(_ node: NodeID, at now: Instant) {
        let position = position(of: node)
        let word = Word(node: node, at: now, report: WorkerReport(), isNew: false)
        if position < words.count, words[position].node == node {
            words[position] = word
        } else {
            words.insert(word, at: position)
        }
    }

    mutating func markRead(_ node: NodeID) {
        let position = position(of: node)
        guard position < words.count, words[position].node == node else { return }
        words[position].isNew = false
    }

    // MARK: Tasks that wait

    // A first lost worker is bad luck; what failed by itself will hardly do better at once.
    private static let deathPause: Duration = .milliseconds(200)
    private static let failurePause: Duration = .seconds(1)
    private static let doublingCountMax: UInt32 = 6

    mutating func holdBack(_ requeued: TasksRequeued, _ tasks: TaskTable, at now: Instant) {
        for void in requeued.voids where !void.isBlameless {
            guard let record = tasks.record(void.task) else { continue }
            let count = record.deathCount + record.sharedDeathCount
            if count > 1 { hold(record, Self.deathPause, count - 2, at: now) }
        }
    }

    mutating func holdBack(_ finished: TasksFinished, _ tasks: TaskTable, at now: Instant) {
        for end in finished.ends where end.result.outcome == .failed {
            guard let record = tasks.record(end.task), record.state == .queued else { continue }
            hold(record, Self.failurePause, max(record.failureCount, 1) - 1, at: now)
        }
    }

    private mutating func hold(
        _ record: TaskRecord, _ pause: Duration, _ doublingCount: UInt32, at now: Instant
    ) {
        let factor = 1 << min(doublingCount, Self.doublingCountMax)
        let place = backOffs.firstIndex { record.number <= $0.task } ?? backOffs.count
        let backOff = BackOff(task: record.number, until: now + pause * factor)
        if place < backOffs.count, backOffs[place].task == record.number {
            backOffs[place] = backOff
        } else {
            backOffs.insert(backOff, at: place)
        }
    }

    func isHeldBack(_ record: TaskRecord, at now: Instant) -> Bool {
        guard record.lossCount > 0 else { return false }
        return backOffs.contains { $0.task == record.number && now < $0.until }
    }

    mutating func forgetBackOffs(at now: Instant) {
        backOffs.removeAll { $0.until <= now }
    }

    /// Takes note of the gangs that wait now.
    mutating func watchGangs(_ sets: [TaskSetRecord], at now: Instant) {
        gangWaits = sets.map { set in
            let wait = gangWaits.first { $0.set == set.position }
            // It waited in vain, others had their turn for as long: it may hold slots again.
            if let wait, now - wait.since < set.gangPatience * 2 { return wait }
            return GangWait(set: set.position, since: now)
        }
    }

    /// Whether free slots are kept for this gang.
    func isPatient(_ set: TaskSetRecord, at now: Instant) -> Bool {
        guard let wait = gangWaits.first(where: { $0.set == set.position }) else { return true }
        return now - wait.since < set.gangPatience
    }

    func word(of node: NodeID) -> Word? {
        let position = position(of: node)
        return position < words.count && words[position].node == node ? words[position] : nil
    }

    // Where its word stands, or would stand.
    private func position(of node: NodeID) -> Int {
        words.partitionPoint { $0.node < node }
    }

    func index(of request: UInt64, from sender: NodeID) -> UInt64? {
        pending.first { $0.request == request && $0.sender == sender }?.index
    }

    mutating func remember(_ index: UInt64, of request: UInt64, from sender: NodeID) {
        pending.append(Pending(sender: sender, request: request, index: index))
    }

    /// Takes note of the placements that stand now.
    mutating func watch(_ placements: [(model: String, epoch: UInt64)], at now: Instant) {
        watches = placements.map { model, epoch in
            watches.first { $0.model == model && $0.epoch == epoch }
                ?? Watch(model: model, epoch: epoch, since: now, reviewedAt: now)
        }
    }

    /// Whether this model's placement has stood for `rest`, and was not looked at for `interval`;
    /// then it is looked at now.
    mutating func isDue(
        _ model: String,
        rest: Duration,
        interval: Duration,
        at now: Instant
    ) -> Bool {
        guard let index = watches.firstIndex(where: { $0.model == model }),
            rest <= now - watches[index].since, interval <= now - watches[index].reviewedAt
        else { return false }
        watches[index].reviewedAt = now
        return true
    }

    mutating func forget(upTo appliedIndex: UInt64) {
        if !pending.isEmpty { pending.removeAll { $0.index <= appliedIndex } }
    }
}
