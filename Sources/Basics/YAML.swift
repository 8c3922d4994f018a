/// A YAML document: the part of YAML 1.2 that people write by hand.
///
/// Block and flow mappings and sequences; plain, single- and double-quoted scalars on one line;
/// literal blocks (`|`); comments. No anchors, tags, merge keys or second documents: they are
/// refused, not ignored. Every value knows its line, so that whoever reads it can point at a
/// mistake.
public struct YAML: Hashable, Sendable {
    public enum Value: Hashable, Sendable {
        /// Text as it stands; a quoted one is never a number or null.
        case scalar(String, isQuoted: Bool)
        case sequence([YAML])
        case mapping([Member])
    }

    public struct Member: Hashable, Sendable {
        public let key: String
        public let line: Int
        public let value: YAML
    }

    public let value: Value
    /// From 1.
    public let line: Int

    init(_ value: Value, line: Int) {
        self.value = value
        self.line = line
    }

    /// What is wrong, and where.
    public struct Mistake: Error, Hashable, Sendable, CustomStringConvertible {
        public let line: Int
        public let sentence: String

        public init(line: Int, _ sentence: String) {
            self.line = line
            self.sentence = sentence
        }

        public var description: String { "line \(line): \(sentence)" }
    }

    static let byteCountMax = 4 << 20
    static let depthMax = 32

    public init(parsing text: String) throws(Mistake) {
        guard text.utf8.count <= Self.byteCountMax else {
            throw Mistake(line: 1, "the document has more than \(Self.byteCountMax) bytes")
        }
        var reader = YAMLReader(text)
        self = try reader.document()
    }

    public var isNull: Bool {
        guard case .scalar(let text, isQuoted: false) = value else { return false }
        return ["", "~", "null"].contains(text)
    }

    public var asText: String? {
        if case .scalar(let text, _) = value { text } else { nil }
    }

    public var asInteger: Int64? {
        guard case .scalar(let text, isQuoted: false) = value else { return nil }
        return Int64(text.split(separator: "_").joined())
    }

    public var asBool: Bool? {
        guard case .scalar(let text, isQuoted: false) = value else { return nil }
        return text == "true" ? true : text == "false" ? false : nil
    }
}

/// Lines, with what stands before them.
struct YAMLReader {
    private struct Line {
        var number: Int
        var indent: Int
        /// Without the indent, the comment and the blanks at the end.
        var text: Substring
        /// With all of these.
        var whole: Substring
    }

    private var lines: [Line] = []
    private var next = 0
    private var depth = 0

    init(_ text: String) {
        var number = 0
        // Some editors write it first.
        let content = text.first == "\u{FEFF}" ? text.dropFirst() : text[...]
        for line in content.split(omittingEmptySubsequences: false, whereSeparator: Self.isBreak) {
            number += 1
            let indent = line.prefix { $0 == " " }.count
            let text = Self.withoutComment(line.dropFirst(indent))
            lines.append(Line(number: number, indent: indent, text: text, whole: line))
        }
    }

    /// YAML 1.2, section 5.4. A carriage return and a line feed are one Character.
    private static func isBreak(_ character: Character) -> Bool {
        character == "\n" || character == "\r\n" || character == "\r"
    }

    private static func withoutComment(_ text: Substring) -> Substring {
        var quote: Character?
        var before: Character = " "
        for index in text.indices {
            let character = text[index]
            if let open = quote {
                if character == open, !(open == "\"" && before == "\\") { quote = nil }
            } else if character == "#", before == " " || before == "\t" {
                return trimmed(text[..<index])
            } else if character == "\"" || character == "'", " [{,:-".contains(before) {
                quote = character
            }
            before = character
        }
        return trimmed(text)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        return text
    }

    private mutating func skipBlank() {
        while next < lines.count, lines[next].text.isEmpty { next += 1 }
    }

    mutating func document() throws(YAML.Mistake) -> YAML {
        skipBlank()
        if next < lines.count, lines[next].text == "---" {
            next += 1
            skipBlank()
        }
        guard next < lines.count else { throw YAML.Mistake(line: 1, "the document is empty") }
        let value = try block(indent: lines[next].indent)
        skipBlank()
        guard next == lines.count else {
            throw YAML.Mistake(line: lines[next].number, "this line is indented like nothing above")
        }
        return value
    }

    // MARK: Blocks

