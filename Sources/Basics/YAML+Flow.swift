/// What stands on one line: scalars, `[…]` and `{…}`.
struct YAMLFlow {
    private let characters: [Character]
    private var next = 0
    private let line: Int
    private var depth = 0

    static func value(_ text: Substring, line: Int) throws(YAML.Mistake) -> YAML {
        if let first = text.first, "&*!|>%@`".contains(first) {
            throw YAML.Mistake(
                line: line, "\(first) begins something that is not understood here; quote the text")
        }
        guard let first = text.first, "[{\"'".contains(first) else {
            return YAML(.scalar(String(text), isQuoted: false), line: line)
        }
        var flow = YAMLFlow(text, line: line)
        let value = try flow.item()
        flow.skipBlanks()
        guard flow.next == flow.characters.count else {
            throw YAML.Mistake(line: line, "something follows the end of the value")
        }
        return value
    }

    private init(_ text: Substring, line: Int) {
        characters = Array(text)
        self.line = line
    }

    private var current: Character? { next < characters.count ? characters[next] : nil }

    private mutating func skipBlanks() {
        while current == " " || current == "\t" { next += 1 }
    }

    private mutating func item() throws(YAML.Mistake) -> YAML {
        depth += 1
        defer { depth -= 1 }
        guard depth <= YAML.depthMax else {
            throw YAML.Mistake(line: line, "the nesting is deeper than \(YAML.depthMax)")
        }
        skipBlanks()
        switch current {
        case "[": return try sequence()
        case "{": return try mapping()
        case "\"", "'": return YAML(.scalar(try quoted(), isQuoted: true), line: line)
        default: return YAML(.scalar(plain(until: ",]}"), isQuoted: false), line: line)
        }
    }

    private mutating func sequence() throws(YAML.Mistake) -> YAML {
        next += 1
        var items: [YAML] = []
        while true {
            skipBlanks()
            if current == "]" { break }
            items.append(try item())
            skipBlanks()
            if current == "," {
                next += 1
            } else if current != "]" {
                throw YAML.Mistake(line: line, "a list that begins with [ ends with ] on its line")
            }
        }
        next += 1
        return YAML(.sequence(items), line: line)
    }

    private mutating func mapping() throws(YAML.Mistake) -> YAML {
        next += 1
        var members: [YAML.Member] = []
        while true {
            skipBlanks()
            if current == "}" { break }
            let isQuoted = current == "\"" || current == "'"
            let key = isQuoted ? try quoted() : plain(until: ":,}")
            skipBlanks()
            guard current == ":" else {
                throw YAML.Mistake(line: line, "a mapping in braces reads {key: value, …}")
            }
            next += 1
            guard !members.contains(where: { $0.key == key }) else {
                throw YAML.Mistake(line: line, "\(key) stands here twice")
            }
            members.append(YAML.Member(key: key, line: line, value: try item()))
            skipBlanks()
            if current == "," {
                next += 1
            } else if current != "}" {
                throw YAML.Mistake(line: line, "what begins with { ends with } on its line")
            }
        }
        next += 1
        return YAML(.mapping(members), line: line)
    }

    private mutating func plain(until ends: String) -> String {
        var text = ""
        while let character = current, !ends.contains(character) {
            text.append(character)
            next += 1
        }
        while text.last == " " { text.removeLast() }
        return text
    }

    private mutating func quoted() throws(YAML.Mistake) -> String {
        let quote = current
        next += 1
        var text = ""
        while let character = current {
            next += 1
            if character == quote {
                // Two single quotes in a row are one.
                guard quote == "'", current == "'" else { return text }
                next += 1
                text.append("'")
            } else if character == "\\", quote == "\"" {
                text.append(try escaped())
            } else {
                text.append(character)
            }
        }
        throw YAML.Mistake(line: line, "a quoted text does not end on its line")
    }

    private mutating func escaped() throws(YAML.Mistake) -> Character {
        defer { next += 1 }
        switch current {
        case "n": return "\n"
        case "t": return "\t"
        case "0": return "\0"
        case "\"": return "\""
        case "\\": return "\\"
        case "/": return "/"
        default: throw YAML.Mistake(line: line, "an escape is one of \\n \\t \\0 \\\" \\\\ \\/")
        }
    }
}
