import Basics
import Foundation

/// The two clocks of the rim: wall time for certificates and statements, monotonic for machines.
enum WallClock {
    /// Seconds since 1970.
    static var seconds: Int64 { Int64(Date().timeIntervalSince1970) }

    /// Nanoseconds since 1970: grows from one hello to the next, also over a restart.
    static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Instants since this value was made.
struct RunningTime: Sendable {
    private let start = ContinuousClock.now

    var now: Instant { Instant(sinceStart: ContinuousClock.now - start) }
}
