/// Cuts the Jinja source of a template into tokens.
///
/// White space follows Jinja's lexer with `trim_blocks` and `lstrip_blocks` on, as the renderer of
/// the models' makers has them: the line feed behind a block tag goes, and so do the blanks
/// between the start of a line and a block tag; `-` and `+` in a tag say otherwise.
struct ChatTemplateLexer {
    enum Token: Equatable {
        case data(ChatTemplateText)
        case blockBegin, blockEnd, variableBegin, variableEnd
        case name(String)
        case text(String)
        case integer(Int)
        case number(Double)
        case sign(String)
    }

    struct Placed {
        let token: Token
        let line: Int
    }

    private let source: [UInt32]
    private var position = 0
    private var line = 1
    private var tokens: [Placed] = []
    /// Whether the last tag took the end of its line with it.
    private var isAtLineStart = true

    /// The tokens of a source.
    static func tokens(of source: String) throws(ChatTemplateError) -> [Placed] {
        var lexer = ChatTemplateLexer(source)
        while lexer.position < lexer.source.count { try lexer.readData() }
        return lexer.tokens
    }

    /// Line ends become line feeds, and one at the end goes, as in Jinja.
    private init(_ string: String) {
        var source: [UInt32] = []
        for scalar in string.unicodeScalars {
            if scalar == "\n", source.last == 0x0D {
                source[source.count - 1] = 0x0A
            } else {
                if source.last == 0x0D { source[source.count - 1] = 0x0A }
                source.append(scalar.value)
            }
        }
        if source.last == 0x0D { source[source.count - 1] = 0x0A }
        if source.last == 0x0A { source.removeLast() }
        self.source = source
    }

    private func isNext(_ text: StaticString, at offset: Int = 0) -> Bool {
        var index = position + offset
        for scalar in text.description.unicodeScalars {
            guard index < source.count, source[index] == scalar.value else { return false }
            index += 1
        }
        return true
    }

    private func scalar(_ offset: Int = 0) -> UInt32? {
        position + offset < source.count ? source[position + offset] : nil
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count {
            if source[position] == 0x0A { line += 1 }
            position += 1
        }
    }

    private mutating func skipSpace() {
        while let scalar = scalar(), ChatTemplateText.isSpace(scalar) { advance() }
    }

    private mutating func add(_ token: Token) { tokens.append(Placed(token: token, line: line)) }

    // MARK: Between tags

    /// Reads text up to the next tag, and that tag.
    private mutating func readData() throws(ChatTemplateError) {
        let start = position
        let startLine = line
        while position < source.count, !isNext("{%"), !isNext("{{"), !isNext("{#") { advance() }
        var end = position
        if position < source.count {
            let isVariable = isNext("{{")
            let sign = scalar(2)
            if sign == 0x2D {
                while start < end, ChatTemplateText.isSpace(source[end - 1]) { end -= 1 }
            } else if sign != 0x2B, !isVariable {
                end = endWithoutIndent(start, end)
            }
        }
        emit(start..<end, line: startLine)
        if position < source.count { try readTag() }
    }

    private mutating func emit(_ range: Range<Int>, line: Int) {
        if range.isEmpty { return }
        let text = ChatTemplateText(marked: source[range].map { $0 | ChatTemplateText.mark })
        tokens.append(Placed(token: .data(text), line: line))
    }

    /// Leaves out the blanks of the last line, if it has nothing else.
    private func endWithoutIndent(_ start: Int, _ end: Int) -> Int {
        var lineStart = end
        while start < lineStart, source[lineStart - 1] != 0x0A { lineStart -= 1 }
        guard lineStart < end, start < lineStart || isAtLineStart,
            source[lineStart..<end].allSatisfy(ChatTemplateText.isSpace)
        else { return end }
        return lineStart
    }

    private mutating func readTag() throws(ChatTemplateError) {
        let open = (source[position + 1], line)
        advance(2)
        if let sign = scalar(), sign == 0x2D || sign == 0x2B { advance() }
        switch open.0 {
        case 0x23:
            while position < source.count, !isNext("#}") { advance() }
            guard position < source.count else {
                throw .malformed(line: open.1, "a comment has no end")
            }
            let sign = source[position - 1]
            advance(2)
            endTag(sign: sign, trims: true)
        case 0x25:
            if try readRaw() { return }
            add(.blockBegin)
            try readExpression(isVariable: false, openLine: open.1)
        default:
            add(.variableBegin)
            try readExpression(isVariable: true, openLine: open.1)
        }
    }

