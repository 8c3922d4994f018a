import API
import Basics
import Inference
import Synchronization
import Wire

/// The stages of models that this node serves: takes rows in, sends rows or a token out.
///
/// Everything happens on one lane, in the order of arrival, so that a session's rows stay in
/// theirs. A stage checks what it is told: the epoch of the placement, its own number, and that
/// positions follow each other without a gap; anything else is refused by name, and the head of
/// the generation begins again.
final class StageHost: Sendable {
    static let sessionCountMax = 64

    private struct Served {
        var deployment: ModelDeployed
        var index: Int
        var stage: Stage
        var book: ModelShelf.Book
    }
    private struct Session {
        var opening: SessionOpening
        var epoch: UInt64
        var cache: KVSession
        var sampler: Sampler
        var grammar: GrammarState?
        // Every token that has come so far, prompt and text.
        var history: [UInt32] = []
        // How many tokens of the text the grammar has followed.
        var textTokenCount = 0
        // Grows with each use: the least recent session makes room.
        var lastUse: UInt64
    }
    /// Touched on the lane alone.
    private final class State {
        var served: [String: Served] = [:]
        var sessions: [Digest: Session] = [:]
        var useCount: UInt64 = 0
    }

    let heads = HeadSessions()
    private let own: NodeID
    private let shelf: ModelShelf
    private let threadCount: Int
    private let outlet: any Outlet
    private let lane = Lane(name: "stages", capacity: 16_384)
    // The lane is serial: whoever runs on it may touch the state.
    private nonisolated(unsafe) let state = State()

    init(own: NodeID, shelf: ModelShelf, threadCount: Int, outlet: any Outlet) {
        self.own = own
        self.shelf = shelf
        self.threadCount = threadCount
        self.outlet = outlet
    }

    func close() { lane.close() }

    // MARK: serving

    /// Maps the layers of a placement; sessions of an earlier placement of the model end.
    func load(_ deployment: ModelDeployed, _ placement: StagePlacement) async throws {
        let book = try shelf.book(of: deployment.artifact)
        let index = deployment.stages.firstIndex(of: placement) ?? 0
        try await lane.run { [self] in
            guard Int(deployment.layerCount) == book.file.description.layerCount else {
                throw RuntimeError(
                    "the model has \(book.file.description.layerCount) layers, the placement "
                        + "\(deployment.layerCount)")
            }
            if let served = state.served[deployment.model],
                served.deployment.epoch > deployment.epoch
            {
                return
            }
            let layers = Int(placement.firstLayer)..<Int(placement.lastLayer) + 1
            let stage = try Stage(model: book.file, layers: layers, threads: threadCount)
            state.served[deployment.model] = Served(
                deployment: deployment, index: index, stage: stage, book: book)
            state.sessions = state.sessions.filter { $0.value.opening.model != deployment.model }
        }
    }

    func unload(_ model: String) {
        _ = lane.offer { [self] in
            state.served[model] = nil
            state.sessions = state.sessions.filter { $0.value.opening.model != model }
        }
    }

    // MARK: messages

    /// From the bulk plane, or from this node itself.
    func received(_ message: BulkMessage.Body, payload: [UInt8], from sender: NodeID) {
        switch message {
        case .stageInput(let input):
            let isQueued = lane.offer { [self] in take(input, payload) }
            if !isQueued { refuse(input, "the stage is overloaded") }
        case .stageToken(let token): heads.deliver(.token(token), to: token.session)
        case .stageRefused(let refused): heads.deliver(.refused(refused), to: refused.session)
        case .sessionClosed(let closed):
            _ = lane.offer { [self] in state.sessions[closed.session] = nil }
        default: break
        }
    }

    func send(_ message: BulkMessage.Body, payload: [UInt8] = [], to node: NodeID) {
        if node == own {
            received(message, payload: payload, from: own)
        } else {
            outlet.sendBulk(message, payload: payload, to: node)
        }
    }

    private func refuse(_ input: StageInput, _ reason: String) {
        let refused = StageRefused(
            session: input.session, epoch: input.epoch, stage: input.stage, reason: reason)
        send(.stageRefused(refused), to: input.head)
    }

    // MARK: on the lane

    private func take(_ input: StageInput, _ payload: [UInt8]) {
        do {
            try compute(input, payload)
        } catch {
            state.sessions[input.session] = nil
            refuse(input, "\(error)")
        }
    }

