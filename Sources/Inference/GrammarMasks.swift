/// Makes the masks of a grammar's states over one vocabulary, and keeps them.
///
/// Three ways, from the cheapest:
///
/// - Where the next bytes are forced, one token is allowed: the longest that they spell, and
///   beside it those that reach beyond them. Other ways to cut the same text into tokens are
///   left out, so that a text without a choice is most often a token without one.
/// - Inside a string, tokens that stay there come from the vocabulary's ready masks, or from
///   one walk per state of a pattern; of the others only what follows the quote is walked.
/// - Everything else is one pass over the token tree, past every subtree that begins with a
///   forbidden byte.
struct GrammarMasks: Sendable {
    /// A state as far as a token of limited length can tell it from others: what is missing
    /// to a string's bounds counts only up to that length.
    private struct Key: Hashable {
        let thread: GrammarThread
        let missing: Int32
        let room: Int32
    }

    /// What the tokens do that begin in a state of a lexer.
    private struct LexerMask {
        /// Those that stay inside.
        var inside: TokenMask
        /// The nodes at which others have just left it.
        var exits: [Int32] = []
    }
    private struct LexerPlace: Hashable {
        let lexer: Int32
        let state: Int32
    }

    /// 512 masks of 49,152 tokens are 3 MiB.
    private static let maskCountMax = 512

    // Looked up only, never iterated.
    private var masks: [[Key]: TokenMask] = [:]
    private var lexerMasks: [LexerPlace: LexerMask] = [:]
    /// Whose masks they are.
    private var fingerprint: UInt64 = 0
    private var generation = 0

    /// The tokens that may come next; not the ones that end the generation.
    mutating func mask(
        of state: Int32,
        in automaton: inout GrammarAutomaton,
        over vocabulary: TokenVocabulary
    ) -> TokenMask {
        if fingerprint != vocabulary.fingerprint {
            masks.removeAll()
            lexerMasks.removeAll()
            fingerprint = vocabulary.fingerprint
        }
        if generation != automaton.generation {
            masks.removeAll()
            generation = automaton.generation
        }
        let key = Self.key(of: state, in: automaton, lengthMax: vocabulary.trie.depthMax)
        if let mask = masks[key] { return mask }
        let mask = make(state, in: &automaton, over: vocabulary)
        if masks.count == Self.maskCountMax { masks.removeAll() }
        masks[key] = mask
        return mask
    }

    private static func key(
        of state: Int32,
        in automaton: GrammarAutomaton,
        lengthMax: Int
    ) -> [Key] {
        let lengthMax = Int32(clamping: lengthMax)
        return automaton.states[state].map { thread in
            guard
                case .string(let least, let most, _) =
                    automaton.grammar.instructions[Int(thread.place)]
            else { return Key(thread: thread, missing: 0, room: 0) }
            var uncounted = thread
            uncounted.count = 0
            // One above the longest token: no token reaches it.
            return Key(
                thread: uncounted,
                missing: min(max(0, least - thread.count), lengthMax + 1),
                room: min(most - thread.count, lengthMax + 1)
            )
        }
    }

    private mutating func make(
        _ state: Int32,
        in automaton: inout GrammarAutomaton,
        over vocabulary: TokenVocabulary
    ) -> TokenMask {
        if let forced = Self.forced(state, in: &automaton, over: vocabulary) {
            var mask = forced.beyond
            if let token = forced.longest { mask.allow(token) }
            if !mask.isEmpty { return mask }
        }
        var mask = TokenMask(tokenCount: vocabulary.tokenCount)
        var rest: [GrammarThread] = []
        let threads = automaton.states[state]
        for thread in threads {
            switch automaton.grammar.instructions[Int(thread.place)] {
            case .string(let least, let most, let next) where thread.part == .ready:
                let missing = max(0, least - thread.count)
                let room = most == Grammar.unbounded ? most : most - thread.count
                let after = automaton.state(at: next, frame: thread.frame)
                Self.allow(&mask, missing, room, after, in: &automaton, vocabulary)
            case .lexer(let number, let next)
            where Self.isLast(number, next, in: automaton.grammar):
                let after = automaton.state(at: next, frame: thread.frame)
                allow(&mask, number, thread.count, after, in: &automaton, vocabulary)
            default: rest.append(thread)
            }
        }
        guard !rest.isEmpty else { return mask }
        let start = rest.count == threads.count ? state : automaton.state(of: rest)
        let trie = vocabulary.trie
        Self.walk(trie, 0..<trie.nodeCount, from: start, in: &automaton) { mask.allow($0) }
        return mask
    }

    /// Whether a lexer is left by its own last byte, or ends the document.
    private static func isLast(
        _ number: Int32,
        _ next: Grammar.Place,
        in grammar: Grammar
    ) -> Bool {
        if grammar.lexers[Int(number)].spelling == .quoted { return true }
        if case .accept = grammar.instructions[Int(next)] { return true }
        return false
    }

    // MARK: Walks

