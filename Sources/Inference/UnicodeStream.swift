/// Turns the bytes of tokens into text as they arrive, never cutting a character in two.
///
/// A token may end inside a UTF-8 sequence; its bytes wait here until the sequence is whole.
/// Bytes that can never become one turn into U+FFFD, one for each maximal part of a sequence
/// (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts").
package struct UnicodeStream: Sendable {
    /// At most three bytes: the longest incomplete sequence.
    private var pending: [UInt8] = []

    package init() {}

    /// Takes more bytes and returns the text that is whole by now.
    package mutating func append(_ bytes: some Sequence<UInt8>) -> String {
        pending.append(contentsOf: bytes)
        let end = pending.count - Self.incompleteSuffixLength(of: pending)
        defer { pending.removeFirst(end) }
        return String(decoding: pending[..<end], as: UTF8.self)
    }

    /// Ends the text; an incomplete sequence becomes U+FFFD.
    package mutating func finish() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many of the last bytes begin a sequence that more bytes could complete.
    private static func incompleteSuffixLength(of bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let lead = bytes[bytes.count - length]
            if lead & 0xC0 == 0x80 { continue }
            let second = 1 < length ? bytes[bytes.count - length + 1] : nil
            return Self.canContinue(lead: lead, second: second, length: length) ? length : 0
        }
        return 0
    }

    /// Whether `length` bytes with this beginning are a true prefix of a sequence
    /// (Unicode 15, table 3-7).
    private static func canContinue(lead: UInt8, second: UInt8?, length: Int) -> Bool {
        switch lead {
        case 0xC2...0xDF: length < 2
        case 0xE0: length < 3 && 0xA0 <= second ?? 0xA0
        case 0xED: length < 3 && second ?? 0x80 <= 0x9F
        case 0xE1...0xEF: length < 3
        case 0xF0: 0x90 <= second ?? 0x90
        case 0xF1...0xF3: true
        case 0xF4: second ?? 0x80 <= 0x8F
        default: false
        }
    }
}
