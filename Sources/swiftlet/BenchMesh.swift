import Basics
import Foundation

/// A mesh of real nodes on loopback, made for one measurement.
///
/// Each node is this very program in a process of its own, all in one temporary folder. Both go
/// when the measurement is over, whichever way it ends. The nodes seal, sign and verify as those
/// of any mesh; nothing of it is switched off for the measurement.
final class BenchMesh {
    struct Settings: Sendable {
        var nodeCount: Int
        /// Of the engine of each node.
        var threadCount = 1
        /// Tasks of each node at a time; nil: one for each core.
        var slotCount: Int?
        /// MiB of keys and values of each node.
        var cacheSize = 256
        /// Tokens that a head guesses ahead.
        var guessCount = 0
        /// A network of the mesh's own, where the machine allows it.
        var hasNetwork = false
        var logLevel = "notice"
    }

    /// What the measured model is called in the mesh.
    static let modelName = "measured"
    /// The mesh allows this one licence, so that nobody vouches for a model's real one.
    private static let license = "LicenseRef-Measured"
    /// The program that runs now, even where its file has been replaced since.
    static let program = "/proc/self/exe"

    /// A node that runs.
    struct Node {
        let process: BenchProcess
        let client: NodeClient
        let id: String
    }

    let settings: Settings
    let folder: String
    /// Nil on loopback.
    private(set) var network: BenchNetwork?
    private let undertaker: BenchUndertaker
    private var nodes: [String: Node] = [:]
    private var ports: [String: Int] = [:]

    /// In order; the first one has founded the mesh.
    let names: [String]

    /// Makes a mesh, gives it to `body`, and ends it.
    static func with<Answer>(
        _ settings: Settings, _ body: (BenchMesh) async throws -> Answer
    ) async throws -> Answer {
        let mesh = try BenchMesh(settings)
        let answer: Answer
        do {
            try await mesh.found()
            answer = try await body(mesh)
        } catch {
            try? await mesh.finish()
            throw error
        }
        try await mesh.finish()
        return answer
    }

    private init(_ settings: Settings) throws {
        self.settings = settings
        names = (1...settings.nodeCount).map { "n\($0)" }
        var template = Array("/tmp/swiftlet-bench.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Refusal("There is no room in /tmp; a measurement keeps its nodes there.")
        }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        undertaker = try BenchUndertaker(removing: folder)
        if settings.hasNetwork { network = try BenchNetwork(names, watchedBy: undertaker) }
    }

    private func finish() async throws {
        for name in names { try await kill9(name) }
        try await undertaker.finish()
    }

    /// A process beside the nodes that ends with the mesh at the latest.
    func launch(_ program: String, _ arguments: [String], log: String) throws -> BenchProcess {
        let process = try BenchProcess(program, arguments, log: "\(folder)/\(log).log")
        undertaker.watch(process.pid)
        return process
    }

    /// This program, where a node is.
    private func launch(
        in name: String, _ arguments: [String], log: String
    ) throws -> BenchProcess {
        guard let network else { return try launch(Self.program, arguments, log: log) }
        let program = URL(fileURLWithPath: Self.program).resolvingSymlinksInPath().path
        let command = network.command(of: name, program, arguments)
        return try launch(command[0], Array(command.dropFirst()), log: log)
    }

    /// Ends a process that `launch` started.
    func end(_ process: BenchProcess) {
        process.end()
        undertaker.forget(process.pid)
    }

    // MARK: nodes

    func data(of name: String) -> String { "\(folder)/\(name)" }

    func node(_ name: String) throws -> Node {
        guard let node = nodes[name] else { throw Refusal("The node \(name) does not run.") }
        return node
    }

    func client(_ name: String) throws -> NodeClient { try node(name).client }

    private func found() async throws {
        Terminal.remark("Founding a mesh of \(names.count) on loopback")
        try await run(["init", "--data", data(of: names[0]), "--name", names[0]])
        try await start(names[0])
        if 1 < names.count {
            let answer = try await client(names[0]).post(
                "/api/tokens", ["ttl_seconds": 3600, "uses": .integer(Int64(names.count - 1))])
            let token = Text.cell(answer["token"])
            for name in names.dropFirst() {
                try await run(
                    [
                        "join", token, "--data", data(of: name), "--name", name, "--enrol-only",
                    ], in: name)
                try await start(name)
            }
        }
        try await settle()
    }

