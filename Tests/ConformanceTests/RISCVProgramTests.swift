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
            let run = try ProcessOutcome(
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
    ) throws -> ProcessOutcome {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(given.bytes).write(to: folder.appending(path: given.name))
        var outcome = try ProcessOutcome(
            underQEMU: ["-0", "program", path] + arguments,
            in: folder,
            environment: ["GREETING": "hello"],
            input: input
        )
        outcome.files.removeAll { $0.name == given.name && $0.bytes == given.bytes }
        return outcome
    }
}
