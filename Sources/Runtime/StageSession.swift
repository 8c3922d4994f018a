import Basics
import Inference
import Wire

/// One generation at one stage: its cache, what waits to be computed, and, at the last stage, how
/// its tokens are drawn. Touched on the lane of the stages alone.
final class StageSession {
    /// Rows that have come and are not computed yet.
    struct Rows {
        var input: StageInput
        /// The hidden rows; empty at the first stage.
        var hidden: [Float]
    }

    let opening: SessionOpening
    let epoch: UInt64
    /// Who asks, and takes the tokens.
    let head: NodeID
    let cache: KVSession
    private let book: ModelShelf.Book
    /// At the last stage alone.
    private var sampling: SamplerSession?
    /// In order of position; the queue of the stage says when it is their turn.
    private var waiting: [Rows] = []
    /// The tokens of all positions that are computed.
    private var history: [TokenID]
    private var isPromptPublished = false
    private(set) var lastUse = ContinuousClock.now

    init(
        opening: SessionOpening, epoch: UInt64, head: NodeID, cache: KVSession,
        book: ModelShelf.Book, sampling: SamplerSession?
    ) {
        self.opening = opening
        self.epoch = epoch
        self.head = head
        self.cache = cache
        self.book = book
        self.sampling = sampling
        history = opening.prompt.prefix(cache.count).map { TokenID(bitPattern: $0) }
    }

    var waitingRowCount: Int { waiting.reduce(0) { $0 + Int($1.input.count) } }

    /// Whether its prompt is computed, so that it now goes on token by token.
    var isText: Bool { opening.prompt.count <= history.count }

    func append(_ rows: Rows) { waiting.append(rows) }

    /// Takes the first rows that wait, as many as asked for.
    func take(_ count: Int, width: Int) -> Rows {
        var rows = waiting[0]
        let left = Int(rows.input.count) - count
        guard 0 < left else { return waiting.removeFirst() }
        rows.input.count = UInt32(count)
        rows.input.tokens.removeLast(left)
        rows.input.sampleCount = 0
        if !rows.hidden.isEmpty { rows.hidden.removeLast(left * width) }
        waiting[0].input.position += UInt32(count)
        waiting[0].input.count = UInt32(left)
        waiting[0].input.tokens.removeFirst(count)
        if !waiting[0].hidden.isEmpty { waiting[0].hidden.removeFirst(count * width) }
        return rows
    }

    /// Goes back where the head takes back what it guessed; refuses a gap.
    func seek(_ position: Int) throws {
        guard position <= cache.count else {
            throw RuntimeError(
                "rows of position \(position) came where \(cache.count) is next")
        }
        guard position < cache.count else { return }
        try cache.truncate(to: position)
        history.removeLast(history.count - position)
    }

    /// Notes what was computed. Others may begin with the prompt from here on.
    func computed(_ input: StageInput) {
        history += input.tokens.map { TokenID(bitPattern: $0) }
        lastUse = .now
        guard !isPromptPublished, opening.prompt.count <= history.count else { return }
        isPromptPublished = true
        cache.publish(tokens: history)
    }

    /// Draws after each sampled row as long as the head guessed right; ids travel, never logits.
    ///
    /// The sampled rows' logits, `width` each, are the last ones of `logits`.
    func draw(
        _ logits: [Float], after input: StageInput, width: Int, emit: (StageToken) -> Void
    ) throws {
        guard 0 < input.sampleCount else { return }
        let rowCount = Int(input.count)
        let firstSampled = rowCount - Int(input.sampleCount)
        // After a loss the head sends prompt and text again: the sampling follows the text.
        let known = Int(input.position) + firstSampled + 1
        while let count = sampling?.textTokenCount,
            opening.prompt.count + count < min(known, history.count)
        {
            sampling?.follow(history[opening.prompt.count + count], over: book.vocabulary)
        }
        for row in firstSampled..<rowCount {
            let offset = logits.count - (rowCount - row) * width
            let slice = logits.span.extracting(offset..<offset + width)
            let position = Int(input.position) + row + 1
            guard
                let drawn = sampling?.draw(slice, position: position, over: book.vocabulary)
            else { return }
            var answer = StageToken(
                session: input.session, epoch: input.epoch, position: UInt32(position),
                fingerprint: LogitsDigest.fingerprint(of: slice))
            switch drawn {
            case .token(let token):
                answer.token = UInt32(bitPattern: token)
                answer.logprobs = logprobs(of: token, slice)
            case .closing(let tokens):
                answer.complete = true
                answer.closing = tokens.map { UInt32(bitPattern: $0) }
            case .nothing:
                throw RuntimeError("the grammar allows no token at position \(position)")
            }
            emit(answer)
            guard row + 1 < rowCount,
                drawn == .token(TokenID(bitPattern: input.tokens[row + 1]))
            else { return }
        }
    }

    /// The chosen token's first, then the likeliest; none where nobody asked.
    private func logprobs(of token: TokenID, _ logits: Span<Float>) -> [TokenLogprob] {
        guard 0 < opening.logprobCount else { return [] }
        let count = min(Int(opening.logprobCount) - 1, TokenLogprobs.topCountMax)
        let found = Sampler.logprobs(of: token, in: logits, topCount: count)
        return ([found.chosen] + found.top).map {
            TokenLogprob(token: UInt32(bitPattern: $0.token), value: $0.logprob)
        }
    }

    /// Leaves what was computed to later turns of the same conversation.
    func close() { cache.publish(tokens: history) }
}
