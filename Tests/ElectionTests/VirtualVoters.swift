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
        var snapshot: (head: SnapshotHead, base: LogPosition)?
        /// Images of states, by the index; written, and perhaps not adopted.
        var images: [UInt64: [UInt8]] = [:]
    }

    struct Faults {
        var lossShare = 0.0
        var duplicationShare = 0.0
        /// The longest delay; messages overtake each other within it.
        var delayMax: Duration = .milliseconds(3)
    }

    private enum Occurrence {
        case delivery(ElectionMessage, from: Int, to: Int), deadline(Int)
        /// Of one life of a node.
        case event(Raft.Event, Int, UInt64)
    }

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
    private(set) var adoptionCount = 0
    private(set) var installCount = 0
    /// By node: which start it lives by.
    private var lives: [UInt64]
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
        lives = applied.map { _ in 0 }
        if isTranscribing { effectLog = [] }
        for node in 0..<count { rafts.append(startedRaft(node)) }
        for node in 0..<count { arm(node) }
    }

    private mutating func startedRaft(_ node: Int) -> Raft {
        startCount += 1
        lives[node] = startCount
        applied[node] = Int(disks[node].snapshot?.head.index ?? 0)
        return Raft(
            id: Self.id(node),
            settings: settings,
            seed: seed &* 7_919 &+ startCount,
            hardState: disks[node].hardState,
            entries: disks[node].entries,
            snapshot: disks[node].snapshot?.head,
            base: disks[node].snapshot?.base ?? LogPosition(),
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
            case .event(let event, let node, let life):
                if lives[node] == life { step(node, event) }
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
                let base = disks[node].snapshot?.base.index ?? 0
                let keptCount = Int(first.index - base) - 1
                disks[node].entries.removeLast(disks[node].entries.count - keptCount)
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
            let base = disks[node].snapshot?.base.index ?? 0
            for entry in committed.dropFirst(Int(base))
            where rafts[node].entry(at: entry.index) != entry {
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
        case .snapshotDue: takeSnapshot(node)
        case .sendSnapshot(let chunk, let receiver): deliver(chunk, from: node, to: receiver)
        case .snapshotArrived(let head, let image):
            if Digest.of(image) != head.digest { violations.append("node \(node) got a bad image") }
            disks[node].images[head.index] = image
            occur(.snapshotRead(head, isGood: Digest.of(image) == head.digest), on: node)
        case .adopt(let head, let base, let isLogKept):
            adopt(head, base, isLogKept: isLogKept, on: node)
        case .steppedDown, .leaderChanged, .readRefused, .note: break
        }
    }

    // MARK: Snapshots

    /// A state is told by its index here; its image takes several pieces.
    private func image(at index: UInt64) -> [UInt8] {
        var chance = Chance(seed: index)
        return (0..<350).map { _ in UInt8(truncatingIfNeeded: chance.next()) }
    }

    private mutating func takeSnapshot(_ node: Int) {
        let index = rafts[node].commitIndex
        var head = rafts[node].head(at: index)
        let image = image(at: index)
        head.byteCount = UInt64(image.count)
        head.digest = Digest.of(image)
        disks[node].images[index] = image
        occur(.snapshotTaken(head), on: node)
    }

    private mutating func occur(_ event: Raft.Event, on node: Int) {
        let delay = faults.delayMax * Double.random(in: 0.05..<3, using: &chance)
        push(.event(event, node, lives[node]), at: now + delay)
    }

    private mutating func deliver(_ chunk: SnapshotChunk, from node: Int, to receiver: NodeID) {
        guard let image = disks[node].images[chunk.head.index] else { return }
        var chunk = chunk
        let end = min(Int(chunk.offset) + settings.pieceByteCount, image.count)
        chunk.part = Array(image[Int(chunk.offset)..<end])
        deliver(ElectionMessage(body: .snapshotChunk(chunk)), from: node, to: receiver)
    }

    private mutating func adopt(
        _ head: SnapshotHead, _ base: LogPosition, isLogKept: Bool, on node: Int
    ) {
        guard disks[node].images[head.index] == image(at: head.index) else {
            violations.append("node \(node) adopts another state as that of \(head.index)")
            return
        }
        let passed = base.index - (disks[node].snapshot?.base.index ?? 0)
        let count = disks[node].entries.count
        disks[node].entries.removeFirst(isLogKept ? Int(passed) : count)
        disks[node].snapshot = (head, base)
        disks[node].images = disks[node].images.filter { $0.key == head.index }
        adoptionCount += 1
        if head.index > UInt64(committed.count) {
            violations.append("node \(node) takes \(head.index) up, which nobody committed")
        }
        guard head.index > UInt64(applied[node]) else { return }
        installCount += 1
        applied[node] = Int(head.index)
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
