/// A word or a sign of Swift code.
struct Token: Hashable, Sendable {
    var text: String
    /// From 1.
    var line: Int
    /// Whether white space, a comment or a line's beginning stands before it.
    var isSpaced: Bool
    /// Whether it is the first of its line.
    var isFirst: Bool

    /// A name or a keyword.
    var isWord: Bool {
        guard let first = text.utf8.first else { return false }
        return SwiftScanner.isWordByte(first)
    }
}

/// Swift text in parts: code without literals, and where the comments are.
struct SwiftText: Sendable {
    var tokens: [Token] = []
    /// Lines with a comment on them.
    var commentLines: Set<Int> = []
    /// Lines that hold nothing but a comment.
    var commentOnlyLines: Set<Int> = []
    /// Bytes of string literals on each line that has some.
    var literalByteCounts: [Int: Int] = [:]

    init() {}

    init(scanning text: String) {
        var scanner = SwiftScanner(text)
        scanner.scan()
        self = scanner.result
        commentOnlyLines = commentLines.subtracting(tokens.map(\.line))
    }
}

/// Splits Swift text into tokens, well enough for rules about style.
///
/// It knows nested comments, raw and multi-line strings, interpolations (whose code counts as
/// code) and names in backticks. Regex literals it does not know; write them as `#/…/#` without
/// quotes in them.
struct SwiftScanner {
    private enum Context {
        /// Code; inside an interpolation the parentheses open in it.
        case code(depth: Int)
        case string(hashCount: Int, isMultiline: Bool)
    }

    private(set) var result = SwiftText()
    private let bytes: [UInt8]
    private var index = 0
    private var line = 1
    private var isSpaced = true
    private var isFirst = true
    private var contexts: [Context] = [.code(depth: 0)]

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func scan() {
        while index < bytes.count {
            switch contexts[contexts.count - 1] {
            case .code(let depth): scanCode(depth)
            case .string(let hashCount, let isMultiline): scanString(hashCount, isMultiline)
            }
        }
    }

    static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    private mutating func scanCode(_ depth: Int) {
        let byte = bytes[index]
        switch byte {
        case UInt8(ascii: "\n"):
            newLine()
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
            index += 1
            isSpaced = true
        case UInt8(ascii: "/") where has("//"):
            result.commentLines.insert(line)
            while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
        case UInt8(ascii: "/") where has("/*"):
            skipBlockComment()
        case UInt8(ascii: "`"):
            let start = index
            index += 1
            while index < bytes.count, bytes[index] != UInt8(ascii: "`"),
                bytes[index] != UInt8(ascii: "\n")
            { index += 1 }
            index = min(index + 1, bytes.count)
            emit(String(decoding: bytes[start..<index], as: UTF8.self))
        case UInt8(ascii: "\""), UInt8(ascii: "#"):
            openString()
        case _ where Self.isWordByte(byte):
            let start = index
            while index < bytes.count, Self.isWordByte(bytes[index]) { index += 1 }
            emit(String(decoding: bytes[start..<index], as: UTF8.self))
        default:
            scanSign(byte, depth)
        }
    }

    private mutating func scanSign(_ byte: UInt8, _ depth: Int) {
        index += 1
        emit(String(UnicodeScalar(byte)))
        guard contexts.count > 1 else { return }
        let change = byte == UInt8(ascii: "(") ? 1 : byte == UInt8(ascii: ")") ? -1 : 0
        if depth + change == 0 {
            contexts.removeLast()
        } else {
            contexts[contexts.count - 1] = .code(depth: depth + change)
        }
    }

    private mutating func openString() {
        let start = index
        var hashCount = 0
        while index < bytes.count, bytes[index] == UInt8(ascii: "#") {
            hashCount += 1
            index += 1
        }
        guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else {
            index = start + 1
            return emit("#")
        }
        let isMultiline = has("\"\"\"")
        index += isMultiline ? 3 : 1
        emit("\"")
        contexts.append(.string(hashCount: hashCount, isMultiline: isMultiline))
    }

    private mutating func scanString(_ hashCount: Int, _ isMultiline: Bool) {
        let hashes = String(repeating: "#", count: hashCount)
        let end = (isMultiline ? "\"\"\"" : "\"") + hashes
        if has(end) {
            index += end.utf8.count
            contexts.removeLast()
            emit("\"")
        } else if has("\\\(hashes)(") {
            index += hashCount + 2
            emit("(")
            contexts.append(.code(depth: 1))
        } else if has("\\\(hashes)") {
            index = min(index + hashCount + 2, bytes.count)
            result.literalByteCounts[line, default: 0] += hashCount + 2
        } else if bytes[index] == UInt8(ascii: "\n") {
            // Only a multi-line string goes on; any other is broken text, and ends here.
            if !isMultiline { contexts.removeLast() }
            newLine()
        } else {
            result.literalByteCounts[line, default: 0] += 1
            index += 1
        }
    }

    private mutating func skipBlockComment() {
        var depth = 0
        repeat {
            result.commentLines.insert(line)
            if has("/*") {
                depth += 1
                index += 2
            } else if has("*/") {
                depth -= 1
                index += 2
            } else if bytes[index] == UInt8(ascii: "\n") {
                newLine()
            } else {
                index += 1
            }
        } while depth > 0 && index < bytes.count
        isSpaced = true
    }

    private mutating func newLine() {
        index += 1
        line += 1
        isSpaced = true
        isFirst = true
    }

    private mutating func emit(_ text: String) {
        result.tokens.append(Token(text: text, line: line, isSpaced: isSpaced, isFirst: isFirst))
        isSpaced = false
        isFirst = false
    }

    private func has(_ text: String) -> Bool {
        let utf8 = text.utf8
        return index + utf8.count <= bytes.count
            && bytes[index..<(index + utf8.count)].elementsEqual(utf8)
    }
}
