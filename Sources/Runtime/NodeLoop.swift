import Basics
import Foundation
import NodeLogic
import Synchronization
import Transport
import Wire

/// The node thread, seen from outside: jobs in, answers out.
///
/// One thread owns the sockets, the timers and the `Node` value, so there are no locks among them.
/// Everyone else posts a job to a bounded mailbox and wakes the thread.
final class NodeLoop: Outlet, Sendable {
    typealias Job = @Sendable (NodeCore) -> Void

    let own: NodeID
    private let mailbox = Mailbox<Job>(capacity: 65_536)
    private let waker = Mutex<Waker?>(nil)
    private let bulk = Mutex<BulkPlane?>(nil)
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(own: NodeID) { self.own = own }

    /// Starts the thread; `makeCore` runs on it, since sockets belong to their thread.
    func start(makeCore: @escaping @Sendable () throws -> NodeCore) throws {
        let started = DispatchSemaphore(value: 0)
        let failure = Mutex<(any Error)?>(nil)
        let thread = Thread { [self] in
            defer { ended.signal() }
            let core: NodeCore
            do {
                core = try makeCore()
            } catch {
                failure.withLock { $0 = error }
                started.signal()
                return
            }
            waker.withLock { $0 = core.control.waker }
            bulk.withLock { $0 = core.parts.bulk }
            started.signal()
            var jobs: [Job] = []
            while !isStopping.load(ordering: .relaxed) {
                mailbox.drain(into: &jobs)
                for job in jobs { job(core) }
                jobs.removeAll(keepingCapacity: true)
                core.turn()
            }
        }
        thread.name = "node"
        thread.stackSize = 8 << 20
        thread.start()
        started.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Ends the thread and its sockets; returns when they are gone.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        waker.withLock { $0 }?.wake()
        ended.wait()
        ended.signal()
    }

    /// Does a job on the node thread. A full mailbox drops it, as a full network would.
    @discardableResult
    func post(_ job: @escaping Job) -> Bool {
        guard mailbox.offer(job) else { return false }
        waker.withLock { $0 }?.wake()
        return true
    }

    func post(event: Node.Event) { post { $0.step(event) } }

    /// Looks at the node.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Node) -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let isPosted = post { core in continuation.resume(returning: body(core.node)) }
            precondition(isPosted, "the node thread's mailbox of 65,536 jobs is full")
        }
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
            let isPosted = post { core in
                core.propose(Command(body: command)) { answer, node in
                    continuation.resume(returning: (answer, body(node)))
                }
            }
            if !isPosted {
                continuation.resume(returning: (.refused("this node is overloaded"), nil))
            }
        }
    }

    /// Returns when this node has applied all that was decided before: what is read then is new.
    func catchUp() async -> Node.Answer {
        await withCheckedContinuation { continuation in
            let isPosted = post { core in
                core.catchUp { answer, _ in continuation.resume(returning: answer) }
            }
            if !isPosted { continuation.resume(returning: .refused("this node is overloaded")) }
        }
    }

    // MARK: Outlet

    func peers() async -> [NodeID] {
        let own = own
        return await read { node in
            // An edge node can be asked for nothing.
            node.members.filter {
                $0.state == .alive && $0.node != own && $0.profile.role != "edge"
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
