import Basics
import Inference
import Wire

/// The stages that a node serves, and the sessions in them. Touched on one lane alone.
///
/// A stage checks what it is told: who says it, the epoch of the placement, its own number, and
/// that positions follow each other without a gap. Anything else is refused by name, and the head
/// of the generation begins again.
final class StageEngine {
    /// A bound beside the memory of the caches.
    static let sessionCountMax = 1_024
    /// A session whose head has been silent for so long makes room: the head gives up much
    /// earlier.
    static let idleLimit = Duration.seconds(60)
    /// Rows of one session that may wait, so that a head cannot fill the memory.
    static let waitingRowCountMax = 1 << 17

    /// What is to be sent, and to whom.
    struct Letter: Sendable {
        var message: BulkMessage.Body
        var payload: [UInt8] = []
        var node: NodeID
    }

    private struct Served {
        var deployment: ModelDeployed
        var index: Int
        var stage: Stage
        var book: ModelShelf.Book
        var queue = StageQueue()
    }

    private let threadCount: Int
    private let cacheByteCountMax: Int
    // Few models; an array keeps their turn.
    private var served: [Served] = []
    private var sessions: [Digest: StageSession] = [:]
    private var outbox: [Letter] = []

    init(threadCount: Int, cacheByteCountMax: Int) {
        self.threadCount = threadCount
        self.cacheByteCountMax = cacheByteCountMax
    }

    /// No session is open.
    var isIdle: Bool { sessions.isEmpty }

    /// What came of the calls before, in order.
    func takeLetters() -> [Letter] {
        defer { outbox.removeAll(keepingCapacity: true) }
        return outbox
    }

    private func send(_ message: BulkMessage.Body, payload: [UInt8] = [], to node: NodeID) {
        outbox.append(Letter(message: message, payload: payload, node: node))
    }

    // MARK: serving

    func load(
        _ deployment: ModelDeployed, _ placement: StagePlacement, book: ModelShelf.Book
    ) throws {
        guard Int(deployment.layerCount) == book.file.description.layerCount else {
            throw RuntimeError(
                "the model has \(book.file.description.layerCount) layers, the placement "
                    + "\(deployment.layerCount)")
        }
        let layers = Int(placement.firstLayer)..<Int(placement.lastLayer) + 1
        let position = served.firstIndex { $0.deployment.model == deployment.model }
        var stage: Stage?
        if let position {
            let old = served[position]
            guard old.deployment.epoch <= deployment.epoch else { return }
            // The same layers keep their cache: what it knows of running texts spares its replay.
            if old.deployment.artifact == deployment.artifact, old.stage.layers == layers {
                stage = old.stage
            }
            unload(deployment.model)
        }
        served.append(
            Served(
                deployment: deployment, index: deployment.stages.firstIndex(of: placement) ?? 0,
                stage: try stage
                    ?? Stage(
                        model: book.file, layers: layers, threads: threadCount,
                        kv: KVPool.Limits(
                            byteCount: cacheByteCountMax, model: deployment.artifact)),
                book: book))
    }

    /// The weights of a whole model, where a stage has them all.
    func weights(of artifact: Digest) -> StageWeights? {
        served.first {
            $0.deployment.artifact == artifact && $0.stage.isFirst && $0.stage.isLast
        }?.stage.weights
    }

    func unload(_ model: String) {
        for served in served where served.deployment.model == model {
            served.book.file.releasePages()
        }
        served.removeAll { $0.deployment.model == model }
        for (id, session) in sessions where session.opening.model == model { close(id) }
    }

    /// Where the stage stands that a message means; nil where this node serves none such.
    private func position(of model: String, epoch: UInt64, stage: UInt32) -> Int? {
        served.firstIndex {
            $0.deployment.model == model && $0.deployment.epoch == epoch && $0.index == Int(stage)
        }
    }

    // MARK: sessions

