import Basics
import Election
import Identity
import NodeLogic
import Provenance
import Store
import Synchronization
import Wire

/// Signs results and hands them to the node: those that came while the last ones were on their way
/// into the log go together, under one signature.
final class ResultDesk: Sendable {
    /// One entry of the log, and one message.
    static let countMax = 1_024
    static let byteCountMax = 256 << 10

    struct Item: Sendable {
        var ending: Node.TaskEnding
        /// What is to be signed; nil where the result names a statement already, or needs none.
        var statement: Statement?

        var byteCount: Int {
            // The leaf of the tree, the numbers of the lease.
            100 + ending.result.wireByteCount
        }
    }

    private struct State {
        var waiting: [Item] = []
        var isBusy = false
    }

    private let state = Mutex(State())
    private let lane = Lane(name: "results")
    private let loop: NodeLoop
    private let notary: Notary

    init(loop: NodeLoop, notary: Notary) {
        self.loop = loop
        self.notary = notary
    }

    func close() { lane.close() }

    func add(_ item: Item) {
        let isFirst = state.withLock { state in
            state.waiting.append(item)
            defer { state.isBusy = true }
            return !state.isBusy
        }
        if isFirst { _ = lane.offer { [self] in handIn() } }
    }

    /// What was handed in is in the log, or void.
    func taken() { _ = lane.offer { [self] in handIn() } }

    private func handIn() {
        let items = state.withLock { state -> [Item] in
            var byteCount = 0
            let fitting = state.waiting.prefix(Self.countMax).prefix { item in
                byteCount += item.byteCount
                return byteCount <= Self.byteCountMax
            }
            let items = Array(fitting.isEmpty ? state.waiting.prefix(1) : fitting)
            state.waiting.removeFirst(items.count)
            state.isBusy = !items.isEmpty
            return items
        }
        guard !items.isEmpty else { return }
        let signed = items.filter { $0.statement != nil }
        let others = items.filter { $0.statement == nil }
        if !others.isEmpty { post(others, statement: [], leaves: []) }
        guard !signed.isEmpty else { return }
        do {
            let statements = signed.compactMap(\.statement)
            if statements.count == 1 {
                let bundle = try notary.sign(statements[0]).bytes
                if bundle.count <= ReplicatedState.bundleByteCountMax {
                    return post(signed, statement: bundle, leaves: [])
                }
                // A document that names hundreds of files stands in no entry: its digest is signed.
            }
            let leaves = statements.map { Self.leaf(of: $0) }
            let results = TaskResults(
                root: MerkleTree.root(of: leaves), count: leaves.count, node: loop.own)
            post(
                signed, statement: try notary.sign(results.statement).bytes,
                leaves: leaves.flatMap(\.bytes))
        } catch {
            // Without a signature nothing of this counts; the tasks run elsewhere.
            loop.post(event: .tasksReturned(signed.map(\.ending.task)))
            // Nothing is on its way that would call for the next ones.
            if others.isEmpty { taken() }
        }
    }

    /// The leaf of the tree for one result.
    static func leaf(of statement: Statement) -> Digest { Digest.of(statement.bytes) }

    private func post(_ items: [Item], statement: [UInt8], leaves: [UInt8]) {
        loop.post(
            event: .tasksFinished(items.map(\.ending), statement: statement, leaves: leaves))
    }
}
