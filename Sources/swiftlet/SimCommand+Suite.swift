import ArgumentParser
import Basics
import Foundation
import RISCV

extension SimCommand {
    /// Checks a folder of built tests of the instruction sets.
    struct Suite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "suite", abstract: "Check the engines with a folder of built ISA tests.",
            discussion: """
                Every ELF file below the folder is run in both engines: programs of riscv-tests, \
                which exit with 0 or store 1 in `tohost`, and of riscv-arch-test, whose signature \
                is compared with the file NAME.signature or NAME.reference_output beside them. \
                They are user-mode programs, linked between 0x1000 and 0xf0000000. The command \
                fails if a test does.

                Example: swiftlet sim suite built/riscv-tests
                """)

        @Option(help: "interpreter or translator; else all that this host has.")
        var engine: Engine?
        @Option(help: "After how many instructions a test counts as stuck.")
        var fuel: UInt64 = 100_000_000
        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "A folder of riscv64 ELF files.", completion: .directory)
        var folder: String

        func run() async throws {
            let files = try SuiteFile.all(below: folder)
            guard !files.isEmpty else {
                throw Refusal("There is no ELF file below \(folder); build the tests first.")
            }
            // The interpreter runs everywhere.
            let engines =
                engine.map { [$0] }
                ?? Engine.allCases.filter { $0 == .interpreter || $0 == Engine.best }
            let fuel = fuel
            let results = try await OwnThread.run {
                var progress = ProgressLine("tests")
                defer { progress.clear() }
                return files.enumerated().map { index, file in
                    progress.show("\(index + 1) of \(files.count)")
                    return SuiteResult(file: file, verdicts: engines.map { file.run($0, fuel) })
                }
            }
            if json {
                Terminal.document(SuiteResult.document(results, engines))
            } else {
                SuiteResult.show(results, engines)
            }
            guard results.allSatisfy(\.isPassed) else { throw ExitCode.failure }
        }
    }
}

/// One ELF file of a suite.
struct SuiteFile: Sendable {
    let path: String
    /// Below the folder.
    let name: String

    /// What belongs together: the folder, or the name up to the first dash ("rv64ui-u-add").
    var group: String {
        if let slash = name.lastIndex(of: "/") { return String(name[..<slash]) }
        return String(name.prefix { $0 != "-" })
    }

    /// Sorted by name.
    static func all(below folder: String) throws -> [SuiteFile] {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isDirectory),
            isDirectory.boolValue
        else { throw Refusal("There is no folder \(folder); check the path.") }
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String }
        return (names ?? []).sorted().compactMap { name in
            let path = folder + "/" + name
            guard let file = FileHandle(forReadingAtPath: path) else { return nil }
            defer { try? file.close() }
            let isELF = (try? file.read(upToCount: 4)) == Data([0x7f, 0x45, 0x4c, 0x46])
            return isELF ? SuiteFile(path: path, name: name) : nil
        }
    }

    func run(_ engine: Engine, _ fuel: UInt64) -> SuiteTest.Verdict {
        let stem = path.hasSuffix(".elf") ? String(path.dropLast(4)) : path
        let references = [".signature", ".reference_output"].map { stem + $0 }
        do {
            let reference = references.first { FileManager.default.fileExists(atPath: $0) }
            let signature = try reference.map {
                String(decoding: try ArtifactFile.bytes(of: $0), as: UTF8.self)
            }
            var test = try SuiteTest(
                program: try ArtifactFile.bytes(of: path), signature: signature)
            test.fuel = fuel
            return try test.run(engine)
        } catch {
            let sentence = Refusal.sentence(of: error)
            let words = sentence.hasSuffix(".") ? sentence.dropLast() : sentence[...]
            return .failed("it cannot run: \(words)")
        }
    }
}

/// What the engines made of one test.
struct SuiteResult: Sendable {
    let file: SuiteFile
    /// In the order of the engines.
    let verdicts: [SuiteTest.Verdict]

    var isPassed: Bool { verdicts.allSatisfy { $0 == .passed } }

    static func show(_ results: [SuiteResult], _ engines: [Engine]) {
        var table = Table("group", "engine", "tests", "passed", "failed")
        for group in groups(results) {
            let members = results.filter { $0.file.group == group }
            for (index, engine) in engines.enumerated() {
                let passed = members.count { $0.verdicts[index] == .passed }
                table.add(
                    group, engine.rawValue, "\(members.count)", "\(passed)",
                    "\(members.count - passed)")
            }
        }
        table.show(orSay: "There are no tests.")
        for result in results {
            for (engine, verdict) in zip(engines, result.verdicts) {
                guard case .failed(let why) = verdict else { continue }
                Terminal.line("\(result.file.name) fails in the \(engine.rawValue): \(why).")
            }
        }
        let passed = results.count(where: \.isPassed)
        Terminal.line("\(passed) of \(results.count) tests pass.")
    }

    static func document(_ results: [SuiteResult], _ engines: [Engine]) -> JSON {
        [
            "passed": .bool(results.allSatisfy(\.isPassed)),
            "test_count": .integer(Int64(results.count)),
            "passed_count": .integer(Int64(results.count(where: \.isPassed))),
            "tests": .array(results.map { $0.document(engines) }),
        ]
    }

    private func document(_ engines: [Engine]) -> JSON {
        let verdicts: [JSON] = zip(engines, verdicts).map { engine, verdict in
            var why: JSON = .null
            if case .failed(let text) = verdict { why = .string(text) }
            return [
                "engine": .string(engine.rawValue), "passed": .bool(verdict == .passed),
                "reason": why,
            ]
        }
        return [
            "name": .string(file.name), "group": .string(file.group),
            "verdicts": .array(verdicts),
        ]
    }

    private static func groups(_ results: [SuiteResult]) -> [String] {
        var groups: [String] = []
        for result in results where !groups.contains(result.file.group) {
            groups.append(result.file.group)
        }
        return groups
    }
}
