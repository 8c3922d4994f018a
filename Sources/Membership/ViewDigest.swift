import Basics
import Wire

/// What a node knows of the members, as 64 numbers: two nodes whose numbers are equal know the same
/// and need not tell each other; where one differs, some members of that bucket do.
///
/// Only those who are there count. Suspicions come and go, and the unreachable become dead at each
/// node's own time. The dead and those who left are known for a day to whoever saw them go, and
/// never to a node that came later, which takes over no word of them: two such views would differ
/// all that time, and be exchanged again and again.
///
/// A bucket's number is a sum over its members, so their order does not matter. It is no proof
/// against somebody who looks for collisions: he could as well say nothing.
enum ViewDigest {
    static let bucketCount = 64

    /// The bucket of a node: the same for everyone.
    static func bucket(of node: NodeID) -> Int {
        Int(Chance.mix(node.leadingWord) >> 58)
    }

    static func buckets(of members: [Member]) -> [UInt64] {
        var buckets = [UInt64](repeating: 0, count: bucketCount)
        for index in members.indices where isThere(members[index].state) {
            let id = members[index].id
            let belief = Chance.mix(members[index].incarnation)
            buckets[bucket(of: id)] &+= Chance.mix(id.leadingWord ^ belief)
        }
        return buckets
    }

    private static func isThere(_ state: MemberState) -> Bool {
        switch state {
        case .alive, .suspect: true
        case .unreachable, .dead, .left: false
        }
    }
}
