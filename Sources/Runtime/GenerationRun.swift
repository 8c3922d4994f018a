import API
import Basics
import Identity
import Inference
import Provenance
import Wire

/// One generation at its head: what has come so far, and when it is over.
struct GenerationRun: Sendable {
    let order: GenerationOrder
    let prompt: [TokenID]
    let tokenCountMax: Int
    var deployment: ModelDeployed
    let book: ModelShelf.Book
    private let emit: Generator.Emit

    private(set) var tokens: [TokenID] = []
    private(set) var text = ""
    private(set) var finishReason = GenerationResult.FinishReason.length
    private(set) var isOver = false
    private(set) var lastProgress = ContinuousClock.now
    private let start = ContinuousClock.now
    private var firstToken: ContinuousClock.Instant?
    private var stream = UnicodeStream()
    private var stops: StopStrings
    private var logits = LogitsDigest()
    /// As far as the text has come in its constraint; nil without one.
    private var grammar: GrammarState?

    init(
        order: GenerationOrder, prompt: [TokenID], tokenCountMax: Int, grammar: GrammarState?,
        deployment: ModelDeployed, book: ModelShelf.Book, emit: @escaping Generator.Emit
    ) {
        self.order = order
        self.prompt = prompt
        self.tokenCountMax = tokenCountMax
        self.grammar = grammar
        self.deployment = deployment
        self.book = book
        self.emit = emit
        stops = StopStrings(order.stop)
    }

    /// With what each stage begins: it reserves its cache before it computes.
    var opening: SessionOpening {
        SessionOpening(
            model: order.model, sampling: order.sampling, schema: order.schema,
            capacity: UInt32(prompt.count + tokenCountMax),
            maxTokens: UInt32(tokenCountMax), prompt: prompt.map { UInt32(bitPattern: $0) },
            regex: order.regex,
            logprobCount: order.logprobCount.map { UInt32(clamping: $0 + 1) } ?? 0)
    }

    /// Prompt and text so far: what the stages must have computed before the next token.
    var known: [TokenID] { prompt + tokens }
    var knownCount: Int { prompt.count + tokens.count }

    /// What the constraint leaves no choice about, at most so many tokens.
    mutating func forcedTokens(countMax: Int) -> [TokenID] {
        guard grammar != nil, 0 < countMax else { return [] }
        let vocabulary = book.vocabulary
        return grammar?.forcedTokens(over: vocabulary, countMax: countMax) ?? []
    }

    mutating func take(_ answer: StageToken) {
        lastProgress = .now
        logits.append(fingerprint: answer.fingerprint)
        if firstToken == nil { firstToken = .now }
        guard !answer.complete else {
            for token in answer.closing where !isOver { append(TokenID(bitPattern: token)) }
            return end(.stop)
        }
        append(TokenID(bitPattern: answer.token), logprobs(answer.logprobs))
        if tokens.count >= tokenCountMax { end(.length) }
    }

    /// The end-of-generation token is the last one of the list, and not of the text.
    private mutating func append(_ token: TokenID, _ logprobs: [API.TokenLogprobs] = []) {
        tokens.append(token)
        if grammar != nil {
            let vocabulary = book.vocabulary
            grammar?.advance(token, over: vocabulary)
        }
        guard !book.tokenizer.endsGeneration(token) else { return end(.stop) }
        let piece = stops.push(stream.append(book.tokenizer.bytes(of: token)))
        text += piece
        emit((piece, [token], logprobs))
        if stops.isFound { end(.stop) }
    }

    private mutating func end(_ reason: GenerationResult.FinishReason) {
        guard !isOver else { return }
        isOver = true
        finishReason = reason
        let rest = stops.push(stream.finish()) + stops.finish()
        text += rest
        if !rest.isEmpty { emit((rest, [], [])) }
    }

    /// As a client sees them, with the tokens' bytes. Ids come from another node.
    private func logprobs(_ list: [TokenLogprob]) -> [API.TokenLogprobs] {
        guard let first = list.first, list.count <= 1 + Inference.TokenLogprobs.topCountMax,
            list.allSatisfy({ $0.token < book.tokenizer.tokenCount && $0.value.isFinite })
        else { return [] }
        func entry(_ found: TokenLogprob) -> API.TokenLogprobs.Entry {
            .init(
                token: Int(found.token),
                bytes: Array(book.tokenizer.bytes(of: TokenID(bitPattern: found.token))),
                logprob: found.value)
        }
        return [.init(chosen: entry(first), top: list.dropFirst().map(entry))]
    }

    /// Rates are zero where there was too little to measure.
    var prefillTokensPerSecond: Double {
        let seconds = ((firstToken ?? start) - start).seconds
        return seconds > 0 ? Double(prompt.count) / seconds : 0
    }

    var decodeTokensPerSecond: Double {
        let seconds = (lastProgress - (firstToken ?? lastProgress)).seconds
        return seconds > 0 ? Double(tokens.count - 1) / seconds : 0
    }

    /// The signed form: everything that a replay needs and must find again.
    func result(head: NodeID) -> GenerationResult {
        GenerationResult(
            requestID: Digest.of(prompt.description + "\(start)").short, model: deployment.artifact,
            prompt: .init(
                text: Digest.of(order.promptText),
                tokens: GenerationResult.digest(ofTokens: prompt), tokenCount: prompt.count),
            sampling: order.signedSampling(tokenCountMax: tokenCountMax), tokens: tokens,
            logits: logits.digest, finishReason: finishReason,
            stages: deployment.stages.map {
                .init(node: $0.node, layers: Int($0.firstLayer)..<Int($0.lastLayer) + 1)
            }, headNode: head, engineVersion: Generator.engineVersion)
    }
}
