import Testing

/// Folders, the manifest and scripts fit each other.
struct LayoutTests {
    /// Folders of Tests that hold what tests read, and no tests.
    static let testInputs: Set = ["Programs"]

    @Test(arguments: ["Sources", "Tests"])
    func `every folder is a target of the manifest`(folder: String) throws {
        let manifest = try #require(Project.shared.file("Package.swift"))
        let names = Self.quoted(in: manifest)
        for name in Project.shared.folders(in: folder) where !Self.testInputs.contains(name) {
            #expect(
                names.contains(name),
                "Package.swift:1: \(folder)/\(name) is no target; add it, or delete the folder"
            )
        }
    }

    @Test func `tests have the names of targets, or of a kind of test`() {
        let kinds: Set = ["Conformance", "Cluster", "Simulation", "Soundness"]
        let targets = Set(Project.shared.folders(in: "Sources"))
        for name in Project.shared.folders(in: "Tests") where !Self.testInputs.contains(name) {
            let subject = String(name.hasSuffix("Tests") ? name.dropLast(5) : name[...])
            #expect(
                targets.contains(subject) || kinds.contains(subject),
                "Tests/\(name): name it after its target, or after one of \(kinds.sorted())"
            )
        }
    }

    @Test func `tests go through the module's door`() {
        expectNone(
            Project.shared.files.filter { $0.isSwift }.flatMap { file in
                file.swift.tokens.indices.compactMap { index in
                    let isIt = file.swift.tokens[index...].starts(with: ["@", "testable"]) {
                        $0.text == $1
                    }
                    return isIt
                        ? Violation(
                            file,
                            line: file.swift.tokens[index].line,
                            "no @testable: give what the test needs `package` access"
                        ) : nil
                }
            }
        )
    }

    @Test func `scripts start with their interpreter and can be run`() {
        expectNone(
            Project.shared.files.flatMap { Self.scriptViolations(in: $0) }
        )
    }

    @Test func `a script that cannot be run is found`() {
        let found = { (text: String, isExecutable: Bool) in
            Self.scriptViolations(
                in: SourceFile(path: "cluster/up", text: text, isExecutable: isExecutable)
            ).count
        }
        #expect(found("#!/bin/sh\n", true) == 0)
        #expect(found("#!/bin/sh\n", false) == 1)
        #expect(found("echo\n", true) == 1)
    }

    static func scriptViolations(in file: SourceFile) -> [Violation] {
        let parts = file.path.split(separator: "/")
        guard ["cluster", "Tests", "proto", ".ci"].contains(parts[0]), let name = parts.last else {
            return []
        }
        // In these folders a file without an extension is a command.
        let isCommand = !name.contains(".") || name.hasSuffix(".sh") || file.isExecutable
        guard isCommand || file.isScript else { return [] }
        var found: [Violation] = []
        if !file.isScript {
            found.append(Violation(file, line: 1, "begin it with #! and its interpreter"))
        }
        if !file.isExecutable { found.append(Violation(file, line: 1, "chmod +x \(file.path)")) }
        return found
    }

    private static func quoted(in file: SourceFile) -> Set<String> {
        Set(file.lines.flatMap(\.quotedParts))
    }
}