    func open(_ request: StageOpen, from head: NodeID) {
        do {
            let reusable = try reserve(request, from: head)
            let opened = StageOpened(
                session: request.session, epoch: request.epoch, stage: request.stage,
                reusable: UInt32(reusable))
            send(.stageOpened(opened), to: head)
        } catch {
            var isFull = false
            if case .full? = error as? KVPoolError { isFull = true }
            let refused = StageRefused(
                session: request.session, epoch: request.epoch, stage: request.stage,
                reason: "\(error)", full: isFull)
            send(.stageRefused(refused), to: head)
        }
    }

    /// How many positions of the prompt the cache holds already.
    private func reserve(_ request: StageOpen, from head: NodeID) throws -> Int {
        let opening = request.opening
        guard
            let position = position(
                of: opening.model, epoch: request.epoch, stage: request.stage)
        else { throw RuntimeError("the model \(opening.model) is not served so here") }
        let served = served[position]
        guard sessions[request.session] == nil else {
            throw RuntimeError("the session is open already")
        }
        dropIdle()
        guard sessions.count < Self.sessionCountMax else {
            throw KVPoolError.full(neededBlockCount: 1, freeBlockCount: 0)
        }
        let prompt = opening.prompt.map { TokenID(bitPattern: $0) }
        try Self.check(prompt, served.book)
        let sampling = served.stage.isLast ? try Self.sampling(opening, prompt) : nil
        let cache = try served.stage.openSession(
            tokens: prompt, capacity: Int(opening.capacity))
        sessions[request.session] = StageSession(
            opening: opening, epoch: request.epoch, head: head, cache: cache,
            book: served.book, sampling: sampling)
        return cache.count
    }

    private static func sampling(
        _ opening: SessionOpening, _ prompt: [TokenID]
    ) throws -> SamplerSession {
        let settings = Sampler.Settings(opening.sampling)
        guard settings.mistakes().isEmpty else {
            throw RuntimeError("the sampling settings are out of range: \(settings.mistakes())")
        }
        let grammar = try GenerationGrammar.state(schema: opening.schema, regex: opening.regex)
        return SamplerSession(
            settings, grammar: grammar, prompt: prompt, tokenCountMax: Int(opening.maxTokens))
    }

    private func dropIdle() {
        let now = ContinuousClock.now
        for (id, session) in sessions where Self.idleLimit < now - session.lastUse { close(id) }
    }

    func close(_ session: Digest) {
        guard let closed = sessions.removeValue(forKey: session) else { return }
        closed.close()
        for index in served.indices { served[index].queue.remove(session) }
    }

    // MARK: rows

    /// Queues rows; whoever calls runs `step` afterwards.
    func take(_ input: StageInput, _ payload: [UInt8], from sender: NodeID) {
        do {
            try queue(input, payload, from: sender)
        } catch {
            fail(input, error)
        }
    }

    private func queue(_ input: StageInput, _ payload: [UInt8], from sender: NodeID) throws {
        guard let session = sessions[input.session] else {
            throw RuntimeError("the session is not open here")
        }
        guard session.epoch == input.epoch,
            let position = position(
                of: session.opening.model, epoch: input.epoch, stage: input.stage)
        else { throw RuntimeError("the model's placement has changed") }
        let index = served[position].index
        // Others will be served what is computed from these rows: only who computed them may say.
        guard
            sender
                == (index == 0
                    ? session.head : served[position].deployment.stages[index - 1].node)
        else { throw RuntimeError("the rows come from a node that has no part in this") }
        guard session.waitingRowCount + Int(input.count) <= Self.waitingRowCountMax else {
            throw RuntimeError("too many rows wait")
        }
        session.append(
            StageSession.Rows(
                input: input, hidden: try Self.hidden(of: input, payload, served[position])))
        served[position].queue.append(
            StageQueue.Entry(
                session: input.session, tenant: session.head, rowCount: Int(input.count),
                sampleCount: Int(input.sampleCount)))
    }

    /// The hidden rows of a message that is for a stage behind the first.
    private static func hidden(
        of input: StageInput, _ payload: [UInt8], _ served: Served
    ) throws -> [Float] {
        let count = Int(input.count)
        guard 1...Stage.rowCountMax ~= count, Int(input.sampleCount) <= count,
            input.tokens.count == count
        else { throw RuntimeError("the rows do not have the form of a stage's input") }
        try check(input.tokens.map { TokenID(bitPattern: $0) }, served.book)
        guard !served.stage.isFirst else { return [] }
        let width = served.book.file.description.embeddingLength
        guard payload.count == count * width * MemoryLayout<Float>.size else {
            throw RuntimeError("the rows do not have the model's width")
        }
        return [Float](unsafeUninitializedCapacity: count * width) { buffer, filled in
            payload.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
            filled = count * width
        }
    }

