/// A point in time: how long ago its driver started.
///
/// The runtime counts from the process's start on the monotonic clock, the simulator from the
/// start of virtual time. Instants of different nodes are never compared.
public struct Instant: Hashable, Comparable, Sendable {
    public var sinceStart: Duration

    public init(sinceStart: Duration) { self.sinceStart = sinceStart }

    public static let zero = Instant(sinceStart: .zero)
    /// Later than anything that happens: the deadline of a machine that waits for nothing.
    public static var distantFuture: Instant {
        Instant(
            sinceStart: Duration(attoseconds: Int128(Int64.max / 4) * 1_000_000_000_000_000_000))
    }

    // In whole numbers, because the operators of `Duration` are calls into the library, and these
    // stand at every step of every machine.
    public static func == (left: Instant, right: Instant) -> Bool {
        left.sinceStart.attoseconds == right.sinceStart.attoseconds
    }

    public static func < (left: Instant, right: Instant) -> Bool {
        left.sinceStart.attoseconds < right.sinceStart.attoseconds
    }

    public static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(
            sinceStart: Duration(
                attoseconds: instant.sinceStart.attoseconds + duration.attoseconds))
    }

    public static func - (left: Instant, right: Instant) -> Duration {
        Duration(attoseconds: left.sinceStart.attoseconds - right.sinceStart.attoseconds)
    }

    public static func += (instant: inout Instant, duration: Duration) {
        instant = instant + duration
    }
}

extension Duration {
    /// The duration in seconds, as people and tables read it.
    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}

extension Duration {
    /// So many times this long. The operator takes any kind of number, and asks which it is.
    public func times(_ count: Int) -> Duration {
        Duration(attoseconds: attoseconds * Int128(count))
    }
}
