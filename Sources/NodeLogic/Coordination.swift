import Basics
import Wire

/// What a coordinator remembers of its term, and of this term only: all else is in the log.
struct Coordination: Sendable {
    /// What a worker said last, and when.
    struct Word: Sendable {
        var node: NodeID
        var at: Instant
        var report: WorkerReport
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
    // In the order of the deployments.
    private var watches: [Watch] = []
    var orders: [CertificatePending] = []
    /// The last entry of its own duties: it decides again when that is applied, and so never
    /// decides twice on one state.
    var awaitedIndex: UInt64 = 0
    var nextTurn: Instant
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

    func word(of node: NodeID) -> Word? {
        let position = position(of: node)
        return position < words.count && words[position].node == node ? words[position] : nil
    }

    // Where its word stands, or would stand.
    private func position(of node: NodeID) -> Int {
        var low = 0
        var high = words.count
        while low < high {
            let middle = (low + high) / 2
            if words[middle].node < node { low = middle + 1 } else { high = middle }
        }
        return low
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
