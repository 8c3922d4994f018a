import Foundation
import Synchronization

/// One plain thread that does long work, one piece after another.
///
/// Inference and guest programs never run on the cooperative pool: a busy thread there starves
/// every request that waits. The queue is bounded; what does not fit is refused at once.
final class Lane: Sendable {
    private let queue: Mutex<Queue>
    private let ready = DispatchSemaphore(value: 0)
    private let capacity: Int

    private struct Queue {
        var work: [@Sendable () -> Void] = []
        var isClosed = false
    }

    init(name: String, capacity: Int = 1024) {
        self.capacity = capacity
        queue = Mutex(Queue())
        let thread = Thread { [self] in serve() }
        thread.name = name
        // 8 MiB: the main thread's usual stack; the engines keep their buffers on the heap.
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Queues a piece of work; false when the lane is full or closed.
    func offer(_ work: @escaping @Sendable () -> Void) -> Bool {
        let isQueued = queue.withLock { queue in
            guard !queue.isClosed, queue.work.count < capacity else { return false }
            queue.work.append(work)
            return true
        }
        if isQueued { ready.signal() }
        return isQueued
    }

    /// Does the work on this lane and returns what it returned.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let isQueued = offer { continuation.resume(with: Result { try work() }) }
            if !isQueued { continuation.resume(throwing: LaneFull()) }
        }
    }

    /// Ends the thread after what is queued.
    func close() {
        queue.withLock { $0.isClosed = true }
        ready.signal()
    }

    struct LaneFull: Error {}

    private func serve() {
        while true {
            ready.wait()
            let (work, isClosed) = queue.withLock { queue in
                (queue.work.isEmpty ? nil : queue.work.removeFirst(), queue.isClosed)
            }
            if let work {
                work()
            } else if isClosed {
                return
            }
        }
    }
}
