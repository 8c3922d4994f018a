import Foundation

/// Does long work on a plain thread of its own: the engines compute without a pause, and would
/// starve the pool that serves `await`.
enum OwnThread {
    static func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Result { try work() }) }
            // 8 MiB: the main thread's usual stack.
            thread.stackSize = 8 << 20
            thread.start()
        }
    }
}
