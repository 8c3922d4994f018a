import Basics
import Foundation
import Identity
import NIOCore
import Simulation
import Synchronization

/// The clients of a scenario with real nodes: they submit tasks, and look what became of them.
struct ScenarioTasks {
    private struct Record: Sendable {
        var acknowledged: [String] = []
        var minorityCount = 0
        var submittedCount = 0
        /// The nodes without a quorum, and how often that has changed.
        var minority: Set<String> = []
        var splitNumber = 0
    }

    private final class Ledger: Sendable {
        let record = Mutex(Record())
    }

    private let mesh: BenchMesh
    private let ledger = Ledger()
    private var program: JSON = nil

    init(mesh: BenchMesh) { self.mesh = mesh }

    var hasSubmitted: Bool { ledger.record.withLock { $0.submittedCount > 0 } }
    var minorityCount: Int { ledger.record.withLock { $0.minorityCount } }

    /// Gives every node the program, which takes a tenth of what the scenario's tasks take: here
    /// all nodes share one machine's cores.
    mutating func prepare(_ settings: Simulator.Settings) async throws {
        let mean = (settings.taskDurationMin + settings.taskDurationMax) / 2
        let elf = try await LoopRate.program(lasting: mean.inSeconds / 10)
        let digest = try await mesh.client(mesh.names[0]).putTiny(elf, name: "loop.elf")
        program = ["name": "loop.elf", "digest": .string(digest.hex)]
        for name in mesh.names { try await mesh.client(name).download(digest) { _ in } }
    }

    /// From now on these nodes must accept nothing.
    func split(minority: [String]) {
        ledger.record.withLock {
            $0.minority = Set(minority)
            $0.splitNumber += 1
        }
    }

    /// Submits one task to somebody, and does not wait for the answer.
    func submit(among names: [String], _ chance: inout Chance) {
        guard let name = names.randomElement(using: &chance), let node = try? mesh.client(name)
        else { return }
        let number = ledger.record.withLock { record in
            record.submittedCount += 1
            return record.submittedCount
        }
        let (ledger, program) = (ledger, program)
        Task {
            let before = ledger.record.withLock { $0.splitNumber }
            let answer = try? await node.post(
                "/api/tasks", ["program": program, "arguments": [.string("\(number)")]])
            guard let task = answer?["task"]?.asString else { return }
            ledger.record.withLock { record in
                record.acknowledged.append(task)
                if record.splitNumber == before, record.minority.contains(name) {
                    record.minorityCount += 1
                }
            }
        }
    }

    /// Waits until every node knows every acknowledged task, and all of one end; what is wrong.
    func finish(among names: [String], within limit: Duration) async -> [String] {
        let end = ContinuousClock.now + limit
        var sentence = ""
        while ContinuousClock.now < end {
            let tasks = ledger.record.withLock { $0.acknowledged }
            var views: [[String: String]] = []
            for name in names {
                guard let list = try? await mesh.client(name).get("/api/tasks")["tasks"]?.asArray
                else { continue }
                views.append(
                    list.reduce(into: [:]) { view, task in
                        view[Text.cell(task["task"])] = Text.cell(task["state"])
                    })
            }
            let lost = tasks.count { task in views.contains { $0[task] == nil } }
            let open = tasks.count { task in
                views.contains { !TaskCommand.finalStates.contains($0[task] ?? "") }
            }
            if views.count == names.count, lost == 0, open == 0 { return [] }
            sentence = "\(lost) of \(tasks.count) acknowledged tasks are lost, \(open) not done, "
                + "\(views.count) of \(names.count) nodes answer"
            try? await Task.sleep(for: .milliseconds(200))
        }
        return ["after \(Text.seconds(limit)) \(sentence)"]
    }
}

extension NodeClient {
    /// Brings so many bytes from the first node to all others, one after the other.
    static func pass(byteCount: Int, among nodes: [NodeClient]) async throws {
        guard byteCount > 0, nodes.count > 1 else { return }
        let start = ContinuousClock.now
        let share = byteCount / (nodes.count - 1)
        let piece = ByteBuffer(bytes: Random.bytes(count: 1 << 20))
        let pieces = AsyncStream<ByteBuffer> { stream in
            for offset in stride(from: 0, to: share, by: 1 << 20) {
                let count = min(1 << 20, share - offset)
                stream.yield(piece.getSlice(at: 0, length: count) ?? piece)
            }
            stream.finish()
        }
        let digest = try await nodes[0].upload(pieces, byteCount: UInt64(share))
        for node in nodes.dropFirst() { try await node.download(digest) { _ in } }
        let seconds = (ContinuousClock.now - start).inSeconds
        Terminal.remark(
            "\(Text.byteCount(UInt64(byteCount))) of bulk in \(Text.decimal(seconds, 1)) s")
    }

    /// Whether the mesh decides something small that this node wants, in time.
    func decides(within limit: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                (try? await put("/api/tenants", ["tenant": "scenario", "weight": 1])) != nil
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return false
            }
            let isDecided = await group.next() ?? false
            group.cancelAll()
            return isDecided
        }
    }
}

extension BenchMesh {
    /// How many members a node holds for alive, itself among them.
    func aliveCount(seenBy name: String) async -> Int {
        let members = (try? await client(name).get("/api/members"))?["members"]?.asArray ?? []
        return members.count { $0["state"]?.asString == "alive" }
    }

    /// Kill, stop or continue; the node stands in the mesh's books until `kill9`.
    func signal(_ signal: Int32, to name: String) throws { try node(name).process.send(signal) }
}
