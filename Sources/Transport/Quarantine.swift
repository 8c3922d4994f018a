/// Counts what connections say before their hello is accepted, in windows of ten seconds.
struct Quarantine {
    private static let window = Duration.seconds(10)

    private let perConnectionMax: Int
    private let totalMax: Int
    private var counts: [[UInt8]: Int] = [:]
    private var total = 0
    private var windowEnd: ContinuousClock.Instant

    init(_ limits: ControlSettings.Limits, now: ContinuousClock.Instant) {
        perConnectionMax = limits.strangerMessageCountMax
        totalMax = limits.strangersMessageCountMax
        windowEnd = now + Self.window
    }

    /// Whether one more message of this connection is read. The table has at most `totalMax` rows.
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