    /// Calls with the tokens of some nodes, a whole subtree or siblings of one depth with
    /// theirs, that the automaton takes from a state.
    private static func walk(
        _ trie: TokenTrie,
        _ nodes: Range<Int>,
        from start: Int32,
        in automaton: inout GrammarAutomaton,
        _ allow: (TokenID) -> Void
    ) {
        guard let first = nodes.first else { return }
        let top = Int(trie.depths[first]) - 1
        // By depth: the state after so many bytes of the path.
        var path = [Int32](repeating: start, count: trie.depthMax + 1 - top)
        var node = first
        while node < nodes.upperBound {
            let depth = Int(trie.depths[node]) - top
            let state = automaton.next(path[depth - 1], trie.bytes[node])
            guard state != GrammarAutomaton.dead else {
                node = Int(trie.ends[node])
                continue
            }
            path[depth] = state
            for index in Int(trie.tokenStarts[node])..<Int(trie.tokenStarts[node + 1]) {
                allow(trie.tokens[index])
            }
            node += 1
        }
    }

    /// The tokens that begin inside a string.
    private static func allow(
        _ mask: inout TokenMask,
        _ missing: Int32,
        _ room: Int32,
        _ after: Int32,
        in automaton: inout GrammarAutomaton,
        _ vocabulary: TokenVocabulary
    ) {
        let strings = vocabulary.strings
        strings.allowInside(room, in: &mask)
        for token in strings.closing where strings.leaves(token, missing, room) {
            mask.allow(token)
        }
        let trie = strings.behind
        walk(trie, 0..<trie.nodeCount, from: after, in: &automaton) { token in
            if strings.leaves(token, missing, room) { mask.allow(token) }
        }
    }

    /// The tokens that begin in a state of a lexer.
    private mutating func allow(
        _ mask: inout TokenMask,
        _ number: Int32,
        _ state: Int32,
        _ after: Int32,
        in automaton: inout GrammarAutomaton,
        _ vocabulary: TokenVocabulary
    ) {
        let place = LexerPlace(lexer: number, state: state)
        let known: LexerMask
        if let found = lexerMasks[place] {
            known = found
        } else {
            known = Self.walk(automaton.grammar.lexers[Int(number)], from: state, vocabulary)
            if lexerMasks.count == Self.maskCountMax { lexerMasks.removeAll() }
            lexerMasks[place] = known
        }
        mask.formUnion(known.inside)
        let trie = vocabulary.trie
        for exit in known.exits {
            let inner = Int(exit) + 1..<Int(trie.ends[Int(exit)])
            Self.walk(trie, inner, from: after, in: &automaton) { mask.allow($0) }
        }
    }

    private static func walk(
        _ lexer: GrammarLexer,
        from start: Int32,
        _ vocabulary: TokenVocabulary
    ) -> LexerMask {
        var result = LexerMask(inside: TokenMask(tokenCount: vocabulary.tokenCount))
        let trie = vocabulary.trie
        var path = [Int32](repeating: start, count: trie.depthMax + 1)
        var node = 0
        while node < trie.nodeCount {
            let depth = Int(trie.depths[node])
            let state = lexer.next(path[depth - 1], trie.bytes[node])
            guard state != GrammarLexer.dead else {
                node = Int(trie.ends[node])
                continue
            }
            path[depth] = state
            for index in Int(trie.tokenStarts[node])..<Int(trie.tokenStarts[node + 1]) {
                result.inside.allow(trie.tokens[index])
            }
            if lexer.isFinal[Int(state)] {
                if node + 1 < Int(trie.ends[node]) { result.exits.append(Int32(node)) }
                node = Int(trie.ends[node])
            } else {
                node += 1
            }
        }
        return result
    }

    // MARK: Forced text

    struct Forced {
        /// The longest token that the forced bytes spell.
        var longest: TokenID?
        var longestByteCount = 0
        /// Those that reach beyond them.
        var beyond: TokenMask
    }

    /// What may come where the next byte is forced; nil where it is not.
    static func forced(
        _ state: Int32,
        in automaton: inout GrammarAutomaton,
        over vocabulary: TokenVocabulary
    ) -> Forced? {
        guard automaton.forcedByte(state) != nil else { return nil }
        var result = Forced(beyond: TokenMask(tokenCount: vocabulary.tokenCount))
        let trie = vocabulary.trie
        var state = state
        var nodes = 0..<trie.nodeCount
        var byteCount = 0
        while let byte = automaton.forcedByte(state) {
            var node = nodes.lowerBound
            while node < nodes.upperBound, trie.bytes[node] != byte { node = Int(trie.ends[node]) }
            // No token goes on this way: none reaches the end of the forced text.
            guard node < nodes.upperBound else { return result }
            byteCount += 1
            if trie.tokenStarts[node] < trie.tokenStarts[node + 1] {
                result.longest = trie.tokens[Int(trie.tokenStarts[node])]
                result.longestByteCount = byteCount
            }
            state = automaton.next(state, byte)
            // A forced byte that leads nowhere would be no way at all.
            guard state != GrammarAutomaton.dead else { return result }
            nodes = node + 1..<Int(trie.ends[node])
        }
        walk(trie, nodes, from: state, in: &automaton) { result.beyond.allow($0) }
        return result
    }
}