    private static func check(_ tokens: [TokenID], _ book: ModelShelf.Book) throws {
        let vocabularyCount = book.file.description.vocabularyCount
        guard tokens.allSatisfy({ 0 <= $0 && Int($0) < vocabularyCount }) else {
            throw RuntimeError("the tokens do not fit the model")
        }
    }

    private func fail(_ input: StageInput, _ error: any Error) {
        let head = sessions[input.session]?.head ?? input.head
        close(input.session)
        let refused = StageRefused(
            session: input.session, epoch: input.epoch, stage: input.stage, reason: "\(error)")
        send(.stageRefused(refused), to: head)
    }

    // MARK: computing

    /// Computes what waits at one of the models, up to `Stage.rowCountMax` rows; true while there
    /// is more to do.
    func step() -> Bool {
        guard let position = served.firstIndex(where: { !$0.queue.isEmpty }) else { return false }
        // The next turn is another model's.
        var model = served.remove(at: position)
        let pieces = model.queue.next(
            rowCountMax: Stage.rowCountMax, textCountMax: textCountMax(of: model))
        served.append(model)
        var batch: [(segment: Stage.Segment, input: StageInput)] = []
        for piece in pieces {
            guard let session = sessions[piece.session] else { continue }
            let rows = session.take(
                piece.rowCount, width: model.book.file.description.embeddingLength)
            do {
                try session.seek(Int(rows.input.position))
                batch.append((Self.segment(rows, session, model), rows.input))
            } catch {
                fail(rows.input, error)
            }
        }
        compute(batch, model)
        return served.contains { !$0.queue.isEmpty }
    }

    /// How many running texts the first stage of a pipeline computes together.
    ///
    /// All at once would go from stage to stage in one lump, and every stage but one would wait. In
    /// as many groups as there are stages, each stage works on another group.
    private func textCountMax(of model: Served) -> Int {
        let stageCount = model.deployment.stages.count
        guard model.stage.isFirst, 1 < stageCount else { return .max }
        let textCount = sessions.values.count {
            $0.isText && $0.opening.model == model.deployment.model
        }
        return max(1, (textCount + stageCount - 1) / stageCount)
    }

    private static func segment(
        _ rows: StageSession.Rows, _ session: StageSession, _ model: Served
    ) -> Stage.Segment {
        let input = rows.input
        return Stage.Segment(
            session: session.cache, start: Int(input.position),
            input: model.stage.isFirst
                ? .tokens(input.tokens.map { TokenID(bitPattern: $0) }) : .hidden(rows.hidden),
            logits: model.stage.isLast && 0 < input.sampleCount
                ? (input.sampleCount == 1 ? .last : .all) : .none)
    }

    private func compute(
        _ batch: [(segment: Stage.Segment, input: StageInput)], _ model: Served
    ) {
        guard !batch.isEmpty else { return }
        let outputs: [Stage.Output]
        do {
            outputs = try model.stage.forward(batch.map(\.segment))
        } catch {
            for (_, input) in batch { fail(input, error) }
            return
        }
        for ((_, input), output) in zip(batch, outputs) {
            guard let session = sessions[input.session] else { continue }
            session.computed(input)
            switch output {
            case .hidden(let rows):
                var next = input
                next.stage += 1
                let bytes = rows.withUnsafeBytes { Array($0) }
                let node = model.deployment.stages[model.index + 1].node
                send(.stageInput(next), payload: bytes, to: node)
            case .logits(let logits):
                let width = model.book.file.description.vocabularyCount
                do {
                    try session.draw(logits, after: input, width: width) { token in
                        send(.stageToken(token), to: session.head)
                    }
                } catch {
                    fail(input, error)
                }
            }
        }
    }
}
