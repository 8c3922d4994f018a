package import Basics
package import Membership
package import Wire

// What the driver is told of other nodes, once for each change: their certificates and profiles.
extension Node {
    struct Told: NodeKeyed, Sendable {
        let id: NodeID
        var certificates: [[UInt8]] = []
        var profile: KeptProfile?
        var state: MemberState?
    }

    /// The detector's copy where it says the same.
    package func kept(_ profile: Profile, of node: NodeID) -> KeptProfile {
        if let known = detector.member(node)?.keptProfile, known.value == profile { return known }
        return KeptProfile(profile)
    }

    /// The log's copy where it says the same.
    package func kept(_ certificates: [[UInt8]], of node: NodeID) -> [[UInt8]] {
        let known = state.node(node)?.certificates ?? introduced[node]
        return known == certificates ? known ?? [] : certificates
    }

    mutating func tell(
        _ node: NodeID,
        _ profile: Profile,
        into effects: inout [Effect]
    ) {
        let certificates = state.node(node)?.certificates ?? introduced[node]
        guard node != id, let certificates, !state.isRevoked(node) else { return }
        tell(
            Introduction(node: node, certificates: certificates, profile: profile),
            into: &effects
        )
    }

    mutating func tell(_ peer: Introduction, into effects: inout [Effect]) {
        let index = placeInTold(of: peer.node)
        let isNews =
            told[index].certificates != peer.certificates
            || told[index].profile?.value != peer.profile
        // Also where it is none: what these say is then kept once.
        told[index].certificates = peer.certificates
        told[index].profile = kept(peer.profile, of: peer.node)
        guard isNews else { return }
        effects.append(.peer(peer.node, certificates: peer.certificates, peer.profile))
    }

    mutating func tell(_ node: NodeID, _ state: MemberState, into effects: inout [Effect]) {
        let index = placeInTold(of: node)
        guard told[index].state != state else { return }
        told[index].state = state
        effects.append(.memberChanged(node, state))
    }

    private mutating func placeInTold(of node: NodeID) -> Int {
        let index = told.insertionPosition(of: node)
        if index == told.count || told[index].id != node { told.insert(Told(id: node), at: index) }
        return index
    }
}
