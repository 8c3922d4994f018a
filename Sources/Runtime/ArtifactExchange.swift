package import Basics
package import Logging
package import Store
import Synchronization
package import Wire

/// How the exchange, the pipeline and the lanes reach other nodes.
package protocol Outlet: Sendable {
    var own: NodeID { get }
    /// The other nodes that take part, the nearest first.
    func peers() async -> [NodeID]
    /// Control messages are lost silently when the peer cannot be reached: the asker's time-out
    /// notices.
    func send(_ body: Wire.Envelope.Body, to node: NodeID)
    func sendBulk(_ message: BulkMessage.Body, payload: [UInt8], to node: NodeID)
}

/// Fetches artifacts from the nodes that hold them, serves what is held here, and has others keep
/// copies.
///
/// `FetchPlan` says what is asked of whom; a fetch that ends before it is whole leaves behind what
/// has come, and the next one goes on from there, also after the node was started again.
package actor ArtifactExchange {
    /// A node that was asked to keep a copy is given up when it fetches nothing for so long.
    static let holdLimit = Duration.seconds(5)
    static let holdsUnderWayMax = 256
    /// Fetches that broke off, of which the store keeps what they had.
    static let brokenCountMax = ArtifactStore.leftoverCountMax

    /// Tells the store what the mesh refers to.
    package typealias Census = @Sendable () async -> Void

    package struct Missing: Error {
        package var artifact: Digest
    }
    struct HolderKey: Hashable, Sendable {
        var artifact: Digest
        var node: NodeID
    }

    package nonisolated let store: ArtifactStore
    private nonisolated let outlet: any Outlet
    private nonisolated let logger: Logger
    nonisolated let census: Census
    private nonisolated let holds = Rendezvous<HolderKey, HoldAnswer>()
    /// How far nodes have come that are to keep a copy: the offset of the earliest piece that they
    /// were given. They begin at the end.
    private nonisolated let served = Mutex<[HolderKey: Int]>([:])
    private nonisolated let holdsUnderWay = Mutex(0)
    /// Looked up by artifact, never iterated.
    private nonisolated let inboxes = Mutex<[Digest: ArtifactFetch.Inbox]>([:])
    private var fetches: [Digest: Task<Void, any Error>] = [:]
    /// What fetches that broke off have left on the disk, the oldest first. None of it is held
    /// open, and no room is kept for the rest: nobody may ever want it again.
    private var broken: [Digest] = []
    private var isMending = false

    package init(
        store: ArtifactStore, outlet: any Outlet, logger: Logger,
        census: @escaping Census = {}
    ) {
        self.census = census
        self.store = store
        self.outlet = outlet
        self.logger = logger
    }

    /// Returns when the artifact is kept here; asks `holders` first, then everybody.
    package func fetch(
        _ artifact: Digest, from holders: [NodeID] = [], byteCountMax: Int,
        askCount: Int = FetchPlan.Settings().askCount
    ) async throws {
        if try isHere(artifact, byteCountMax: byteCountMax) { return }
        if let running = fetches[artifact] {
            try await running.value
            // Whoever began it may take larger ones.
            _ = try isHere(artifact, byteCountMax: byteCountMax)
            return
        }
        var settings = FetchPlan.Settings()
        settings.pieceByteCount = ArtifactStore.pieceByteCount
        settings.byteCountMax = byteCountMax
        settings.askCount = askCount
        let fetch = try ArtifactFetch(
            artifact, settings: settings, store: store, outlet: outlet, census: census)
        // It has taken over what an earlier one left.
        broken.removeAll { $0 == artifact }
        let task = Task { [self] in
            if fetch.hasLeftover { try await takeUp(fetch) }
            let inbox = ArtifactFetch.Inbox(holders: holders.filter { $0 != outlet.own })
            inboxes.withLock { $0[artifact] = inbox }
            defer { inboxes.withLock { $0[artifact] = nil } }
            try await fetch.run(inbox)
        }
        fetches[artifact] = task
        defer { fetches[artifact] = nil }
        do {
            try await task.value
        } catch {
            if fetch.leaveOff() {
                if broken.count >= Self.brokenCountMax {
                    store.dropLeftover(of: broken.removeFirst())
                }
                broken.append(artifact)
            }
            throw error
        }
    }

    /// Whether it is kept here; throws where that is more than the caller takes.
    private func isHere(
        _ artifact: Digest, byteCountMax: Int
    ) throws(ArtifactError) -> Bool {
        guard let byteCount = store.byteCount(of: artifact) else { return false }
        guard byteCount <= byteCountMax else { throw .tooLarge(byteCountMax: byteCountMax) }
        return true
    }

    private func takeUp(_ fetch: ArtifactFetch) async throws {
        let lane = Lane(name: "leftover")
        defer { lane.close() }
        let found = try await lane.run { try fetch.leftover() }
        if let found { try await fetch.takeUp(found) }
    }

    // MARK: what arrives

    /// False for a bulk message that is about something else.
    package nonisolated func take(
        _ body: BulkMessage.Body, payload: [UInt8], from node: NodeID
    ) -> Bool {
        switch body {
        case .chunkWanted(let wanted): received(wanted, from: node)
        case .chunk(let chunk): received(chunk, payload: payload, from: node)
        case .chunkRefused(let refused): received(refused, from: node)
        default: return false
        }
        return true
    }

    private nonisolated func tell(_ artifact: Digest, _ occasion: ArtifactFetch.Occasion) {
        inboxes.withLock { $0[artifact] }?.add(occasion)
    }

    package nonisolated func received(_ offer: ArtifactOffered, from node: NodeID) {
        tell(offer.artifact, .event(.offered(by: node)))
    }

    package nonisolated func received(_ wanted: ArtifactWanted, from node: NodeID) {
        guard store.contains(wanted.artifact) else { return }
        let offer = ArtifactOffered(artifact: wanted.artifact)
        outlet.send(.artifactOffered(offer), to: node)
    }

    nonisolated func received(_ wanted: ChunkWanted, from node: NodeID) {
        do throws(ArtifactError) {
            let piece = try store.piece(
                of: wanted.artifact, at: wanted.offset == .max ? nil : wanted.offset)
            let key = HolderKey(artifact: wanted.artifact, node: node)
            served.withLock { served in
                guard let last = served[key] else { return }
                served[key] = min(last, piece.offset)
            }
            let chunk = Wire.Chunk(
                artifact: wanted.artifact, offset: UInt64(piece.offset),
                totalByteCount: UInt64(piece.totalByteCount), before: piece.before)
            outlet.sendBulk(.chunk(chunk), payload: piece.bytes, to: node)
        } catch {
            if case .damaged = error { Task { await mend(wanted.artifact) } }
            let refused = ChunkRefused(artifact: wanted.artifact, reason: error.sentence)
            outlet.sendBulk(.chunkRefused(refused), payload: [], to: node)
        }
    }

    /// Reads an artifact as a whole that does not fit to its chaining values: it is kept if it is
    /// what it is called, and gone if not.
    private func mend(_ artifact: Digest) async {
        // One at a time: whoever asks for another damaged one is refused, and asks again.
        guard !isMending else { return }
        isMending = true
        let lane = Lane(name: "mending")
        defer {
            lane.close()
            isMending = false
        }
        do {
            try await lane.run { [store] in try store.mend(artifact) }
            logger.notice("the chaining values of artifact \(artifact.short) were made again")
        } catch {
            let sentence = (error as? ArtifactError)?.sentence ?? "\(error)"
            logger.error("artifact \(artifact.short) is not kept any more: \(sentence)")
        }
    }

    nonisolated func received(_ chunk: Wire.Chunk, payload: [UInt8], from node: NodeID) {
        tell(chunk.artifact, .chunk(chunk, payload: payload, from: node))
    }

    nonisolated func received(_ refused: ChunkRefused, from node: NodeID) {
        tell(refused.artifact, .event(.refused(by: node)))
    }

    // MARK: a second copy

    /// What a node says that was asked to keep a copy.
    package enum HoldAnswer: Hashable, Sendable {
        case held
        /// At once, with one sentence; where it is full it will say so again for a while.
        case refused(String, isFull: Bool)
        case silence
    }

    /// Asks one of `candidates` after the other to keep a copy; the node that does, or nil.
    package nonisolated func keepCopy(
        of artifact: Digest, at candidates: [NodeID]
    ) async -> NodeID? {
        for node in candidates where node != outlet.own {
            if await keepCopy(of: artifact, at: node) == .held { return node }
        }
        return nil
    }

    /// Asks one node, and waits for as long as it comes on: a large artifact takes its time.
    package nonisolated func keepCopy(
        of artifact: Digest, at node: NodeID
    ) async -> HoldAnswer {
        let key = HolderKey(artifact: artifact, node: node)
        let byteCount = UInt64(store.byteCount(of: artifact) ?? 0)
        let hold = ArtifactHold(artifact: artifact, byteCount: byteCount)
        let outlet = outlet
        served.withLock { $0[key] = .max }
        defer { served.withLock { $0[key] = nil } }
        var before = Int.max
        while !Task.isCancelled {
            let answer = await holds.value(for: key, within: Self.holdLimit) {
                outlet.send(.artifactHold(hold), to: node)
            }
            if let answer { return answer }
            let now = served.withLock { $0[key] } ?? before
            guard now < before else { return .silence }
            before = now
        }
        return .silence
    }

    package nonisolated func received(_ hold: ArtifactHold, from node: NodeID, byteCountMax: Int) {
        let answer = { [outlet] (refusal: String, isFull: Bool) in
            let held = ArtifactHeld(artifact: hold.artifact, refusal: refusal, isFull: isFull)
            outlet.send(.artifactHeld(held), to: node)
        }
        guard hold.byteCount <= UInt64(byteCountMax) else {
            return answer("it takes artifacts of at most \(byteCountMax) bytes", true)
        }
        let isAccepted = holdsUnderWay.withLock { count in
            guard count < Self.holdsUnderWayMax else { return false }
            count += 1
            return true
        }
        guard isAccepted else {
            return answer("it is taking \(Self.holdsUnderWayMax) copies already", false)
        }
        Task {
            defer { holdsUnderWay.withLock { $0 -= 1 } }
            do {
                try await fetch(hold.artifact, from: [node], byteCountMax: byteCountMax)
                answer("", false)
            } catch {
                // Anything else may be over soon: a device that is away comes back, and where
                // nothing is known yet of what is referred to, nothing can go.
                let isFull =
                    switch error as? ArtifactError {
                    // A disk that is full, or that fails.
                    case .tooLarge, .file: true
                    case .noRoom(let byteCount, let most, let referenced):
                        0 < referenced || most < byteCount
                    default: false
                    }
                answer(TaskWorker.sentence(of: error), isFull)
            }
        }
    }

    package nonisolated func received(_ held: ArtifactHeld, from node: NodeID) {
        holds.answer(
            HolderKey(artifact: held.artifact, node: node),
            with: held.refusal.isEmpty ? .held : .refused(held.refusal, isFull: held.isFull))
    }
}

extension ArtifactStore {
    /// Tries something that takes room; where there is none, once more when it is known what the
    /// mesh still refers to.
    func afterCounting(
        by census: ArtifactExchange.Census, _ body: () throws(ArtifactError) -> Void
    ) async throws(ArtifactError) {
        do {
            return try body()
        } catch {
            guard case .noRoom = error else { throw error }
        }
        await census()
        try body()
    }
}
