import Basics
import Foundation
import Glibc
import Testing

/// Every test of this target: one after the other, since each wants the machine for itself.
@Suite(.serialized) struct MeshTests {}

/// A mesh of real nodes on loopback, for one test.
///
/// Each node is the real program in its own process, with a folder of its own and its log in a
/// file. Whatever happens in the test, the processes end and the folder goes. With
/// `SWIFTLET_KEEP=1` the folder stays.
final class TestMesh {
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String

        func json() throws -> JSON { try JSON(parsing: Array(output.utf8)) }
    }

    static let environment = ProcessInfo.processInfo.environment
    static let tests = URL(filePath: #filePath).deletingLastPathComponent()
    static let root = tests.deletingLastPathComponent().deletingLastPathComponent()
    static let program =
        environment["SWIFTLET_PROGRAM"] ?? root.appending(path: ".build/release/swiftlet").path
    static let modelFile: String = {
        let home = FileManager.default.homeDirectoryForCurrentUser.path
        let cache = environment["SWIFTLET_CACHE"] ?? "\(home)/.cache/swiftlet"
        return environment["SWIFTLET_MODEL"]
            ?? "\(cache)/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    }()

    /// A number from the environment: how often a measurement is made.
    static func count(_ variable: String, default count: Int) -> Int {
        environment[variable].flatMap { Int($0) } ?? count
    }

    let folder: String
    private let undertaker: Undertaker
    private var ports: [String: Int] = [:]
    private var nodes: [String: ChildProcess] = [:]
    private var commandCount = 0
    /// Of `up`, for each node.
    private var options: [String] = []

    /// Runs `body` with a mesh of these nodes, the first of them its founder.
    static func with(
        _ names: [String] = ["ada", "bob", "eve"], options: [String] = [],
        _ body: (TestMesh) async throws -> Void
    ) async throws {
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw Failure("there is no program \(program): build it, or set SWIFTLET_PROGRAM")
        }
        let mesh = try TestMesh()
        mesh.options = options
        do {
            try await mesh.found(names[0])
            for name in names.dropFirst() { try await mesh.enrol(name) }
            try await mesh.settled()
            try await body(mesh)
        } catch {
            let logs = mesh.logs()
            try await mesh.finish()
            throw Failure("\(error)\n\(logs)")
        }
        try await mesh.finish()
    }

    private init() throws {
        var template = Array("/tmp/swiftlet-test.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure("there is no room in /tmp") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let isKept = Self.environment["SWIFTLET_KEEP"] == "1"
        undertaker = try Undertaker(removing: isKept ? "" : folder)
    }

    private func finish() async throws {
        for name in names { kill9(name) }
        try await undertaker.finish()
    }

    /// The last lines of each node's log.
    private func logs() -> String {
        ports.keys.sorted().map { name in
            let text = (try? String(contentsOfFile: "\(folder)/\(name).log", encoding: .utf8)) ?? ""
            let lines = text.split(separator: "\n").suffix(25).joined(separator: "\n")
            return "--- the log of \(name):\n\(lines)"
        }.joined(separator: "\n")
    }

    /// Whether a node has said this in its log.
    func hasLogged(_ text: String, on name: String) -> Bool {
        let log = try? String(contentsOfFile: "\(folder)/\(name).log", encoding: .utf8)
        return log?.contains(text) ?? false
    }

    // MARK: nodes

    /// The nodes that run now.
    var names: [String] { nodes.keys.sorted() }

    func data(of name: String) -> String { "\(folder)/\(name)" }
    func log(of name: String) throws -> String {
        try String(contentsOfFile: "\(folder)/\(name).log", encoding: .utf8)
    }
    func port(of name: String) -> Int? { ports[name] }
    func pid(of name: String) -> pid_t? { nodes[name]?.pid }

    private func found(_ name: String) async throws {
        try await succeed("init", on: name, "--name", name)
        try await start(name)
    }

    /// A token of this mesh, made at its founder.
    func token(uses: Int = 1, on name: String = "ada") async throws -> String {
        let answer = try await json("token create", on: name, "--uses", "\(uses)")
        return try #require(answer["token"]?.asString)
    }

    func enrol(_ name: String, through founder: String = "ada") async throws {
        let token = try await token(on: founder)
        try await succeed("join", on: name, token, "--name", name, "--enrol-only")
        try await start(name)
    }

    /// Starts a node in its folder, at the port that it had.
    ///
    /// - Parameter http: with HTTPS at this port of the loopback address; the key is "key".
    func start(_ name: String, http: Int? = nil) async throws {
        let known = ports[name]
        let port = if let known { known } else { try Self.freePort() }
        ports[name] = port
        let log = "\(folder)/\(name).log"
        let secure = http.map { ["--http", "127.0.0.1:\($0)"] } ?? []
        let node = try ChildProcess(
            "env",
            [
                "SWIFTLET_API_KEY=key", Self.program, "up", "--data", data(of: name), "--listen",
                "tcp://127.0.0.1:\(port)",
            ] + secure + options, output: log, errors: log)
        undertaker.watch(node.pid)
        nodes[name] = node
        try await wait("\(name) to answer") {
            if let status = node.poll() { throw Failure("\(name) ended with status \(status)") }
            return (try? await get("/api/status", on: name)) != nil
        }
    }

    func kill9(_ name: String) {
        guard let node = nodes.removeValue(forKey: name) else { return }
        node.end()
        undertaker.forget(node.pid)
    }

    /// SIGSTOP: the node is there and silent.
    func pause(_ name: String) { nodes[name]?.send(SIGSTOP) }
    func resume(_ name: String) { nodes[name]?.send(SIGCONT) }

    /// SIGTERM; the exit code.
    func terminate(_ name: String) async throws -> Int32 {
        let node = try #require(nodes[name])
        nodes[name] = nil
        node.send(SIGTERM)
        defer { undertaker.forget(node.pid) }
        return try await node.finished(within: .seconds(30))
    }

    /// Two neighbouring ports that nobody has, below those that the kernel gives to clients.
    static func freePort() throws -> Int {
        for _ in 0..<200 {
            let port = Int.random(in: 10_000..<32_000)
            if isFree(port), isFree(port + 1) { return port }
        }
        throw Failure("there are no free ports")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }

    // MARK: waiting

    /// Polls until it is so; a deadline that passes is an error that names what was waited for.
    func wait(
        _ what: String, within limit: Duration = .seconds(60),
        each interval: Duration = .milliseconds(40), until isSo: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while try await !isSo() {
            guard ContinuousClock.now < deadline else {
                throw Failure("waited \(limit) in vain for \(what)")
            }
            try await Task.sleep(for: interval)
        }
    }

    /// Waits until all running nodes see each other, one coordinator, and as many voters as due.
    func settled(without outcast: String? = nil) async throws {
        let insiders = names.filter { $0 != outcast }
        let wanted = insiders.count
        // Two would be worse than one: the loss of either would stop the mesh.
        let voterCount = wanted.isMultiple(of: 2) ? wanted - 1 : wanted
        try await wait("\(insiders) to agree") {
            var coordinators: Set<String> = []
            for name in insiders {
                guard let members = try? await get("/api/members", on: name),
                    let status = try? await get("/api/status", on: name),
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

    func id(of name: String) async throws -> String {
        try #require(try await get("/api/status", on: name)["id"]?.asString)
    }

    /// The name of the node that the mesh has as its coordinator.
    func coordinator() async throws -> String {
        for name in names where try await get("/api/status", on: name)["is_coordinator"] == true {
            return name
        }
        throw Failure("no running node is the coordinator")
    }

    /// How `node` sees `member`: "alive", "dead", …; nil where it does not know it.
    func state(of member: String, seenBy node: String) async throws -> String? {
        let members = try await get("/api/members", on: node)["members"]?.asArray ?? []
        return members.first { $0["name"]?.asString == member }?["state"]?.asString
    }

    // MARK: commands

    /// Starts a command of the program: its words, where it goes, and the rest.
    func launch(
        _ words: String, on name: String?, _ rest: [String], input: String = ""
    ) throws -> Command {
        commandCount += 1
        let files = "\(folder)/command-\(commandCount)"
        try Data(input.utf8).write(to: URL(filePath: "\(files).in"))
        let target = name.map { ["--data", data(of: $0)] } ?? []
        let process = try ChildProcess(
            Self.program, words.split(separator: " ").map(String.init) + target + rest,
            input: "\(files).in", output: "\(files).out", errors: "\(files).err")
        undertaker.watch(process.pid)
        return Command(process: process, files: files)
    }

    struct Command {
        let process: ChildProcess
        let files: String

        func outcome(within limit: Duration) async throws -> Outcome {
            let status = try await process.finished(within: limit)
            func text(_ suffix: String) throws -> String {
                let data = try Data(contentsOf: URL(filePath: files + suffix))
                return String(decoding: data, as: UTF8.self)
            }
            return Outcome(status: status, output: try text(".out"), errors: try text(".err"))
        }
    }

    /// Runs a command of the program to its end.
    func run(
        _ words: String, on name: String?, _ rest: [String], input: String = "",
        within limit: Duration = .seconds(120)
    ) async throws -> Outcome {
        let command = try launch(words, on: name, rest, input: input)
        defer { undertaker.forget(command.process.pid) }
        return try await command.outcome(within: limit)
    }

    /// A command that must succeed; its output.
    @discardableResult
    func succeed(_ words: String, on name: String?, _ rest: String...) async throws -> String {
        let outcome = try await run(words, on: name, rest)
        guard outcome.status == 0 else {
            throw Failure("\(words) on \(name ?? "none") failed: \(outcome.errors)")
        }
        return outcome.output
    }

    /// A command that must succeed and answer with one JSON document.
    func json(_ words: String, on name: String, _ rest: String...) async throws -> JSON {
        let outcome = try await run(words, on: name, ["--json"] + rest)
        guard outcome.status == 0 else {
            throw Failure("\(words) on \(name) failed: \(outcome.errors)")
        }
        return try outcome.json()
    }

    /// A command that must be refused, in one sentence on stderr; the sentence.
    func refusal(_ words: String, on name: String?, _ rest: String...) async throws -> String {
        let outcome = try await run(words, on: name, rest)
        #expect(outcome.status != 0, "\(words) \(rest) was not refused: \(outcome.output)")
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 1, "one sentence, not: \(outcome.errors)")
        return outcome.errors
    }

    // MARK: the node's HTTP door

    func get(_ path: String, on name: String) async throws -> JSON {
        try await request("GET", path, on: name)
    }

    func post(_ path: String, _ body: JSON, on name: String) async throws -> JSON {
        try await request("POST", path, body, on: name)
    }

    func bytes(_ path: String, on name: String) async throws -> [UInt8] {
        let answer = try await NodeSocket(path: data(of: name) + "/node.sock")
            .exchange("GET", path, nil, within: .seconds(60))
        guard answer.status == 200 else { throw Failure("\(path) gave \(answer.status)") }
        return answer.body
    }

    private func request(
        _ method: String, _ path: String, _ body: JSON? = nil, on name: String
    ) async throws -> JSON {
        let answer = try await NodeSocket(path: data(of: name) + "/node.sock")
            .exchange(method, path, body, within: .seconds(60))
        let document = try JSON(parsing: answer.body)
        guard (200..<300).contains(answer.status) else {
            throw Failure(document["error"]?["message"]?.asString ?? "status \(answer.status)")
        }
        return document
    }

    /// Posts, and hands on each event of the answer as it comes.
    func events(
        _ path: String, _ body: JSON, on name: String, _ receive: (JSON) throws -> Void
    ) async throws {
        let answer = try await NodeSocket(path: data(of: name) + "/node.sock")
            .exchange("POST", path, body, within: .seconds(180)) { line in
                guard line.hasPrefix("data: {") else { return }
                try receive(try JSON(parsing: Array(line.dropFirst(6).utf8)))
            }
        guard answer.status == 200 else {
            throw Failure(String(decoding: answer.body, as: UTF8.self))
        }
    }
}
