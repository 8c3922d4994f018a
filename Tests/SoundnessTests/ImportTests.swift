import Testing

/// Imports go down, as the table of levels says.
struct ImportTests {
    @Test func `a target imports only what its level allows`() {
        expectNone(
            Project.shared.files.filter { $0.isSwift && $0.target != nil }
                .flatMap { Self.violations(in: $0) }
        )
    }

    @Test func `the manifest gives no target more than its level allows`() throws {
        let manifest = try #require(Project.shared.file("Package.swift"))
        let dependencies = Self.dependencies(in: manifest)
        #expect(dependencies.count > 10, "the manifest is not written as this test reads it")
        expectNone(
            dependencies.compactMap { dependency in
                ModuleTable.remedy(for: dependency.target, importing: dependency.module).map {
                    Violation(manifest, line: dependency.line, $0)
                }
            }
        )
    }

    @Test func `pure targets are checked for memory safety`() throws {
        let manifest = try #require(Project.shared.file("Package.swift"))
        let calls = manifest.lines.joined(separator: "\n").split(separator: "target(")
        for target in ModuleTable.pureTargets {
            let call = calls.first { call in
                call.split(separator: "\"", omittingEmptySubsequences: false).dropFirst().first
                    .map { $0 == target } ?? false
            }
            guard let call else { continue }
            #expect(
                call.contains("isPure: true"),
                "Package.swift:1: give \(target) isPure: true, so that unsafe code needs the word"
            )
        }
    }

    @Test(
        arguments: [
            ("import Scheduling", "Election"), ("package import Runtime", "NodeLogic"),
            ("import Foundation", "Planning"), ("@preconcurrency import Dispatch", "Transport"),
            ("import struct Foundation.Data", "Wire"), ("import Basics", "NoSuchTarget"),
        ])
    func `a forbidden import is found`(line: String, target: String) {
        let file = SourceFile(path: "Sources/\(target)/A.swift", text: "// A\n\(line)\n")
        #expect(Self.violations(in: file).map(\.line) == [2])
    }

    @Test func `imports that go down are let through`() {
        let text = "package import Basics\nimport Wire\nimport Messages\nimport CZeroMQ\n"
        let file = SourceFile(path: "Sources/Transport/A.swift", text: text)
        #expect(Self.violations(in: file).isEmpty)
    }

    static func violations(in file: SourceFile) -> [Violation] {
        guard let target = file.target else { return [] }
        return imports(in: file).compactMap { module, line in
            ModuleTable.remedy(for: target, importing: module).map {
                Violation(file, line: line, $0)
            }
        }
    }

    static func imports(in file: SourceFile) -> [(module: String, line: Int)] {
        let tokens = file.swift.tokens
        let kinds: Set = ["class", "enum", "func", "let", "protocol", "struct", "typealias", "var"]
        return tokens.indices.compactMap { index in
            guard tokens[index].text == "import", index + 1 < tokens.count else { return nil }
            let next = tokens[index + 1]
            let name =
                kinds.contains(next.text) && index + 2 < tokens.count ? tokens[index + 2] : next
            return name.isWord ? (name.text, tokens[index].line) : nil
        }
    }

    private struct Dependency {
        var target: String
        var module: String
        var line: Int
    }

    /// Our own modules in quotes after `target("X"` or `name: "X"`, up to the next target.
    private static func dependencies(in manifest: SourceFile) -> [Dependency] {
        var current: String?
        var isName = false
        var found: [Dependency] = []
        let start = manifest.lines.firstIndex { $0.contains(" targets: [") && !$0.contains("\"") }
        for (index, line) in manifest.lines.enumerated().dropFirst(start ?? 0) {
            if line.contains("arget(") { isName = true }
            if line.contains("tests(") || line.contains("systemLibrary(") { current = nil }
            guard !line.contains("tests("), !line.contains("product(") else { continue }
            for name in line.quotedParts {
                if isName {
                    current = ModuleTable.row(name) == nil ? nil : name
                    isName = false
                } else if let current, ModuleTable.row(name) != nil || isOurC(name) {
                    found.append(Dependency(target: current, module: name, line: index + 1))
                }
            }
        }
        return found
    }

    /// `CZeroMQ` and the like.
    private static func isOurC(_ name: String) -> Bool {
        name.hasPrefix("C") && name.dropFirst().first?.isUppercase == true
    }
}
