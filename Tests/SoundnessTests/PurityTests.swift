import Testing

/// Pure targets take time and chance as arguments and give effects back.
struct PurityTests {
    /// What is banned, and its replacement.
    ///
    /// A ban is tokens in a row: `Date (` is no part of `update(`, and a word in a comment or in
    /// a literal is none.
    static let bans: [(tokens: [String], remedy: String)] = [
        (["import", "Foundation"], "use the standard library; Foundation belongs to the rim"),
        (["ContinuousClock"], "take the time as an argument: `at now: Instant`"),
        (["SuspendingClock"], "take the time as an argument: `at now: Instant`"),
        (["Date", "("], "take the time as an argument: `at now: Instant`"),
        (["clock_gettime"], "take the time as an argument: `at now: Instant`"),
        ([".", "shuffled", "(", ")"], "write shuffled(using: &chance), with a seeded Chance"),
        ([".", "randomElement", "(", ")"], "write randomElement(using: &chance)"),
        (["SystemRandomNumberGenerator"], "use Chance, with a seed from the caller"),
        (["hashValue"], "its seed differs from process to process; use Digest"),
        (["Hasher", "("], "its seed differs from process to process; use Digest"),
        (["await"], "a machine does not suspend: make it an effect and an event"),
        (["print", "("], "make it an effect: `.note(Fact)`"),
    ]

    @Test(arguments: ModuleTable.pureTargets)
    func `a pure target names no clock, no chance and no I/O`(target: String) {
        let files = Project.shared.swift(target: target)
        #expect(!files.isEmpty, "Sources/\(target) is empty; take its row out of ModuleTable")
        expectNone(files.flatMap { Self.violations(in: $0) })
    }

    @Test(
        arguments: [
            "let now = ContinuousClock.now", "let date = Date()", "let die = Int.random(in: 1...6)",
            "let cards = deck.shuffled()", "let answer = await ask()", "print(\"here\")",
            "let seed = id.hashValue", "let text = \"\\(Int.random(in: 0..<9))\"",
        ])
    func `what is not pure is found`(line: String) {
        let file = SourceFile(path: "Sources/Election/A.swift", text: "// A\n\(line)\n")
        #expect(Self.violations(in: file).map(\.line) == [2])
    }

    @Test(
        arguments: [
            "let die = Int.random(in: 1...6, using: &chance)", "tree.update(at: 3)",
            "let text = \"we await a Date()\"", "// no ContinuousClock here",
            "let cards = deck.shuffled(using: &chance)", "let mark = fingerprint(bytes)",
        ])
    func `what is pure is let through`(line: String) {
        let file = SourceFile(path: "Sources/Election/A.swift", text: line + "\n")
        #expect(Self.violations(in: file).isEmpty)
    }

    static func violations(in file: SourceFile) -> [Violation] {
        let tokens = file.swift.tokens
        var found: [Violation] = []
        for index in tokens.indices {
            for ban in bans where tokens[index...].starts(with: ban.tokens, by: { $0.text == $1 }) {
                let name = ban.tokens.joined()
                found.append(
                    Violation(file, line: tokens[index].line, "no \(name) here: \(ban.remedy)")
                )
            }
            if isUnseeded(tokens[index...]) {
                found.append(
                    Violation(
                        file,
                        line: tokens[index].line,
                        "no random(in:) without a seed: write random(in: …, using: &chance)"
                    )
                )
            }
        }
        return found
    }

    /// `.random(…)` without `using:` among its arguments.
    private static func isUnseeded(_ tokens: ArraySlice<Token>) -> Bool {
        guard tokens.starts(with: [".", "random", "("], by: { $0.text == $1 }) else { return false }
        var depth = 0
        for token in tokens.dropFirst(2) {
            if token.text == "(" { depth += 1 }
            if token.text == ")" { depth -= 1 }
            if token.text == "using" { return false }
            if depth == 0 { return true }
        }
        return true
    }
}
