import Basics
import Synchronization

/// Which artifacts a second node has said to hold lately, so that a program that is submitted again
/// and again is not asked about each time.
final class CopyMemo: Sendable {
    private static let duration = Duration.seconds(10)
    private static let countMax = 4_096

    private struct Copy {
        var holder: NodeID
        var until: ContinuousClock.Instant
    }
    private let known = Mutex<[Digest: Copy]>([:])

    func isFresh(_ artifact: Digest) -> Bool {
        let copy = known.withLock { $0[artifact] }
        return copy.map { ContinuousClock.now < $0.until } ?? false
    }

    func note(_ artifact: Digest, at holder: NodeID) {
        known.withLock { known in
            if known.count >= Self.countMax { known = [:] }
            known[artifact] = Copy(holder: holder, until: ContinuousClock.now + Self.duration)
        }
    }

    /// This node may be gone, and with it what it holds.
    func forget(_ holder: NodeID) {
        known.withLock { known in known = known.filter { $0.value.holder != holder } }
    }
}
