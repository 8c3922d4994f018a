import Basics
import Membership
import Testing
import Wire

struct LocatorTests {
    /// Nodes at two places: a millisecond within each, ten between them.
    private static func roundTrip(_ one: Int, _ other: Int) -> Double {
        (one - other).isMultiple(of: 2) ? 0.001 : 0.01
    }

    private static func id(_ number: Int) -> NodeID { NodeID(Digest.of("node \(number)")) }

    /// Each measures the way to one other, a thousand times.
    private static func settled(count: Int, lying liar: Coordinate? = nil) -> [Locator] {
        var locators = Array(repeating: Locator(), count: count)
        var chance = Chance(seed: 7)
        for _ in 0..<1_000 {
            for number in 0..<count {
                let target = (number + Int.random(in: 1..<count, using: &chance)) % count
                var told = locators[target].coordinate
                if target == 0, let liar { told = liar }
                guard let location = told.location else { continue }
                locators[number].observe(
                    roundTrip(number, target), to: id(target), at: location,
                    error: Double(told.error) / 1_000, &chance)
            }
        }
        return locators
    }

    private static func meanError(_ locators: [Locator], from first: Int = 0) -> Double {
        var sum = 0.0
        var count = 0.0
        for one in first..<locators.count {
            for other in first..<locators.count where other != one {
                guard let start = locators[one].coordinate.location,
                    let end = locators[other].coordinate.location
                else { continue }
                sum += abs(start.distance(to: end) - roundTrip(one, other))
                count += 1
            }
        }
        return sum / count
    }

    @Test func `two places ten milliseconds apart are told to sixty microseconds`() {
        let error = Self.meanError(Self.settled(count: 25))
        #expect(error <= 60e-6, "\(error) s")
    }

    @Test func `the same round trips give the same coordinates`() {
        #expect(Self.settled(count: 24) == Self.settled(count: 24))
    }

    @Test func `a node that is sure to be ten seconds away moves nobody out of reach`() {
        let far = Coordinate(
            first: 10_000_000, second: -10_000_000, height: 10_000_000, adjustment: 10_000_000)
        let locators = Self.settled(count: 25, lying: far)
        for locator in locators {
            #expect(locator.location.height <= Locator.roundTripMax)
            #expect(Location.length(locator.location.position).isFinite)
        }
    }

    @Test func `a coordinate at which no node can be is none`() {
        #expect(Coordinate(first: 10_000_001).location == nil)
        #expect(Coordinate(eighth: .min).location == nil)
        #expect(Coordinate(height: .max).location == nil)
        #expect(Coordinate(adjustment: .min).location == nil)
        #expect(Coordinate(error: 10_001).location == nil)
        #expect(Coordinate(first: -10_000_000, height: 10).location != nil)
    }

    @Test func `what a node keeps of its place survives the wire to a microsecond`() throws {
        let location = Location(
            position: SIMD8(0.0012345, -0.5, 0, 0, 0, 0, 0, 3), height: 0.00001, adjustment: -0.002)
        let back = try #require(Coordinate(location, error: 0.25).location)
        #expect(Location.length(back.position - location.position) < 1e-6)
        #expect(abs(back.height - location.height) < 1e-6)
        #expect(abs(back.adjustment - location.adjustment) < 1e-6)
    }

    @Test func `round trips that cannot be move nothing`() {
        var chance = Chance(seed: 1)
        for sample in [0, -1, .nan, .infinity, 11] {
            var locator = Locator()
            locator.observe(sample, to: Self.id(1), at: Location(height: 0.001), error: 0, &chance)
            #expect(locator == Locator())
        }
    }
}
