import Basics
import Inference
import Wire

/// Draws the tokens of one text: the last stage's part, done by it and by every replay.
struct TokenDrawing {
    enum Drawn: Hashable {
        case token(TokenID)
        /// The text ends with these, which complete the document within the budget.
        case closing([TokenID])
    }

    private let sampler: Sampler
    private let book: ModelShelf.Book
    private let tokenCountMax: Int
    private var grammar: GrammarState?
    /// Tokens of the text that were drawn or followed.
    private(set) var count = 0

    /// Throws one sentence about what is wrong with the settings or the schema.
    init(
        _ sampling: Sampler.Settings, schema: [UInt8]?, tokenCountMax: Int, book: ModelShelf.Book
    ) throws {
        guard sampling.mistakes().isEmpty else {
            throw RuntimeError("the sampling settings are out of range: \(sampling.mistakes())")
        }
        sampler = Sampler(sampling)
        grammar = try schema.map { try GrammarState(schema: JSON(parsing: $0)) }
        self.tokenCountMax = tokenCountMax
        self.book = book
    }

    /// Goes on behind a token that was drawn before, on this node or another.
    mutating func follow(_ token: TokenID) {
        count += 1
        grammar?.advance(token, over: book.vocabulary)
    }

    /// Draws the token at `position` from the logits of the one before.
    mutating func draw(_ logits: Span<Float>, position: Int) throws -> Drawn {
        let vocabulary = grammar == nil ? nil : book.vocabulary
        let mask = vocabulary.flatMap { grammar?.mask(over: $0) }
        guard let token = sampler.sample(logits, position: position, mask: mask) else {
            throw RuntimeError("the grammar allows no token at position \(position)")
        }
        count += 1
        if let vocabulary,
            case .completed(let closing)? = grammar?.advance(
                token, over: vocabulary, tokenCountLeft: tokenCountMax - count)
        {
            return .closing(closing)
        }
        return .token(token)
    }
}

extension Sampler.Settings {
    init(_ sampling: Sampling) {
        self.init()
        temperature = sampling.temperature
        topP = sampling.topP
        topK = Int(sampling.topK)
        minP = sampling.minP
        seed = sampling.seed
    }
}
