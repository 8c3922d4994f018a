import API
import Basics
import Identity
import Inference
import NodeLogic
import Provenance
import Scheduling
import Store
import Wire

/// What to generate, as the head takes it.
struct GenerationOrder: Sendable {
    var model: String
    var input: GenerationRequest.Input
    var tokenCountMax: Int?
    var sampling: Wire.Sampling
    /// A JSON schema's text, or empty.
    var schema: String
    /// A regular expression in the schema's place, or empty.
    var regex: String
    var stop: [String] = []
    /// As in a request.
    var logprobCount: Int?

    init(_ request: GenerationRequest) {
        model = request.model
        input = request.input
        tokenCountMax = request.tokenCountMax
        sampling = Wire.Sampling(request)
        schema = request.schema?.text ?? ""
        regex = request.regex ?? ""
        logprobCount = request.logprobCount
        stop = request.stop
    }

    init(_ work: GenerationWork) {
        model = work.model
        input =
            work.messages.isEmpty
            ? .prompt(work.prompt)
            : .messages(work.messages.map { .init(role: $0.role, content: $0.content) })
        tokenCountMax = work.maxTokens == 0 ? nil : Int(work.maxTokens)
        sampling = work.sampling
        schema = work.schema
        regex = work.regex
    }

    /// The text of the constraint, whichever it is; empty without one.
    var grammar: String { regex.isEmpty ? schema : regex }

    /// The prompt as the signed result names it.
    var promptText: String {
        switch input {
        case .prompt(let text): text
        case .messages(let messages):
            JSON.array(
                messages.map { ["role": .string($0.role), "content": .string($0.content)] }
            ).text
        }
    }

    /// What decides which tokens come, as the signed result names it.
    func signedSampling(tokenCountMax: Int) -> GenerationResult.Sampling {
        var signed = GenerationResult.Sampling(Sampler.Settings(sampling))
        signed.tokenCountMax = tokenCountMax
        signed.stops = stop
        signed.grammar = grammar.isEmpty ? nil : Digest.of(grammar)
        signed.grammarKind = regex.isEmpty ? .jsonSchema : .regex
        return signed
    }
}

/// What a generation gave.
struct GenerationOutcome: Sendable {
    var text: String
    var tokens: [TokenID]
    var promptTokenCount: Int
    var finishReason: GenerationResult.FinishReason
    var stages: [StagePlacement]
    var prefillTokensPerSecond: Double
    var decodeTokensPerSecond: Double
    var statement: Wire.NamedArtifact

    var document: JSON {
        [
            "text": .string(text), "tokens": .array(tokens.map { JSON($0) }),
            "prompt_tokens": JSON(promptTokenCount),
            "finish_reason": .string(finishReason.rawValue),
            "stages": .array(
                stages.map {
                    [
                        "node": $0.node.json, "first_layer": JSON($0.firstLayer),
                        "last_layer": JSON($0.lastLayer),
                    ]
                }),
            "prefill_tokens_per_second": .number(prefillTokensPerSecond),
            "decode_tokens_per_second": .number(decodeTokensPerSecond),
            "statement": statement.digest.json,
        ]
    }
}

/// The head of a generation: tokenizes, has the stages compute, and signs the result.
final class Generator: Sendable {
    static let engineVersion = "swiftlet-inference/3"
    /// How long a model may take to be placed and loaded.
    static let placementLimit = Duration.seconds(60)

    let loop: NodeLoop
    let exchange: ArtifactExchange
    let shelf: ModelShelf
    let stages: StageHost
    let notary: Notary
    let admission: AdmissionDesk
    /// Guesses behind a token.
    let guessCount: Int

    init(
        loop: NodeLoop, exchange: ArtifactExchange, shelf: ModelShelf, stages: StageHost,
        notary: Notary, admission: AdmissionDesk, guessCount: Int
    ) {
        self.loop = loop
        self.exchange = exchange
        self.shelf = shelf
        self.stages = stages
        self.notary = notary
        self.admission = admission
        self.guessCount = guessCount
    }

    /// A piece of text, whole characters only, and the tokens behind it.
    typealias Emit = @Sendable (
        _ piece: (text: String, tokens: [TokenID], logprobs: [API.TokenLogprobs])
    ) -> Void

    func generate(
        _ order: GenerationOrder, emit: @escaping Emit
    ) async throws -> GenerationOutcome {
        try await generate(order, from: open(order), emit: emit)
    }

    /// A generation whose request is known to be sound.
    struct Opening: Sendable {
        fileprivate var deployment: ModelDeployed
        fileprivate var book: ModelShelf.Book
        fileprivate var prompt: [TokenID]
        fileprivate var tokenCountMax: Int
        fileprivate var grammar: GrammarState?
    }

    /// Finds everything that is wrong with a request, before its first token.
    func open(_ order: GenerationOrder) async throws -> Opening {
        let deployment = try await placement(of: order.model)
        let book = try await book(of: deployment)
        let prompt = try book.tokens(of: order.input)
        let contextLength = book.file.description.contextLength
        let wanted = order.tokenCountMax ?? contextLength - prompt.count
        guard !prompt.isEmpty, 0 < wanted, prompt.count + wanted <= contextLength else {
            throw APIError(
                status: 400,
                message: prompt.isEmpty
                    ? "the prompt has no tokens"
                    : "\(prompt.count) prompt tokens and \(wanted) more do not fit the model's "
                        + "context of \(contextLength) tokens: shorten the prompt or max_tokens",
                code: "context_length_exceeded", parameter: "messages")
        }
        let grammar = try grammar(checking: order, book, tokenCountMax: wanted)
        return Opening(
            deployment: deployment, book: book, prompt: prompt, tokenCountMax: wanted,
            grammar: grammar)
    }

