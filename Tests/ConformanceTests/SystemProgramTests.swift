import Foundation
import RISCV
import Runtime
import Testing

/// Programs of a riscv64 system that nobody built for us: interpreters, compilers, databases,
/// compressors, in C, C++, Rust and Go, dynamically linked. The same output, errors, exit code and
/// files as under qemu-riscv64 with the same sysroot, and the same digest in both engines.
struct SystemProgramTests {
    /// Command lines that run one after the other in one folder.
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var steps: [[String]]
        var input: String?
        /// Where what it says depends on the machine.
        var ignoresErrors: Bool?

        var testDescription: String { name }
    }

    static let folder = RISCVProgramTests.sources.appending(path: "system")

    static let cases: [Case] = {
        let bytes = FileManager.default.contents(atPath: folder.appending(path: "cases.json").path)
        return (try? JSONDecoder().decode([Case].self, from: bytes ?? Data())) ?? []
    }()

    /// The files that every program finds in its folder.
    static let given: [InputFile] = {
        let files = (try? ProcessOutcome.files(below: folder.appending(path: "files"))) ?? []
        return files.map { InputFile(name: $0.name, bytes: $0.bytes) }
    }()

    static let environment = ["HOME": "/nonexistent", "LC_ALL": "C", "PATH": "/usr/bin:/bin"]

    /// The unpacked system; fetched once, and again when its list changes.
    enum System {
        case ready(URL, HostDirectory)
        /// The packages cannot be had here.
        case unavailable(String)
        case broken(String)
    }

    static let system: System = {
        let variables = ProcessInfo.processInfo.environment
        let cache =
            variables["SWIFTLET_CACHE"].map { URL(filePath: $0) }
            ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/swiftlet")
        let root = cache.appending(path: "riscv64")
        do {
            let run = try ProcessOutcome(
                running: folder.appending(path: "fetch").path, [root.path], in: folder,
                environment: variables)
            let said = String(decoding: run.errors, as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            switch run.exitCode {
            case 0: return .ready(root, try HostDirectory(path: root.path))
            case 3: return .unavailable(said)
            default: return .broken(said)
            }
        } catch {
            return .broken("\(error)")
        }
    }()

    /// Why there is nothing to run, where that is so.
    static var reason: Comment {
        if case .unavailable(let why) = system { return "\(why)" }
        return "the riscv64 programs are there"
    }

    static var isAvailable: Bool { if case .unavailable = system { false } else { true } }

    @Test func `there are more than a hundred programs`() {
        #expect(Set(Self.cases.map(\.name)).count == Self.cases.count)
        #expect(Self.cases.count >= 100)
        #expect(!Self.given.isEmpty)
    }

    @Test(.enabled(if: isAvailable, reason), arguments: cases)
    func `a program of the system does the same as under qemu`(program: Case) throws {
        guard case .ready(let root, let directory) = Self.system else {
            Issue.record("the riscv64 programs were not unpacked: \(Self.system)")
            return
        }
        let work = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        for file in Self.given { try Data(file.bytes).write(to: work.appending(path: file.name)) }
        var files = Self.given
        let input = Array((program.input ?? "").utf8)
        for step in program.steps {
            let path = step[0].hasPrefix("/") ? root.path + step[0] : step[0]
            let expected = try ProcessOutcome(
                underQEMU: ["-L", root.path, "-0", step[0], path] + step.dropFirst(), in: work,
                environment: Self.environment, input: input)
            let reports = try [Engine.best, .interpreter].map { engine in
                try Self.run(step, files, input, in: HostFolders(root: directory), engine)
            }
            #expect(reports[0] == reports[1], "the engines differ")
            let report = reports[0]
            #expect(report.ending.exitCode == expected.exitCode, "\(report.ending)")
            #expect(Self.text(report.standardOutput) == Self.text(expected.output))
            if program.ignoresErrors != true {
                #expect(Self.text(report.standardError) == Self.text(expected.errors))
            }
            #expect(report.unknownSystemCalls.isEmpty)
            files = Self.merge(files, report.files)
            let left = expected.files.map { InputFile(name: $0.name, bytes: $0.bytes) }
            #expect(Set(left) == Set(files.filter { left.map(\.name).contains($0.name) }))
            #expect(Set(left.map(\.name)).isSubset(of: files.map(\.name)))
        }
    }

    private static func run(
        _ step: [String], _ files: [InputFile], _ input: [UInt8], in folders: HostFolders,
        _ engine: Engine
    ) throws -> Report {
        var bytes = files.first { "./" + $0.name == step[0] }?.bytes
        var path = "\(Machine.startDirectory)/\(step[0].dropFirst(2))"
        if let found = folders.program(at: step[0]) {
            bytes = found.bytes
            path = found.path
        }
        var settings = Machine.Settings()
        settings.engine = engine
        settings.fuel = 20_000_000_000
        var machine = try Machine(
            program: try #require(bytes, "\(step[0]) is not in the system"), arguments: step,
            environment: environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" },
            files: files, standardInput: input, folders: folders, programPath: path,
            settings: settings)
        return machine.runToEnd()
    }

    /// What a step has left takes the place of what was there.
    private static func merge(_ files: [InputFile], _ left: [OutputFile]) -> [InputFile] {
        let names = left.map(\.name)
        return files.filter { !names.contains($0.name) }
            + left.map { InputFile(name: $0.name, bytes: $0.bytes) }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
