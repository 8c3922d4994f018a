import API
import Basics
import Identity
import Inference
import NodeLogic
import Provenance
import RISCV
import Scheduling
import Store
import Wire

/// Does the work of a signed result again, and compares.
struct Replay: Sendable {
    /// What came of it.
    struct Verdict: Sendable {
        var checks: [VerificationCheck]
        var didCompute = true

        /// One check, for which nothing was computed.
        static func notComputed(
            _ name: String = "replay", ok: Bool, _ detail: String
        ) -> Verdict {
            Verdict(
                checks: [VerificationCheck(name: name, ok: ok, detail: detail)],
                didCompute: false)
        }
    }

    let backend: LiveBackend

    private var node: LiveNode { backend.node }

    /// - Parameter record: the task whose statement it is, where that is known.
    func verdict(on statement: Statement, of record: TaskRecord? = nil) async throws -> Verdict {
        switch statement.predicateType {
        case Provenance.TaskResult.predicateType:
            return try await verdict(on: Provenance.TaskResult(statement))
        case GenerationResult.predicateType:
            return try await verdict(on: GenerationResult(statement), of: record)
        default:
            return .notComputed(ok: true, "a statement about an artifact has nothing to replay")
        }
    }

    /// Does the work on the lane of replays, since the others are promised to tasks. Whoever goes
    /// away stops it.
    private func onLane<Value: Sendable>(
        _ work: @escaping @Sendable (_ stop: Flag) throws -> Value
    ) async throws -> Value {
        let stop = Flag()
        do {
            return try await withTaskCancellationHandler {
                try await node.replays.serve("replays many results") {
                    // It may have waited for its turn longer than its client.
                    if stop.isRaised { throw CancellationError() }
                    return try work(stop)
                }
            } onCancel: {
                stop.raise()
            }
        } catch is GuestRun.Stopped {
            throw CancellationError()
        }
    }

    // MARK: a program

    /// Runs the program on this node: same count of instructions, same state, same output.
    private func verdict(on result: Provenance.TaskResult) async throws -> Verdict {
        let task = Digest(hex: result.attempt.taskID)
        let spec = await node.loop.read { live in
            task.flatMap { live.state.tasks[$0]?.spec }
        }
        guard case .program(let work)? = spec?.work, work.agrees(with: result.invocation) else {
            return .notComputed(
                ok: false, "the replicated log has no such program task to run again")
        }
        for artifact in work.artifacts {
            let damage = try await node.admission.bring(
                artifact, through: node.exchange, byteCountMax: TaskWorker.artifactByteCountMax)
            if let damage { return .notComputed(ok: false, damage) }
        }
        let store = node.exchange.store
        let report = try await onLane { stop in
            try TaskWorker.run(work, store: store, isStopped: { stop.isRaised })
        }
        return Verdict(checks: Self.checks(of: report, against: result.outcome))
    }

    private static func checks(
        of report: GuestRun.Report, against outcome: Provenance.TaskResult.Outcome
    ) -> [VerificationCheck] {
        func check<Value: Equatable & CustomStringConvertible>(
            _ name: String, _ found: Value, _ claimed: Value
        ) -> VerificationCheck {
            VerificationCheck(
                name: name, ok: found == claimed,
                detail: found == claimed
                    ? "the replay gave \(found)"
                    : "the replay gave \(found), the result \(claimed)")
        }
        return [
            check("replay_retired", report.retired, outcome.retiredCount),
            check("replay_state", report.digest, outcome.state),
            check(
                "replay_ending", report.ending.sentence ?? "exited",
                outcome.endingDetail.isEmpty ? "exited" : outcome.endingDetail),
            check(
                "replay_exit_code", Int(report.ending.exitCode),
                outcome.exitCode ?? Int(report.ending.exitCode)),
            check("replay_stdout", Digest.of(report.standardOutput), outcome.stdout),
            check("replay_stderr", Digest.of(report.standardError), outcome.stderr),
            check(
                "replay_outputs",
                report.files.map { "\($0.name) \(Digest.of($0.bytes).short)" },
                outcome.outputs.map { "\($0.name) \($0.digest.short)" }),
        ]
    }

    // MARK: a generation

