import Basics
import Election
import Wire

/// Many rafts in virtual time over a network and disks that fail; checks the promises of the paper
/// (figure 3) at every step.
///
/// A disk keeps what `.persist` gave it and nothing else: a node that falls starts again from that
/// alone. A fall can come in the middle of a step's effects, so that a write is lost and all that
/// comes after it never happens.
struct VirtualVoters {
    struct Disk {
        var hardState = Raft.HardState()
        var entries: [LogEntry] = []
    }

    struct Faults {
        var lossShare = 0.0
        var duplicationShare = 0.0
        /// The longest delay; messages overtake each other within it.
        var delayMax: Duration = .milliseconds(3)
    }

    private enum Occurrence { case delivery(ElectionMessage, from: Int, to: Int), deadline(Int) }

    private struct Item {
        let at: Instant
        let number: UInt64
        let occurrence: Occurrence
    }

    var rafts: [Raft]
    var disks: [Disk]
    var down: Set<Int> = []
    /// Directed links that carry nothing.
    var broken: Set<[Int]> = []
    var faults = Faults()
    var now = Instant.zero
    /// The share of steps in the middle of which the node falls.
    var fallShare = 0.0
    private(set) var fallen: [Int] = []
    /// What broke a promise, in words; empty is right.
    private(set) var violations: [String] = []
    /// Who led in a term.
    private(set) var leaders: [UInt64: NodeID] = [:]
    /// What was committed anywhere, by index - 1.
    private(set) var committed: [LogEntry] = []
    /// How far each node's state machine is.
    private(set) var applied: [Int]
    /// How much was committed anywhere when each read was asked.
    private var asked: [UInt64] = []
    private(set) var readCount = 0
    private(set) var accepted: [ClosedRange<UInt64>] = []
    private(set) var refusals: [Raft.Refusal] = []
    private(set) var leaderTimes: [(at: Instant, node: Int, term: UInt64)] = []
    private(set) var effectLog: [String]?

    let seed: UInt64
    let settings: Raft.Settings
    var chance: Chance
    private var startCount: UInt64 = 0
    private var heap: [Item] = []
    private var itemCount: UInt64 = 0
    private var armed: [Instant]

    static func id(_ node: Int) -> NodeID { NodeID(UInt64(node)) }

    static func command(_ number: Int) -> Command {
        Command(body: .policySet(PolicySet(allowedLicenses: ["license \(number)"])))
    }

    static func voters(_ nodes: [Int]) -> Command {
        Command(body: .votersChanged(VotersChanged(voters: nodes.map { id($0) })))
    }

    /// A log whose voters are these, as if they had been added long ago.
    static func log(voters: [Int]) -> [LogEntry] {
        let mesh = MeshFounded(mesh: Digest.of([1]), founder: id(voters[0]))
        var entries = Raft.founding(mesh)
        for count in 2..<max(voters.count + 1, 2) {
            entries.append(
                LogEntry(
                    index: UInt64(count),
                    term: 1,
                    command: Self.voters(Array(voters.prefix(count)))
                )
            )
        }
        return entries
    }

    /// Nodes 0, 1, …, the first `voterCount` of them voters; the others have an empty log.
    init(
        count: Int,
        voterCount: Int,
        seed: UInt64,
        settings: Raft.Settings = .init(),
        isTranscribing: Bool = false
    ) {
        self.seed = seed
        self.settings = settings
        chance = Chance(seed: seed)
        rafts = []
        let log = Self.log(voters: Array(0..<voterCount))
        disks = (0..<count).map { node in
            node < voterCount
                ? Disk(hardState: Raft.HardState(term: 1), entries: log) : Disk()
        }
        armed = Array(repeating: .distantFuture, count: count)
        applied = Array(repeating: 0, count: count)
        if isTranscribing { effectLog = [] }
        for node in 0..<count { rafts.append(startedRaft(node)) }
        for node in 0..<count { arm(node) }
    }

    private mutating func startedRaft(_ node: Int) -> Raft {
        startCount += 1
        return Raft(
            id: Self.id(node),
            settings: settings,
            seed: seed &* 7_919 &+ startCount,
            hardState: disks[node].hardState,
            entries: disks[node].entries,
            now: now
        )
    }

    var leader: Int? {
        rafts.indices.first {
            !down.contains($0) && rafts[$0].role == .leader
                && rafts[$0].isLeaderWithQuorum(at: now)
        }
    }

    mutating func crash(_ node: Int) { down.insert(node) }

    mutating func restart(_ node: Int) {
        down.remove(node)
        applied[node] = 0
        rafts[node] = startedRaft(node)
        armed[node] = .distantFuture
        arm(node)
    }

    mutating func isolate(_ nodes: [Int]) {
        for node in nodes {
            for other in rafts.indices where !nodes.contains(other) {
                broken.formUnion([[node, other], [other, node]])
            }
        }
    }