    /// Starts a node in its folder, at the port that it had; returns when it answers.
    func start(_ name: String) async throws {
        let port = try ports[name] ?? FreePort.pair()
        ports[name] = port
        let process = try launch(
            in: name,
            [
                "up", "--data", data(of: name), "--listen",
                "tcp://\(network?.address(of: name) ?? "127.0.0.1"):\(port)",
                "--threads", "\(settings.threadCount)", "--kv-cache", "\(settings.cacheSize)",
                "--guesses", "\(settings.guessCount)", "--log-level", settings.logLevel,
            ] + (settings.slotCount.map { ["--slots", "\($0)"] } ?? []), log: name)
        let socket = data(of: name) + "/node.sock"
        try await wait("\(name) to answer", each: .milliseconds(2)) {
            guard process.isRunning else {
                throw Refusal("The node \(name) has ended: \(lastLine(of: name))")
            }
            // None yet, or that of the life before, which the node has just taken away.
            guard let client = try? NodeClient(.unixSocket(path: socket)) else { return false }
            guard let id = (try? await client.get("/api/status"))?["id"]?.asString else {
                try await client.close()
                return false
            }
            nodes[name] = Node(process: process, client: client, id: id)
            return true
        }
    }

    private func lastLine(of log: String) -> String {
        let text = (try? String(contentsOfFile: "\(folder)/\(log).log", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").last.map(String.init) ?? "it said nothing."
    }

    func kill9(_ name: String) async throws {
        guard let node = nodes.removeValue(forKey: name) else { return }
        end(node.process)
        try await node.client.close()
    }

    /// SIGTERM, and the end of it.
    func stop(_ name: String) async throws {
        guard let node = nodes.removeValue(forKey: name) else { return }
        node.process.send(SIGTERM)
        _ = try await node.process.finished(within: .seconds(30))
        undertaker.forget(node.process.pid)
        try await node.client.close()
    }

    /// Runs a command of the program to its end.
    private func run(_ arguments: [String], in name: String? = nil) async throws {
        let process =
            try name.map { try launch(in: $0, arguments, log: "command") }
            ?? launch(Self.program, arguments, log: "command")
        let status = try await process.finished(within: .seconds(60))
        undertaker.forget(process.pid)
        guard status == 0 else {
            throw Refusal("A node could not be made: \(lastLine(of: "command"))")
        }
    }

    // MARK: waiting

    /// Polls until it is so; a deadline that passes is an error that names what was waited for.
    func wait(
        _ what: String, within limit: Duration = .seconds(60),
        each interval: Duration = .milliseconds(20), until isSo: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while try await !isSo() {
            guard ContinuousClock.now < deadline else {
                throw Refusal("Waited \(Text.seconds(limit)) in vain for \(what); try again.")
            }
            try await Task.sleep(for: interval)
        }
    }

    /// Waits until all nodes see each other, one coordinator, and as many voters as are due.
    func settle() async throws {
        let wanted = names.count
        // Two would be worse than one: the loss of either would stop the mesh.
        let voterCount = min(5, wanted.isMultiple(of: 2) ? wanted - 1 : wanted)
        try await wait("the nodes to agree") {
            var coordinators: Set<String> = []
            for name in names {
                guard let members = try? await client(name).get("/api/members"),
                    let status = try? await client(name).get("/api/status"),
                    let coordinator = members["coordinator"]?.asString,
                    status["voters"]?.asArray?.count == voterCount
                else { return false }
                let alive = (members["members"]?.asArray ?? []).filter {
                    $0["state"]?.asString == "alive"
                }
                guard alive.count == wanted,
                    alive.contains(where: { $0["id"]?.asString == coordinator })
                else { return false }
                coordinators.insert(coordinator)
            }
            return coordinators.count == 1
        }
    }

    // MARK: the model

    /// Adds the measured model's file.
    func add(_ model: ArtifactFile) async throws {
        Terminal.remark("Adding \(model.name) (\(Text.byteCount(model.byteCount)))")
        let founder = try client(names[0])
        _ = try await founder.put("/api/policy", ["allowed_licenses": [.string(Self.license)]])
        try await model.put(to: founder)
        _ = try await founder.addStatement(
            about: model.digest, kind: "model", name: Self.modelName, license: Self.license)
    }

    /// A node and the layers that it serves.
    struct Stage: Sendable {
        let name: String
        let layers: Range<Int>
    }

    /// Shares the model's layers over so many nodes; returns their stages in order of layers.
    func deploy(stageCount: Int) async throws -> [Stage] {
        let model = try await client(names[0]).post(
            "/api/models/deploy",
            [
                "model": .string(Self.modelName), "stages": .integer(Int64(stageCount)),
                "wait_seconds": 120,
            ])
        let placed = (model["stages"]?.asArray ?? []).compactMap { stage -> Stage? in
            guard let name = names.first(where: { nodes[$0]?.id == stage["node"]?.asString }),
                let first = stage["first_layer"]?.asInteger,
                let last = stage["last_layer"]?.asInteger, first <= last
            else { return nil }
            return Stage(name: name, layers: Int(first)..<Int(last) + 1)
        }
        guard model["state"]?.asString == "deployed", placed.count == stageCount else {
            throw Refusal("The model is not served by \(stageCount) nodes; is it too small?")
        }
        return placed
    }
}
