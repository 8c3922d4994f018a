package import Basics
import Election
package import NodeLogic
import Wire

/// An invented computer: a disk that survives, and a process that does not.
package struct Machine {
    package let number: Int
    package internal(set) var node: Node?
    package internal(set) var isEnrolled = false

    // The disk.
    var hardState = Raft.HardState()
    var entries: [LogEntry] = []
    var introductions: [Introduction] = []
    var startCount: UInt64 = 0

    // The process.
    var life = 0
    var armedAt = Instant.distantFuture
    var diesAtNextStep = false
    // The tasks at work, by task; looked up, never iterated.
    var work: [Digest: Fence] = [:]
    // Whom it can write to.
    private var known: [Bool] = []

    init(number: Int) { self.number = number }

    package var id: NodeID { Self.id(of: number) }
    package var isUp: Bool { node != nil }

    /// Ids sort as numbers.
    package static func id(of number: Int) -> NodeID { NodeID(UInt64(number) + 1) }

    package static func number(of id: NodeID) -> Int {
        Int(id.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) - 1
    }

    static func certificate(of id: NodeID) -> [UInt8] { Array("certificate ".utf8) + id.bytes }

    func knows(_ other: Int) -> Bool { other < known.count && known[other] }

    mutating func know(_ other: Int, _ isKnown: Bool = true) {
        while known.count <= other { known.append(false) }
        known[other] = isKnown
    }

    var profile: Profile {
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

    mutating func persist(_ state: Raft.HardState?, _ news: [LogEntry]) {
        if let state { hardState = state }
        guard let first = news.first else { return }
        precondition(first.index <= UInt64(entries.count) + 1, "a hole in the log on disk")
        entries.removeSubrange(Int(first.index - 1)...)
        entries.append(contentsOf: news)
    }

    mutating func introduce(_ introduction: Introduction) {
        introductions.removeAll { $0.node == introduction.node }
        introductions.append(introduction)
    }

    mutating func start(settings: Node.Settings, seed: UInt64, now: Instant) {
        precondition(node == nil, "node \(number) runs already")
        startCount += 1
        life += 1
        armedAt = .distantFuture
        diesAtNextStep = false
        work = [:]
        known = []
        node = Node(
            Node.Boot(
                id: id,
                profile: profile,
                incarnation: startCount,
                hardState: hardState,
                entries: entries,
                introductions: introductions
            ),
            settings: settings,
            seed: seed,
            now: now
        )
    }

    mutating func stop() {
        life += 1
        node = nil
        diesAtNextStep = false
    }
}
