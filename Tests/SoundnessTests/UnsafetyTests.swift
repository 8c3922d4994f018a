import Testing

/// Whatever the compiler does not check says why it is right.
///
/// A comment covers what stands on its own line or on the three lines below it. The word `unsafe`
/// is also covered from the head of a function, property or type around it, because one reason
/// often holds for a whole body; but only by a comment that speaks of memory, since nearly every
/// head has one about something else. The other promises want a comment of their own.
struct UnsafetyTests {
    static let reach = 3

    @Test func `every promise to the compiler has its reason`() {
        let files = Project.shared.files.filter { file in
            file.isSwift && !file.isGenerated && !file.path.hasPrefix("Tests/Programs/")
        }
        expectNone(files.flatMap { Self.violations(in: $0) })
    }

    @Test(
        arguments: [
            "let a = items.first!", "let a = try! read()", "let a = b as! C",
            "struct A: @unchecked Sendable { }", "nonisolated(unsafe) var a = 0",
            "let a = unsafe pointer.pointee", "let a = table[\"b\"]!.count", "var a: B!",
        ])
    func `a promise without a reason is found`(line: String) {
        let bare = SourceFile(path: "A.swift", text: "\n\n\n\nlet z = 0\n\(line)\n")
        #expect(Self.violations(in: bare).map(\.line) == [6])
        let above = SourceFile(path: "A.swift", text: "// b is there: see c.\n\n\(line)\n")
        #expect(Self.violations(in: above).isEmpty)
        let beside = SourceFile(path: "A.swift", text: "\(line)  // b is there\n")
        #expect(Self.violations(in: beside).isEmpty)
    }

    @Test(arguments: ["if a != b { }", "guard !a else { }", "#expect(!a.isEmpty)", "f(a, !b)"])
    func `a sign that promises nothing is let through`(line: String) {
        #expect(Self.violations(in: SourceFile(path: "A.swift", text: line)).isEmpty)
    }

    @Test func `a comment at the head covers the word unsafe in the body, and no force`() {
        let text = """
            struct A {
                // The memory lives as long as the call.
                func a() {
                    step()
                    step()
                    step()
                    let b = unsafe p[0]
                    let c = d!
                }

                /// Takes the next step.
                func b() {
                    step()
                    step()
                    step()
                    let b = unsafe p[0]
                }
            }
            """
        let found = Self.violations(in: SourceFile(path: "A.swift", text: text))
        #expect(found.map(\.line) == [8, 16])
    }

    static func violations(in file: SourceFile) -> [Violation] {
        let tokens = file.swift.tokens
        let bodies = Bodies(file)
        var found: [Violation] = []
        for index in tokens.indices {
            guard let promise = promise(at: index, in: tokens) else { continue }
            let line = tokens[index].line
            if hasComment(near: line, in: file) { continue }
            if promise == "unsafe", bodies.hasComment(around: line) { continue }
            let violation = Violation(
                file,
                line: line,
                "\(promise) without a reason; say in a comment above why it is right"
            )
            if found.last != violation { found.append(violation) }
        }
        return found
    }

    private static func promise(at index: Int, in tokens: [Token]) -> String? {
        let token = tokens[index]
        let before = index > 0 ? tokens[index - 1].text : ""
        let after = index + 1 < tokens.count ? tokens[index + 1] : nil
        switch token.text {
        case "unsafe":
            // `@unsafe` is a warning to others and no promise; `(unsafe)` belongs to nonisolated.
            return before == "@" || before == "(" ? nil : "unsafe"
        case "unchecked" where before == "@": return "@unchecked"
        case "nonisolated" where after?.text == "(": return "nonisolated(unsafe)"
        case "!":
            guard !token.isSpaced, index > 0 else { return nil }
            if after?.text == "=", after?.isSpaced == false { return nil }
            if before == "try" { return "try!" }
            if before == "as" { return "as!" }
            let isValue = tokens[index - 1].isWord || [")", "]", "\"", ">"].contains(before)
            return isValue ? "the force unwrap !" : nil
        default: return nil
        }
    }

    private static func hasComment(near line: Int, in file: SourceFile) -> Bool {
        (max(1, line - reach)...line).contains { file.swift.commentLines.contains($0) }
    }

    /// Everything in braces, with what is said of memory at its head.
    private struct Bodies {
        private static let words = [
            "unsafe", "memory", "pointer", "buffer", "bounds", "alive", "lives", "outlives",
            "mapped", "initialised", "aligned", "in range", "page",
        ]
        private var covered: [ClosedRange<Int>] = []

        init(_ file: SourceFile) {
            let text = file.swift
            var opens: [Int] = []
            for (index, token) in text.tokens.enumerated() {
                if token.text == "{" { opens.append(index) }
                guard token.text == "}", let open = opens.popLast() else { continue }
                let head = Self.head(of: open, in: text)
                let above = Self.block(endingAt: head - 1, in: file)
                if Self.words.contains(where: { above.contains($0) }) {
                    covered.append(head...token.line)
                }
            }
        }

        func hasComment(around line: Int) -> Bool { covered.contains { $0.contains(line) } }

        /// The comment, and attributes below it, that end on this line.
        private static func block(endingAt line: Int, in file: SourceFile) -> String {
            var line = line
            var text = ""
            while line > 0 {
                let content = file.lines[line - 1].drop { $0 == " " }
                let isComment = file.swift.commentOnlyLines.contains(line)
                guard isComment || content.hasPrefix("@") else { break }
                if isComment { text += content.lowercased() + "\n" }
                line -= 1
            }
            return text
        }

        /// The line where the declaration or statement begins whose body opens there.
        private static func head(of open: Int, in text: SwiftText) -> Int {
            var index = open
            var depth = 0
            while index > 0 {
                let token = text.tokens[index]
                if [")", "]"].contains(token.text) { depth += 1 }
                if ["(", "["].contains(token.text) { depth -= 1 }
                if token.isFirst, depth <= 0, !continuations.contains(token.text) {
                    return token.line
                }
                index -= 1
            }
            return text.tokens[0].line
        }

        /// What may stand first on a line and continues the line before.
        private static let continuations: Set = ["-", "where", "{", ")", "]", "throws", ":"]
    }
}
