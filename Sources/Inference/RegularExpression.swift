/// A pattern for text, without anything that a finite automaton cannot keep.
///
/// The syntax is the part of RE2's (and of ECMA-262's) that speaks of the text alone:
///
///     abc   .   [a-z0-9_]   [^"]   \d \D \w \W \s \S   \n \t \r \f \v   \. \[ …
///     \x41  \x{1F600}  \u00e9  \u{1F600}      (ab|c)   (?:ab|c)   (?<name>ab)
///     *   +   ?   {3}   {3,}   {3,7}     and their lazy forms, which mean the same here
///     ^ at the beginning and $ at the end of a branch at the top
///
/// Look-around, back-references, word borders, flags and Unicode properties are refused by
/// name. Programs disagree on the classes beyond ASCII, so the safe part is taken: `\d \w \s`
/// hold ASCII, and so do `\D \W \S` and a class that takes one of them away; `.` holds no line
/// end of any kind.
indirect enum RegularExpression: Hashable, Sendable {
    case nothing
    /// The empty text.
    case empty
    case set(ScalarSet)
    case sequence([RegularExpression])
    case choice([RegularExpression])
    /// No maximum means no bound.
    case repeated(RegularExpression, least: Int, most: Int?)

    static func text(_ text: String) -> RegularExpression {
        .sequence(text.unicodeScalars.map { .set(ScalarSet([$0.value...$0.value])) })
    }

    /// Any text.
    static let anything = RegularExpression.repeated(.set(.all), least: 0, most: nil)
    static let digit = RegularExpression.set(ScalarSet([0x30...0x39]))

    static func optional(_ part: RegularExpression) -> RegularExpression {
        .repeated(part, least: 0, most: 1)
    }
}

/// Why a pattern is refused; offsets count code points from 0.
package enum RegularExpressionError: Error, Hashable, Sendable {
    /// Syntax of other engines that has no place here.
    case unsupported(construct: String, offset: Int)
    case malformed(what: String, offset: Int)
    /// The pattern's text, its nesting, or the automaton it needs.
    case tooLarge(what: String, limit: Int)
    /// No text matches.
    case impossible
}

extension RegularExpressionError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unsupported(let construct, let offset):
            "the pattern uses \(construct) at character \(offset), which is not supported"
        case .malformed(let what, let offset): "the pattern has \(what) at character \(offset)"
        case .tooLarge(let what, let limit): "the pattern needs more than \(limit) \(what)"
        case .impossible: "no text can match the pattern"
        }
    }
}
