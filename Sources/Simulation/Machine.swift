package import Basics
import Election
import Membership
package import NodeLogic
package import Wire

/// An invented computer: a disk that survives, and a process that does not.
///
/// A class, so that nothing of it is ever copied: a node is some kilobytes with many references.
package final class Machine {
    /// A process that is a whole node.
    final class Whole {
        var node: Node
        /// What is asked after each step, so that nobody need look into the node for it.
        var deadline: Instant
        var appliedIndex: UInt64

        init(_ node: Node) {
            self.node = node
            deadline = node.nextDeadline
            appliedIndex = node.appliedIndex
        }

        func step(_ event: Node.Event, at now: Instant, into effects: inout [Node.Effect]) {
            let standing = node.step(event, at: now, into: &effects)
            deadline = standing.nextDeadline
            appliedIndex = standing.appliedIndex
        }
    }

    /// A process that is only a failure detector.
    final class Part {
        var detector: FailureDetector
        /// Known without looking into the detector.
        var deadline: Instant

        init(_ detector: FailureDetector) {
            self.detector = detector
            deadline = detector.nextDeadline
        }
    }

    /// A process that is an edge node.
    final class Seat {
        var node: EdgeNode
        var deadline: Instant

        init(_ node: EdgeNode) {
            self.node = node
            deadline = node.nextDeadline
        }

        func step(
            _ event: EdgeNode.Event, at now: Instant, into effects: inout [EdgeNode.Effect]
        ) {
            node.step(event, at: now, into: &effects)
            deadline = node.nextDeadline
        }
    }

    package let number: Int
    /// It dials, and is dialled by nobody.
    package let isEdge: Bool
    package private(set) var isUp = false
    package internal(set) var isEnrolled = false
    private(set) var whole: Whole?
    private(set) var part: Part?
    private(set) var seat: Seat?
    /// A copy of the edge node that runs here.
    package var edge: EdgeNode? { seat?.node }
    /// A copy of the node that runs here.
    package var node: Node? { whole?.node }

    var clock = LocalClock()
    /// Nothing runs and nothing is heard until the process goes on.
    var isPaused = false
    /// It runs, but what it says and what it should hear waits (the anomaly of Lifeguard's paper).
    var isBlocked = false
    /// The process waits for its disk.
    var isWriting = false
    /// How long a write takes.
    var diskDelay = Duration.zero
    /// What waits for the end of a pause, a block or a write, the oldest first.
    var inbox: [Happening] = []
    var outbox: [Letter] = []
    var unperformed: [Node.Effect] = []

    struct Letter {
        var body: Envelope.Body
        var receiver: Int
    }

    /// What the sockets of a stopped process hold; the rest is lost.
    static let backlogCountMax = 10_000

    // The disk.
    var hardState = Raft.HardState()
    var entries: [LogEntry] = []
    /// What the log begins with, and the image of its state.
    private(set) var snapshot: (head: SnapshotHead, base: LogPosition, image: [UInt8])?
    /// Written, and not adopted yet.
    var aside: [(head: SnapshotHead, image: [UInt8])] = []
    var introductions: [Introduction] = []
    package internal(set) var certificate: [UInt8] = []
    var renewalCount = 0
    /// What it knows of the mesh's roots.
    package internal(set) var rotations: [RootRotated] = []
    var nextDoubt = Instant.zero
    // In this process, whose hellos were accepted: the sender's life then.
    private var welcomed: [Int] = []
    var parked: [EdgeNode.Parked] = []
    var startCount: UInt64 = 0

    // The process.
    var life = 0
    var armedAt = Instant.distantFuture
    var diesAtNextStep = false
    private var isLeaving = false
    // The tasks at work, by task; looked up, never iterated.
    var work: [Digest: Fence] = [:]
    // Whom it can write to.
    private var known: [Bool] = []
    // To whom an edge node has spoken in this life.
    private var dialled: [Bool] = []

    init(number: Int, isEdge: Bool = false) {
        self.number = number
        self.isEdge = isEdge
    }

    package var id: NodeID { Self.id(of: number) }

    /// Ids sort as numbers.
    package static func id(of number: Int) -> NodeID { NodeID(UInt64(number) + 1) }

    package static func number(of id: NodeID) -> Int { Int(id.leadingWord) - 1 }

    func knows(_ other: Int) -> Bool { other < known.count && known[other] }

    func know(_ other: Int, _ isKnown: Bool = true) {
        // Asked for each message; mostly nothing changes.
        if other < known.count, known[other] == isKnown { return }
        while known.count <= other { known.append(false) }
        known[other] = isKnown
    }

    /// A channel from that life of another machine stands.
    func isOpen(to other: Int, life: Int) -> Bool {
        other < welcomed.count && welcomed[other] == life
    }

    func welcome(_ other: Int, life: Int) {
        while welcomed.count <= other { welcomed.append(0) }
        welcomed[other] = life
    }

    func hasDialled(_ other: Int) -> Bool { other < dialled.count && dialled[other] }

    func hasDialled(_ other: Int, _ isDialled: Bool) {
        while dialled.count <= other { dialled.append(false) }
        dialled[other] = isDialled
    }

    var profile: Profile {
        isEdge
            ? Profile(
                name: "edge-\(number)", role: "edge", coreCount: 1, memoryByteCount: 1 << 30,
                version: "0", device: Device())
            : nodeProfile
    }

    private var nodeProfile: Profile {
        Profile(
            name: "node-\(number)",
            controlEndpoint: "sim:\(number)",
            bulkEndpoint: "sim:\(number)",
            role: "worker",
            coreCount: UInt32(2 + number % 3 * 2),
            memoryByteCount: 1 << 30,
            version: "0",
            capability: capability
        )
    }

    /// Invented, but of the right size: each machine is a little faster than the one before.
    private var capability: Capability {
        Capability(
            modelMemoryByteCount: 1 << 30,
            weightTypes: [2],
            decodeMegabytes: [UInt32(5_000 + number % 7 * 1_000)],
            prefillMegaoperations: [UInt32(50_000 + number % 7 * 10_000)],
            barrierNanoseconds: 1_000
        )
    }

    func persist(_ state: Raft.HardState?, _ news: [LogEntry]) {
        if let state { hardState = state }
        guard let first = news.first else { return }
        let base = snapshot?.base.index ?? 0
        precondition(
            base < first.index && first.index <= base + UInt64(entries.count) + 1,
            "a hole in the log on disk")
        entries.removeSubrange(Int(first.index - base - 1)...)
        entries.append(contentsOf: news)
    }

    /// All or nothing, as a transaction is.
    func adopt(_ head: SnapshotHead, base: LogPosition, isLogKept: Bool) {
        guard let image = image(of: head) else {
            preconditionFailure("node \(number) adopts a snapshot that it has not written")
        }
        let oldBase = snapshot?.base.index ?? 0
        let passedCount = isLogKept ? Int(base.index - oldBase) : entries.count
        entries.removeFirst(passedCount)
        snapshot = (head, base, image)
        aside.removeAll { $0.head.index <= head.index }
    }

    /// The bytes of a snapshot that lies on the disk.
    func image(of head: SnapshotHead) -> [UInt8]? {
        if let snapshot, snapshot.head == head { return snapshot.image }
        return aside.last { $0.head == head }?.image
    }

    func park(_ lease: EdgeLease) {
        parked.removeAll { $0.lease.number == lease.number }
        parked.append(EdgeNode.Parked(lease: lease))
    }

    func keep(_ result: EdgeResult) {
        for index in parked.indices where parked[index].lease.number == result.end.task {
            parked[index].result = result
        }
    }

    func introduce(_ introduction: Introduction) {
        introductions.removeAll { $0.node == introduction.node }
        introductions.append(introduction)
    }

    /// Writes as much of what was to be persisted as got there before the power failed.
    func tear(_ state: Raft.HardState?, _ news: [LogEntry], _ chance: inout Chance) {
        let count = Int.random(in: 0...news.count, using: &chance)
        persist(state, Array(news.prefix(count)))
    }

    /// The disk is empty; who it is and whom it knew survives elsewhere.
    func loseDisk() {
        hardState = Raft.HardState()
        entries = []
        snapshot = nil
        aside = []
    }

    func start(edge settings: EdgeNode.Settings, seed: UInt64, now: Instant) {
        begin()
        let boot = EdgeNode.Boot(
            id: id,
            profile: profile,
            startCount: startCount,
            relays: introductions,
            parked: parked
        )
        seat = Seat(EdgeNode(boot, settings: settings, seed: seed, now: clock.local(now)))
    }

    func start(settings: Node.Settings, codec: StateCodec?, seed: UInt64, now: Instant) {
        begin()
        // What was not adopted before the end is of no use.
        aside = []
        let boot = Node.Boot(
            id: id,
            profile: profile,
            incarnation: startCount,
            hardState: hardState,
            entries: entries,
            snapshot: codec.flatMap { kept($0) },
            introductions: introductions
        )
        whole = Whole(Node(boot, settings: settings, seed: seed, now: clock.local(now)))
    }

    private func kept(_ codec: StateCodec) -> Node.Snapshot? {
        guard let snapshot else { return nil }
        do {
            let state = try ReplicatedState(image: snapshot.image, codec)
            return .init(head: snapshot.head, base: snapshot.base, state: state)
        } catch {
            preconditionFailure("node \(number) cannot read its snapshot: \(error)")
        }
    }

    /// Starts only the failure detector, in a mesh that it knows already.
    func start(
        detector settings: FailureDetector.Settings,
        acquainted: [Rumor],
        seed: UInt64,
        now: Instant
    ) {
        begin()
        part = Part(
            FailureDetector(
                id: id,
                profile: profile,
                incarnation: startCount,
                acquainted: acquainted,
                settings: settings,
                seed: seed,
                now: clock.local(now)
            )
        )
    }

    private func begin() {
        precondition(!isUp, "node \(number) runs already")
        startCount += 1
        life += 1
        isUp = true
        armedAt = .distantFuture
        diesAtNextStep = false
        work = [:]
        known = []
        dialled = []
        welcomed = []
        isLeaving = false
    }

    func stop() {
        life += 1
        whole = nil
        part = nil
        seat = nil
        isUp = false
        diesAtNextStep = false
        isPaused = false
        isBlocked = false
        isWriting = false
        inbox = []
        outbox = []
        unperformed = []
    }

    /// The process does nothing now.
    var isStopped: Bool { isPaused || isWriting }
    /// Nothing is delivered to it now.
    var isHeld: Bool { isPaused || isWriting || isBlocked }

    /// When the process wants to be called, by the simulation's clock.
    var deadline: Instant {
        if let whole { return clock.global(whole.deadline) }
        if let part { return clock.global(part.deadline) }
        if let seat { return clock.global(seat.deadline) }
        return .distantFuture
    }

    /// What it says of itself from now on.
    func profile(version: String) -> Profile {
        var profile = profile
        profile.version = version
        return profile
    }
}