    /// Puts prompt and text through the whole model again and draws every token anew.
    ///
    /// The prompt and the grammar of a task stand in the log. Of other generations they are
    /// artifacts, which nobody may have any more.
    private func verdict(
        on result: GenerationResult, of record: TaskRecord?
    ) async throws -> Verdict {
        let store = node.exchange.store
        let work = record?.generation
        var artifacts = [result.model]
        if work == nil {
            artifacts.append(result.prompt.tokens)
            if let grammar = result.sampling.grammar { artifacts.append(grammar) }
        }
        for artifact in artifacts {
            try await node.exchange.fetch(artifact, byteCountMax: ModelShelf.byteCountMax)
        }
        // Who signed the model, and under which licence, was asked when the result was signed.
        if let damage = try await node.admission.damage(of: result.model) {
            return .notComputed("replay_model", ok: false, damage)
        }
        let book = try node.models.book(of: result.model)
        let prompt: [TokenID], grammar: [UInt8]?
        var checks: [VerificationCheck] = []
        if let work {
            let order = GenerationOrder(work)
            // A prompt that the model refuses has given no tokens.
            prompt = (try? book.tokens(of: order.input)) ?? []
            grammar = Array(order.grammar.utf8)
            let check = work.promptCheck(
                of: result, tokens: prompt, contextLength: book.file.description.contextLength)
            guard check.ok else { return Verdict(checks: [check], didCompute: false) }
            checks.append(check)
        } else {
            prompt = Self.tokens(of: try store.read(result.prompt.tokens))
            grammar = try result.sampling.grammar.map { try store.read($0) }
        }
        let threadCount = node.threadCount
        let resident = try await node.stages.weights(of: result.model)
        let mismatch = try await onLane { stop in
            // Layers that this node does not serve need not stay in memory.
            defer { if resident == nil { book.file.releasePages() } }
            let weights =
                try resident
                ?? StageWeights(
                    model: book.file, layers: 0..<book.file.description.layerCount, copies: false)
            return try Self.mismatch(
                of: result, book: book, weights: weights, prompt: prompt, grammar: grammar,
                threadCount: threadCount, isStopped: { stop.isRaised })
        }
        checks.append(
            VerificationCheck(
                name: "replay_tokens", ok: mismatch == nil,
                detail: mismatch ?? "the replay gave the same \(result.tokens.count) tokens"))
        if let completion = record?.completion {
            checks.append(completion.textCheck(book.text(of: result.tokens)))
        }
        return Verdict(checks: checks)
    }

    private static func tokens(of bytes: [UInt8]) -> [TokenID] {
        var reader = ByteReader(bytes)
        var tokens: [TokenID] = []
        while let token = reader.integer(TokenID.self) { tokens.append(token) }
        return tokens
    }

    /// Positions at a time: nobody waits for this stage.
    private static let rowCountMax = 144

