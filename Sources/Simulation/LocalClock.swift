import Basics

/// The clock of one machine: it may run faster or slower than the simulation's own.
///
/// Instants of different nodes are never compared, so only the rate matters. Times are exact to a
/// nanosecond.
struct LocalClock {
    private var base = Instant.zero
    private var localBase = Instant.zero
    /// How much faster it runs, in millionths.
    private(set) var drift: Int64 = 0

    func local(_ instant: Instant) -> Instant {
        if drift == 0, base == localBase { return instant }
        let elapsed = instant - base
        return localBase + elapsed + elapsed * drift / Int64(1_000_000)
    }

    /// When this clock will show that time; never earlier, so that a deadline is due when it comes.
    func global(_ local: Instant) -> Instant {
        if drift == 0, base == localBase { return local }
        // The distant future would overflow.
        if local - localBase > .seconds(1_000_000_000) { return .distantFuture }
        let elapsed = local - localBase
        return base + elapsed * Int64(1_000_000) / (1_000_000 + drift) + .nanoseconds(1)
    }

    mutating func setDrift(_ millionths: Int64, at now: Instant) {
        localBase = local(now)
        base = now
        drift = millionths
    }
}
