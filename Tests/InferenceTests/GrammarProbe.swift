import Basics
import Inference

/// A grammar state by reference, since `#expect` takes no mutating calls.
final class GrammarProbe {
    private(set) var state: GrammarState

    init(_ state: GrammarState) { self.state = state }

    convenience init(schema: JSON) throws { self.init(try GrammarState(schema: schema)) }

    var isComplete: Bool { state.isComplete }
    var isEnded: Bool { state.isEnded }

    func restart() { state.restart() }
    func shortestCompletion() -> [UInt8] { state.shortestCompletion() }
    func mask(over vocabulary: TokenVocabulary) -> TokenMask { state.mask(over: vocabulary) }

    func forcedTokens(over vocabulary: TokenVocabulary) -> [TokenID] {
        state.forcedTokens(over: vocabulary)
    }

    @discardableResult
    func advance(bytes: some Sequence<UInt8>) -> Bool { state.advance(bytes: bytes) }

    @discardableResult
    func advance(_ token: TokenID, over vocabulary: TokenVocabulary) -> Bool {
        state.advance(token, over: vocabulary)
    }

    func advance(
        _ token: TokenID,
        over vocabulary: TokenVocabulary,
        tokenCountLeft: Int
    ) -> GrammarState.Advance {
        state.advance(token, over: vocabulary, tokenCountLeft: tokenCountLeft)
    }
}
