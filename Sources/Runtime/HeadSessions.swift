import Basics
import Synchronization
import Wire

/// The generations that this node is the head of, and what arrives for them.
final class HeadSessions: Sendable {
    enum Event: Sendable {
        case opened(StageOpened)
        case refused(StageRefused)
        /// The text is over, or a token of it is no token.
        case ended
        /// Comes by itself, so that a head notices what does not.
        case tick
    }

    /// Takes a token on the thread that it arrives on; true when the head must look.
    typealias Taker = @Sendable (StageToken) -> Bool

    /// How often a head looks whether it waits in vain.
    static let tickInterval = Duration.milliseconds(50)

    private struct Session: Sendable {
        let events: AsyncStream<Event>.Continuation
        let take: Taker
    }
    private let sessions = Mutex<[Digest: Session]>([:])

    func open(_ session: Digest, take: @escaping Taker) -> AsyncStream<Event> {
        let (stream, events) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(1_024))
        sessions.withLock { $0[session] = Session(events: events, take: take) }
        return stream
    }

    func close(_ session: Digest) {
        sessions.withLock { $0.removeValue(forKey: session) }?.events.finish()
    }

    func deliver(_ event: Event, to session: Digest) {
        sessions.withLock { $0[session] }?.events.yield(event)
    }

    func deliver(_ token: StageToken) {
        guard let session = sessions.withLock({ $0[token.session] }) else { return }
        if session.take(token) { session.events.yield(.ended) }
    }
}
