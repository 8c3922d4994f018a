/// Counts what strangers do, by connection or by address, in windows of ten seconds.
struct Quarantine {
    private static let window = Duration.seconds(10)

    private let perConnectionMax: Int
    private let totalMax: Int
    private var counts: [[UInt8]: Int] = [:]
    private var total = 0
    private var windowEnd: ContinuousClock.Instant

    /// Messages before a connection's hello is accepted.
    init(_ limits: ControlSettings.Limits, now: ContinuousClock.Instant) {
        self.init(
            each: limits.strangerMessageCountMax, all: limits.strangersMessageCountMax, now: now)
    }

    init(each: Int, all: Int, now: ContinuousClock.Instant) {
        perConnectionMax = each
        totalMax = all
        windowEnd = now + Self.window
    }

    /// Whether one more of this connection, or address, is admitted.
    ///
    /// The table has at most `totalMax` rows.
    mutating func admits(_ route: [UInt8], now: ContinuousClock.Instant) -> Bool {
        if windowEnd <= now {
            counts.removeAll(keepingCapacity: true)
            total = 0
            windowEnd = now + Self.window
        }
        guard total < totalMax, counts[route, default: 0] < perConnectionMax else { return false }
        counts[route, default: 0] += 1
        total += 1
        return true
    }
}
