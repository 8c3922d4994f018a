import Foundation

/// What a program did that a test has run to its end.
struct ClientProgram {
    let exitCode: Int32
    let output: [UInt8]
    let complaint: String

    /// Runs a program; its streams go through files, for a full pipe would stop it.
    init(
        _ program: String, _ arguments: [String], environment added: [String: String] = [:]
    ) throws {
        let folder = try Self.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["output", "errors"].map { folder.appending(path: $0) }
        for file in files { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(added) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
        process.waitUntilExit()
        exitCode = process.terminationStatus
        output = [UInt8](try Data(contentsOf: files[0]))
        complaint = String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
    }

    /// Runs a script of the folder `Clients` with the Python that has the outside clients.
    init(script: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        let path = Self.scripts.appending(path: script).path
        try self.init(Self.python(), [path] + arguments, environment: environment)
    }

    /// A new empty folder for the files of one test.
    static func makeFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return folder
    }

    /// The last lines of a long complaint.
    var shortComplaint: String {
        complaint.split(separator: "\n").suffix(20).joined(separator: "\n")
    }

    static let scripts = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Clients")

    /// Where the set-up puts models and clients.
    static var cache: URL {
        ProcessInfo.processInfo.environment["SWIFTLET_CACHE"].map { URL(filePath: $0) }
            ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/swiftlet")
    }

    /// SmolLM2-135M-Instruct in Q4_1.
    static func model() throws -> String {
        let path =
            ProcessInfo.processInfo.environment["SWIFTLET_MODEL"]
            ?? cache.appending(path: "models/SmolLM2-135M-Instruct.Q4_1.gguf").path
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw Missing("\(path) is missing: cluster/setup --tests fetches it")
        }
        return path
    }

    /// The directory of all-MiniLM-L6-v2.
    static func encoder() throws -> String {
        let path = cache.appending(path: "models/all-MiniLM-L6-v2").path
        guard FileManager.default.isReadableFile(atPath: path + "/model.safetensors") else {
            throw Missing("\(path) is missing: cluster/setup --tests fetches it")
        }
        return path
    }

    static func python() throws -> String {
        let path = cache.appending(path: "clients/bin/python3").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Missing("\(path) is missing: cluster/setup --tests makes it")
        }
        return path
    }

    /// Something that the set-up provides is not there.
    struct Missing: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}
