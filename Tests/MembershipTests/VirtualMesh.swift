import Basics
import Membership
import Wire

/// Many failure detectors in virtual time, joined by links that lose, delay and break.
struct VirtualMesh {
    enum Occurrence { case delivery(MembershipMessage, from: Int, to: Int), deadline(Int) }

    struct Report: Equatable {
        let at: Instant
        let observer: Int
        let subject: NodeID
        let state: MemberState
    }

    private struct Item {
        let at: Instant
        let number: UInt64
        let occurrence: Occurrence
    }

    var detectors: [FailureDetector]
    /// Nodes that neither hear, speak nor run.
    var down: Set<Int> = []
    /// Directed links that carry nothing.
    var broken: Set<[Int]> = []
    var lossShare = 0.0
    var now = Instant.zero
    private(set) var reports: [Report] = []
    private(set) var facts: [(observer: Int, fact: FailureDetector.Fact)] = []
    private(set) var sentCount = 0
    /// One line for each effect, when it is wanted.
    var transcript: [String]?

    private var chance: Chance
    private var heap: [Item] = []
    private var itemCount: UInt64 = 0
    private var armed: [Instant]

    static func profile(_ node: Int, role: String = "worker") -> Profile {
        Profile(
            name: "node\(node)",
            controlEndpoint: "tcp://127.0.0.1:\(9_000 + node)",
            bulkEndpoint: "",
            role: role,
            coreCount: 2,
            memoryByteCount: 1 << 30,
            version: "1"
        )
    }

    /// Nodes with the ids 0, 1, …; all admitted everywhere, and all but the first join through it.
    init(
        count: Int,
        seed: UInt64,
        settings: FailureDetector.Settings = .init(),
        isTranscribing: Bool = false
    ) {
        chance = Chance(seed: seed)
        detectors = (0..<count).map { node in
            FailureDetector(
                id: NodeID(UInt64(node)),
                profile: Self.profile(node),
                settings: settings,
                seed: seed &* 1_000 &+ UInt64(node),
                now: .zero
            )
        }
        armed = Array(repeating: .distantFuture, count: count)
        if isTranscribing { transcript = [] }
        for node in 0..<count {
            for other in 0..<count where other != node {
                step(node, .admitted(NodeID(UInt64(other))))
            }
        }
        for node in 1..<max(count, 1) {
            let first = FailureDetector.Seed(id: NodeID(0), profile: Self.profile(0))
            step(node, .joining(through: [first]))
        }
    }

    func state(of subject: Int, seenBy observer: Int) -> MemberState? {
        detectors[observer].member(NodeID(UInt64(subject)))?.state
    }

    mutating func step(_ node: Int, _ event: FailureDetector.Event) {
        guard !down.contains(node) else { return }
        var effects: [FailureDetector.Effect] = []
        detectors[node].step(event, at: now, into: &effects)
        for effect in effects { perform(effect, of: node) }
        arm(node)
    }

    /// A crash is forever; a pause ends with this.
    mutating func resume(_ node: Int) {
        down.remove(node)
        armed[node] = .distantFuture
        arm(node)
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
                step(receiver, .received(message, from: NodeID(UInt64(sender))))
            }
        }
        now = end
    }

    mutating func run(for duration: Duration) { run(until: now + duration) }

    private mutating func perform(_ effect: FailureDetector.Effect, of node: Int) {
        transcript?.append("\(now.sinceStart) \(node) \(effect)")
        switch effect {
        case .send(let message, let receiverID):
            sentCount += 1
            // Invented ids count from 0 in their first word.
            guard let receiver = detectors.firstIndex(where: { $0.id == receiverID }) else {
                return
            }
            guard !broken.contains([node, receiver]) else { return }
            if lossShare > 0, Double.random(in: 0..<1, using: &chance) < lossShare { return }
            let delay = Duration.microseconds(Int.random(in: 200...3_000, using: &chance))
            push(.delivery(message, from: node, to: receiver), at: now + delay)
        case .changed(let subject, let state, _):
            reports.append(Report(at: now, observer: node, subject: subject, state: state))
        case .forgotten: break
        case .note(let fact): facts.append((node, fact))
        }
    }

    private mutating func arm(_ node: Int) {
        let deadline = max(detectors[node].nextDeadline, now)
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
