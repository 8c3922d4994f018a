import Synchronization

/// Where an answer from the network meets the task that waits for it.
///
/// A waiter registers before it asks, so that a quick answer is not lost; an answer for which
/// nobody waits is dropped. Bounded by the number of waiting tasks.
final class Rendezvous<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Waiter {
        var number: UInt64
        var continuation: CheckedContinuation<Value?, Never>
    }
    private struct State {
        var waiters: [Key: [Waiter]] = [:]
        var nextNumber: UInt64 = 0
    }
    private let state = Mutex(State())

    /// Asks, and waits for the first answer; nil when none came in time.
    func value(
        for key: Key, within limit: Duration, afterAsking ask: @escaping @Sendable () -> Void
    ) async -> Value? {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        let timer = Task { [self] in
            try? await Task.sleep(for: limit)
            end(key, number)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.waiters[key, default: []].append(
                        Waiter(number: number, continuation: continuation))
                }
                ask()
                // The task may have been cancelled before the waiter stood in the list.
                if Task.isCancelled { end(key, number) }
            }
        } onCancel: {
            end(key, number)
        }
    }

    /// Gives the answer to everyone who waits for it; false when nobody does.
    @discardableResult
    func answer(_ key: Key, with value: Value) -> Bool {
        let waiters = state.withLock { $0.waiters.removeValue(forKey: key) ?? [] }
        for waiter in waiters { waiter.continuation.resume(returning: value) }
        return !waiters.isEmpty
    }

    private func end(_ key: Key, _ number: UInt64) {
        let ended = state.withLock { state -> Waiter? in
            guard let index = state.waiters[key]?.firstIndex(where: { $0.number == number }) else {
                return nil
            }
            let waiter = state.waiters[key]?.remove(at: index)
            if state.waiters[key]?.isEmpty == true { state.waiters[key] = nil }
            return waiter
        }
        ended?.continuation.resume(returning: nil)
    }
}
