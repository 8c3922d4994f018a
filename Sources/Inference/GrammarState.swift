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
/// copy it, and the second call of a tool costs next to nothing.
package struct GrammarState: Sendable {
    /// A state as far as a token of limited length can tell it from others: what is missing
    /// to a string's bounds counts only up to that length.
    private struct MaskKey: Hashable {
        let thread: GrammarThread
        let missing: Int32
        let room: Int32
    }

    /// 512 masks of 49,152 tokens are 3 MiB.
    private static let maskCountMax = 512

    private var automaton: GrammarAutomaton
    private var current: Int32
    // Looked up only, never iterated.
    private var masks: [[MaskKey]: TokenMask] = [:]
    /// Whose masks they are.
    private var vocabularyFingerprint: UInt64 = 0

    /// Whether an end-of-generation token was taken.
    package private(set) var isEnded = false

    /// Starts a document that must be valid under a JSON schema.
    package init(schema: JSON) throws(SchemaError) {
        self.init(try Grammar(schema: schema))
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
    /// End-of-generation tokens are among them exactly where the document is complete. Empty
    /// after the end, and where the vocabulary has no token for a byte that must come.
    package mutating func mask(over vocabulary: TokenVocabulary) -> TokenMask {
        guard !isEnded else { return TokenMask(tokenCount: vocabulary.tokenCount) }
        if vocabularyFingerprint != vocabulary.fingerprint {
            masks.removeAll()
            vocabularyFingerprint = vocabulary.fingerprint
        }
        current = automaton.trim(keeping: current)
        let key = maskKey(lengthMax: Int32(clamping: vocabulary.trie.depthMax))
        if let mask = masks[key] { return mask }
        let mask = walk(vocabulary)
        if masks.count == Self.maskCountMax { masks.removeAll() }
        masks[key] = mask
        return mask
    }

    private func maskKey(lengthMax: Int32) -> [MaskKey] {
        automaton.states[Int(current)].map { thread in
            guard
                case .string(let least, let most, _) =
                    automaton.grammar.instructions[Int(thread.place)]
            else { return MaskKey(thread: thread, missing: 0, room: 0) }
            var uncounted = thread
            uncounted.count = 0
            // One above the longest token: no token reaches it.
            return MaskKey(
                thread: uncounted,
                missing: min(max(0, least - thread.count), lengthMax + 1),
                room: min(most - thread.count, lengthMax + 1)
            )
        }
    }

    /// One pass over the token tree, past every subtree that begins with a forbidden byte.
    private mutating func walk(_ vocabulary: TokenVocabulary) -> TokenMask {
        var mask = TokenMask(tokenCount: vocabulary.tokenCount)
        let trie = vocabulary.trie
        // By depth: the state after so many bytes of the path.
        var path = [Int32](repeating: current, count: trie.depthMax + 1)
        var node = 0
        while node < trie.nodeCount {
            let depth = Int(trie.depths[node])
            let state = automaton.next(path[depth - 1], trie.bytes[node])
            guard state != GrammarAutomaton.dead else {
                node = Int(trie.ends[node])
                continue
            }
            path[depth] = state
            for index in Int(trie.tokenStarts[node])..<Int(trie.tokenStarts[node + 1]) {
                mask.allow(trie.tokens[index])
            }
            node += 1
        }
        if isComplete {
            for token in vocabulary.endOfGeneration { mask.allow(token) }
        }
        return mask
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
        let rest = shortestCompletion()
        if rest.count <= tokenCountLeft { return .taken }
        if let tokens = vocabulary.spell(rest), tokens.count <= tokenCountLeft { return .taken }
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
        var best: [UInt8]?
        for thread in automaton.states[Int(current)] {
            let bytes = automaton.completion(of: thread)
            if bytes.count < best?.count ?? .max { best = bytes }
        }
        return best ?? []
    }
}
