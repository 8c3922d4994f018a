package import Basics
package import Wire

/// Finds out where this node is, from round trips to nodes that say where they are.
///
/// Each pair is a spring as long as its round trip: a node moves a part of the way along each, the
/// more the less it trusts its own place and the more it trusts the other's. Constants and rules
/// are those of Serf (coordinate/config.go), which has run them on thousands of machines for ten
/// years; a push is bounded besides, whatever others say.
package struct Locator: Hashable, Sendable {
    /// The share of its way that a node moves, and by which it believes in its error.
    private static let share = 0.25
    private static let errorMax = 1.5
    /// Nobody is nearer to the others than that.
    private static let heightMin = 10e-6
    private static let adjustmentCountMax = 20
    /// So many nodes are remembered, with three round trips each; mostly those that it pings.
    private static let filterCountMax = 64
    /// How weakly everything is drawn to the middle, that the whole cloud may not drift away.
    private static let gravity = 150.0
    private static let zero = 1e-6
    /// Seconds. A longer round trip is a fault, no distance.
    package static let roundTripMax = 10.0
    /// Seconds: what one round trip moves a node at most.
    private static let forceMax = 0.1

    package private(set) var location = Location(height: heightMin)
    /// How far off its distances are, as a share of them.
    private(set) var error = errorMax
    private var adjustments: [Double] = []
    private var nextAdjustment = 0
    private var filters: [Filter] = []

    package init() {}

    /// The latest three round trips to one node, the newest last.
    private struct Filter: Hashable, Sendable {
        let node: NodeID
        var first: Double
        var second: Double
        var third: Double

        var median: Double { max(min(first, second), min(max(first, second), third)) }
    }

    /// One more round trip, in seconds; what no node could measure changes nothing.
    package mutating func observe(
        _ roundTrip: Double, to node: NodeID, at other: Location, error otherError: Double,
        _ chance: inout Chance
    ) {
        guard roundTrip > 0, roundTrip <= Self.roundTripMax else { return }
        let sample = max(filtered(roundTrip, node), Self.zero)
        let distance = location.distance(to: other)
        let weight = error / max(error + otherError, Self.zero)
        let wrongness = abs(distance - sample) / sample
        let trust = Self.share * weight
        error = min(trust * wrongness + error * (1 - trust), Self.errorMax)
        push(trust * (sample - distance), from: other, &chance)

        let rest = sample - location.rawDistance(to: other)
        if adjustments.count < Self.adjustmentCountMax {
            adjustments.append(rest)
        } else {
            adjustments[nextAdjustment] = rest
        }
        nextAdjustment = (nextAdjustment + 1) % Self.adjustmentCountMax
        location.adjustment =
            adjustments.reduce(0, +) / Double(2 * Self.adjustmentCountMax)

        let middle = Location(height: Self.heightMin)
        let pull = location.distance(to: middle) / Self.gravity
        push(-pull * pull, from: middle, &chance)
    }

    private mutating func filtered(_ sample: Double, _ node: NodeID) -> Double {
        guard let index = filters.firstIndex(where: { $0.node == node }) else {
            if filters.count == Self.filterCountMax { filters.removeFirst() }
            filters.append(Filter(node: node, first: sample, second: sample, third: sample))
            return sample
        }
        filters[index].first = filters[index].second
        filters[index].second = filters[index].third
        filters[index].third = sample
        return filters[index].median
    }

    /// Away from the other one where the force is positive.
    private mutating func push(_ force: Double, from other: Location, _ chance: inout Chance) {
        let force = min(max(force, -Self.forceMax), Self.forceMax)
        let difference = location.position - other.position
        let length = Location.length(difference)
        if length > Self.zero {
            location.position += difference / length * force
            let grown = (location.height + other.height) * force / length + location.height
            location.height = min(max(grown, Self.heightMin), Self.roundTripMax)
        } else {
            // Two at one place part in any direction.
            location.position += Self.direction(&chance) * force
        }
    }

    private static func direction(_ chance: inout Chance) -> SIMD8<Double> {
        var vector = SIMD8<Double>.zero
        for index in 0..<Location.dimensionCount {
            vector[index] = Double.random(in: -0.5..<0.5, using: &chance)
        }
        let length = Location.length(vector)
        return length > zero ? vector / length : SIMD8(1, 0, 0, 0, 0, 0, 0, 0)
    }

    /// What the node tells of it.
    package var coordinate: Coordinate { Coordinate(location, error: error) }

    /// Something was measured.
    var isLocated: Bool { !filters.isEmpty }
}

extension Coordinate {
    /// Ten seconds: farther away nobody is.
    private static let limit = 10_000_000.0

    package init(_ location: Location, error: Double) {
        func micro(_ value: Double) -> Int32 {
            Int32(min(max(value * 1e6, -Self.limit), Self.limit) + (value < 0 ? -0.5 : 0.5))
        }
        let position = location.position
        self.init(
            first: micro(position[0]), second: micro(position[1]), third: micro(position[2]),
            fourth: micro(position[3]), fifth: micro(position[4]), sixth: micro(position[5]),
            seventh: micro(position[6]), eighth: micro(position[7]),
            height: UInt32(micro(max(location.height, 0))),
            adjustment: micro(location.adjustment),
            error: UInt32((min(max(error, 0), 10) * 1_000).rounded()))
    }

    /// Whether a node can be there.
    var isPossible: Bool {
        let limit = Int32(Self.limit)
        let range = -limit...limit
        return range ~= first && range ~= second && range ~= third && range ~= fourth
            && range ~= fifth && range ~= sixth && range ~= seventh && range ~= eighth
            && range ~= adjustment && height <= UInt32(limit) && error <= 10_000
    }

    /// Nil where no node can be there.
    package var location: Location? {
        guard isPossible else { return nil }
        let position = SIMD8<Double>(
            Double(first), Double(second), Double(third), Double(fourth), Double(fifth),
            Double(sixth), Double(seventh), Double(eighth))
        return Location(
            position: position * 1e-6, height: Double(height) * 1e-6,
            adjustment: Double(adjustment) * 1e-6)
    }
}
