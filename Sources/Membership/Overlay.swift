import Basics

/// Whom a node watches and talks to: its neighbours on ten rings.
///
/// Each ring is a random order of all members of its own, by a hash of ring and id. So everyone
/// finds the same rings from the list of members alone, and nothing is said about them. On each
/// ring a node pings the one after it and is pinged by the one before it: ten watch every node, as
/// with the random targets of SWIM, but over some twenty connections for each node instead of one
/// to everybody (the observers of Rapid, Suresh et al. 2018, are rings of this kind). Random rings
/// are an expander, so gossip along them reaches all about as fast as gossip among all.
///
/// A mesh that is smaller than the rings would make it is whole: everybody watches everybody.
struct Overlay: Sendable {
    static let ringCount = 10
    /// From so many others on there are rings.
    static let ringedCountMin = 24

    private struct Neighbour: Sendable {
        var node: NodeID
        /// From here to there, along the ring or against it.
        var distance: UInt64

        func isNearer(than other: Neighbour?) -> Bool {
            guard let other else { return true }
            return distance == other.distance ? node < other.node : distance < other.distance
        }
    }

    private let own: NodeID
    /// All who take part but this node: the alive and the suspect.
    private var others = SortedNodes([])
    private var successors: [Neighbour?] = []
    private var predecessors: [Neighbour?] = []
    /// Whom this node pings; sorted by id.
    private(set) var targets: [NodeID] = []
    /// With whom it keeps a connection: those, and those who ping it; sorted by id.
    private(set) var links: [NodeID] = []

    init(own: NodeID, others: [NodeID]) {
        self.own = own
        self.others = SortedNodes(others)
        rebuild()
    }

    var otherCount: Int { others.ids.count }

    /// Ten watch a node, not all.
    var isRinged: Bool { others.ids.count >= Self.ringedCountMin }

    func contains(_ node: NodeID) -> Bool { others.contains(node) }
    func isTarget(_ node: NodeID) -> Bool { Self.contains(targets, node) }
    func isLink(_ node: NodeID) -> Bool { Self.contains(links, node) }

    mutating func insert(_ node: NodeID) {
        guard node != own, others.insert(node) else { return }
        // The first rings need everybody's places.
        guard others.ids.count > Self.ringedCountMin else { return rebuild() }
        var isChanged = false
        for ring in 0..<Self.ringCount {
            isChanged = approach(node, on: ring, from: place(of: own, on: ring)) || isChanged
        }
        if isChanged { collect() }
    }

    mutating func remove(_ node: NodeID) {
        guard others.remove(node) else { return }
        guard isRinged, !successors.isEmpty else { return rebuild() }
        var isChanged = false
        for ring in 0..<Self.ringCount
        where successors[ring]?.node == node || predecessors[ring]?.node == node {
            scan(ring)
            isChanged = true
        }
        if isChanged { collect() }
    }

    /// Others who ping the target, in an order of chance: they have a connection to it.
    func monitors(of target: NodeID, _ chance: inout Chance) -> [NodeID] {
        guard isRinged else {
            return others.ids.filter { $0 != target }.shuffled(using: &chance)
        }
        var monitors: [NodeID] = []
        for ring in (0..<Self.ringCount).shuffled(using: &chance) {
            guard let monitor = monitor(of: target, on: ring), !monitors.contains(monitor) else {
                continue
            }
            monitors.append(monitor)
            // Three are asked; some may be unable.
            if monitors.count == 6 { break }
        }
        return monitors
    }

    private func monitor(of target: NodeID, on ring: Int) -> NodeID? {
        let end = place(of: target, on: ring)
        var nearest = Neighbour(node: own, distance: end &- place(of: own, on: ring))
        for node in others.ids where node != target {
            let distance = end &- place(of: node, on: ring)
            if distance > nearest.distance { continue }
            let neighbour = Neighbour(node: node, distance: distance)
            if neighbour.isNearer(than: nearest) { nearest = neighbour }
        }
        return nearest.node == own ? nil : nearest.node
    }

    // MARK: Rings

    /// Where a node stands on a ring, the same for everyone.
    private func place(of node: NodeID, on ring: Int) -> UInt64 {
        Chance.mix(node.leadingWord ^ UInt64(ring + 1) &* Chance.increment)
    }

    private mutating func rebuild() {
        successors = []
        predecessors = []
        guard isRinged else {
            targets = others.ids
            links = others.ids
            return
        }
        successors = Array(repeating: nil, count: Self.ringCount)
        predecessors = successors
        for ring in 0..<Self.ringCount { scan(ring) }
        collect()
    }

    private mutating func scan(_ ring: Int) {
        successors[ring] = nil
        predecessors[ring] = nil
        let place = place(of: own, on: ring)
        for node in others.ids { _ = approach(node, on: ring, from: place) }
    }

    /// True where it is nearer than the neighbour so far, and so becomes one.
    private mutating func approach(_ node: NodeID, on ring: Int, from own: UInt64) -> Bool {
        let place = place(of: node, on: ring)
        let after = Neighbour(node: node, distance: place &- own)
        let before = Neighbour(node: node, distance: own &- place)
        let isSuccessor = after.isNearer(than: successors[ring])
        let isPredecessor = before.isNearer(than: predecessors[ring])
        if isSuccessor { successors[ring] = after }
        if isPredecessor { predecessors[ring] = before }
        return isSuccessor || isPredecessor
    }

    private mutating func collect() {
        targets = Self.distinct(successors)
        links = Self.distinct(successors + predecessors)
    }

    private static func distinct(_ neighbours: [Neighbour?]) -> [NodeID] {
        var nodes: [NodeID] = []
        for node in neighbours.compactMap({ $0?.node }).sorted() where node != nodes.last {
            nodes.append(node)
        }
        return nodes
    }

    /// Lists of some twenty are searched from the front.
    private static func contains(_ nodes: [NodeID], _ node: NodeID) -> Bool {
        nodes.contains { $0.leadingWord == node.leadingWord && $0 == node }
    }
}
