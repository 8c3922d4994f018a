import Foundation
import RISCV
import Testing

/// What a process of the host did.
struct ProcessOutcome {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var exitCode: Int32 = 0
    var files: [OutputFile] = []

    /// Streams go through files: a pipe that nobody empties would stop the process.
    init(
        running path: String,
        _ arguments: [String],
        in folder: URL,
        environment: [String: String],
        input: [UInt8] = []
    ) throws {
        let streams = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-streams-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: streams, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: streams) }
        let names = ["in", "out", "error"].map { streams.appending(path: $0) }
        try Data(input).write(to: names[0])
        try Data().write(to: names[1])
        try Data().write(to: names[2])
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = environment
        process.standardInput = try FileHandle(forReadingFrom: names[0])
        process.standardOutput = try FileHandle(forWritingTo: names[1])
        process.standardError = try FileHandle(forWritingTo: names[2])
        try Self.withoutBlockedSignals { try process.run() }
        process.waitUntilExit()
        let status = process.terminationStatus
        exitCode = process.terminationReason == .uncaughtSignal ? 128 + status : status
        output = [UInt8](try Data(contentsOf: names[1]))
        errors = [UInt8](try Data(contentsOf: names[2]))
    }

    /// Runs a riscv64 program in a folder; the files are those that it leaves there.
    init(
        underQEMU arguments: [String],
        in folder: URL,
        environment: [String: String],
        input: [UInt8]
    ) throws {
        let qemu = ["/usr/bin/qemu-riscv64", "/usr/local/bin/qemu-riscv64"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        let program = try #require(
            qemu,
            "qemu-riscv64 is missing: install it with apt-get install qemu-user"
        )
        // It has been seen to hang.
        try self.init(
            running: "/usr/bin/timeout", ["-k", "5", "120", program] + arguments, in: folder,
            environment: environment, input: input)
        files = try Self.files(below: folder)
        // What qemu itself says about a fatal signal is none of the program's output.
        let own = errors.split(separator: 10, omittingEmptySubsequences: false).filter {
            !$0.starts(with: Array("qemu: uncaught target signal".utf8))
        }
        errors = Array(own.joined(separator: [10]))
    }

    /// Tests run on threads that block nearly all signals, and a child inherits that: a program
    /// with a timer would wait for ever.
    private static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    /// Regular files, sorted by name.
    static func files(below folder: URL) throws -> [OutputFile] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            .compactMap { name -> OutputFile? in
                let path = folder.appending(path: name).path
                let kind = try FileManager.default.attributesOfItem(atPath: path)[.type]
                guard kind as? FileAttributeType == .typeRegular, !name.hasSuffix("core") else {
                    return nil
                }
                let bytes = FileManager.default.contents(atPath: path) ?? Data()
                return OutputFile(name: name, bytes: [UInt8](bytes))
            }
            .sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }
}
