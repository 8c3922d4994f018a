import Basics
import Foundation
import Synchronization
import Transport

/// What lives on a thread of its own with a control plane, in turns.
protocol TurningCore: AnyObject, SendableMetatype {
    var control: ControlPlane { get }
    /// Waits for the network until the next deadline, and does what there is to do.
    func turn()
}

/// The one thread that owns a core, seen from outside: jobs in, answers out.
///
/// It owns the sockets, the timers and the core's value, so there are no locks among them. Everyone
/// else posts a job to a bounded mailbox and wakes the thread.
final class CoreThread<Core: TurningCore>: Sendable {
    typealias Job = @Sendable (Core) -> Void

    private let name: String
    private let stackByteCount: Int
    private let mailbox: Mailbox<Job>
    private let waker = Mutex<Waker?>(nil)
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(name: String, stackByteCount: Int, jobCountMax: Int) {
        self.name = name
        self.stackByteCount = stackByteCount
        mailbox = Mailbox(capacity: jobCountMax)
    }

    /// Starts the thread; `makeCore` runs on it, since sockets belong to their thread, and `end` as
    /// its last act.
    func start(
        makeCore: @escaping @Sendable () throws -> Core,
        end: @escaping @Sendable (Core) -> Void = { _ in }
    ) throws {
        let started = DispatchSemaphore(value: 0)
        let failure = Mutex<(any Error)?>(nil)
        let thread = Thread { [self] in
            defer { ended.signal() }
            let core: Core
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
            end(core)
        }
        thread.name = name
        thread.stackSize = stackByteCount
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

    /// Does a job on the thread; false where the mailbox is full, and the job dropped, as a full
    /// network would.
    func post(_ job: @escaping Job) -> Bool {
        guard mailbox.offer(job) else { return false }
        waker.withLock { $0 }?.wake()
        return true
    }

    /// Looks at the core.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Core) -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let isPosted = post { core in continuation.resume(returning: body(core)) }
            precondition(isPosted, "the mailbox of the \(name) thread is full")
        }
    }
}