    mutating func step(_ node: Int, _ event: Raft.Event) {
        guard !down.contains(node) else { return }
        var effects: [Raft.Effect] = []
        rafts[node].step(event, at: now, into: &effects)
        var count = effects.count
        if fallShare > 0, Double.random(in: 0..<1, using: &chance) < fallShare {
            count = Int.random(in: 0...effects.count, using: &chance)
            down.insert(node)
            fallen.append(node)
        }
        for effect in effects.prefix(count) { perform(effect, of: node) }
        if !down.contains(node) { arm(node) }
    }

    mutating func run(until end: Instant) {
        while let item = heap.first, item.at <= end {
            removeFirst()
            now = item.at
            switch item.occurrence {
            case .deadline(let node):
                guard armed[node] == item.at, !down.contains(node) else { continue }
                armed[node] = .distantFuture
                step(node, .deadlinePassed)
            case .delivery(let message, let sender, let receiver):
                step(receiver, .received(message, from: Self.id(sender)))
            }
        }
        now = end
    }

    mutating func run(for duration: Duration) { run(until: now + duration) }

    /// Asks a node for a read index.
    mutating func read(at node: Int) {
        asked.append(UInt64(committed.count))
        step(node, .read(UInt64(asked.count - 1)))
    }

    private mutating func perform(_ effect: Raft.Effect, of node: Int) {
        effectLog?.append("\(now.sinceStart) \(node) \(effect)")
        switch effect {
        case .persist(let hardState, let entries):
            if let hardState { save(hardState, of: node) }
            if let first = entries.first {
                disks[node].entries.removeLast(disks[node].entries.count - Int(first.index) + 1)
                disks[node].entries += entries
            }
        case .send(let message, let receiver): deliver(message, from: node, to: receiver)
        case .committed(let entries): for entry in entries { apply(entry, on: node) }
        case .becameLeader(let term):
            if let other = leaders[term], other != Self.id(node) {
                violations.append("term \(term) has two leaders, \(other) and \(node)")
            }
            leaders[term] = Self.id(node)
            leaderTimes.append((now, node, term))
            // Leader completeness (5.4.3): whatever was committed is in the new leader's log.
            for entry in committed where rafts[node].entry(at: entry.index) != entry {
                violations.append("leader \(node) of term \(term) lacks entry \(entry.index)")
            }
        case .accepted(let indices, _): accepted.append(indices)
        case .refused(let refusal): refusals.append(refusal)
        case .note(.conflictWithCommitted(let index, _)):
            violations.append("node \(node) was to replace committed entry \(index)")
        case .note(.implausibleMessage): violations.append("node \(node) got nonsense")
        case .readReady(let ticket, let index):
            readCount += 1
            if index < asked[Int(ticket)] {
                violations.append("read \(ticket) misses entries that were committed before it")
            }
        case .steppedDown, .leaderChanged, .readRefused, .note: break
        }
    }

    private mutating func save(_ hardState: Raft.HardState, of node: Int) {
        let old = disks[node].hardState
        if hardState.term < old.term {
            violations.append("node \(node) went back to term \(hardState.term)")
        }
        if hardState.term == old.term, let vote = old.votedFor, vote != hardState.votedFor {
            violations.append("node \(node) voted twice in term \(old.term)")
        }
        disks[node].hardState = hardState
    }

    private mutating func apply(_ entry: LogEntry, on node: Int) {
        applied[node] += 1
        if entry.index != UInt64(applied[node]) {
            violations.append("node \(node) applied \(entry.index) as number \(applied[node])")
        }
        if entry.index <= UInt64(committed.count) {
            if committed[Int(entry.index) - 1] != entry {
                violations.append("entry \(entry.index) differs on node \(node)")
            }
        } else {
            committed.append(entry)
        }
    }

    private mutating func deliver(_ message: ElectionMessage, from node: Int, to receiver: NodeID) {
        guard let index = rafts.indices.first(where: { Self.id($0) == receiver }) else { return }
        guard !broken.contains([node, index]) else { return }
        var copyCount = Double.random(in: 0..<1, using: &chance) < faults.lossShare ? 0 : 1
        if Double.random(in: 0..<1, using: &chance) < faults.duplicationShare { copyCount += 1 }
        for _ in 0..<copyCount {
            let share = Double.random(in: 0.05..<1, using: &chance)
            push(.delivery(message, from: node, to: index), at: now + faults.delayMax * share)
        }
    }

    private mutating func arm(_ node: Int) {
        let deadline = max(rafts[node].nextDeadline, now)
        guard deadline != armed[node], deadline < .distantFuture else { return }
        armed[node] = deadline
        push(.deadline(node), at: deadline)
    }

    // A binary heap by (time, order of arrival).

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].at, heap[left].number) < (heap[right].at, heap[right].number)
    }

    private mutating func push(_ occurrence: Occurrence, at instant: Instant) {
        itemCount += 1
        heap.append(Item(at: instant, number: itemCount, occurrence: occurrence))
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if precedes(child, least) { least = child }
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
