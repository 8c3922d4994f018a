import Basics
import Inference
import Synchronization
import Wire

/// The stages of models that this node serves, behind the bulk plane.
///
///     bulk plane ─▶ inbox ─▶ lane: StageEngine ─▶ rows to the next stage, tokens to the head
///
/// Everything that computes happens on one lane. What comes while it computes waits in the inbox
/// and joins the next step, so that the texts of all heads share each reading of the weights.
final class StageHost: Sendable {
    /// Messages that may wait; past that a stage refuses rows, and their heads begin again.
    private static let inboxCountMax = 16_384

    private enum Message: Sendable {
        case open(StageOpen, from: NodeID)
        case rows(StageInput, payload: [UInt8], from: NodeID)
        case closed(Digest)
    }
    private struct Inbox {
        var messages: [Message] = []
        /// A turn is queued on the lane or runs.
        var isServed = false
        /// More may come at once: a turn begins when it is let go.
        var isHeld = false
    }

    let heads = HeadSessions()
    private let own: NodeID
    private let shelf: ModelShelf
    private let outlet: any Outlet
    private let lane = Lane(name: "stages")
    private let inbox = Mutex(Inbox())
    // The lane is serial: whoever runs on it may touch the engine.
    private nonisolated(unsafe) let engine: StageEngine

    init(
        own: NodeID, shelf: ModelShelf, threadCount: Int, cacheByteCountMax: Int,
        outlet: any Outlet
    ) {
        self.own = own
        self.shelf = shelf
        self.outlet = outlet
        engine = StageEngine(threadCount: threadCount, cacheByteCountMax: cacheByteCountMax)
    }

    func close() { lane.close() }

    /// Maps the layers of a placement; sessions of an earlier placement of the model end.
    func load(_ deployment: ModelDeployed, _ placement: StagePlacement) async throws {
        let book = try shelf.book(of: deployment.artifact)
        try await lane.run { [self] in try engine.load(deployment, placement, book: book) }
        Footprint.trim()
    }

    /// Does something on the lane of the stages; nil, and nothing, while sessions are open there.
    func whenIdle<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value? {
        try await lane.run { [self] in engine.isIdle ? try work() : nil }
    }

    /// The weights of a whole model, where a stage of this node has them.
    func weights(of artifact: Digest) async throws -> StageWeights? {
        try await lane.run { [self] in engine.weights(of: artifact) }
    }

    func unload(_ model: String) {
        _ = lane.offer { [self] in engine.unload(model) }
    }

    // MARK: messages

    /// From the bulk plane, or from this node itself.
    func received(_ message: BulkMessage.Body, payload: [UInt8], from sender: NodeID) {
        switch message {
        case .stageOpen(let open): queue(.open(open, from: sender))
        case .stageInput(let input): queue(.rows(input, payload: payload, from: sender))
        case .sessionClosed(let closed): queue(.closed(closed.session))
        case .stageOpened(let opened): heads.deliver(.opened(opened), to: opened.session)
        case .stageToken(let token): heads.deliver(token)
        case .stageRefused(let refused): heads.deliver(.refused(refused), to: refused.session)
        default: break
        }
    }

    /// Holds back the lane while the bulk plane hands over what came together, so that it is
    /// computed together.
    func hold(_ isHeld: Bool) {
        let isDue = inbox.withLock { inbox in
            inbox.isHeld = isHeld
            guard !isHeld, !inbox.isServed, !inbox.messages.isEmpty else { return false }
            inbox.isServed = true
            return true
        }
        if isDue { _ = lane.offer { [self] in turn() } }
    }

    func send(_ message: BulkMessage.Body, payload: [UInt8] = [], to node: NodeID) {
        if node == own {
            received(message, payload: payload, from: own)
        } else {
            outlet.sendBulk(message, payload: payload, to: node)
        }
    }

    private func queue(_ message: Message) {
        enum Next { case nothing, serve, refuse }
        let next: Next = inbox.withLock { inbox in
            guard inbox.messages.count < Self.inboxCountMax else { return .refuse }
            inbox.messages.append(message)
            guard !inbox.isServed, !inbox.isHeld else { return .nothing }
            inbox.isServed = true
            return .serve
        }
        switch next {
        case .nothing: break
        case .serve: _ = lane.offer { [self] in turn() }
        case .refuse:
            guard case .rows(let input, _, _) = message else { return }
            let refused = StageRefused(
                session: input.session, epoch: input.epoch, stage: input.stage,
                reason: "the stage is overloaded")
            send(.stageRefused(refused), to: input.head)
        }
    }

    /// Takes what has come, computes one step, and lets other work of the lane in between.
    private func turn() {
        let messages = inbox.withLock { inbox in
            defer { inbox.messages.removeAll(keepingCapacity: true) }
            return inbox.messages
        }
        for message in messages {
            switch message {
            case .open(let open, let sender): engine.open(open, from: sender)
            case .rows(let input, let payload, let sender):
                engine.take(input, payload, from: sender)
            case .closed(let session): engine.close(session)
            }
        }
        let hasMore = engine.step()
        for letter in engine.takeLetters() {
            send(letter.message, payload: letter.payload, to: letter.node)
        }
        let isServed = inbox.withLock { inbox in
            inbox.isServed = hasMore || !inbox.messages.isEmpty
            return inbox.isServed
        }
        if isServed { _ = lane.offer { [self] in turn() } }
    }
}
