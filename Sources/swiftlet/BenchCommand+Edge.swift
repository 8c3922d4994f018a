import ArgumentParser
import Basics
import Foundation

extension BenchCommand {
    struct EdgeNodes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "edge",
            abstract: "Edge nodes on one relay: how they join, work and wake, and how small they are.",
            discussion: """
                A mesh of its own on loopback, with one node that is the relay of all; each edge \
                node is a process that joins with the printed command. Times are what the relay's \
                list of members says, looked at every 5 ms: from the start of the join command to \
                "alive", and from the end of an announced sleep (whole seconds) to "alive".

                Example: swiftlet bench edge --count 200
                """)

        @Option(help: "How many edge nodes.")
        var count = 200
        @Option(help: "Seconds of the announced sleep.")
        var sleep = 5
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 1...500 ~= count, 1...3_600 ~= sleep else {
                throw ValidationError("--count is 1 to 500, --sleep 1 to 3600 seconds.")
            }
        }

        func run() async throws {
            let figures = try await BenchMesh.with(.init(nodeCount: 1)) { mesh in
                try await EdgeBench(mesh, count: count).run(sleepSeconds: sleep)
            }
            if json { return Terminal.document(figures) }
            for figure in figures.asObject ?? [] {
                let name = figure.name.split(separator: "_").joined(separator: " ")
                Terminal.line("\(name): \(Text.cell(figure.value))")
            }
        }
    }
}

/// Many edge nodes on one node.
private struct EdgeBench {
    let mesh: BenchMesh
    let count: Int
    let relay: NodeClient

    init(_ mesh: BenchMesh, count: Int) throws {
        self.mesh = mesh
        self.count = count
        relay = try mesh.client(mesh.names[0])
    }

    func run(sleepSeconds: Int) async throws -> JSON {
        let answer = try await relay.post(
            "/api/tokens",
            ["ttl_seconds": 3600, "uses": .integer(Int64(count)), "role": "edge"])
        let token = Text.cell(answer["token"])
        var processes: [BenchProcess] = []
        let first = ContinuousClock.now
        processes.append(try join(0, token))
        try await mesh.wait("the first edge node", each: .milliseconds(5)) {
            try await states("alive") == 1
        }
        let joinSeconds = (ContinuousClock.now - first).inSeconds
        Terminal.remark("Starting \(count) edge nodes")
        for index in 1..<max(count, 1) {
            processes.append(try join(index, token))
            // A node takes some 25 strangers of one address in a second.
            try await Task.sleep(for: .milliseconds(90))
            // Eight at a time: the machine, not the relay, would be the measure.
            try await mesh.wait("\(index) edge nodes", within: .seconds(120)) {
                try await states("alive") > index - 8
            }
        }
        try await mesh.wait("all edge nodes", within: .seconds(120)) {
            try await states("alive") == count
        }
        let allSeconds = (ContinuousClock.now - first).inSeconds
        let tasks = try await TaskBench(relay)
        let taskSeconds = try await tasks.batch(count * 2, edge: "only")
        let wakeSeconds = try await wake(after: sleepSeconds)
        try await Task.sleep(for: .seconds(5))
        let resident = try processes.map { try Self.residentKilobytes($0.pid) }
        let aliveCount = try await states("alive")
        for process in processes { mesh.end(process) }
        return [
            "edge_nodes": .integer(Int64(count)), "alive_at_the_end": .integer(Int64(aliveCount)),
            "join_seconds": .number(joinSeconds), "all_joined_seconds": .number(allSeconds),
            "tasks": .integer(Int64(count * 2)), "tasks_seconds": .number(taskSeconds),
            "wake_seconds": .number(wakeSeconds),
            "resident_kilobytes_median": .integer(Int64(resident.sorted()[resident.count / 2])),
            "resident_kilobytes_max": .integer(Int64(resident.max() ?? 0)),
            "relay_resident_kilobytes": .integer(
                Int64(try Self.residentKilobytes(mesh.node(mesh.names[0]).process.pid))),
        ]
    }

    private func name(_ index: Int) -> String { "edge-\(index)" }

    private func join(_ index: Int, _ token: String) throws -> BenchProcess {
        try mesh.launch(
            BenchMesh.program,
            [
                "join", token, "--data", mesh.data(of: name(index)), "--name", name(index),
                "--log-level", "notice",
            ], log: name(index))
    }

    private func states(_ state: String) async throws -> Int {
        let members = try await relay.get("/api/members")["members"]?.asArray ?? []
        return members.count {
            $0["role"]?.asString == "edge" && $0["state"]?.asString == state
        }
    }

    /// From the end of one's sleep until the mesh has it for awake.
    private func wake(after seconds: Int) async throws -> Double {
        let path = mesh.data(of: name(0)) + "/node.sock"
        let edge = try NodeClient(.unixSocket(path: path))
        let answer = try await edge.post("/api/sleep", ["seconds": .integer(Int64(seconds))])
        try await edge.close()
        let until = Double(answer["until"]?.asInteger ?? 0)
        try await mesh.wait("the sleep", each: .milliseconds(5)) {
            try await states("asleep") == 1
        }
        try await mesh.wait(
            "the edge node to wake", within: .seconds(seconds + 30), each: .milliseconds(5)
        ) {
            guard Date().timeIntervalSince1970 >= until else { return false }
            let asleepCount = try await states("asleep")
            return asleepCount == 0
        }
        return Date().timeIntervalSince1970 - until
    }

    private static func residentKilobytes(_ pid: pid_t) throws -> Int {
        let line = ProcessFile.text("/proc/\(pid)/status")?.split(separator: "\n")
            .first { $0.hasPrefix("VmRSS:") }
        guard let words = line?.split(separator: " "), words.count > 1, let count = Int(words[1])
        else { throw Refusal("The memory of process \(pid) cannot be read; has it ended?") }
        return count
    }
}
