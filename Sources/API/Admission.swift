import Synchronization

/// Lets so many through at a time, lets some more wait in order, and turns the rest away.
final class Admission: Sendable {
    /// The right to go on; given back when the value goes away.
    ///
    /// A class for its `deinit`: a response that is never written, since its client left, drops
    /// the closure that holds the slot, and no code of ours runs.
    final class Slot: Sendable {
        private let admission: Admission

        fileprivate init(_ admission: Admission) { self.admission = admission }

        deinit { admission.leave() }
    }

    private struct State {
        var insideCount = 0
        var nextTicket: UInt64 = 0
        // In order of arrival. An array: the queue is short.
        var waiting: [(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
        // Tickets cancelled before their wait began.
        var cancelled: Set<UInt64> = []
    }

    private let capacity: Int
    private let waitingCountMax: Int
    private let state = Mutex(State())

    init(capacity: Int, waitingCountMax: Int) {
        precondition(0 < capacity, "somebody must get in")
        self.capacity = capacity
        self.waitingCountMax = waitingCountMax
    }

    /// Waits for a slot; throws 429 when the queue is full, and `CancellationError`.
    func enter() async throws -> Slot {
        let ticket: UInt64? = try state.withLock { state in
            if state.insideCount < capacity {
                state.insideCount += 1
                return nil
            }
            guard state.waiting.count < waitingCountMax else { throw Self.full }
            state.nextTicket += 1
            return state.nextTicket
        }
        guard let ticket else { return Slot(self) }
        let admitted = await withTaskCancellationHandler {
            await withCheckedContinuation { wait(ticket, $0) }
        } onCancel: {
            cancel(ticket)
        }
        // A cancellation that came after the slot was handed over leaves its mark behind.
        state.withLock { _ = $0.cancelled.remove(ticket) }
        guard admitted else { throw CancellationError() }
        return Slot(self)
    }

    private static let full = APIError(
        status: 429, message: "The node has all the requests it can hold; try again soon.",
        code: "too_many_requests")

    private func wait(_ ticket: UInt64, _ continuation: CheckedContinuation<Bool, Never>) {
        let answer: Bool? = state.withLock { state in
            if state.cancelled.remove(ticket) != nil { return false }
            if state.insideCount < capacity {
                state.insideCount += 1
                return true
            }
            state.waiting.append((ticket, continuation))
            return nil
        }
        if let answer { continuation.resume(returning: answer) }
    }

    private func cancel(_ ticket: UInt64) {
        let continuation = state.withLock { state in
            guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else {
                state.cancelled.insert(ticket)
                return CheckedContinuation<Bool, Never>?.none
            }
            return state.waiting.remove(at: index).continuation
        }
        continuation?.resume(returning: false)
    }

    /// Hands the slot to whoever waits longest.
    private func leave() {
        let next = state.withLock { state in
            if state.waiting.isEmpty {
                state.insideCount -= 1
                return CheckedContinuation<Bool, Never>?.none
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
