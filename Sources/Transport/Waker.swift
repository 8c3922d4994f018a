import CZeroMQ
import Glibc

/// Ends the current or next wait of the thread that polls it; callable from every thread.
package final class Waker: Sendable {
    let descriptor: Int32

    init() throws(TransportError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw .system(operation: "eventfd", code: errno) }
    }

    deinit { close(descriptor) }

    package func wake() {
        var one: UInt64 = 1
        // Fails only when it was called 2^64 - 2 times unseen: the sleeper is awake then.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Forgets the calls so far.
    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
