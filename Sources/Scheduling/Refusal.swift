package import Wire

/// Why something has no effect: a sentence for people, and what a program can do about it.
package struct Refusal: Hashable, Sendable, ExpressibleByStringInterpolation {
    package var kind: RefusalKind
    package var sentence: String

    package init(_ sentence: String, _ kind: RefusalKind = .conflict) {
        self.kind = kind
        self.sentence = sentence
    }

    /// A sentence alone: it contradicts what stands.
    package init(stringLiteral sentence: String) { self.init(sentence) }
}

extension Refusal: CustomStringConvertible {
    package var description: String { sentence }
}
