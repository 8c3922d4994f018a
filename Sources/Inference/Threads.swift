import CKernels
import Glibc
import Synchronization

/// A few plain threads, fixed at start, that run one function together.
///
/// `run` calls the function once per lane, at the same time; inside it `synchronise` is a
/// barrier. Lane 0 is the calling thread, so one lane needs no thread and no lock. A waiting
/// lane spins for some microseconds, then sleeps: on a machine shared with other work, spinning
/// for long would take the very core that the others wait for.
package final class Threads {
    package let count: Int
    private let barrier: Barrier
    private let threads: [pthread_t]

    package init(count: Int) {
        precondition(1 <= count && count <= Self.countMax, "\(count) threads")
        self.count = count
        barrier = Barrier(count: count)
        let barrier = barrier
        threads = (1..<count).map { lane in Self.start(lane: lane, barrier: barrier) }
    }

    /// 256: above it a barrier costs more than a layer.
    package static let countMax = 256

    deinit {
        guard 1 < count else { return }
        barrier.work = nil
        barrier.wait()
        for thread in threads {
            pthread_join(thread, nil)
        }
    }

    /// Calls `body` with every lane below `count`; returns when all calls have.
    package func run(_ body: (Int) -> Void) {
        guard 1 < count else { return body(0) }
        withoutActuallyEscaping(body) { body in
            barrier.work = body
            barrier.wait()
            body(0)
            barrier.wait()
            barrier.work = nil
        }
    }

    /// Waits until every lane has come here; only inside `run`.
    package func synchronise() {
        guard 1 < count else { return }
        barrier.wait()
    }

    /// The part of `count` items that a lane works on.
    package func share(of count: Int, lane: Int) -> Range<Int> {
        count * lane / self.count..<count * (lane + 1) / self.count
    }

    /// The part of a matrix's rows that a lane works on: whole groups of sixteen, since a kernel
    /// computes so many side by side.
    package func share(ofRows count: Int, lane: Int) -> Range<Int> {
        let groups = share(of: count.roundedUp(to: 16) / 16, lane: lane)
        return min(16 * groups.lowerBound, count)..<min(16 * groups.upperBound, count)
    }

    private final class Start {
        let lane: Int
        let barrier: Barrier

        init(lane: Int, barrier: Barrier) {
            self.lane = lane
            self.barrier = barrier
        }
    }

    private static func start(lane: Int, barrier: Barrier) -> pthread_t {
        // Safe: the new thread takes the one reference that is passed.
        let start = unsafe Unmanaged.passRetained(Start(lane: lane, barrier: barrier))
        var thread = pthread_t()
        // Safe: `start` stays retained until the thread takes it.
        let code = unsafe pthread_create(&thread, nil, { argument in
            // Safe: `argument` is the retained reference from above, taken once.
            guard let argument = unsafe argument else { return nil }
            // Safe: as above.
            let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
            let barrier = start.barrier
            while true {
                barrier.wait()
                guard barrier.performWork(lane: start.lane) else { return nil }
                barrier.wait()
            }
        }, start.toOpaque())
        precondition(code == 0, "cannot start a thread: system error \(code)")
        return thread
    }
}

/// A barrier for a fixed number of threads, with the work that they are to do next.
///
/// The last thread to come opens it by counting `phase` up. A sleeper says so in
/// `sleeperCount` before it looks at `phase` again, and the opener looks at `sleeperCount` after
/// it has changed `phase`; both sequentially consistent, so no wake-up is lost.
@safe private final class Barrier: @unchecked Sendable {
    /// Nil ends the threads. Written by lane 0 while all others wait, read by them after the
    /// barrier has opened.
    var work: ((Int) -> Void)?

    private let count: Int
    private let arrivedCount = Atomic<Int>(0)
    private let phase = Atomic<Int>(0)
    private let sleeperCount = Atomic<Int>(0)
    // Owned: pthread objects must not move, so they live on the heap until `deinit`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    // As above.
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    /// 400 pauses take 5 to 15 µs: longer than the stretch between two barriers in a small
    /// layer, shorter than what a switch to another process costs.
    private static let spinCountMax = 400

    init(count: Int) {
        self.count = count
        // Safe: initialised by the calls below before anything uses them.
        unsafe mutex = .allocate(capacity: 1)
        // Safe: as above.
        unsafe condition = .allocate(capacity: 1)
        // Safe: fresh memory, initialised once.
        unsafe pthread_mutex_init(mutex, nil)
        // Safe: as above.
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        // Safe: every thread holds a reference, so none waits any more.
        unsafe pthread_cond_destroy(condition)
        // Safe: as above.
        unsafe pthread_mutex_destroy(mutex)
        // Safe: allocated in `init`.
        unsafe condition.deallocate()
        // Safe: as above.
        unsafe mutex.deallocate()
    }

    /// Does the work; false when there is none and the thread must end.
    ///
    /// Its own function, never inlined: the reference to the closure must be gone before the
    /// barrier that ends the work, after which the closure's frame may go away.
    @inline(never)
    func performWork(lane: Int) -> Bool {
        guard let work else { return false }
        work(lane)
        return true
    }

    func wait() {
        let now = phase.load(ordering: .sequentiallyConsistent)
        if arrivedCount.add(1, ordering: .sequentiallyConsistent).newValue == count {
            arrivedCount.store(0, ordering: .relaxed)
            phase.store(now &+ 1, ordering: .sequentiallyConsistent)
            guard 0 < sleeperCount.load(ordering: .sequentiallyConsistent) else { return }
            // Safe: the mutex lives; the lock keeps the wake-up from falling between a
            // sleeper's look at `phase` and its sleep.
            unsafe pthread_mutex_lock(mutex)
            // Safe: as above.
            unsafe pthread_cond_broadcast(condition)
            // Safe: as above.
            unsafe pthread_mutex_unlock(mutex)
            return
        }
        for _ in 0..<Self.spinCountMax {
            if phase.load(ordering: .acquiring) != now { return }
            kernels_pause()
        }
        // Safe: the mutex and the condition live as long as `self`.
        unsafe pthread_mutex_lock(mutex)
        sleeperCount.add(1, ordering: .sequentiallyConsistent)
        while phase.load(ordering: .sequentiallyConsistent) == now {
            // Safe: this thread holds the mutex.
            unsafe pthread_cond_wait(condition, mutex)
        }
        sleeperCount.subtract(1, ordering: .sequentiallyConsistent)
        // Safe: as above.
        unsafe pthread_mutex_unlock(mutex)
    }
}
