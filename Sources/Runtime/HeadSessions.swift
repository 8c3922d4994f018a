import Basics
import Synchronization
import Wire

/// The generations that this node is the head of, and what arrives for them.
final class HeadSessions: Sendable {
    enum Event: Sendable {
        case opened(StageOpened)
        case token(StageToken)
        case refused(StageRefused)
        /// Comes by itself, so that a head notices what does not.
        case tick
    }

    /// How often a head looks whether it waits in vain.
    static let tickInterval = Duration.milliseconds(100)

    private let sessions = Mutex<[Digest: AsyncStream<Event>.Continuation]>([:])

    func open(_ session: Digest) -> AsyncStream<Event> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(1_024))
        sessions.withLock { $0[session] = continuation }
        return stream
    }

    func close(_ session: Digest) {
        sessions.withLock { $0.removeValue(forKey: session) }?.finish()
    }

    func deliver(_ event: Event, to session: Digest) {
        sessions.withLock { $0[session] }?.yield(event)
    }
}
