import Testing

/// A snapshot of the simulator forgets nothing: whoever adds a stored property to the machine
/// says here whether it is part of the program's state.
struct SnapshotFieldsTests {
    /// What is made anew, or is given by whoever resumes, or holds for one slice.
    private static let derived: Set<String> = [
        "engine", "traces", "translated", "work", "isAtBreakpoint",
    ]

    @Test func `every stored property of the machine is in its snapshot`() throws {
        let machine = try #require(Project.shared.file("Sources/RISCV/Machine.swift"))
        let snapshot = try #require(Project.shared.file("Sources/RISCV/Snapshot.swift"))
        let fields = Self.storedProperties(in: machine, type: "struct Machine")
        #expect(fields.count > 20, "the properties are not written as this test reads them")
        let kept = Set(Self.storedProperties(in: snapshot, type: "struct Snapshot"))
        for field in fields where !Self.derived.contains(field) {
            #expect(
                kept.contains(field),
                "Sources/RISCV/Snapshot.swift: keep and restore \(field), or say why not")
        }
    }

    @Test func `a stored property is told from a computed one`() {
        let text = """
            struct Machine {
                package let first: Int
                var second = 1
                package internal(set) var third: UInt64 = 0
                static let fourth = 4
                var fifth: Int { 5 }
                func sixth() { let seventh = 7 }
            }
            struct Other { }
                let eighth = 8
            """
        let file = SourceFile(path: "A.swift", text: text)
        #expect(
            Self.storedProperties(in: file, type: "struct Machine") == ["first", "second", "third"])
    }

    private static func storedProperties(in file: SourceFile, type: String) -> [String] {
        guard let start = file.lines.firstIndex(where: { $0.contains(type + " ")
            || $0.contains(type + ":") })
        else { return [] }
        var names: [String] = []
        for line in file.lines[(start + 1)...] {
            if line.hasPrefix("}") { break }
            guard line.hasPrefix("    "), !line.hasPrefix("     ") else { continue }
            let words = line.split { " :".contains($0) }.map(String.init)
            guard !words.contains("static"), !line.contains("{"),
                let word = words.firstIndex(where: { $0 == "let" || $0 == "var" }),
                words[..<word].allSatisfy({ $0.hasPrefix("p") || $0.hasPrefix("i") }),
                word + 1 < words.count
            else { continue }
            names.append(words[word + 1])
        }
        return names
    }
}
