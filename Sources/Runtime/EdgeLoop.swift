import Basics
import NodeLogic
import Transport
import Wire

/// The thread of an edge node, seen from outside, as `NodeLoop` is a node's.
final class EdgeLoop: Outlet, Sendable {
    let own: NodeID
    private let thread = CoreThread<EdgeCore>(
        name: "edge", stackByteCount: 2 << 20, jobCountMax: 4_096)
    private let bulk: BulkPlane

    init(own: NodeID, bulk: BulkPlane) {
        self.own = own
        self.bulk = bulk
    }

    /// Starts the thread; `makeCore` runs on it.
    func start(makeCore: @escaping @Sendable () throws -> EdgeCore) throws {
        try thread.start(makeCore: makeCore) { $0.control.close() }
    }

    /// Ends the thread and its sockets; returns when they are gone.
    func stop() { thread.stop() }

    /// Does a job on the thread; a full mailbox drops it.
    @discardableResult
    func post(_ job: @escaping @Sendable (EdgeCore) -> Void) -> Bool { thread.post(job) }

    func post(event: EdgeNode.Event) { post { $0.step(event) } }

    func read<Value: Sendable>(_ body: @escaping @Sendable (EdgeCore) -> Value) async -> Value {
        await thread.read(body)
    }

    /// Nil once the mesh knows that this device sleeps; else why it must not.
    func sleep(until: UInt64) async -> String? {
        await withCheckedContinuation { continuation in
            let isPosted = post { core in
                core.sleep(until: until) { continuation.resume(returning: $0) }
            }
            if !isPosted { continuation.resume(returning: "this node is overloaded") }
        }
    }

    // MARK: Outlet

    /// An edge node has artifacts from its home, and keeps them there.
    func peers() async -> [NodeID] { await read { [$0.node.home].compactMap { $0 } } }

    func send(_ body: Wire.Envelope.Body, to node: NodeID) { post { $0.send(body, to: node) } }

    func sendBulk(_ message: BulkMessage.Body, payload: [UInt8], to node: NodeID) {
        // Lost when there is no connection: the asker's time-out notices.
        try? bulk.send(BulkMessage(body: message), payload: payload, to: node)
    }
}
