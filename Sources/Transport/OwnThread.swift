import Glibc

/// A thread of the system that runs one function, for what blocks or owns a C library's handles.
final class OwnThread: Sendable {
    private final class Start {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private let thread: pthread_t

    init(_ body: sending @escaping () -> Void) throws(TransportError) {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(body))
        let code = pthread_create(
            &thread, nil,
            { start in
                // Never nil: it is the pointer given below.
                Unmanaged<Start>.fromOpaque(start!).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw .system(operation: "pthread_create", code: code)
        }
        self.thread = thread
    }

    /// Waits for the end; once.
    func join() {
        precondition(pthread_equal(thread, pthread_self()) == 0, "a thread waits for itself")
        pthread_join(thread, nil)
    }
}
