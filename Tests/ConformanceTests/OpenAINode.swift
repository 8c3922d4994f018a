import Foundation
import Glibc

/// A mesh of one real node on loopback, that serves one model over HTTPS.
///
/// The node's parent is a script that waits for the end of its input: it stops the node when
/// `stop` says so, and also when this process is killed and the pipe closes.
final class OpenAINode {
    static let modelName = "smollm2"
    static let encoderName = "minilm"
    let key = "key-\(UUID().uuidString)"
    let url: String
    /// The certificate that the mesh's nodes are to be checked against.
    var root: String { data + "/identity/root.pem" }

    let program: String
    private let folder: URL
    private let tether = Process()
    private let lifeline = Pipe()
    var data: String { folder.appending(path: "node").path }
    private var log: URL { folder.appending(path: "log") }

    /// Returns when the model answers.
    init() throws {
        let environment = ProcessInfo.processInfo.environment
        let build = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        program =
            environment["SWIFTLET_PROGRAM"]
            ?? build.appending(path: ".build/release/swiftlet").path
        folder = try ClientProgram.makeFolder()
        let (control, http) = (try Self.freePort(), try Self.freePort())
        url = "https://127.0.0.1:\(http)"
        do {
            try command("init", "--data", data, "--name", "ada")
            try start(control: control, http: http)
            try command(
                "model", "add", ClientProgram.model(), "--name", Self.modelName,
                "--license", "Apache-2.0", "--data", data)
            try command("model", "deploy", Self.modelName, "--stages", "1", "--data", data)
        } catch {
            _ = try? stop()
            throw error
        }
    }

    /// Packs an encoder's directory and adds the file as a model.
    func addEncoder(_ directory: String) throws {
        let file = folder.appending(path: "encoder.safetensors").path
        try command("model", "pack", directory, file)
        try command(
            "model", "add", file, "--name", Self.encoderName, "--license", "Apache-2.0",
            "--data", data)
    }

    /// Stops the node and removes its files.
    ///
    /// - Returns: the node's exit code.
    func stop() throws -> Int32 {
        defer { try? FileManager.default.removeItem(at: folder) }
        try? lifeline.fileHandleForWriting.close()
        guard tether.processIdentifier != 0 else { return 0 }
        tether.waitUntilExit()
        return tether.terminationStatus
    }

    private func start(control: UInt16, http: UInt16) throws {
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        tether.executableURL = URL(filePath: try ClientProgram.python())
        tether.arguments = [
            ClientProgram.scripts.appending(path: "tethered.py").path, program, "up",
            "--data", data, "--listen", "tcp://127.0.0.1:\(control)",
            "--http", "127.0.0.1:\(http)",
        ]
        tether.environment = ProcessInfo.processInfo.environment
            .merging(["SWIFTLET_API_KEY": key]) { _, new in new }
        tether.standardInput = lifeline
        tether.standardOutput = output
        tether.standardError = output
        try tether.run()
        // A node that has a coordinator answers for the mesh.
        let deadline = Date.now + 30
        while true {
            let run = try ClientProgram(program, ["status", "--data", data, "--json"])
            if run.exitCode == 0 { return }
            guard Date.now < deadline else { throw NodeFailure("no answer: \(logText)") }
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    private func command(_ arguments: String...) throws {
        let run = try ClientProgram(program, arguments)
        guard run.exitCode == 0 else {
            throw NodeFailure(
                "\(arguments.joined(separator: " ")): \(run.shortComplaint)\n\(logText)")
        }
    }

    private var logText: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// A port of loopback that nobody listens on now, and neither on the next one: the node
    /// takes two in a row.
    private static func freePort() throws -> UInt16 {
        for _ in 0..<100 {
            let port = UInt16.random(in: 20_000..<32_000)
            if isFree(port), isFree(port + 1) { return port }
        }
        throw NodeFailure("no free port")
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

/// Why there is no node to talk to.
struct NodeFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