    private mutating func block(indent: Int) throws(YAML.Mistake) -> YAML {
        let line = lines[next]
        depth += 1
        defer { depth -= 1 }
        guard depth <= YAML.depthMax else {
            throw YAML.Mistake(line: line.number, "the nesting is deeper than \(YAML.depthMax)")
        }
        guard !line.whole.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") else {
            throw YAML.Mistake(line: line.number, "indent with blanks, not with tabs")
        }
        if line.text == "-" || line.text.hasPrefix("- ") { return try sequence(indent: indent) }
        if Self.key(of: line.text) != nil { return try mapping(indent: indent) }
        next += 1
        return try YAMLFlow.value(line.text, line: line.number)
    }

    private mutating func sequence(indent: Int) throws(YAML.Mistake) -> YAML {
        let first = lines[next].number
        var items: [YAML] = []
        while true {
            skipBlank()
            guard next < lines.count, lines[next].indent == indent,
                lines[next].text == "-" || lines[next].text.hasPrefix("- ")
            else { break }
            let rest = Self.trimmed(lines[next].text.dropFirst())
            if rest.isEmpty {
                items.append(try below(indent, line: lines[next].number))
            } else {
                // What follows the dash stands in a column of its own.
                let column = indent + lines[next].text.count - rest.count
                lines[next].indent = column
                lines[next].text = rest
                if let text = try literal(rest, indent: indent) {
                    items.append(text)
                } else {
                    items.append(try block(indent: column))
                }
            }
        }
        return YAML(.sequence(items), line: first)
    }

    private mutating func mapping(indent: Int) throws(YAML.Mistake) -> YAML {
        let first = lines[next].number
        var members: [YAML.Member] = []
        while true {
            skipBlank()
            guard next < lines.count, lines[next].indent == indent,
                let (key, rest) = Self.key(of: lines[next].text)
            else { break }
            let number = lines[next].number
            guard !members.contains(where: { $0.key == key }) else {
                throw YAML.Mistake(line: number, "\(key) stands here twice")
            }
            let value: YAML
            if rest.isEmpty {
                value = try below(indent, line: number)
            } else if let text = try literal(rest, indent: indent) {
                value = text
            } else {
                next += 1
                value = try YAMLFlow.value(rest, line: number)
            }
            members.append(YAML.Member(key: key, line: number, value: value))
        }
        return YAML(.mapping(members), line: first)
    }

    /// The value of a key or a dash that stands on the lines below it; null without any.
    private mutating func below(_ indent: Int, line: Int) throws(YAML.Mistake) -> YAML {
        next += 1
        skipBlank()
        guard next < lines.count else { return YAML(.scalar("", isQuoted: false), line: line) }
        let isDash = lines[next].text == "-" || lines[next].text.hasPrefix("- ")
        // A sequence may stand right below its key.
        guard lines[next].indent > indent || isDash && lines[next].indent == indent else {
            return YAML(.scalar("", isQuoted: false), line: line)
        }
        return try block(indent: lines[next].indent)
    }

    /// `|`: the lines below as they are.
    private mutating func literal(
        _ text: Substring, indent: Int
    ) throws(YAML.Mistake) -> YAML? {
        guard text == "|" || text == "|-" else { return nil }
        let number = lines[next].number
        next += 1
        var taken: [Substring] = []
        var column: Int?
        while next < lines.count {
            let whole = lines[next].whole
            let isBlank = whole.allSatisfy { $0 == " " }
            guard isBlank || whole.prefix(while: { $0 == " " }).count > indent else { break }
            if !isBlank, column == nil { column = whole.prefix { $0 == " " }.count }
            taken.append(whole.dropFirst(column ?? 0))
            next += 1
        }
        while let last = taken.last, last.allSatisfy({ $0 == " " }) { taken.removeLast() }
        let joined = taken.joined(separator: "\n") + (text == "|" ? "\n" : "")
        return YAML(.scalar(joined, isQuoted: true), line: number)
    }

    /// The key and what follows its colon; nil where the text is no member of a mapping.
    private static func key(of text: Substring) -> (key: String, rest: Substring)? {
        if let quote = text.first, quote == "\"" || quote == "'" {
            guard let end = text.dropFirst().firstIndex(of: quote) else { return nil }
            let rest = text[text.index(after: end)...]
            guard rest == ":" || rest.hasPrefix(": ") else { return nil }
            let key = text[text.index(after: text.startIndex)..<end]
            return (String(key), trimmed(rest.dropFirst()))
        }
        guard let first = text.first, !"[{".contains(first) else { return nil }
        var index = text.startIndex
        while let colon = text[index...].firstIndex(of: ":") {
            let rest = text[text.index(after: colon)...]
            if rest.isEmpty || rest.first == " " {
                return (String(text[..<colon]), trimmed(rest))
            }
            index = text.index(after: colon)
        }
        return nil
    }
}
