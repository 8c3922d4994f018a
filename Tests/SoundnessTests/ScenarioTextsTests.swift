import Foundation
import Testing

/// What the program brings along of `cluster/scenarios` is what stands there.
///
/// The program must play them where there is no clone, and the folder lies outside its target; so
/// its text has them once more. With `SWIFTLET_EMBED=1` this test writes that text anew.
struct ScenarioTextsTests {
    static let path = "Sources/swiftlet/ScenarioTexts.swift"

    @Test func `the program brings along the scenarios as they stand in their folder`() throws {
        let scenarios = Project.shared.files.filter { $0.path.hasPrefix("cluster/scenarios/") }
        #expect(!scenarios.isEmpty)
        let fresh = Self.text(of: scenarios)
        let file = Project.shared.root.appending(path: Self.path)
        if ProcessInfo.processInfo.environment["SWIFTLET_EMBED"] == "1" {
            try Data(fresh.utf8).write(to: file)
        }
        let committed = try String(contentsOf: file, encoding: .utf8)
        #expect(
            committed == fresh,
            "\(Self.path):1: run SWIFTLET_EMBED=1 Tests/run --filter ScenarioTexts"
        )
    }

    @Test func `a line that is changed makes another text`() {
        let path = "cluster/scenarios/one.txt"
        let texts = ["# One\nend 5s\n", "# One\nend 6s\n", "# One\n\nend 5s\n"].map {
            Self.text(of: [SourceFile(path: path, text: $0)])
        }
        #expect(Set(texts).count == 3)
        #expect(texts[0].contains("            \"one\",\n            #\"\"\"\n            # One\n"))
    }

    static func text(of scenarios: [SourceFile]) -> String {
        let named = scenarios.map { (name: name(of: $0), file: $0) }
        var lines = [
            "// Written from cluster/scenarios by Tests/SoundnessTests/ScenarioTextsTests.swift.",
            "", "/// The scenarios that the program brings along, by name.", "enum ScenarioTexts {",
            "    static let all: [(name: String, text: String)] = [",
        ]
        let indent = String(repeating: " ", count: 12)
        for (name, file) in named.sorted(by: { $0.name < $1.name }) {
            lines += ["        (", "\(indent)\"\(name)\",", "\(indent)#\"\"\""]
            lines += file.lines.prefix(file.lineCount).map { $0.isEmpty ? "" : indent + $0 }
            lines += ["\(indent)\"\"\"#", "        ),"]
        }
        return (lines + ["    ]", "}", ""]).joined(separator: "\n")
    }

    private static func name(of file: SourceFile) -> String {
        let name = file.path.split(separator: "/").last ?? ""
        return String(name.prefix { $0 != "." })
    }
}
