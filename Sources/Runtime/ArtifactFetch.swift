import Basics
import Store
import Wire

/// One artifact on its way here: performs what a `FetchPlan` decides.
final class ArtifactFetch: @unchecked Sendable {
    // Unchecked: one task at a time runs it, and the exchange looks at it when that has ended.

    /// What has arrived for it. Bounded: what does not fit is lost, as in a full network, and the
    /// plan's time-outs notice.
    struct Inbox: Sendable {
        static let countMax = 64

        let items: AsyncStream<(FetchPlan.Event, [UInt8])>
        private let continuation: AsyncStream<(FetchPlan.Event, [UInt8])>.Continuation

        init(holders: [NodeID]) {
            (items, continuation) = AsyncStream.makeStream(
                bufferingPolicy: .bufferingOldest(Self.countMax))
            add(.begun(holders: holders))
        }

        func add(_ event: FetchPlan.Event, _ payload: [UInt8] = []) {
            continuation.yield((event, payload))
        }
    }

    let artifact: Digest
    let settings: FetchPlan.Settings
    private let store: ArtifactStore
    private let outlet: any Outlet
    private let time = RunningTime()
    private var plan: FetchPlan
    private var writer: ArtifactWriter
    private(set) var hasPieces = false

    init(
        _ artifact: Digest, settings: FetchPlan.Settings, store: ArtifactStore,
        outlet: any Outlet
    ) throws {
        self.artifact = artifact
        self.settings = settings
        self.store = store
        self.outlet = outlet
        plan = FetchPlan(settings: settings)
        writer = try store.writer(byteCountMax: settings.byteCountMax)
    }

    /// Returns when the artifact is kept here; throws `ArtifactExchange.Missing` when it is not and
    /// may be fetched on later.
    func run(_ inbox: Inbox) async throws {
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        var deadline = Instant.distantFuture
        for await (event, payload) in inbox.items {
            if try await step(event, payload) { return }
            guard plan.nextDeadline != deadline else { continue }
            deadline = plan.nextDeadline
            timer?.cancel()
            let wait = deadline - time.now
            timer = Task {
                try? await Task.sleep(for: wait)
                while !Task.isCancelled {
                    inbox.add(.deadlinePassed)
                    // Again, should the inbox be full.
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
        }
    }

    /// True when the artifact is here.
    private func step(_ event: FetchPlan.Event, _ payload: [UInt8]) async throws -> Bool {
        var effects: [FetchPlan.Effect] = []
        plan.step(event, at: time.now, into: &effects)
        for effect in effects {
            switch effect {
            case .askEverybody:
                for peer in await outlet.peers() {
                    outlet.send(.artifactWanted(ArtifactWanted(artifact: artifact)), to: peer)
                }
            case .ask(let offset, let byteCount, let holder):
                let wanted = ChunkWanted(
                    artifact: artifact, offset: offset, byteCount: UInt32(byteCount))
                outlet.sendBulk(.chunkWanted(wanted), payload: [], to: holder)
            case .keep:
                guard case .arrived(let offset, _, _, _) = event else { continue }
                try writer.write(payload, at: Int(offset))
                hasPieces = true
            case .compare: return try await compare()
            case .discard:
                writer.abandon()
                writer = try store.writer(byteCountMax: settings.byteCountMax)
                hasPieces = false
            case .fail(.tooLarge):
                throw ArtifactError.tooLarge(byteCountMax: settings.byteCountMax)
            case .fail(.missing): throw ArtifactExchange.Missing(artifact: artifact)
            }
        }
        return false
    }

    private func compare() async throws -> Bool {
        do throws(ArtifactError) {
            try writer.finish(expecting: artifact)
            return true
        } catch {
            guard case .wrongDigest = error else { throw error }
            return try await step(.foundWrong, [])
        }
    }
}
