import Basics

/// Which messages arrive, and when.
package struct Network: Sendable {
    package struct Settings: Sendable {
        package var delayMin: Duration = .milliseconds(1)
        package var delayMax: Duration = .milliseconds(10)
        /// Of each message, 0 to 1.
        package var lossShare = 0.0
        package var duplicationShare = 0.01

        package init() {}
    }

    var settings: Settings
    private let nodeCount: Int
    // One for each direction between two nodes.
    private var cuts: [Bool]

    init(settings: Settings, nodeCount: Int) {
        self.settings = settings
        self.nodeCount = nodeCount
        cuts = Array(repeating: false, count: nodeCount * nodeCount)
    }

    mutating func setCut(_ isCut: Bool, from sender: Int, to receiver: Int) {
        cuts[sender * nodeCount + receiver] = isCut
    }

    mutating func heal() { cuts = Array(repeating: false, count: cuts.count) }

    func isCut(from sender: Int, to receiver: Int) -> Bool { cuts[sender * nodeCount + receiver] }

    /// When each copy of a message arrives; none for a lost one.
    func delays(from sender: Int, to receiver: Int, _ chance: inout Chance) -> [Duration] {
        guard !isCut(from: sender, to: receiver) else { return [] }
        func happens(_ share: Double) -> Bool {
            share > 0 && Double.random(in: 0..<1, using: &chance) < share
        }
        func delay() -> Duration {
            settings.delayMin + (settings.delayMax - settings.delayMin)
                * Double.random(in: 0..<1, using: &chance)
        }
        guard !happens(settings.lossShare) else { return [] }
        return happens(settings.duplicationShare) ? [delay(), delay()] : [delay()]
    }
}