// MARK: Only the failure detector

extension Machine {
    /// One step of the process; what a detector wants is said in the words of a node.
    func step(
        _ event: Node.Event,
        at now: Instant,
        _ scratch: inout [FailureDetector.Effect],
        into effects: inout [Node.Effect]
    ) {
        let local = clock.local(now)
        guard let part else {
            whole?.step(event, at: local, into: &effects)
            return
        }
        guard let event = Self.detectorEvent(event) else { return }
        scratch.removeAll(keepingCapacity: true)
        part.deadline = part.detector.step(event, at: local, into: &scratch)
        for effect in scratch {
            switch effect {
            case .send(let message, let peer): effects.append(.send(.membership(message), to: peer))
            case .changed(let member, let state, let profile):
                effects.append(.peer(member, certificates: [], profile))
                effects.append(.memberChanged(member, state))
            case .forgotten: break
            case .note(let fact): effects.append(.note(.membership(fact)))
            }
        }
        if case .leaving = event { isLeaving = true }
        if isLeaving, part.detector.isGone { effects.append(.left) }
    }

    /// What of a node's events concerns its failure detector.
    private static func detectorEvent(_ event: Node.Event) -> FailureDetector.Event? {
        switch event {
        case .received(.membership(let message), let sender): .received(message, from: sender)
        case .disconnected(let peer), .silent(let peer): .connectionLost(peer)
        case .profileChanged(let profile): .profileChanged(profile)
        case .leave: .leaving
        case .deadlinePassed: .deadlinePassed
        default: nil
        }
    }

    /// The queues of its process that hold more than they may.
    var overfullQueues: [String] {
        if let whole { return whole.node.overfullQueues() }
        if let part { return part.detector.overfullQueues() }
        return []
    }

    /// Whether its process holds exactly these for alive; sorted by id.
    func holdsAlive(_ nodes: [NodeID]) -> Bool {
        if let part { return part.detector.holdsAlive(nodes) }
        if let whole { return whole.node.holdsAlive(nodes) }
        return false
    }

    /// From this machine to another and back, as far as its process can tell.
    func estimatedRoundTrip(to other: NodeID) -> Duration? {
        if let part { return part.detector.estimatedRoundTrip(from: id, to: other) }
        return whole?.node.estimatedRoundTrip(from: id, to: other)
    }

    /// What this machine's process believes of another one.
    package func state(of other: NodeID) -> MemberState? {
        if let part { return part.detector.state(of: other) }
        return whole?.node.state(of: other)
    }
}
