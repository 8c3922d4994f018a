import Basics
import NodeLogic
import Store

/// Tells the store what the mesh refers to: now and then once the store is half full, and whenever
/// something needs room.
actor ArtifactCensus {
    private static let interval = Duration.seconds(30)

    private let loop: NodeLoop
    private let store: ArtifactStore
    private var last: (appliedIndex: UInt64, artifacts: Set<Digest>)?
    private var underWay: Task<Void, Never>?
    private var rounds: Task<Void, Never>?

    init(loop: NodeLoop, store: ArtifactStore) {
        self.loop = loop
        self.store = store
    }

    /// Returns when the store knows what the state refers to as this node has it now.
    func take() async {
        if let underWay { return await underWay.value }
        let task = Task { await count() }
        underWay = task
        await task.value
        underWay = nil
    }

    private func count() async {
        // What the disk has of the log takes effect with a coordinator alone: until then nobody
        // knows what is referred to, and all stays.
        let known = await loop.read { $0.isCaughtUp ? ArtifactReferences($0.state) : nil }
        guard let references = known else { return }
        var artifacts: Set<Digest> = []
        if let last, last.appliedIndex == references.appliedIndex {
            artifacts = last.artifacts
        } else {
            artifacts = references.artifacts(at: loop.own)
        }
        last = (references.appliedIndex, artifacts)
        store.refer(to: artifacts)
    }

    func start() {
        rounds = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                guard store.usage.isHalfFull else { continue }
                await take()
            }
        }
    }

    nonisolated func close() { Task { await stop() } }

    private func stop() { rounds?.cancel() }
}
