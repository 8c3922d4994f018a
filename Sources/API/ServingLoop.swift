import NIOCore
package import NIOPosix

/// One event loop that also runs what waits for it, so that a request is read, answered and written
/// by one thread: each change of threads takes some 50 µs on a machine that is idle.
///
/// What takes long has a lane of its own (`Runtime`), so nothing holds this thread up for long.
package final class ServingLoop: TaskExecutor {
    package let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let loop: any EventLoop

    package init() { loop = group.next() }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        loop.execute { job.runSynchronously(on: executor) }
    }

    /// Does the work on the loop, with all that it awaits, and ends the loop.
    package func run(_ work: () async throws -> Void) async throws {
        do {
            try await withTaskExecutorPreference(self) { try await work() }
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }
}
