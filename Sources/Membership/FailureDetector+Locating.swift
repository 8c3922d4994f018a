package import Basics
import Wire

/// Where a member said that it is, and when, in seconds of this node's time.
struct Place: NodeKeyed, Hashable, Sendable {
    let id: NodeID
    var coordinate: Coordinate
    var seconds: Int32
}

// Nodes measure the way to their targets alone, ten of them. Coordinates tell of all others, and of
// the ways between these. They travel with acknowledgements: a thousand are round in some minutes,
// and change seldom.
extension FailureDetector {
    /// One acknowledgement in so many carries coordinates.
    package static let sightingInterval: UInt64 = 3
    /// Of others; each takes some sixty bytes.
    private static let sightingCount = 2
    /// A later version may send more in one message, but not without end.
    private static let sightingCountMax = 16
    /// Seconds; what is a day old is no news.
    private static let ageMax: UInt32 = 86_400

    /// The round trip between two members, as far as their coordinates say it; nil where one's is
    /// not known yet.
    package func estimatedRoundTrip(from one: NodeID, to other: NodeID) -> Duration? {
        guard one != other else { return .zero }
        guard let start = location(of: one), let end = location(of: other) else { return nil }
        return .nanoseconds(Int64((start.distance(to: end) * 1e9).rounded()))
    }

    /// Where a node is; nil where nobody has told, or it has not found out itself.
    package func location(of node: NodeID) -> Location? {
        if node == id { return locator.isLocated ? locator.location : nil }
        return places.position(of: node).flatMap { places[$0].coordinate.location }
    }

    /// A member answered in that time, and may have said where it is.
    mutating func locate(by answer: Acknowledgement, from sender: NodeID, roundTrip: Duration) {
        guard let own = answer.sightings.first, own.node == sender,
            let location = own.coordinate.location
        else { return }
        locator.observe(
            roundTrip.seconds, to: sender, at: location,
            error: Double(own.coordinate.error) / 1_000, &locatorChance)
    }

    /// Newer news of members takes the place of older.
    mutating func take(_ sightings: [Sighting], at now: Instant) {
        for sighting in sightings.prefix(Self.sightingCountMax) where sighting.node != id {
            guard sighting.age <= Self.ageMax, sighting.coordinate.isPossible,
                position(of: sighting.node) != nil
            else { continue }
            let seconds = Self.seconds(now) - Int32(sighting.age)
            let index = places.insertionPosition(of: sighting.node)
            let place = Place(
                id: sighting.node, coordinate: sighting.coordinate, seconds: seconds)
            if index == places.count || places[index].id != sighting.node {
                places.insert(place, at: index)
            } else if places[index].seconds < seconds {
                places[index] = place
            }
        }
    }

    /// Where this node is, and some others, all in turn.
    mutating func sightings(for receiver: NodeID, at now: Instant) -> [Sighting] {
        var sightings: [Sighting] = []
        sightings.reserveCapacity(Self.sightingCount + 1)
        sightings.append(Sighting(node: id, coordinate: locator.coordinate))
        for _ in 0..<min(Self.sightingCount, places.count) {
            sightingIndex = sightingIndex + 1 < places.count ? sightingIndex + 1 : 0
            guard places[sightingIndex].id != receiver else { continue }
            let age = Int(Self.seconds(now)) - Int(places[sightingIndex].seconds)
            sightings.append(
                Sighting(
                    node: places[sightingIndex].id,
                    coordinate: places[sightingIndex].coordinate, age: UInt32(clamping: age)))
        }
        return sightings
    }

    mutating func forgetPlace(of node: NodeID) {
        if let index = places.position(of: node) { places.remove(at: index) }
    }

    private static func seconds(_ now: Instant) -> Int32 {
        Int32(clamping: now.sinceStart.components.seconds)
    }
}
