/// One way in which the text read so far fits the grammar.
struct GrammarThread: Hashable, Sendable {
    /// An instruction that reads a byte, or `.accept`.
    var place: Grammar.Place
    /// The stack, as a number in `GrammarFrames`.
    var frame: Int32 = GrammarFrames.none
    /// Code points of a string so far, or the state of a lexer.
    var count: Int32 = 0
    /// Where in a character or an escape of a string.
    var part: StringPart = .ready
}
