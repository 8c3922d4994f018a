/// Where a node is, in a space in which distances are round trips, in seconds.
///
/// Vivaldi (Dabek and others 2004) in eight dimensions and a height, which is what every way from
/// and to the node takes more, as an access line does. The adjustment (Ledlie and others 2007)
/// takes out what the space itself cannot say. Sums are made in one fixed order, so that they are
/// the same on every machine.
public struct Location: Hashable, Sendable {
    public static let dimensionCount = 8

    public var position: SIMD8<Double>
    public var height: Double
    public var adjustment: Double

    public init(position: SIMD8<Double> = .zero, height: Double = 0, adjustment: Double = 0) {
        self.position = position
        self.height = height
        self.adjustment = adjustment
    }

    /// The round trip between two.
    public func distance(to other: Location) -> Double {
        let raw = rawDistance(to: other)
        let adjusted = raw + adjustment + other.adjustment
        return adjusted > 0 ? adjusted : raw
    }

    /// Without the adjustments.
    public func rawDistance(to other: Location) -> Double {
        Self.length(position - other.position) + height + other.height
    }

    /// The root is exact to the last bit on every machine (IEEE 754).
    public static func length(_ vector: SIMD8<Double>) -> Double {
        var sum = 0.0
        for index in 0..<dimensionCount { sum += vector[index] * vector[index] }
        return sum.squareRoot()
    }
}
