import Basics

/// Which messages arrive, and when.
package struct Network: Sendable {
    package struct Settings: Sendable {
        package var delayMin: Duration = .milliseconds(1)
        package var delayMax: Duration = .milliseconds(10)
        /// Of each message, 0 to 1.
        package var lossShare = 0.0
        package var duplicationShare = 0.01
        /// The share that is held back for up to `reorderingDelay` more, so that many later
        /// messages overtake it.
        package var reorderingShare = 0.0
        package var reorderingDelay: Duration = .milliseconds(100)
        /// The nodes stand at so many places, by their numbers in turn; and the round trip within
        /// and between them, which comes to the delays.
        package var siteCount = 1
        package var nearRoundTrip = Duration.zero
        package var farRoundTrip = Duration.zero

        package init() {}
    }

    var settings: Settings { didSet { prepare() } }
    private let nodeCount: Int
    // One for each direction between two nodes.
    private var cuts: [Bool]
    private var cutCount = 0
    // The settings as whole numbers: shares of 2^53, nanoseconds.
    private var loss: UInt64 = 0
    private var duplication: UInt64 = 0
    private var reordering: UInt64 = 0
    private var delayLeast: Int64 = 0
    private var delaySpan: UInt64 = 1
    private var reorderingSpan: UInt64 = 1
    private var nearDelay: Int64 = 0
    private var farDelay: Int64 = 0

    init(settings: Settings, nodeCount: Int) {
        self.settings = settings
        self.nodeCount = nodeCount
        cuts = Array(repeating: false, count: nodeCount * nodeCount)
        prepare()
    }

    private mutating func prepare() {
        func scaled(_ share: Double) -> UInt64 { UInt64(share * Double(1 << 53)) }
        loss = scaled(settings.lossShare)
        duplication = scaled(settings.duplicationShare)
        reordering = scaled(settings.reorderingShare)
        delayLeast = settings.delayMin.nanoseconds
        delaySpan = UInt64(settings.delayMax.nanoseconds - delayLeast) + 1
        nearDelay = settings.nearRoundTrip.nanoseconds / 2
        farDelay = settings.farRoundTrip.nanoseconds / 2
        reorderingSpan = UInt64(settings.reorderingDelay.nanoseconds) + 1
    }

    mutating func setCut(_ isCut: Bool, from sender: Int, to receiver: Int) {
        let index = sender * nodeCount + receiver
        if cuts[index] != isCut { cutCount += isCut ? 1 : -1 }
        cuts[index] = isCut
    }

    mutating func heal() {
        guard cutCount > 0 else { return }
        cuts = Array(repeating: false, count: cuts.count)
        cutCount = 0
    }

    func isCut(from sender: Int, to receiver: Int) -> Bool {
        cutCount > 0 && cuts[sender * nodeCount + receiver]
    }

    /// How often a message arrives: not at all, once or twice.
    func copyCount(from sender: Int, to receiver: Int, _ chance: inout Chance) -> Int {
        if isCut(from: sender, to: receiver) || happens(loss, &chance) { return 0 }
        return happens(duplication, &chance) ? 2 : 1
    }

    /// How long one copy takes.
    func delay(from sender: Int, to receiver: Int, _ chance: inout Chance) -> Duration {
        var nanoseconds = delayLeast + below(delaySpan, &chance)
        nanoseconds += isNear(sender, receiver) ? nearDelay : farDelay
        if happens(reordering, &chance) { nanoseconds += below(reorderingSpan, &chance) }
        return .nanoseconds(nanoseconds)
    }

    /// There and back, where nothing is held back.
    func meanRoundTrip(from sender: Int, to receiver: Int) -> Duration {
        settings.delayMin + settings.delayMax
            + (isNear(sender, receiver) ? settings.nearRoundTrip : settings.farRoundTrip)
    }

    private func isNear(_ sender: Int, _ receiver: Int) -> Bool {
        settings.siteCount == 1 || (sender - receiver).isMultiple(of: settings.siteCount)
    }

    private func happens(_ share: UInt64, _ chance: inout Chance) -> Bool {
        share > 0 && chance.next() >> 11 < share
    }

    // The high half of the product: evenly spread but for one part in 2^64 / span.
    private func below(_ span: UInt64, _ chance: inout Chance) -> Int64 {
        Int64(chance.next().multipliedFullWidth(by: span).high)
    }
}

extension Duration {
    /// Whole nanoseconds.
    var nanoseconds: Int64 { Int64(attoseconds / 1_000_000_000) }
}
