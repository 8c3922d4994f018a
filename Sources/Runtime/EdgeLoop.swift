import Basics
import Foundation
import NodeLogic
import Synchronization
import Transport
import Wire

/// The thread of an edge node, seen from outside, as `NodeLoop` is a node's.
final class EdgeLoop: Outlet, Sendable {
    typealias Job = @Sendable (EdgeCore) -> Void

    let own: NodeID
    private let mailbox = Mailbox<Job>(capacity: 4_096)
    private let waker = Mutex<Waker?>(nil)
    private let bulk: BulkPlane
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(own: NodeID, bulk: BulkPlane) {
        self.own = own
        self.bulk = bulk
    }

    /// Starts the thread; `makeCore` runs on it, since sockets belong to their thread.
    func start(makeCore: @escaping @Sendable () throws -> EdgeCore) throws {
        let started = DispatchSemaphore(value: 0)
        let failure = Mutex<(any Error)?>(nil)
        let thread = Thread { [self] in
            defer { ended.signal() }
            let core: EdgeCore
            do {
                core = try makeCore()
            } catch {
                failure.withLock { $0 = error }
                started.signal()
                return
            }
            waker.withLock { $0 = core.control.waker }
            started.signal()
            var jobs: [Job] = []
            while !isStopping.load(ordering: .relaxed) {
                mailbox.drain(into: &jobs)
                for job in jobs { job(core) }
                jobs.removeAll(keepingCapacity: true)
                core.turn()
            }
            core.control.close()
        }
        thread.name = "edge"
        thread.stackSize = 2 << 20
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

    /// Does a job on the thread; a full mailbox drops it.
    @discardableResult
    func post(_ job: @escaping Job) -> Bool {
        guard mailbox.offer(job) else { return false }
        waker.withLock { $0 }?.wake()
        return true
    }

    func post(event: EdgeNode.Event) { post { $0.step(event) } }

    func read<Value: Sendable>(_ body: @escaping @Sendable (EdgeCore) -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let isPosted = post { core in continuation.resume(returning: body(core)) }
            precondition(isPosted, "the mailbox of 4,096 jobs is full")
        }
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
