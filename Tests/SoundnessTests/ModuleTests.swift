import Testing

/// A module tells its reader what it is before anything else.
struct ModuleTests {
    @Test func `each target has a file that opens with its design`() {
        for target in ModuleTable.rows.map(\.name) {
            let files = Project.shared.swift(target: target)
            let isThere = files.contains { Self.opensWithDesign($0, of: target) }
            #expect(
                isThere,
                "Sources/\(target): open its main file with `// \(target): …`, its design in a page"
            )
        }
    }

    @Test func `every folder of our Swift stands in the table of levels`() {
        let folders = Set(Project.shared.files.filter(\.isSwift).compactMap(\.target))
        let known = Set(ModuleTable.rows.map(\.name))
        #expect(
            folders == known,
            "ModuleTable: add \(folders.subtracting(known)), drop \(known.subtracting(folders))"
        )
    }

    @Test func `a design is more than a line`() {
        let path = "Sources/Store/Store.swift", head = "// Store: files.\n"
        let short = SourceFile(path: path, text: head + "let a = 1\n")
        #expect(!Self.opensWithDesign(short, of: "Store"))
        let lines = (1...5).map { "// line \($0)\n" }.joined()
        let long = SourceFile(path: path, text: head + lines)
        #expect(Self.opensWithDesign(long, of: "Store"))
        #expect(!Self.opensWithDesign(long, of: "Basics"))
    }

    static func opensWithDesign(_ file: SourceFile, of target: String) -> Bool {
        let opening = file.lines.prefix { $0.hasPrefix("//") }
        return opening.count >= 5 && opening[0].hasPrefix("// \(target): ")
    }
}
