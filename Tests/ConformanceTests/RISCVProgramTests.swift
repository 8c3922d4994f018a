import Basics
import Foundation
import RISCV
import Testing

/// Every guest program of `Tests/Programs`, under qemu-riscv64 and in the simulator: the same
/// output, the same errors, the same exit code, the same files; and twice the same digest.
struct RISCVProgramTests {
    static let sources = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Programs")

    /// Names of programs as the build script makes them.
    static let names: [String] = {
        let folders = [
            ("c", "c"), ("cpp", "cpp"), ("freestanding", "free"), ("picolibc", "pico"),
        ]
        return folders.flatMap { folder, prefix -> [String] in
            let path = sources.appending(path: folder).path
            let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            return files.filter { !$0.hasSuffix(".ld") }.sorted().flatMap { file in
                let stem = file.prefix { $0 != "." }
                return ["\(prefix)-\(stem)-O0", "\(prefix)-\(stem)-O2"]
            }
        }
    }()

    /// The folder of built programs; building happens once per run and only for what changed.
    static let built: Result<URL, BuildFailure> = {
        let environment = ProcessInfo.processInfo.environment
        let cache =
            environment["SWIFTLET_CACHE"].map { URL(filePath: $0) }
            ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/swiftlet")
        let folder = cache.appending(path: "programs")
        do {
            let run = try Outcome(
                running: sources.appending(path: "build").path,
                [folder.path],
                in: sources,
                environment: environment
            )
            guard run.exitCode == 0 else {
                return .failure(BuildFailure(text: String(decoding: run.errors, as: UTF8.self)))
            }
            return .success(folder)
        } catch {
            return .failure(BuildFailure(text: "the build script does not run: \(error)"))
        }
    }()

    struct BuildFailure: Error, CustomStringConvertible {
        var text: String
        var description: String { "guest programs cannot be built: \(text)" }
    }

    @Test func `there are at least forty programs, each at two levels`() {
        #expect(Self.names.count >= 80)
    }

    @Test(arguments: names)
    func `a program does the same as under qemu`(name: String) throws {
        let path = try Self.built.get().appending(path: name).path
        let stem = String(name.split(separator: "-")[1])
        let input = Self.contents("inputs/\(stem).txt") ?? []
        let lines = String(decoding: Self.contents("inputs/\(stem).arguments") ?? [], as: UTF8.self)
        let arguments = lines.split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init).dropLast()
        let expected = try Self.runUnderQEMU(path, Array(arguments), input: input)

        let program = try #require(FileManager.default.contents(atPath: path))
        var reports: [Report] = []
        // In one go, and in slices; in each engine.
        let ways: [(UInt64, Engine)] = [
            (.max, .best), (777_777, .best), (.max, .interpreter),
        ]
        for (slice, engine) in ways {
            var settings = Machine.Settings()
            settings.engine = engine
            settings.fuel = 2_000_000_000
            var machine = try Machine(
                program: [UInt8](program),
                arguments: ["program"] + arguments,
                environment: ["GREETING=hello"],
                files: [Self.given],
                standardInput: input,
                settings: settings
            )
            reports.append(Self.report(&machine, slice: slice))
        }
        let report = reports[0]
        #expect(report == reports[1], "two runs differ")
        #expect(report == reports[2], "the engines differ")
        #expect(report.ending.exitCode == expected.exitCode, "\(report.ending)")
        #expect(
            String(decoding: report.standardOutput, as: UTF8.self)
                == String(decoding: expected.output, as: UTF8.self)
        )
        #expect(
            String(decoding: report.standardError, as: UTF8.self)
                == String(decoding: expected.errors, as: UTF8.self)
        )
        #expect(report.files == expected.files)
        #expect(report.unknownSystemCalls.isEmpty)
    }

    private static let given = InputFile(name: "given.txt", bytes: Array("what was given\n".utf8))

    private static func report(_ machine: inout Machine, slice: UInt64) -> Report {
        var output: [UInt8] = [], errors: [UInt8] = []
        while true {
            let pause = machine.run(fuel: slice), taken = machine.takeOutput()
            output += taken.standardOutput
            errors += taken.standardError
            guard case .ended(let ending) = pause else { continue }
            return machine.report(ending, standardOutput: output, standardError: errors)
        }
    }

    private static func contents(_ name: String) -> [UInt8]? {
        FileManager.default.contents(atPath: sources.appending(path: name).path).map { [UInt8]($0) }
    }

    private static func runUnderQEMU(
        _ path: String,
        _ arguments: [String],
        input: [UInt8]
    ) throws -> Outcome {
        let qemu = ["/usr/bin/qemu-riscv64", "/usr/local/bin/qemu-riscv64"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        let program = try #require(
            qemu,
            "qemu-riscv64 is missing: install it with apt-get install qemu-user"
        )
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(given.bytes).write(to: folder.appending(path: given.name))
        var outcome = try Outcome(
            running: program,
            ["-0", "program", path] + arguments,
            in: folder,
            environment: ["GREETING": "hello"],
            input: input
        )
        outcome.files = try files(below: folder).filter {
            $0.name != given.name || $0.bytes != given.bytes
        }
        // What qemu itself says about a fatal signal is none of the program's output.
        let own = outcome.errors.split(separator: 10, omittingEmptySubsequences: false).filter {
            !$0.starts(with: Array("qemu: uncaught target signal".utf8))
        }
        outcome.errors = Array(own.joined(separator: [10]))
        return outcome
    }

    private static func files(below folder: URL) throws -> [OutputFile] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            .compactMap { name -> OutputFile? in
                var isDirectory: ObjCBool = false
                let path = folder.appending(path: name).path
                let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
                guard exists, !isDirectory.boolValue, !name.hasSuffix("core") else { return nil }
                let bytes = FileManager.default.contents(atPath: path) ?? Data()
                return OutputFile(name: name, bytes: [UInt8](bytes))
            }
            .sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }
}

/// What a process of the host did.
private struct Outcome {
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
        try process.run()
        process.waitUntilExit()
        let status = process.terminationStatus
        exitCode = process.terminationReason == .uncaughtSignal ? 128 + status : status
        output = [UInt8](try Data(contentsOf: names[1]))
        errors = [UInt8](try Data(contentsOf: names[2]))
    }
}
