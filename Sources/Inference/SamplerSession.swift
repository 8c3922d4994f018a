/// The sampling of one sequence: settings, constraint, and what of the text they depend on.
///
/// A function of the prompt and the tokens of the text so far, so that whoever takes the
/// sequence over, or checks it later, makes it again with `follow` and draws the same.
package struct SamplerSession: Sendable {
    package enum Choice: Hashable, Sendable {
        case token(TokenID)
        /// With any further token the document could not be completed in time: these tokens
        /// complete it and end the generation. Empty where it is complete as it stands.
        case closing([TokenID])
        /// The constraint allows nothing that the vocabulary can write.
        case nothing
    }

    private let sampler: Sampler
    private var grammar: GrammarState?
    private var history: SamplerHistory
    private let tokenCountMax: Int
    /// Tokens of the text that were followed or drawn.
    package private(set) var textTokenCount = 0

    /// - Parameters:
    ///   - settings: free of mistakes.
    ///   - tokenCountMax: of the text; a constrained document ends within it.
    package init(
        _ settings: Sampler.Settings,
        grammar: GrammarState?,
        prompt: some Sequence<TokenID>,
        tokenCountMax: Int
    ) {
        sampler = Sampler(settings)
        self.grammar = grammar
        self.tokenCountMax = tokenCountMax
        history = SamplerHistory(settings, prompt: prompt)
    }

    /// Takes a token of the text that was drawn before.
    package mutating func follow(
        _ token: TokenID,
        over vocabulary: @autoclosure () -> TokenVocabulary
    ) {
        textTokenCount += 1
        history.append(token)
        if grammar != nil { grammar?.advance(token, over: vocabulary()) }
    }

    /// Draws the token that follows and takes it.
    ///
    /// - Parameters:
    ///   - logits: one for each token of the vocabulary.
    ///   - position: of the token to be drawn in its sequence, prompt included.
    ///   - vocabulary: asked for only under a constraint.
    package mutating func draw(
        _ logits: Span<Float>,
        position: Int,
        over vocabulary: @autoclosure () -> TokenVocabulary
    ) -> Choice {
        guard grammar != nil else {
            guard let token = sampler.sample(logits, position: position, history: history) else {
                return .nothing
            }
            textTokenCount += 1
            history.append(token)
            return .token(token)
        }
        let vocabulary = vocabulary()
        let mask = grammar?.mask(over: vocabulary)
        guard
            let token = sampler.sample(logits, position: position, mask: mask, history: history)
        else { return .nothing }
        textTokenCount += 1
        let left = tokenCountMax - textTokenCount
        let advance = grammar?.advance(token, over: vocabulary, tokenCountLeft: left)
        if case .completed(let closing)? = advance { return .closing(closing) }
        history.append(token)
        return .token(token)
    }
}
