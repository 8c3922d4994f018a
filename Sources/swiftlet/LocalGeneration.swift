import API
import Basics
import Foundation
import Inference
import Runtime

/// A generation in this process: the same engine and the same sampler as on the mesh, as one
/// stage, so that the tokens are the same too.
enum LocalGeneration {
    static func run(
        _ request: GenerationRequest, threadCount: Int?, isShown: Bool
    ) async throws -> JSON {
        _ = try ArtifactFile.open(request.model)
        let threads = threadCount ?? ProcessInfo.processInfo.activeProcessorCount
        return try await OwnThread.run {
            try generate(request, threadCount: threads, isShown: isShown)
        }
    }

    private static func generate(
        _ request: GenerationRequest, threadCount: Int, isShown: Bool
    ) throws -> JSON {
        let book = try ModelShelf.Book(path: request.model)
        let layers = 0..<book.file.description.layerCount
        let stage = try Stage(model: book.file, layers: layers, threads: threadCount)
        let settings = Sampler.Settings(request)
        guard settings.mistakes().isEmpty else {
            throw Refusal("The sampling is out of range: \(settings.mistakes()); change it.")
        }
        let prompt = try book.tokens(of: request.input)
        let contextLength = book.file.description.contextLength
        let countMax = request.tokenCountMax ?? contextLength - prompt.count
        guard !prompt.isEmpty, 0 < countMax, prompt.count + countMax <= contextLength else {
            throw Refusal(
                "\(prompt.count) prompt tokens and \(countMax) more do not fit the context of "
                    + "\(contextLength) tokens; shorten the prompt or lower --max-tokens.")
        }

        var sampling = SamplerSession(
            settings, grammar: try grammar(request, book, tokenCountMax: countMax),
            prompt: prompt, tokenCountMax: countMax)
        var text = LocalText(book: book, stop: request.stop, isShown: isShown)
        let clock = ContinuousClock()
        let session = try stage.makeSession(capacity: prompt.count + countMax)
        let start = clock.now
        var next = try step(stage, session, &sampling, book, prompt, at: 0)
        let firstToken = clock.now
        while case .token(let token) = next, !text.take(token), text.tokens.count < countMax {
            next = try step(
                stage, session, &sampling, book, [token],
                at: prompt.count + text.tokens.count - 1)
        }
        if case .closing(let tokens) = next { text.close(tokens) }
        text.finish()
        let end = clock.now
        return document(
            text, promptTokenCount: prompt.count, lastLayer: layers.upperBound - 1,
            prefill: firstToken - start, decode: end - firstToken)
    }

    /// The constraint that a request names, if it can be kept within the tokens.
    private static func grammar(
        _ request: GenerationRequest, _ book: ModelShelf.Book, tokenCountMax: Int
    ) throws -> GrammarState? {
        let what = request.regex == nil ? "schema" : "regex"
        let grammar: GrammarState?
        do {
            grammar = try GrammarState.of(request)
        } catch {
            throw Refusal("The \(what) is refused: \(error); change it.")
        }
        guard let grammar else { return nil }
        guard let shortest = book.vocabulary.spell(grammar.shortestCompletion()),
            shortest.count <= tokenCountMax
        else {
            throw Refusal(
                "No text of \(tokenCountMax) tokens matches the \(what); raise --max-tokens.")
        }
        return grammar
    }

    /// Computes these tokens and draws what follows.
    private static func step(
        _ stage: Stage, _ session: KVSession, _ sampling: inout SamplerSession,
        _ book: ModelShelf.Book, _ tokens: [TokenID], at start: Int
    ) throws -> SamplerSession.Choice {
        let output = try stage.forward(
            .tokens(tokens), start: start, session: session, logits: .last)
        guard case .logits(let logits) = output else {
            throw Refusal("The model gave no token; check its file with: swiftlet verify")
        }
        let choice = sampling.draw(
            logits.span, position: start + tokens.count, over: book.vocabulary)
        guard choice != .nothing else {
            throw Refusal("The model gave no token; check its file with: swiftlet verify")
        }
        return choice
    }

    private static func document(
        _ text: LocalText, promptTokenCount: Int, lastLayer: Int, prefill: Duration,
        decode: Duration
    ) -> JSON {
        let decodedCount = text.tokens.count - 1
        return [
            "text": .string(text.text),
            "tokens": .array(text.tokens.map { .integer(Int64($0)) }),
            "prompt_tokens": .integer(Int64(promptTokenCount)),
            "finish_reason": text.isOver ? "stop" : "length",
            "stages": [
                [
                    "node": "local", "first_layer": 0,
                    "last_layer": .integer(Int64(lastLayer)),
                ]
            ],
            "prefill_tokens_per_second": .number(
                Double(promptTokenCount) / max(prefill.inSeconds, 1e-9)),
            "decode_tokens_per_second": .number(
                decodedCount > 0 ? Double(decodedCount) / max(decode.inSeconds, 1e-9) : 0),
            "statement": nil,
        ]
    }
}

/// Tokens as they become text: whole characters, up to the first stop string.
private struct LocalText {
    let book: ModelShelf.Book
    let isShown: Bool
    private(set) var tokens: [TokenID] = []
    private(set) var text = ""
    private(set) var isOver = false
    private var stream = UnicodeStream()
    private var stops: StopStrings

    init(book: ModelShelf.Book, stop: [String], isShown: Bool) {
        self.book = book
        self.isShown = isShown
        stops = StopStrings(stop)
    }

    /// True when the text has ended with this token.
    mutating func take(_ token: TokenID) -> Bool {
        tokens.append(token)
        if book.tokenizer.endsGeneration(token) {
            isOver = true
        } else {
            show(stops.push(stream.append(book.tokenizer.bytes(of: token))))
            isOver = stops.isFound
        }
        return isOver
    }

    /// Takes the tokens that complete a document.
    mutating func close(_ closing: [TokenID]) {
        for token in closing where !isOver { _ = take(token) }
        isOver = true
    }

    mutating func finish() {
        show(stops.push(stream.finish()))
        show(stops.finish())
    }

    private mutating func show(_ piece: String) {
        text += piece
        if isShown { Terminal.write(piece) }
    }
}
