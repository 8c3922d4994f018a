import Basics
import Store
import Wire

/// How the exchange, the pipeline and the lanes reach other nodes.
protocol Outlet: Sendable {
    var own: NodeID { get }
    /// The other nodes that take part, sorted by id.
    func peers() async -> [NodeID]
    /// Control messages are lost silently when the peer cannot be reached: the asker's time-out
    /// notices.
    func send(_ body: Wire.Envelope.Body, to node: NodeID)
    func sendBulk(_ message: BulkMessage.Body, payload: [UInt8], to node: NodeID)
}

/// Fetches artifacts from the nodes that hold them, and serves what is held here.
///
/// To find a holder it asks everybody (`ArtifactWanted`); the first to offer is asked for 1 MiB
/// pieces, four under way at a time, and when it falls silent the next one. The digest is compared
/// at the end, so that a lying holder costs time and nothing else.
actor ArtifactExchange {
    static let chunkByteCount = 1 << 20
    static let chunksUnderWay = 4
    static let offerLimit = Duration.seconds(1)
    static let chunkLimit = Duration.seconds(5)
    /// How often everybody is asked for a holder: a node may be on its way back.
    static let askCount = 15

    struct Missing: Error {
        var artifact: Digest
    }
    private struct ChunkKey: Hashable, Sendable {
        var artifact: Digest
        var offset: UInt64
        var holder: NodeID
    }
    private struct Chunk: Sendable {
        var bytes: [UInt8]
        var totalByteCount: UInt64
    }
    struct HolderKey: Hashable, Sendable {
        var artifact: Digest
        var node: NodeID
    }

    nonisolated let store: ArtifactStore
    private nonisolated let outlet: any Outlet
    private nonisolated let offers = Rendezvous<Digest, (NodeID, UInt64)>()
    private nonisolated let chunks = Rendezvous<ChunkKey, Chunk?>()
    private nonisolated let holds = Rendezvous<HolderKey, Bool>()
    private var fetches: [Digest: Task<Void, any Error>] = [:]

    init(store: ArtifactStore, outlet: any Outlet) {
        self.store = store
        self.outlet = outlet
    }

    /// Returns when the artifact is kept here; asks `holders` first, then everybody.
    func fetch(
        _ artifact: Digest, from holders: [NodeID] = [], byteCountMax: Int,
        askCount: Int = ArtifactExchange.askCount
    ) async throws {
        if store.contains(artifact) { return }
        if let running = fetches[artifact] { return try await running.value }
        let task = Task { [self] in
            try await pull(
                artifact, from: holders, byteCountMax: byteCountMax, askCount: askCount)
        }
        fetches[artifact] = task
        defer { fetches[artifact] = nil }
        try await task.value
    }

    private nonisolated func pull(
        _ artifact: Digest, from holders: [NodeID], byteCountMax: Int, askCount: Int
    ) async throws {
        for holder in holders where holder != outlet.own {
            if try await pull(artifact, from: holder, byteCountMax: byteCountMax) { return }
        }
        for _ in 0..<askCount {
            try Task.checkCancellation()
            let peers = await outlet.peers()
            let outlet = outlet
            let offer = await offers.value(for: artifact, within: Self.offerLimit) {
                for peer in peers {
                    outlet.send(.artifactWanted(ArtifactWanted(artifact: artifact)), to: peer)
                }
            }
            guard let (holder, _) = offer else { continue }
            if try await pull(artifact, from: holder, byteCountMax: byteCountMax) { return }
        }
        throw Missing(artifact: artifact)
    }

    /// False when this holder failed and another may be tried.
    private nonisolated func pull(
        _ artifact: Digest, from holder: NodeID, byteCountMax: Int
    ) async throws -> Bool {
        guard let first = await chunk(artifact, at: 0, from: holder) else { return false }
        guard first.totalByteCount <= UInt64(byteCountMax) else {
            throw ArtifactError.tooLarge(byteCountMax: byteCountMax)
        }
        let total = first.totalByteCount
        let writer = try store.writer(byteCountMax: byteCountMax)
        try writer.append(first.bytes)
        var offset = UInt64(first.bytes.count)
        while offset < total {
            // One window at a time: its pieces arrive in any order and are appended in theirs.
            let offsets = (0..<Self.chunksUnderWay).map {
                offset + UInt64($0 * Self.chunkByteCount)
            }.filter { $0 < total }
            let window = await withTaskGroup(of: (UInt64, Chunk?).self) { group in
                for at in offsets {
                    group.addTask { (at, await self.chunk(artifact, at: at, from: holder)) }
                }
                var pieces: [UInt64: Chunk] = [:]
                for await (at, piece) in group { pieces[at] = piece }
                return pieces
            }
            for at in offsets {
                let wanted = min(UInt64(Self.chunkByteCount), total - at)
                guard let piece = window[at], UInt64(piece.bytes.count) == wanted else {
                    writer.abandon()
                    return false
                }
                try writer.append(piece.bytes)
                offset += wanted
            }
        }
        do {
            try writer.finish(expecting: artifact)
            return true
        } catch {
            if case .wrongDigest = error { return false }
            throw error
        }
    }

    private nonisolated func chunk(
        _ artifact: Digest, at offset: UInt64, from holder: NodeID
    ) async -> Chunk? {
        let key = ChunkKey(artifact: artifact, offset: offset, holder: holder)
        let outlet = outlet
        let answer = await chunks.value(for: key, within: Self.chunkLimit) {
            let wanted = ChunkWanted(
                artifact: artifact, offset: offset, byteCount: UInt32(Self.chunkByteCount))
            outlet.sendBulk(.chunkWanted(wanted), payload: [], to: holder)
        }
        return answer ?? nil
    }

    // MARK: what arrives

    /// False for a bulk message that is about something else.
    nonisolated func take(
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

    nonisolated func received(_ offer: ArtifactOffered, from node: NodeID) {
        offers.answer(offer.artifact, with: (node, offer.byteCount))
    }

    nonisolated func received(_ wanted: ArtifactWanted, from node: NodeID) {
        guard let byteCount = store.byteCount(of: wanted.artifact) else { return }
        let offer = ArtifactOffered(artifact: wanted.artifact, byteCount: UInt64(byteCount))
        outlet.send(.artifactOffered(offer), to: node)
    }

    nonisolated func received(_ wanted: ChunkWanted, from node: NodeID) {
        let count = min(Int(wanted.byteCount), Self.chunkByteCount)
        guard let total = store.byteCount(of: wanted.artifact), wanted.offset <= UInt64(total),
            let bytes = try? store.read(
                wanted.artifact, offset: Int(wanted.offset), count: count)
        else {
            let refused = ChunkRefused(artifact: wanted.artifact, reason: "not held here")
            outlet.sendBulk(.chunkRefused(refused), payload: [], to: node)
            return
        }
        let chunk = Wire.Chunk(
            artifact: wanted.artifact, offset: wanted.offset, totalByteCount: UInt64(total))
        outlet.sendBulk(.chunk(chunk), payload: bytes, to: node)
    }

    nonisolated func received(_ chunk: Wire.Chunk, payload: [UInt8], from node: NodeID) {
        chunks.answer(
            ChunkKey(artifact: chunk.artifact, offset: chunk.offset, holder: node),
            with: Chunk(bytes: payload, totalByteCount: chunk.totalByteCount))
    }

    nonisolated func received(_ refused: ChunkRefused, from node: NodeID) {
        // Only the first piece is asked for without knowing that the holder has it.
        chunks.answer(
            ChunkKey(artifact: refused.artifact, offset: 0, holder: node), with: nil)
    }

    // MARK: a second copy

    /// Asks one of `candidates` after the other to keep a copy; the node that does, or nil.
    nonisolated func keepCopy(of artifact: Digest, at candidates: [NodeID]) async -> NodeID? {
        let byteCount = UInt64(store.byteCount(of: artifact) ?? 0)
        let outlet = outlet
        for node in candidates where node != outlet.own {
            let key = HolderKey(artifact: artifact, node: node)
            let isKept = await holds.value(for: key, within: .seconds(10)) {
                let hold = ArtifactHold(artifact: artifact, byteCount: byteCount)
                outlet.send(.artifactHold(hold), to: node)
            }
            if isKept == true { return node }
        }
        return nil
    }

    nonisolated func received(_ hold: ArtifactHold, from node: NodeID, byteCountMax: Int) {
        Task {
            guard hold.byteCount <= UInt64(byteCountMax) else { return }
            try await fetch(hold.artifact, from: [node], byteCountMax: byteCountMax)
            outlet.send(.artifactHeld(ArtifactHeld(artifact: hold.artifact)), to: node)
        }
    }

    nonisolated func received(_ held: ArtifactHeld, from node: NodeID) {
        holds.answer(HolderKey(artifact: held.artifact, node: node), with: true)
    }
}
