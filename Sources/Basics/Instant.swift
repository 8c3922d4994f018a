/// A point in time: how long ago its driver started.
///
/// The runtime counts from the process's start on the monotonic clock, the simulator from the
/// start of virtual time. Instants of different nodes are never compared.
public struct Instant: Hashable, Comparable, Sendable {
    public var sinceStart: Duration

    public init(sinceStart: Duration) { self.sinceStart = sinceStart }

    public static let zero = Instant(sinceStart: .zero)
    /// Later than anything that happens: the deadline of a machine that waits for nothing.
    public static let distantFuture = Instant(sinceStart: .seconds(Int64.max / 4))

    public static func < (left: Instant, right: Instant) -> Bool {
        left.sinceStart < right.sinceStart
    }

    public static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(sinceStart: instant.sinceStart + duration)
    }

    public static func - (left: Instant, right: Instant) -> Duration {
        left.sinceStart - right.sinceStart
    }

    public static func += (instant: inout Instant, duration: Duration) {
        instant.sinceStart += duration
    }
}

extension Duration {
    /// The duration in seconds, as people and tables read it.
    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
