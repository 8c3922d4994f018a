/// A string of a template while it is evaluated, which knows where each of its characters is from.
///
/// One number per code point, for that is how Jinja counts, slices and compares. The highest bit,
/// which no code point needs, says that the model's maker wrote it, in the template or as the name
/// of a token; whatever came with the conversation has it clear. The bit goes with its character
/// through every operation, so at the end it is known of each character of a prompt whether it
/// may be part of a control token.
struct ChatTemplateText: Sendable {
    static let mark: UInt32 = 1 << 31

    private(set) var marked: [UInt32]

    init(marked: [UInt32] = []) { self.marked = marked }

    /// - Parameter isTrusted: whether the text is the model maker's.
    init(_ string: String, isTrusted: Bool) {
        let bit = isTrusted ? Self.mark : 0
        marked = string.unicodeScalars.map { $0.value | bit }
    }

    var count: Int { marked.count }
    var isEmpty: Bool { marked.isEmpty }

    /// The code point at an index.
    subscript(index: Int) -> UInt32 { marked[index] & ~Self.mark }

    /// A part, with its marks.
    subscript(range: Range<Int>) -> ChatTemplateText { .init(marked: Array(marked[range])) }

    mutating func append(_ other: ChatTemplateText) { marked += other.marked }

    /// Appends one character.
    mutating func append(_ scalar: UInt32, isTrusted: Bool) {
        marked.append(scalar | (isTrusted ? Self.mark : 0))
    }

    mutating func append(_ string: String, isTrusted: Bool) {
        append(ChatTemplateText(string, isTrusted: isTrusted))
    }

    func isMarked(_ index: Int) -> Bool { marked[index] & Self.mark != 0 }

    var string: String {
        var view = String.UnicodeScalarView()
        // A text is only ever made of the scalars of strings and of checked numbers.
        for index in marked.indices { view.append(Self.scalar(self[index])) }
        return String(view)
    }

    /// The text in UTF-8, and for each byte whether it is marked.
    var bytes: (utf8: [UInt8], isMarked: [Bool]) {
        var utf8: [UInt8] = []
        var marks: [Bool] = []
        utf8.reserveCapacity(count)
        marks.reserveCapacity(count)
        for index in marked.indices {
            for byte in UTF8.encode(Self.scalar(self[index])) ?? UTF8.encodedReplacementCharacter {
                utf8.append(byte)
                marks.append(isMarked(index))
            }
        }
        return (utf8, marks)
    }

    /// U+FFFD for a number that is no scalar, which an escape in a quoted text may give.
    static func scalar(_ value: UInt32) -> Unicode.Scalar {
        Unicode.Scalar(value) ?? "\u{FFFD}"
    }
}

extension ChatTemplateText: Equatable {
    /// By characters, wherever they are from.
    static func == (left: ChatTemplateText, right: ChatTemplateText) -> Bool {
        left.count == right.count
            && left.marked.indices.allSatisfy { (left.marked[$0] ^ right.marked[$0]) << 1 == 0 }
    }

    /// By code points, as Python compares.
    static func < (left: ChatTemplateText, right: ChatTemplateText) -> Bool {
        left.marked.lexicographicallyPrecedes(right.marked) { $0 << 1 < $1 << 1 }
    }

    func matches(_ other: ChatTemplateText, at start: Int) -> Bool {
        guard other.count <= count - start else { return false }
        for offset in 0..<other.count where self[start + offset] != other[offset] { return false }
        return true
    }

    /// Where another text stands first, from an index on; nil when it does not.
    ///
    /// In one pass over both (Knuth, Morris, Pratt 1977): a template may search as it likes.
    func firstIndex(of other: ChatTemplateText, from start: Int = 0) -> Int? {
        let length = other.count
        guard 0 < length else { return start }
        guard length <= count - start else { return nil }
        // borders[i]: the longest proper prefix of other[...i] that is its suffix too.
        var borders = [Int](repeating: 0, count: length)
        var matched = 0
        for index in 1..<max(1, length) {
            while 0 < matched, other[index] != other[matched] { matched = borders[matched - 1] }
            if other[index] == other[matched] { matched += 1 }
            borders[index] = matched
        }
        matched = 0
        for index in start..<count {
            while 0 < matched, self[index] != other[matched] { matched = borders[matched - 1] }
            if self[index] == other[matched] { matched += 1 }
            if matched == length { return index - length + 1 }
        }
        return nil
    }

    /// Without the characters at both ends that satisfy a condition.
    func stripped(left: Bool, right: Bool, _ isDropped: (UInt32) -> Bool) -> ChatTemplateText {
        var (start, end) = (0, count)
        while left, start < end, isDropped(self[start]) { start += 1 }
        while right, start < end, isDropped(self[end - 1]) { end -= 1 }
        return start == 0 && end == count ? self : self[start..<end]
    }

    /// What Python's `str.strip` drops: White_Space and the separators of ASCII.
    static func isSpace(_ scalar: UInt32) -> Bool {
        scalar < 0x80
            ? 0x09...0x0D ~= scalar || 0x1C...0x20 ~= scalar
            : Self.scalar(scalar).properties.isWhitespace
    }

    func mapScalars(_ transform: (Unicode.Scalar) -> String) -> ChatTemplateText {
        var text = ChatTemplateText()
        for index in marked.indices {
            text.append(transform(Self.scalar(self[index])), isTrusted: isMarked(index))
        }
        return text
    }
}
