package import Basics

/// How far one constrained generation has come in its grammar.
///
///     var state = try GrammarState(schema: schema)
///     while true {
///         let mask = state.mask(over: vocabulary)
///         guard let token = sampler.sample(logits, position: position, mask: mask) else { … }
///         state.advance(token, over: vocabulary)
///         if vocabulary.endOfGeneration.contains(token) { break }
///     }
///
/// A value: a copy is a second generation from the same point. Masks are kept by state, and a
/// copy shares those that were found before it; so keep one state per schema and `restart` or
/// copy it, and the second call of a tool costs next to nothing. While two copies live, the
/// first change of one copies what was learnt: move a state rather than copy it per token.
package struct GrammarState: Sendable {
    private var automaton: GrammarAutomaton
    private var current: Int32
    private var masks = GrammarMasks()

    /// Whether an end-of-generation token was taken.
    package private(set) var isEnded = false

    /// Starts a document that must be valid under a JSON schema.
    package init(schema: JSON) throws(SchemaError) {
        self.init(try Grammar(schema: schema))
    }

    /// Starts a text that must match a regular expression as a whole.
    package init(regex: String) throws(RegularExpressionError) {
        self.init(try Grammar(regex: regex))
    }

    package init(_ grammar: Grammar) {
        automaton = GrammarAutomaton(grammar)
        current = automaton.startState()
    }

    /// Goes back to the start; what was learnt on the way stays.
    package mutating func restart() {
        current = automaton.startState()
        isEnded = false
    }

    /// Whether the text so far is a whole document; a number at the root may still go on.
    package var isComplete: Bool { automaton.accepting[Int(current)] }

    // MARK: Masks

    /// The tokens that may come next.
    ///
    /// Where the text is forced these are the longest token that it spells and those that
    /// reach beyond it; everywhere else all tokens that the grammar takes. End-of-generation
    /// tokens are among them exactly where the document is complete. Empty after the end, and
    /// where the vocabulary has no token for a byte that must come.
    package mutating func mask(over vocabulary: TokenVocabulary) -> TokenMask {
        guard !isEnded else { return TokenMask(tokenCount: vocabulary.tokenCount) }
        current = automaton.trim(keeping: current)
        var mask = masks.mask(of: current, in: &automaton, over: vocabulary)
        if isComplete {
            for token in vocabulary.endOfGeneration { mask.allow(token) }
        }
        return mask
    }

    /// The tokens that must come next, one after the other, since each is the only one that
    /// its mask allows; none where there is a choice.
    ///
    /// They need no draw, and can be computed in one pass. Nothing changes; take them with
    /// `advance`.
    package mutating func forcedTokens(
        over vocabulary: TokenVocabulary,
        countMax: Int = 64
    ) -> [TokenID] {
        guard !isEnded else { return [] }
        current = automaton.trim(keeping: current)
        var tokens: [TokenID] = []
        var state = current
        while tokens.count < countMax,
            let forced = GrammarMasks.forced(state, in: &automaton, over: vocabulary),
            let token = forced.longest, forced.beyond.isEmpty
        {
            tokens.append(token)
            for byte in vocabulary.pieces[Int(token)] { state = automaton.next(state, byte) }
        }
        return tokens
    }

    // MARK: Moving on

    /// Takes a token; false, and nothing changed, when it may not come next.
    @discardableResult
    package mutating func advance(_ token: TokenID, over vocabulary: TokenVocabulary) -> Bool {
        guard !isEnded, 0 <= token, token < vocabulary.tokenCount else { return false }
        if vocabulary.endOfGeneration.contains(token) {
            isEnded = isComplete
            return isEnded
        }
        let bytes = vocabulary.pieces[Int(token)]
        return !bytes.isEmpty && advance(bytes: bytes)
    }

    /// Takes bytes; false, and nothing changed, when they may not come next.
    @discardableResult
    package mutating func advance(bytes: some Sequence<UInt8>) -> Bool {
        guard !isEnded else { return false }
        var state = automaton.trim(keeping: current)
        current = state
        for byte in bytes {
            state = automaton.next(state, byte)
            guard state != GrammarAutomaton.dead else { return false }
        }
        current = state
        return true
    }

    /// What became of a token when there is a budget.
    package enum Advance: Hashable, Sendable {
        case taken
        /// The token may not come next; nothing changed.
        case refused
        /// With the token the document could no longer be completed in time. These tokens
        /// complete it instead; the state has taken them.
        case completed([TokenID])
    }

    /// Takes a token if the document can still be completed after it with `tokenCountLeft`
    /// more tokens, and completes it at once otherwise.
    ///
    /// Called for every token of a generation whose budget sufficed for the shortest document
    /// at its start, it never runs out of budget inside a document.
    package mutating func advance(
        _ token: TokenID,
        over vocabulary: TokenVocabulary,
        tokenCountLeft: Int
    ) -> Advance {
        let before = automaton.trim(keeping: current)
        current = before
        guard advance(token, over: vocabulary) else { return .refused }
        if isEnded { return .taken }
        // A token has at least one byte: no need to spell what is short enough anyway.
        if automaton.completionByteCount(of: current) <= tokenCountLeft { return .taken }
        if let tokens = vocabulary.spell(shortestCompletion()), tokens.count <= tokenCountLeft {
            return .taken
        }
        let afterToken = current
        current = before
        let ending = shortestCompletion()
        guard let tokens = vocabulary.spell(ending) else {
            // The vocabulary cannot write the ending; the model may still find another.
            current = afterToken
            return .taken
        }
        let isTaken = advance(bytes: ending)
        precondition(isTaken && isComplete, "the shortest completion completes the document")
        return .completed(tokens)
    }

    /// The fewest bytes that complete the document from here; none when it is complete.
    package func shortestCompletion() -> [UInt8] {
        automaton.nearest(in: current).map(automaton.completion) ?? []
    }
}