    private func compute(_ input: StageInput, _ payload: [UInt8]) throws {
        if let opening = input.opening { try open(input, opening) }
        guard var session = state.sessions[input.session] else {
            throw RuntimeError("the session is not open here")
        }
        guard let served = state.served[session.opening.model],
            served.deployment.epoch == input.epoch, session.epoch == input.epoch,
            served.index == Int(input.stage)
        else { throw RuntimeError("the model's placement has changed") }
        guard session.cache.count == Int(input.position) else {
            throw RuntimeError(
                "rows of position \(input.position) came where \(session.cache.count) is next")
        }
        let rows = try Self.rows(of: input, payload, for: served)
        let wantsLogits = served.stage.isLast && input.sample
        let output = try served.stage.forward(
            rows, start: Int(input.position), session: session.cache,
            logits: wantsLogits ? .last : .none)
        state.useCount += 1
        session.lastUse = state.useCount
        session.history += input.tokens
        if served.stage.isLast {
            if case .logits(let logits) = output, input.sample {
                try sample(logits, after: input, &session, served)
            }
        } else if case .hidden(let hidden) = output {
            var next = input
            next.stage += 1
            let bytes = hidden.withUnsafeBytes { Array($0) }
            let node = served.deployment.stages[served.index + 1].node
            send(.stageInput(next), payload: bytes, to: node)
        }
        state.sessions[input.session] = session
    }

    /// Token ids for the first stage, hidden rows for the others.
    private static func rows(
        of input: StageInput, _ payload: [UInt8], for served: Served
    ) throws -> Stage.Input {
        let count = Int(input.count)
        guard 1...Stage.rowCountMax ~= count else {
            throw RuntimeError("an input has 1 to \(Stage.rowCountMax) rows, not \(count)")
        }
        if served.stage.isFirst {
            let vocabularyCount = served.book.file.description.vocabularyCount
            guard input.tokens.count == count,
                input.tokens.allSatisfy({ Int($0) < vocabularyCount })
            else { throw RuntimeError("the tokens do not fit the model") }
            return .tokens(input.tokens.map { Int32($0) })
        }
        let width = served.book.file.description.embeddingLength
        guard payload.count == count * width * MemoryLayout<Float>.size else {
            throw RuntimeError("the rows do not have the model's width")
        }
        let hidden = [Float](unsafeUninitializedCapacity: count * width) { buffer, filled in
            payload.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
            filled = count * width
        }
        return .hidden(hidden)
    }

    private func open(_ input: StageInput, _ opening: SessionOpening) throws {
        guard let served = state.served[opening.model], served.deployment.epoch == input.epoch
        else { throw RuntimeError("the model \(opening.model) is not served here") }
        if state.sessions.count >= Self.sessionCountMax,
            let oldest = state.sessions.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            state.sessions[oldest.key] = nil
        }
        let settings = Sampler.Settings(opening.sampling)
        guard settings.mistakes().isEmpty else {
            throw RuntimeError("the sampling settings are out of range: \(settings.mistakes())")
        }
        var grammar: GrammarState?
        if !opening.schema.isEmpty, served.stage.isLast {
            grammar = try GrammarState(schema: JSON(parsing: opening.schema))
        }
        state.useCount += 1
        state.sessions[input.session] = Session(
            opening: opening, epoch: input.epoch,
            cache: try served.stage.makeSession(capacity: Int(opening.capacity)),
            sampler: Sampler(settings), grammar: grammar, lastUse: state.useCount)
    }

    /// Draws the next token and sends it to the head; ids travel, never logits.
    private func sample(
        _ logits: [Float], after input: StageInput, _ session: inout Session, _ served: Served
    ) throws {
        let position = Int(input.position) + Int(input.count)
        let promptCount = Int(session.opening.promptTokenCount)
        // After a loss the head sends prompt and text again: the grammar follows the text.
        while session.textTokenCount < session.history.count - promptCount {
            let token = TokenID(session.history[promptCount + session.textTokenCount])
            session.grammar?.advance(token, over: served.book.vocabulary)
            session.textTokenCount += 1
        }
        let vocabulary = session.grammar == nil ? nil : served.book.vocabulary
        let mask = vocabulary.flatMap { session.grammar?.mask(over: $0) }
        guard let token = session.sampler.sample(logits.span, position: position, mask: mask)
        else { throw RuntimeError("the grammar allows no token here") }
        session.textTokenCount += 1
        var answer = StageToken(
            session: input.session, epoch: input.epoch, position: UInt32(position),
            token: UInt32(token))
        let left = Int(session.opening.maxTokens) - session.textTokenCount
        if let vocabulary,
            case .completed(let closing)? = session.grammar?.advance(
                token, over: vocabulary, tokenCountLeft: left)
        {
            answer.complete = true
            answer.closing = closing.map { UInt32(bitPattern: $0) }
        }
        send(.stageToken(answer), to: input.head)
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

/// The generations that this node is the head of, and what arrives for them.
final class HeadSessions: Sendable {
    enum Event: Sendable {
        case token(StageToken)
        case refused(StageRefused)
        /// Twice a second, so that a head notices what does not come.
        case tick
    }

    private let sessions = Mutex<[Digest: AsyncStream<Event>.Continuation]>([:])

    func open(_ session: Digest) -> AsyncStream<Event> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(256))
        sessions.withLock { $0[session] = continuation }
        return stream
    }

    func close(_ session: Digest) {
        sessions.withLock { $0.removeValue(forKey: session) }?.finish()
    }

    func deliver(_ event: Event, to session: Digest) {
        sessions.withLock { $0[session] }?.yield(event)
    }
}
