import Basics
import Wire

/// What a node knows of the members, as 64 numbers: two nodes whose numbers are equal know the same
/// and need not tell each other; where one differs, some members of that bucket do.
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
        for index in members.indices {
            let id = members[index].id
            let belief = members[index].incarnation << 2 | standing(members[index].state)
            buckets[bucket(of: id)] &+= Chance.mix(id.leadingWord ^ Chance.mix(belief))
        }
        return buckets
    }

    /// Suspicions come and go, and the unreachable become dead at each node's own time: neither is
    /// worth an exchange.
    private static func standing(_ state: MemberState) -> UInt64 {
        switch state {
        case .alive, .suspect: 0
        case .unreachable, .dead: 1
        case .left: 2
        }
    }
}
