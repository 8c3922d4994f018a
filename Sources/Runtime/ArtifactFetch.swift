import Basics
import Store
import Wire

/// One artifact on its way here: performs what a `FetchPlan` decides.
final class ArtifactFetch: @unchecked Sendable {
    // Unchecked: one task at a time runs it, and the exchange looks at it when that has ended.

    /// What has happened; a piece is not hashed yet.
    enum Occasion: Sendable {
        case event(FetchPlan.Event)
        case chunk(Wire.Chunk, payload: [UInt8], from: NodeID)
    }

    /// What has arrived for it. Bounded: what does not fit is lost, as in a full network, and the
    /// plan's time-outs notice.
    struct Inbox: Sendable {
        static let countMax = 64

        let items: AsyncStream<Occasion>
        private let continuation: AsyncStream<Occasion>.Continuation

        init(holders: [NodeID]) {
            (items, continuation) = AsyncStream.makeStream(
                bufferingPolicy: .bufferingOldest(Self.countMax))
            add(.event(.begun(holders: holders)))
        }

        func add(_ occasion: Occasion) { continuation.yield(occasion) }
    }

    let artifact: Digest
    let settings: FetchPlan.Settings
    private let store: ArtifactStore
    private let outlet: any Outlet
    private let census: ArtifactExchange.Census
    private let time = RunningTime()
    private var plan: FetchPlan
    private let writer: ArtifactWriter

    init(
        _ artifact: Digest, settings: FetchPlan.Settings, store: ArtifactStore,
        outlet: any Outlet, census: @escaping ArtifactExchange.Census
    ) throws {
        self.artifact = artifact
        self.settings = settings
        self.store = store
        self.outlet = outlet
        self.census = census
        plan = FetchPlan(artifact, settings: settings)
        writer = try store.fetcher(of: artifact, byteCountMax: settings.byteCountMax)
    }

    var hasLeftover: Bool { writer.hasLeftover }

    /// What an earlier fetch has left on the disk; takes its time. Asked before it runs.
    func leftover() throws(ArtifactError) -> ArtifactStore.Leftover? { try writer.takeUp() }

    /// Goes on with that.
    func takeUp(_ found: ArtifactStore.Leftover) async throws {
        try await reserve(UInt64(found.byteCount))
        plan = FetchPlan(
            artifact, settings: settings, byteCount: UInt64(found.byteCount), proven: found.proven)
    }

    /// Ends it before it is whole; true where what has come stays on the disk for a later one.
    func leaveOff() -> Bool { writer.leaveOff() }

    private func reserve(_ byteCount: UInt64) async throws {
        try await store.afterCounting(by: census) { () throws(ArtifactError) in
            try writer.reserve(byteCount: Int(byteCount))
        }
    }

    /// Returns when the artifact is kept here; throws `ArtifactExchange.Missing` when it is not and
    /// may be fetched on later.
    func run(_ inbox: Inbox) async throws {
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        var deadline = Instant.distantFuture
        for await occasion in inbox.items {
            if try await take(occasion) { return }
            guard plan.nextDeadline != deadline else { continue }
            deadline = plan.nextDeadline
            timer?.cancel()
            let wait = deadline - time.now
            timer = Task {
                try? await Task.sleep(for: wait)
                while !Task.isCancelled {
                    inbox.add(.event(.deadlinePassed))
                    // Again, should the inbox be full.
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
        }
    }

    /// True when the artifact is here.
    private func take(_ occasion: Occasion) async throws -> Bool {
        switch occasion {
        case .event(let event): return try await step(event)
        case .chunk(let chunk, let payload, let node):
            guard plan.awaits(node) else { return false }
            let after = ArtifactStore.link(
                payload, at: chunk.offset, of: chunk.totalByteCount, before: chunk.before)
            let piece = FetchPlan.Piece(
                offset: chunk.offset, byteCount: payload.count, total: chunk.totalByteCount,
                before: chunk.before,
                // None is of a size that no piece has.
                after: after ?? chunk.before)
            return try await step(.arrived(piece, from: node), payload)
        }
    }

    private func step(_ event: FetchPlan.Event, _ payload: [UInt8] = []) async throws -> Bool {
        var effects: [FetchPlan.Effect] = []
        plan.step(event, at: time.now, into: &effects)
        for effect in effects {
            switch effect {
            case .askPeers(let countMax):
                for peer in await outlet.peers().prefix(countMax) {
                    outlet.send(.artifactWanted(ArtifactWanted(artifact: artifact)), to: peer)
                }
            case .ask(let offset, let holder):
                let wanted = ChunkWanted(artifact: artifact, offset: offset ?? .max)
                outlet.sendBulk(.chunkWanted(wanted), payload: [], to: holder)
            case .keep:
                guard case .arrived(let piece, _) = event else { continue }
                try writer.write(payload, at: Int(piece.offset))
            case .reserve(let byteCount): try await reserve(byteCount)
            case .finish(let chain):
                try writer.finish(proven: artifact, chain: chain)
                return true
            case .fail(.tooLarge):
                throw ArtifactError.tooLarge(byteCountMax: settings.byteCountMax)
            case .fail(.missing): throw ArtifactExchange.Missing(artifact: artifact)
            }
        }
        if let byteCount = plan.byteCount {
            try writer.note(plan.proven, ofByteCount: Int(byteCount))
        }
        return false
    }
}