    /// Nil where every token comes out again from the same logits; else a sentence that names the
    /// first other position.
    ///
    /// One prefill pass, in chunks: no position waits for the one before to be drawn. Between two
    /// of them it may be stopped.
    static func mismatch(
        of result: GenerationResult, book: ModelShelf.Book, weights: StageWeights,
        prompt: [TokenID], grammar: [UInt8]?, threadCount: Int, isStopped: () -> Bool
    ) throws -> String? {
        let description = book.file.description
        let all = prompt + result.tokens
        guard !prompt.isEmpty, prompt.count == result.prompt.tokenCount,
            all.count <= description.contextLength,
            all.allSatisfy({ 0 <= $0 && Int($0) < description.vocabularyCount })
        else { return "the prompt or the tokens do not fit the model" }
        let hasGrammar = grammar?.isEmpty == false
        let isOpen = result.finishReason == .stop && !isEnded(result, book)
        if let objection = endObjection(to: result, isOpen && !hasGrammar) { return objection }
        let settings = Sampler.Settings(result.sampling)
        guard settings.mistakes().isEmpty else {
            return "the sampling settings are out of range: \(settings.mistakes())"
        }
        let stage = try Stage(
            weights: weights, threads: threadCount, rowCountMax: rowCountMax)
        let cache = try stage.makeSession(capacity: all.count)
        let text = String(decoding: grammar ?? [], as: UTF8.self)
        let isRegex = result.sampling.grammarKind == .regex
        var comparison = Comparison(
            sampling: try SamplerSession(
                settings,
                grammar: GenerationGrammar.state(
                    schema: isRegex ? "" : text, regex: isRegex ? text : ""),
                prompt: prompt, tokenCountMax: result.sampling.tokenCountMax),
            book: book)
        // The last token was drawn from the row before it: its own row is needed only where it may
        // tell that nothing follows. Of the prompt the last row alone has logits that a token was
        // drawn from.
        let rowCount = isOpen ? all.count : all.count - 1
        let firstDrawn = prompt.count - 1
        let chunkCount = (rowCount + rowCountMax - 1) / rowCountMax
        for chunk in 0..<chunkCount {
            if isStopped() { throw CancellationError() }
            let start = rowCount * chunk / chunkCount, end = rowCount * (chunk + 1) / chunkCount
            var verdict = Result<String?, any Error>.success(nil)
            try stage.forward(
                .tokens(Array(all[start..<end])), start: start, session: cache,
                logitsFrom: firstDrawn
            ) { position, row in
                guard case .success(nil) = verdict else { return }
                verdict = Result {
                    let said = position + 1 < all.count ? all[position + 1] : nil
                    return try comparison.mismatch(row, position: position + 1, said: said)
                }
            }
            if let other = try verdict.get() { return other }
        }
        guard comparison.logits.digest == result.logits else {
            return "the tokens are the same, but their logits have the digest "
                + "\(comparison.logits.digest.short), the result says \(result.logits.short)"
        }
        return nil
    }

    /// Whether a token or a text ends it that is to end it; else its grammar may have.
    private static func isEnded(_ result: GenerationResult, _ book: ModelShelf.Book) -> Bool {
        var stops = StopStrings(result.sampling.stops), stream = UnicodeStream()
        for token in result.tokens {
            if book.tokenizer.endsGeneration(token) { return true }
            _ = stops.push(stream.append(book.tokenizer.bytes(of: token)))
        }
        _ = stops.push(stream.finish())
        return stops.isFound
    }

    /// A text that was cut off says what it likes of its end.
    private static func endObjection(to result: GenerationResult, _ isOpen: Bool) -> String? {
        let (count, most) = (result.tokens.count, result.sampling.tokenCountMax)
        if result.finishReason == .length, count != most {
            return "the result says that it ended at its limit of \(most) tokens, and has \(count)"
        }
        return isOpen ? "the result says that it came to its end, and nothing ends it" : nil
    }

    /// Draws again as the last stage did, and compares.
    private struct Comparison {
        var sampling: SamplerSession
        let book: ModelShelf.Book
        var logits = LogitsDigest()
        // The tokens that close a document are forced, not drawn.
        private var forced: [TokenID] = []
        private var isClosed = false

        init(sampling: SamplerSession, book: ModelShelf.Book) {
            self.sampling = sampling
            self.book = book
        }

        /// - Parameter said: nil behind the last token.
        mutating func mismatch(
            _ row: Span<Float>, position: Int, said: TokenID?
        ) throws -> String? {
            // Behind what closes a document nothing is drawn.
            if said == nil, isClosed { return nil }
            if forced.isEmpty {
                logits.append(fingerprint: LogitsDigest.fingerprint(of: row))
                switch sampling.draw(row, position: position, over: book.vocabulary) {
                case .token(let token): forced = [token]
                case .closing(let tokens): (forced, isClosed) = (tokens, true)
                case .nothing: break
                }
            }
            guard let said else {
                return isClosed && forced.isEmpty
                    ? nil : "at position \(position) the result ends, and the replay goes on"
            }
            guard let token = forced.first else {
                return "at position \(position) the replay ends, the result says \(said)"
            }
            forced.removeFirst()
            guard token == said else {
                return "at position \(position) the replay gave token \(token), the result says "
                    + "\(said)"
            }
            return nil
        }
    }
}

extension ProgramWork {
    /// Whether a signed invocation is of this work.
    func agrees(with invocation: Provenance.TaskResult.Invocation) -> Bool {
        program.digest == invocation.program && arguments == invocation.arguments
            && environment.map { "\($0.name)=\($0.value)" } == invocation.environment
            && namedInputs == invocation.inputs && seed == invocation.seed
            && fuel == invocation.fuel
    }
}
