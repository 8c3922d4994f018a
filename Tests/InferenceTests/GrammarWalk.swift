import Basics
import Inference

/// A generation whose tokens are drawn at random from the mask.
struct GrammarWalk {
    /// Every single byte as a token, then an end-of-generation token: 256.
    static let byteVocabulary = TokenVocabulary(
        pieces: (0...255).map { [UInt8($0)] } + [[]],
        endOfGeneration: [256]
    )

    var state: GrammarState
    let vocabulary: TokenVocabulary
    var random: KernelRandomness
    var bytes: [UInt8] = []
    var tokenCount = 0
    /// Set when a mask was empty before the document was complete.
    var isStuck = false

    init(_ state: GrammarState, over vocabulary: TokenVocabulary, seed: UInt64) {
        self.state = state
        self.vocabulary = vocabulary
        random = KernelRandomness(seed: seed)
    }

    /// Draws up to `tokenCountMax` tokens, then completes the document if it must.
    ///
    /// One draw in three follows the shortest completion, so that a walk does not spend all
    /// its tokens inside the first string.
    mutating func run(tokenCountMax: Int) {
        while tokenCount < tokenCountMax, !state.isEnded {
            let mask = state.mask(over: vocabulary)
            let allowed = mask.allowed
            guard !allowed.isEmpty else {
                isStuck = true
                return
            }
            var token = allowed[Int.random(in: 0..<allowed.count, using: &random)]
            let rest = state.shortestCompletion()
            if Int.random(in: 0..<3, using: &random) == 0, !rest.isEmpty,
                let first = vocabulary.spell(rest)?.first
            {
                token = first
            }
            let isTaken = state.advance(token, over: vocabulary)
            precondition(isTaken && mask[token], "a token of the mask is taken")
            if !state.isEnded { bytes += Self.piece(token, vocabulary) }
            tokenCount += 1
        }
        if !state.isComplete { bytes += state.shortestCompletion() }
    }

    // The vocabulary's own bytes are not at its door; these are the same.
    private static func piece(_ token: TokenID, _ vocabulary: TokenVocabulary) -> [UInt8] {
        if vocabulary.tokenCount == 257 { return [UInt8(token)] }
        guard let tokenizer = try? TokenizerFixture.smolLM2() else { return [] }
        return Array(tokenizer.bytes(of: token))
    }
}
