/// A function, initialiser or subscript with a body.
struct SwiftFunction: Hashable, Sendable {
    var name: String
    /// From the line of its keyword to the line of its closing brace.
    var lines: ClosedRange<Int>
}

extension SwiftText {
    /// In the order of their beginning; a function in a function is one of its own, too.
    var functions: [SwiftFunction] {
        tokens.indices.compactMap { index in
            guard let name = declaredName(at: index), let open = bodyStart(after: index) else {
                return nil
            }
            return SwiftFunction(
                name: name,
                lines: tokens[index].line...tokens[close(of: open)].line
            )
        }
    }

    /// The index of the brace that closes the one at `open`; the last one in broken text.
    func close(of open: Int) -> Int {
        var depth = 0
        for index in open..<tokens.count {
            if tokens[index].text == "{" { depth += 1 }
            if tokens[index].text == "}" { depth -= 1 }
            if depth == 0 { return index }
        }
        return tokens.count - 1
    }

    private func declaredName(at index: Int) -> String? {
        let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
        let isMember = index > 0 && tokens[index - 1].text == "."
        switch tokens[index].text {
        case "func": return next
        case "init", "subscript":
            return !isMember && ["(", "?", "!", "<"].contains(next) ? tokens[index].text : nil
        case "deinit": return "deinit"
        default: return nil
        }
    }

    /// Nil for a requirement of a protocol, which has no body.
    private func bodyStart(after keyword: Int) -> Int? {
        let others: Set = [
            "func", "init", "deinit", "subscript", "var", "let", "case", "struct", "class", "enum",
            "protocol", "extension", "import", "typealias", "associatedtype", "package", "public",
            "private", "internal", "static", "mutating", "@",
        ]
        var depth = 0
        for index in (keyword + 1)..<max(keyword + 1, tokens.count) {
            let token = tokens[index]
            switch token.text {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return index
            // A closure that is a default value.
            case "{": depth += 1
            case "}" where depth == 0: return nil
            case "}": depth -= 1
            default:
                if depth == 0, token.isFirst, others.contains(token.text) { return nil }
            }
        }
        return nil
    }
}
