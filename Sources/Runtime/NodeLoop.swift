import Basics
import NodeLogic
import Scheduling
import Synchronization
import Transport
import Wire

/// The thread of a node, seen from outside: jobs in, answers out.
final class NodeLoop: Outlet, Sendable {
    let own: NodeID
    private let thread = CoreThread<NodeCore>(
        name: "node", stackByteCount: 8 << 20, jobCountMax: 65_536)
    private let bulk = Mutex<BulkPlane?>(nil)

    init(own: NodeID) { self.own = own }

    /// Starts the thread; `makeCore` runs on it.
    func start(makeCore: @escaping @Sendable () throws -> NodeCore) throws {
        try thread.start(makeCore: { [self] in
            let core = try makeCore()
            bulk.withLock { $0 = core.parts.bulk }
            return core
        }, end: { $0.end() })
    }

    /// Ends the thread and its sockets; returns when they are gone.
    func stop() { thread.stop() }

    /// Does a job on the node thread. A full mailbox drops it, as a full network would.
    @discardableResult
    func post(_ job: @escaping @Sendable (NodeCore) -> Void) -> Bool { thread.post(job) }

    func post(event: Node.Event) { post { $0.step(event) } }

    /// Looks at the node.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Node) -> Value) async -> Value {
        await thread.read { body($0.node) }
    }

    /// Waits until `body` finds something on the node; nil after `limit`.
    func wait<Value: Sendable>(
        within limit: Duration, for body: @escaping @Sendable (Node) -> Value?
    ) async -> Value? {
        await waitForCore(within: limit) { body($0.node) }
    }

    func waitForCore<Value: Sendable>(
        within limit: Duration, for body: @escaping @Sendable (NodeCore) -> Value?
    ) async -> Value? {
        let meeting = Rendezvous<Int, Value>()
        let isOver = Flag()
        defer { isOver.raise() }
        return await meeting.value(for: 0, within: limit) { [self] in
            post { core in
                core.await { core in
                    if isOver.isRaised { return true }
                    guard let value = body(core) else { return false }
                    meeting.answer(0, with: value)
                    return true
                }
            }
        }
    }

    /// Appends a command to the replicated log; returns when it is applied on this node.
    func propose(_ command: Command.Body) async -> Node.Answer {
        await propose(command) { _ in }.answer
    }

    /// As above, with what `body` finds on the node right then; nil where nothing was proposed.
    func propose<Value: Sendable>(
        _ command: Command.Body, _ body: @escaping @Sendable (Node) -> Value
    ) async -> (answer: Node.Answer, value: Value?) {
        await withCheckedContinuation { continuation in
            propose(command) { answer, node in
                continuation.resume(returning: (answer, node.map(body)))
            }
        }
    }

    /// As above; `take` gets the answer and the node right then on the node thread, or at once,
    /// and no node, where nothing was proposed.
    func propose(
        _ command: Command.Body, _ take: @escaping @Sendable (Node.Answer, Node?) -> Void
    ) {
        let command = Command(body: command)
        if let refusal = command.sizeRefusal { return take(.refused(refusal), nil) }
        ask({ .propose(request: $0, command) }, take)
    }

    /// The same of a short task that somebody waits for, where this node has no free lane.
    func borrow(
        _ task: TaskSubmitted, _ take: @escaping @Sendable (Node.Answer, Node?) -> Void
    ) {
        let command = Command(body: .taskSubmitted(task))
        if let refusal = command.sizeRefusal { return take(.refused(refusal), nil) }
        ask({ .borrow(request: $0, command) }, take)
    }

    /// Returns when this node has applied all that was decided before: what is read then is new.
    func catchUp() async -> Node.Answer {
        await withCheckedContinuation { continuation in
            ask({ .read(request: $0) }) { answer, _ in continuation.resume(returning: answer) }
        }
    }

    /// The same; false where it was not known in time.
    func catchUp(within limit: Duration) async -> Bool {
        let meeting = Rendezvous<Int, Bool>()
        return await meeting.value(for: 0, within: limit) { [self] in
            ask({ .read(request: $0) }) { answer, _ in
                if case .accepted = answer { meeting.answer(0, with: true) } else {
                    meeting.answer(0, with: false)
                }
            }
        } ?? false
    }

    private func ask(
        _ event: @escaping @Sendable (_ request: UInt64) -> Node.Event,
        _ take: @escaping @Sendable (Node.Answer, Node?) -> Void
    ) {
        let isPosted = post { core in core.ask(event) { answer, node in take(answer, node) } }
        if !isPosted {
            take(.refused(Refusal("this node is overloaded", .overload)), nil)
        }
    }

    // MARK: Outlet

    func peers() async -> [NodeID] {
        let own = own
        return await read { node in
            // An edge node can be asked for nothing.
            let peers = node.members.filter {
                $0.state == .alive && $0.node != own && $0.profile.role != "edge"
            }.map { peer in
                (node: peer.node, roundTrip: node.estimatedRoundTrip(from: own, to: peer.node))
            }
            // The order of ids among those of whom nothing is known, or the same.
            return peers.sorted {
                ($0.roundTrip ?? .seconds(60), $0.node) < ($1.roundTrip ?? .seconds(60), $1.node)
            }.map(\.node)
        }
    }

    func send(_ body: Wire.Envelope.Body, to node: NodeID) {
        post { $0.send(body, to: node) }
    }

    func sendBulk(_ message: BulkMessage.Body, payload: [UInt8], to node: NodeID) {
        // Lost when the peer is unknown or its queue is full: the asker's time-out notices.
        try? bulk.withLock { $0 }?.send(BulkMessage(body: message), payload: payload, to: node)
    }
}

/// Raised once, seen by all.
final class Flag: Sendable {
    private let state = Atomic<Bool>(false)
    var isRaised: Bool { state.load(ordering: .acquiring) }
    func raise() { state.store(true, ordering: .releasing) }
}