    /// What follows a tag: all white space with `-`, one line feed behind blocks.
    private mutating func endTag(sign: UInt32, trims: Bool) {
        let end = position
        if sign == 0x2D {
            skipSpace()
        } else if trims, sign != 0x2B, scalar() == 0x0A {
            advance()
        }
        isAtLineStart = end < position && source[position - 1] == 0x0A
    }

    /// `{% raw %} … {% endraw %}`.
    private mutating func readRaw() throws(ChatTemplateError) -> Bool {
        let (start, startLine) = (position, line)
        guard let sign = skipRawTag("raw") else {
            (position, line) = (start, startLine)
            return false
        }
        // A block's line feed stays behind this one, as in Jinja.
        endTag(sign: sign, trims: false)
        let (bodyStart, bodyLine) = (position, line)
        while position < source.count {
            if isNext("{%") {
                let (end, endLine) = (position, line)
                advance(2)
                let left = scalar() ?? 0
                if left == 0x2D || left == 0x2B { advance() }
                if let right = skipRawTag("endraw") {
                    var bodyEnd = end
                    if left == 0x2D {
                        while bodyStart < bodyEnd, ChatTemplateText.isSpace(source[bodyEnd - 1]) {
                            bodyEnd -= 1
                        }
                    } else if left != 0x2B {
                        bodyEnd = endWithoutIndent(bodyStart, end)
                    }
                    emit(bodyStart..<bodyEnd, line: bodyLine)
                    endTag(sign: right, trims: true)
                    return true
                }
                (position, line) = (end, endLine)
            }
            advance()
        }
        throw .malformed(line: startLine, "raw has no endraw")
    }

    /// Skips a word and the end of its tag; the sign before the end, 0 without one.
    private mutating func skipRawTag(_ word: StaticString) -> UInt32? {
        skipSpace()
        guard isNext(word) else { return nil }
        advance(word.utf8CodeUnitCount)
        skipSpace()
        var sign: UInt32 = 0
        if isNext("-%}") || isNext("+%}") {
            sign = source[position]
            advance()
        }
        guard isNext("%}") else { return nil }
        advance(2)
        return sign
    }

    // MARK: Inside of tags

    private mutating func readExpression(
        isVariable: Bool, openLine: Int
    ) throws(ChatTemplateError) {
        var brackets: [UInt32] = []
        while true {
            guard let first = scalar() else {
                throw .malformed(line: openLine, "a tag has no end")
            }
            if brackets.isEmpty {
                let hasSign = first == 0x2D || first == 0x2B && !isVariable
                let offset = hasSign ? 1 : 0
                if isVariable ? isNext("}}", at: offset) : isNext("%}", at: offset) {
                    add(isVariable ? .variableEnd : .blockEnd)
                    advance(offset + 2)
                    endTag(sign: hasSign ? first : 0, trims: !isVariable)
                    return
                }
            }
            if ChatTemplateText.isSpace(first) {
                advance()
            } else if first == 0x27 || first == 0x22 {
                try readText(quote: first)
            } else if 0x30...0x39 ~= first {
                try readNumber()
            } else if isNameStart(first) {
                readName()
            } else {
                try readSign(first, &brackets)
            }
        }
    }

    private func isNameStart(_ scalar: UInt32) -> Bool {
        scalar == 0x5F || ChatTemplateText.scalar(scalar).properties.isXIDStart
    }

    private mutating func readName() {
        let startLine = line
        var name = String.UnicodeScalarView()
        while let value = scalar() {
            let scalar = ChatTemplateText.scalar(value)
            guard value == 0x5F || scalar.properties.isXIDContinue else { break }
            name.append(scalar)
            advance()
        }
        tokens.append(Placed(token: .name(String(name)), line: startLine))
    }

