import Basics
import Election
import Messages
import NodeLogic
import Scheduling
import Simulation
import Testing
import Wire

/// What clients do and see, put in one order: each took effect at one moment between its question
/// and its answer (Herlihy and Wing 1990), whatever happened to the mesh.
///
/// The object is the set of submitted tasks: clients add to it anywhere and read it anywhere.
struct LinearizabilityTests {
    struct Operation {
        /// The number of what is added; nil for a read.
        var added: Int?
        var start: Instant
        /// Nil where nobody knows: it may have happened at any time since, or never.
        var end: Instant?
        /// What a read saw: a bit for each number.
        var seen: UInt64 = 0
    }

    /// Searches for an order (Wing and Gong 1993): next may be whatever began before the first
    /// end among the rest. What was tried from one set of done operations is not tried again
    /// (Lowe 2017), because the state follows from that set.
    private struct Search {
        let operations: [Operation]
        var visited: Set<UInt64> = []

        mutating func isPossible(from done: UInt64 = 0) -> Bool {
            let rest = operations.indices.filter { done & 1 << $0 == 0 }
            guard rest.contains(where: { operations[$0].end != nil }) else { return true }
            guard visited.insert(done).inserted else { return false }
            let firstEnd = rest.compactMap { operations[$0].end }.min() ?? .distantFuture
            var state: UInt64 = 0
            for index in operations.indices where done & 1 << index != 0 {
                if let added = operations[index].added { state |= 1 << added }
            }
            for index in rest where operations[index].start <= firstEnd {
                let isRight = operations[index].added != nil || operations[index].seen == state
                if isRight, isPossible(from: done | 1 << index) { return true }
            }
            return false
        }
    }

    static func isLinearizable(_ operations: [Operation]) -> Bool {
        precondition(operations.count <= 64, "the search has a bit for each operation")
        var search = Search(operations: operations)
        return search.isPossible()
    }

    @Test func `a read that is stale, or that forgets, fits no order`() {
        func at(_ seconds: Int) -> Instant { .zero + .seconds(seconds) }
        let add = Operation(added: 0, start: at(0), end: at(2))
        let other = Operation(added: 1, start: at(0), end: nil)
        func read(_ start: Int, _ end: Int, _ seen: UInt64) -> Operation {
            Operation(added: nil, start: at(start), end: at(end), seen: seen)
        }
        #expect(Self.isLinearizable([add, read(1, 3, 0), read(3, 4, 1)]))
        #expect(Self.isLinearizable([add, other, read(3, 4, 1), read(5, 6, 3)]))
        #expect(!Self.isLinearizable([add, read(3, 4, 0)]))
        #expect(!Self.isLinearizable([add, other, read(3, 4, 3), read(5, 6, 1)]))
        #expect(!Self.isLinearizable([read(0, 1, 2), add]))
    }

    /// Three clients ask one after the other while nodes die, stop and are cut off.
    private static func history(seed: UInt64) -> [Operation] {
        var settings = Simulator.Settings()
        settings.network.lossShare = 0.02
        settings.network.duplicationShare = 0.05
        if !seed.isMultiple(of: 3) {
            // Whoever was away gets the state, and not the log.
            settings.codec = .protobuf
            settings.node.raft.snapshotEntryCount = 6
            settings.node.raft.tailEntryCount = 2
            settings.node.raft.pieceByteCount = 2_048
        }
        var simulator = Simulator(nodeCount: 5, seed: seed, settings: settings)
        #expect(
            simulator.run(for: .seconds(60)) {
                AgreementTests.isWhole($0) && $0.node(0)?.state.voters.count == 5
            }
        )
        var chance = Chance(seed: seed &+ 77)
        var operations: [Operation] = []
        // By client: which operation, under which number.
        var open: [(operation: Int, request: UInt64)?] = [nil, nil, nil]
        var addedCount = 0
        var paused: Int?
        while operations.count < 48 {
            for client in open.indices where open[client] == nil && operations.count < 48 {
                guard let node = simulator.upNumbers.randomElement(using: &chance) else { continue }
                var operation = Operation(added: nil, start: simulator.now)
                let request: UInt64
                if addedCount < 16, Int.random(in: 0..<3, using: &chance) == 0 {
                    operation.added = addedCount
                    let task = Simulator.task("\(addedCount)")
                    request = simulator.propose(.taskSubmitted(task), at: node)
                    addedCount += 1
                } else {
                    request = simulator.read(at: node)
                }
                operations.append(operation)
                open[client] = (operations.count - 1, request)
            }
            harm(&simulator, &paused, &chance)
            simulator.run(for: .milliseconds(Int64.random(in: 20...400, using: &chance)))
            for client in open.indices {
                guard let (index, request) = open[client] else { continue }
                if let answer = simulator.answers.first(where: { $0.request == request }) {
                    open[client] = nil
                    guard case .accepted = answer.answer else { continue }
                    operations[index].end = answer.at
                    operations[index].seen = seen(answer.tasks)
                } else if simulator.now - operations[index].start > .seconds(8) {
                    // Whoever took it may be dead; the client goes on with something else.
                    open[client] = nil
                }
            }
        }
        #expect(simulator.witness.violations == [], "seed \(seed)")
        // A read without an answer saw nothing.
        return operations.filter { $0.added != nil || $0.end != nil }
    }

    private static func seen(_ tasks: [Digest]) -> UInt64 {
        (0..<16).reduce(UInt64(0)) { mask, number in
            tasks.contains(Simulator.task("\(number)").task) ? mask | 1 << number : mask
        }
    }

    private static func harm(
        _ simulator: inout Simulator,
        _ paused: inout Int?,
        _ chance: inout Chance
    ) {
        switch Int.random(in: 0..<10, using: &chance) {
        case 0: simulator.crash(Int.random(in: 0..<5, using: &chance))
        case 1: simulator.isolate([Int.random(in: 0..<5, using: &chance)])
        case 2:
            if paused == nil {
                let number = simulator.workingCoordinator ?? 0
                simulator.pause(number)
                paused = number
            }
        case 3...5:
            simulator.heal()
            for number in 0..<5 { simulator.restart(number) }
            if let number = paused { simulator.resume(number) }
            paused = nil
        default: break
        }
    }

    @Test(arguments: seeds(60))
    func `adding to the tasks and reading them is linearizable`(seed: UInt64) {
        let history = Self.history(seed: seed)
        #expect(history.count { $0.end != nil } > 8, "seed \(seed)")
        #expect(Self.isLinearizable(history), "seed \(seed)")
    }
}