    func generate(
        _ order: GenerationOrder, from opening: Opening, emit: @escaping Emit
    ) async throws -> GenerationOutcome {
        var run = GenerationRun(
            order: order, prompt: opening.prompt, tokenCountMax: opening.tokenCountMax,
            grammar: opening.grammar, deployment: opening.deployment, book: opening.book,
            emit: emit)
        try await decode(&run)
        return try await finish(run)
    }

    /// The constraint at its start, nil without one, of an order whose sampling is sound.
    private func grammar(
        checking order: GenerationOrder, _ book: ModelShelf.Book, tokenCountMax: Int
    ) throws -> GrammarState? {
        let mistakes = Sampler.Settings(order.sampling).mistakes()
        guard mistakes.isEmpty else {
            throw APIError(
                status: 400, message: "the sampling settings are out of range: \(mistakes)",
                code: "bad_sampling")
        }
        let vocabularyCount = book.file.description.vocabularyCount
        if let bias = order.sampling.logitBias.first(where: { vocabularyCount <= Int($0.token) }) {
            throw APIError(
                status: 400,
                message: "logit_bias names token \(bias.token), the model has tokens up to "
                    + "\(vocabularyCount - 1)", code: "bad_sampling", parameter: "logit_bias")
        }
        let grammar: GrammarState?
        do {
            grammar = try GenerationGrammar.state(schema: order.schema, regex: order.regex)
        } catch {
            let isRegex = !order.regex.isEmpty
            throw APIError(
                status: 400,
                message: "the \(isRegex ? "regex" : "schema") is refused: \(error)",
                code: isRegex ? "bad_regex" : "bad_schema",
                parameter: isRegex ? "regex" : "response_format")
        }
        guard let grammar else { return nil }
        let shortest = book.vocabulary.spell(grammar.shortestCompletion())
        guard let shortest, shortest.count <= tokenCountMax else {
            throw APIError(
                status: 400,
                message: shortest.map {
                    "the shortest text that matches takes \($0.count) tokens; allow so many"
                } ?? "the model's tokens cannot spell a text that matches",
                code: "max_tokens_too_small", parameter: "max_tokens")
        }
        return grammar
    }

    /// The model's placement once every stage of it is ready.
    func placement(of model: String) async throws -> ModelDeployed {
        enum Found: Sendable { case ready(ModelDeployed), refused(String), unknown }
        let found = await loop.wait(within: Self.placementLimit) { node -> Found? in
            guard let deployment = node.state.deployment(of: model), deployment.isActive else {
                return .unknown
            }
            if let refusal = deployment.refusal { return .refused(refusal.refusal) }
            return deployment.isReady ? .ready(deployment.placement) : nil
        }
        switch found {
        case .ready(let placed): return placed
        case .refused(let reason):
            throw APIError(status: 503, message: reason, code: "model_refused")
        case .unknown:
            throw APIError(
                status: 404,
                message: "the model \(model) is not deployed: run `swiftlet model deploy \(model)`",
                code: "model_not_found", parameter: "model")
        case nil:
            throw APIError(
                status: 503, message: "the stages of \(model) are not ready; try again later",
                code: "model_not_ready")
        }
    }

    /// The model's tokenizer, from a file that this node has admitted.
    private func book(of deployment: ModelDeployed) async throws -> ModelShelf.Book {
        do {
            try await exchange.fetch(
                deployment.artifact, byteCountMax: ModelShelf.byteCountMax)
        } catch {
            throw APIError(
                status: 503, message: TaskWorker.sentence(of: error), code: "model_not_reachable")
        }
        if let refusal = try await admission.refusal(
            of: deployment.artifact, what: "the model \(deployment.model)")
        {
            throw APIError(status: 403, message: refusal, code: "model_refused")
        }
        return try shelf.book(of: deployment.artifact)
    }

    // MARK: the end

    private func finish(_ run: GenerationRun) async throws -> GenerationOutcome {
        let store = exchange.store
        // What a replay needs stands beside the statement, under the digests that it names.
        try store.put(GenerationResult.bytes(ofTokens: run.prompt))
        if !run.order.grammar.isEmpty { try store.put(Array(run.order.grammar.utf8)) }
        let statement = run.result(head: loop.own).statement
        let bundle = try notary.sign(statement).bytes
        let digest = try store.put(bundle)
        return GenerationOutcome(
            text: run.text, tokens: run.tokens, promptTokenCount: run.prompt.count,
            finishReason: run.finishReason, stages: run.deployment.stages,
            prefillTokensPerSecond: run.prefillTokensPerSecond,
            decodeTokensPerSecond: run.decodeTokensPerSecond,
            statement: Wire.NamedArtifact(
                name: "generation.intoto.json", digest: digest, byteCount: UInt64(bundle.count)))
    }
}
