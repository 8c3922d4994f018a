import Testing

/// Nothing pure walks a Dictionary or a Set.
///
/// Their order differs from process to process, so whatever walks one in that order cannot be
/// replayed. Looking up is fine; walking wants an order first.
struct IterationTests {
    static let remedy =
        "walks a Dictionary or a Set, whose order changes from run to run; sort it first, or keep "
        + "an array that is sorted by id"

    @Test(arguments: ModuleTable.pureTargets)
    func `a pure target walks no dictionary and no set`(target: String) {
        let files = Project.shared.swift(target: target)
        let shared = Self.names(in: files)
        expectNone(files.flatMap { Self.violations(in: $0, shared: shared) })
    }

    @Test(
        arguments: [
            "for peer in peers { }", "for (id, peer) in self.peers { }",
            "for id in peers.keys { }", "for peer in table.values { }", "for id in seen { }",
            "let all = peers.map { $0.value }", "let ids = Array(peers.keys)",
            "for id in seen.filter({ $0 > 1 }) { }", "peers.forEach { send($0) }",
        ])
    func `a walk in no order is found`(line: String) {
        #expect(Self.violations(of: line).map(\.line) == [3])
    }

    @Test(
        arguments: [
            "for id in peers.keys.sorted() { }", "for id in seen.sorted() { }",
            "for item in items { }", "let peer = peers[id]", "for item in peers[id] ?? [] { }",
            "let count = peers.count", "for n in 0..<peers.count { }",
            "let least = peers.values.min()", "let known = seen.contains(id)",
            "let ids = peers.map(\\.key).sorted()", "let ok = peers.values.allSatisfy { $0 > 0 }",
        ])
    func `a walk in order is let through`(line: String) {
        #expect(Self.violations(of: line).isEmpty)
    }

    private static func violations(of line: String) -> [Violation] {
        let declarations = "var peers: [Int: Int] = [:], items: [Int] = []\nvar seen = Set<Int>()\n"
        let file = SourceFile(path: "Sources/Election/A.swift", text: declarations + line + "\n")
        return violations(in: file, shared: names(in: [file]))
    }

    // MARK: what is a dictionary

    /// Names of dictionaries and sets, and names of anything else, as far as declarations say.
    struct Names {
        var unordered: Set<String> = []
        var other: Set<String> = []
    }

    static func names(in files: [SourceFile]) -> Names {
        var names = Names()
        for file in files {
            let tokens = file.swift.tokens
            for index in tokens.indices where tokens[index].isWord {
                let rest = tokens[(index + 1)...].prefix(40).map(\.text)
                let isDeclared = index > 0 && ["let", "var"].contains(tokens[index - 1].text)
                guard let first = rest.first, first == ":" || (isDeclared && first == "=") else {
                    if isDeclared { names.other.insert(tokens[index].text) }
                    continue
                }
                if isUnordered(rest.dropFirst().drop { $0 == "inout" }) {
                    names.unordered.insert(tokens[index].text)
                } else if isDeclared || rest.dropFirst().first == "[" {
                    names.other.insert(tokens[index].text)
                }
            }
        }
        return names
    }

    /// `[Key: Value]`, `Dictionary<…>`, `Set<…>`, `Set(…)`, `[:]`.
    private static func isUnordered(_ tokens: ArraySlice<String>) -> Bool {
        guard let first = tokens.first else { return false }
        if first == "Set" || first == "Dictionary" { return true }
        guard first == "[" else { return false }
        var depth = 0
        for (offset, text) in tokens.enumerated() {
            if ["[", "(", "<"].contains(text) { depth += 1 }
            if ["]", ")", ">"].contains(text) { depth -= 1 }
            if depth == 1, text == ":" {
                // `[` Key `:`, or the empty literal; a key is a type's name.
                return offset == 1 || (tokens.dropFirst().first?.first?.isUppercase ?? false)
            }
            if depth == 0 { return false }
        }
        return false
    }

    // MARK: what walks one

    static func violations(in file: SourceFile, shared: Names) -> [Violation] {
        let own = names(in: [file])
        let suspects = own.unordered.subtracting(own.other)
            .union(shared.unordered.subtracting(shared.other).subtracting(own.other))
        let tokens = file.swift.tokens
        var found: [Violation] = []
        for index in tokens.indices {
            let rest = tokens[index...]
            let isWalked =
                tokens[index].text == "for"
                ? isLoopUnordered(rest, suspects)
                : isSuspect(index, in: tokens, suspects) && isChainUnordered(rest)
            if isWalked, found.last?.line != tokens[index].line {
                found.append(Violation(file, line: tokens[index].line, "this \(remedy)"))
            }
        }
        return found
    }

    /// A name of one of the suspects, and no member of every collection.
    private static func isSuspect(_ index: Int, in tokens: [Token], _ names: Set<String>) -> Bool {
        guard names.contains(tokens[index].text) else { return false }
        let isMember =
            index > 1 && tokens[index - 1].text == "." && tokens[index - 2].text != "self"
        return !isMember || !["indices", "keys", "values"].contains(tokens[index].text)
    }

    /// `for … in EXPRESSION {`.
    private static func isLoopUnordered(
        _ tokens: ArraySlice<Token>,
        _ suspects: Set<String>
    ) -> Bool {
        guard let start = tokens.firstIndex(where: { $0.text == "in" }) else { return false }
        var depth = 0
        var expression: [Token] = []
        for token in tokens[(start + 1)...] {
            if ["{", "where"].contains(token.text), depth == 0 { break }
            if ["(", "[", "{"].contains(token.text) { depth += 1 }
            if [")", "]", "}"].contains(token.text) { depth -= 1 }
            expression.append(token)
        }
        let texts = expression.map(\.text)
        guard !texts.contains("sorted") else { return false }
        // The whole expression is a path, to a dictionary or to its keys.
        let isPath = texts.allSatisfy { $0 == "." || $0.first?.isLetter == true }
        guard isPath, let last = texts.last else { return false }
        if texts.count > 2, last == "keys" || last == "values" { return true }
        let isOwn = texts.count == 1 || texts.first == "self" || last != "indices"
        return isOwn && suspects.contains(last)
    }

    private static let walks: Set = [
        "map", "compactMap", "flatMap", "forEach", "reduce", "filter", "keys", "values", "first",
        "enumerated", "lazy", "joined", "prefix", "dropFirst", "reversed",
    ]
    /// What makes an order, or gives the same in any order.
    private static let orderless: Set = [
        "sorted", "count", "isEmpty", "min", "max", "contains", "allSatisfy", "sum", "Set",
        "removeAll", "removeValue", "mapValues", "filter", "union", "subtracting",
    ]

    /// `name.map { … }` and the like, without `sorted` or its kind in the statement.
    private static func isChainUnordered(_ tokens: ArraySlice<Token>) -> Bool {
        let texts = tokens.prefix(3).map(\.text)
        guard texts.count == 3, texts[1] == ".", walks.contains(texts[2]) else { return false }
        var depth = 0
        for token in tokens.dropFirst() {
            if token.isFirst, depth <= 0, token.text != "." { break }
            if ["(", "[", "{"].contains(token.text) { depth += 1 }
            if [")", "]", "}"].contains(token.text) { depth -= 1 }
            if orderless.contains(token.text), token.text != "filter" { return false }
            // A filtered dictionary is one still, and nobody walked it.
            if texts[2] == "filter", token.text == "=" { return false }
        }
        return true
    }
}
