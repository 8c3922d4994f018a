import Basics
import Foundation

/// Submits jobs, kills nodes, and looks at what becomes of the tasks.
struct FaultBench {
    private struct Job {
        var key: String
        var count: Int
        /// Nil until a node has acknowledged it.
        var id: String?
        var isOver = false
    }

    /// A task as the results of its job show it.
    private struct Row: Equatable {
        var state: String
        var digest: String?
        var node: String?
        var attempt: Int64

        var isOver: Bool { TaskCommand.finalStates.contains(state) }
    }

    private struct Interrupted {
        var task: String
        var attempt: Int64
        var since: ContinuousClock.Instant
    }

    private static let jobTaskCount = 100
    private static let openJobCountMax = 6
    private static let pollInterval = Duration.milliseconds(100)

    private let mesh: BenchMesh
    private let count: Int
    private let interval: Duration
    private var chance: Chance
    private var program: JSON = nil

    private var jobs: [Job] = []
    private var rows: [String: Row] = [:]
    private var interrupted: [Interrupted] = []
    private(set) var recoveries: [Double] = []
    private(set) var killCount = 0
    private(set) var coordinatorKillCount = 0
    private(set) var mistakes: [String] = []
    private(set) var seconds = 0.0

    init(mesh: BenchMesh, count: Int, interval: Duration, seed: UInt64) {
        self.mesh = mesh
        self.count = count
        self.interval = interval
        chance = Chance(seed: seed)
    }

    mutating func run(program elf: [UInt8]) async throws {
        let founder = try mesh.client(mesh.names[0])
        let digest = try await founder.putTiny(elf, name: "loop.elf")
        program = ["name": "loop.elf", "digest": .string(digest.hex)]
        // Every node has it: a submission names what its node holds.
        for name in mesh.names { try await mesh.client(name).download(digest) { _ in } }
        var rest = count
        while rest > 0 {
            let size = min(rest, Self.jobTaskCount)
            let key = "faults \(jobs.count) \(UInt64.random(in: 0 ... .max))"
            jobs.append(Job(key: key, count: size))
            rest -= size
        }
        let start = ContinuousClock.now
        var nextKill = start + interval
        var progress = ProgressLine("tasks")
        while jobs.contains(where: { !$0.isOver }) {
            if nextKill <= ContinuousClock.now {
                nextKill += interval
                try await killOne()
            }
            await submit()
            await poll()
            let endedCount = rows.values.count { $0.isOver }
            progress.show(UInt64(endedCount), of: UInt64(count), "\(count) tasks")
            guard ContinuousClock.now - start < .seconds(3_600) else {
                mistakes.append("not every task had ended after an hour")
                break
            }
            try await Task.sleep(for: Self.pollInterval)
        }
        progress.clear()
        seconds = (ContinuousClock.now - start).inSeconds
        try await mesh.settle()
        try await compare()
    }

    // MARK: faults

    private mutating func killOne() async throws {
        let victim = mesh.names[Int.random(in: 0..<mesh.names.count, using: &chance)]
        let id = try mesh.node(victim).id
        let status = try? await mesh.client(victim).get("/api/status")
        await poll()
        let now = ContinuousClock.now
        try await mesh.kill9(victim)
        killCount += 1
        if status?["is_coordinator"]?.asBool == true { coordinatorKillCount += 1 }
        for (task, row) in rows.sorted(by: { $0.key < $1.key })
        where row.state == "running" && row.node == id {
            interrupted.removeAll { $0.task == task }
            interrupted.append(Interrupted(task: task, attempt: row.attempt, since: now))
        }
        try await mesh.start(victim)
    }

    // MARK: the client

    private mutating func anybody() -> NodeClient? {
        try? mesh.client(mesh.names[Int.random(in: 0..<mesh.names.count, using: &chance)])
    }

    /// Keeps some jobs open; one that no node acknowledged is submitted again, under its key.
    private mutating func submit() async {
        for index in jobs.indices where jobs[index].id == nil {
            guard jobs.count(where: { $0.id != nil && !$0.isOver }) < Self.openJobCountMax,
                let node = anybody()
            else { return }
            let items = (0..<jobs[index].count).map { number -> JSON in
                ["arguments": [.string("\(index)"), .string("\(number)")]]
            }
            let answer = try? await node.post(
                "/api/jobs",
                [
                    "key": .string(jobs[index].key), "name": .string("\(index)"),
                    "sets": [
                        [
                            "name": "loop", "program": program, "attempts": 20,
                            "items": .array(items),
                        ]
                    ],
                ])
            jobs[index].id = answer?["job"]?.asString
        }
    }

    private mutating func poll() async {
        for index in jobs.indices {
            guard let id = jobs[index].id, !jobs[index].isOver, let node = anybody(),
                let results = try? await node.get("/api/jobs/\(id)/results")
            else { continue }
            let found = Self.rows(of: results)
            for (task, row) in found { note(task, row) }
            jobs[index].isOver = found.count == jobs[index].count && found.allSatisfy(\.1.isOver)
        }
        let now = ContinuousClock.now
        interrupted.removeAll { lost in
            guard let row = rows[lost.task],
                row.isOver || row.state == "running" && row.attempt > lost.attempt
            else { return false }
            recoveries.append((now - lost.since).inSeconds)
            return true
        }
    }

    private mutating func note(_ task: String, _ row: Row) {
        if let known = rows[task] {
            if known.isOver {
                // A node that has just started may still be behind; it must not say otherwise.
                if row.isOver, row != known { mistakes.append("the result of \(task) changed") }
                return
            }
            guard row.attempt >= known.attempt else { return }
        }
        if row.isOver, row.state != "succeeded" { mistakes.append("\(task) is \(row.state)") }
        rows[task] = row
    }

    private static func rows(of results: JSON) -> [(String, Row)] {
        func column(_ name: String) -> [JSON] { results[name]?.asArray ?? [] }
        let (states, digests) = (column("states"), column("digests"))
        let (nodes, attempts) = (column("nodes"), column("attempts"))
        return column("tasks").enumerated().compactMap { index, task in
            guard let id = task.asString, index < states.count, index < digests.count,
                index < nodes.count, index < attempts.count
            else { return nil }
            return (
                id,
                Row(
                    state: states[index].asString ?? "", digest: digests[index].asString,
                    node: nodes[index].asString, attempt: attempts[index].asInteger ?? 0)
            )
        }
    }

    // MARK: the end

    /// Every node says the same of every task, and nothing is there that was not submitted.
    private mutating func compare() async throws {
        for name in mesh.names {
            let node = try mesh.client(name)
            let status = try await node.get("/api/status")
            if status["task_count"]?.asInteger != Int64(count) {
                mistakes.append(
                    "\(name) knows \(Text.cell(status["task_count"])) tasks, not \(count)")
            }
            for job in jobs {
                guard let id = job.id else { continue }
                let found = Self.rows(of: try await node.get("/api/jobs/\(id)/results"))
                if found.count != job.count { mistakes.append("\(name) has lost a task of \(id)") }
                for (task, row) in found where rows[task] != row {
                    mistakes.append("\(name) says another thing of \(task)")
                }
            }
        }
    }
}