    private mutating func readSign(
        _ first: UInt32, _ brackets: inout [UInt32]
    ) throws(ChatTemplateError) {
        for sign in ["//", "**", "==", "!=", ">=", "<="] where scalar(1) != nil {
            guard first == sign.unicodeScalars.first?.value,
                scalar(1) == sign.unicodeScalars.last?.value
            else { continue }
            add(.sign(sign))
            advance(2)
            return
        }
        switch first {
        case 0x28: brackets.append(0x29)
        case 0x5B: brackets.append(0x5D)
        case 0x7B: brackets.append(0x7D)
        case 0x29, 0x5D, 0x7D:
            guard brackets.popLast() == first else {
                throw .malformed(line: line, "a bracket closes what was not opened")
            }
        default:
            let known: Set<UInt32> = [
                0x2B, 0x2D, 0x2F, 0x2A, 0x25, 0x7E, 0x3E, 0x3C, 0x3D, 0x2E, 0x3A, 0x7C, 0x2C,
            ]
            guard known.contains(first) else {
                throw .malformed(
                    line: line, "'\(ChatTemplateText.scalar(first))' does not belong in a tag")
            }
        }
        add(.sign(String(ChatTemplateText.scalar(first))))
        advance()
    }

    private mutating func readNumber() throws(ChatTemplateError) {
        let startLine = line
        var digits = ""
        var isDouble = false
        func isDigit(_ offset: Int) -> Bool { scalar(offset).map { 0x30...0x39 ~= $0 } ?? false }
        while let value = scalar() {
            if isDigit(0) || value == 0x5F && isDigit(1) {
                if value != 0x5F { digits.unicodeScalars.append(ChatTemplateText.scalar(value)) }
            } else if value == 0x2E, !isDouble, isDigit(1) {
                isDouble = true
                digits += "."
            } else {
                break
            }
            advance()
        }
        if let next = scalar(), isNameStart(next) {
            throw .unsupported(line: line, construct: "a number in another form than digits")
        }
        if isDouble, let value = Double(digits) {
            tokens.append(Placed(token: .number(value), line: startLine))
        } else if let value = Int(digits) {
            tokens.append(Placed(token: .integer(value), line: startLine))
        } else {
            throw .malformed(line: line, "the number \(digits) is too large")
        }
    }

    private mutating func readText(quote: UInt32) throws(ChatTemplateError) {
        let startLine = line
        var text = String.UnicodeScalarView()
        advance()
        while let value = scalar(), value != quote {
            advance()
            if value == 0x5C {
                text.append(contentsOf: readEscape())
            } else {
                text.append(ChatTemplateText.scalar(value))
            }
        }
        guard position < source.count else {
            throw .malformed(line: startLine, "a quoted text has no end")
        }
        advance()
        tokens.append(Placed(token: .text(String(text)), line: startLine))
    }

    /// What stands behind a backslash, as in Python; an unknown escape stays as it is written.
    private mutating func readEscape() -> [Unicode.Scalar] {
        guard let value = scalar() else { return [] }
        advance()
        switch value {
        case 0x0A: return []
        case 0x5C, 0x27, 0x22: return [ChatTemplateText.scalar(value)]
        case 0x6E: return ["\n"]
        case 0x74: return ["\t"]
        case 0x72: return ["\r"]
        case 0x62: return ["\u{8}"]
        case 0x66: return ["\u{C}"]
        case 0x61: return ["\u{7}"]
        case 0x76: return ["\u{B}"]
        case 0x78, 0x75, 0x55:
            let count = value == 0x78 ? 2 : value == 0x75 ? 4 : 8
            let digits = (0..<count).compactMap { scalar($0).map(ChatTemplateText.scalar) }
            var view = String.UnicodeScalarView()
            view.append(contentsOf: digits)
            guard digits.count == count, digits.allSatisfy(\.properties.isASCIIHexDigit),
                let number = UInt32(String(view), radix: 16)
            else { return ["\\", ChatTemplateText.scalar(value)] }
            advance(count)
            return [ChatTemplateText.scalar(number)]
        case 0x30...0x37:
            var number = value - 0x30
            for _ in 0..<2 {
                guard let next = scalar(), 0x30...0x37 ~= next else { break }
                number = number * 8 + next - 0x30
                advance()
            }
            return [ChatTemplateText.scalar(number)]
        default: return ["\\", ChatTemplateText.scalar(value)]
        }
    }
}
