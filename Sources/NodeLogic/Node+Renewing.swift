import Basics
import Wire

/// When this node asks for its next certificate.
///
/// A third of the certificate's life before its end, and up to a twelfth earlier, each node at its
/// own moment: a mesh that was founded in one hour does not ask in one hour. Each attempt that came
/// to nothing is followed by another, later and later, since nobody who can issue may be there.
struct Renewal: Sendable {
    /// Drawn once: how much of the twelfth.
    private let share: Double
    private var chance: Chance
    private var lifetime = Duration.zero
    private var end = Instant.distantFuture
    /// Of the certificate that the node has; nil where the driver has said nothing.
    private(set) var rootNumber: UInt32?
    private var failureCount = 0
    private(set) var due = Instant.distantFuture

    // Of a certificate of thirty days a minute and six hours; ten minutes where it has ended.
    private static let pausesPerLife = 43_200
    private static let pauseMin = Duration.seconds(1)
    private static let pauseDoublingCountMax = 8
    private static let pauseMaxAtEnd = Duration.seconds(600)

    init(seed: UInt64) {
        chance = Chance(seed: seed)
        share = Double.random(in: 0..<1, using: &chance)
    }

    /// The certificate that the node has now ends then.
    mutating func holds(
        until end: Instant, lifetime: Duration, below rootNumber: UInt32, isNew: Bool
    ) {
        self.end = end
        self.rootNumber = rootNumber
        self.lifetime = lifetime
        if isNew { failureCount = 0 }
        // What failed is tried again when its pause is over.
        if failureCount == 0 { due = planned }
    }

    private var planned: Instant {
        let early = lifetime / 3 + lifetime * share / 12
        return Instant(sinceStart: end.sinceStart - early)
    }

    /// It should be asked for within so long, by chance, whatever the time is.
    mutating func hasten(within spread: Duration, at now: Instant) {
        guard failureCount == 0 else { return }
        due = min(due, now + spread * share)
    }

    /// Somebody is there again who can issue: what failed is tried within so long, by chance.
    mutating func retry(within spread: Duration, at now: Instant) {
        if failureCount > 0 { due = min(due, now + spread * share) }
    }

    /// One is asked for now: true where it is time; the next attempt is planned as if it failed.
    mutating func begin(at now: Instant) -> Bool {
        guard due <= now else { return false }
        let doublings = min(failureCount, Self.pauseDoublingCountMax)
        var pause = max(Self.pauseMin, lifetime / Self.pausesPerLife) * (1 << doublings)
        if end <= now { pause = min(pause, Self.pauseMaxAtEnd) }
        failureCount += 1
        due = now + pause * Double.random(in: 0.75..<1.25, using: &chance)
        return true
    }
}

extension Node {
    // One signature takes a millisecond, and its entry of the log some more.
    var renewalSpread: Duration { .milliseconds(50) * (20 + state.nodes.count) }

    /// The mesh has another root than the one that this node's certificate hangs on: the next one
    /// is asked for, but not by everybody at once.
    mutating func followRoot(at now: Instant) {
        guard let rootNumber = renewal.rootNumber, rootNumber < state.rootNumber else { return }
        renewal.hasten(within: renewalSpread, at: now)
    }

    mutating func repeatRenewal(at now: Instant, into effects: inout [Effect]) {
        guard leaveDue == nil, renewal.begin(at: now) else { return }
        effects.append(.renewCertificate)
    }

    /// Asks for this node's own next certificate as its door asks for a joiner's.
    ///
    /// - Parameter name: another one than before; the request is signed with it.
    mutating func renew(
        _ signingRequest: [UInt8],
        name: String?,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard leaveDue == nil, !enrolments.contains(where: \.isOwn) else { return }
        requestNumber += 1
        let wish = EnrolRequest(
            request: requestNumber,
            token: id.digest,
            signingRequest: signingRequest,
            name: name ?? state.node(id)?.name ?? profile.name
        )
        add(wish, for: 0, isOwn: true, at: now, into: &effects)
    }
}
