package import Basics
package import Membership
package import Wire

// What the driver is told of other nodes, once for each change: their certificates and profiles.
extension Node {
    /// The detector's copy where it says the same.
    package func kept(_ profile: Profile, of node: NodeID) -> KeptProfile {
        if let known = detector.member(node)?.keptProfile, known.value == profile { return known }
        return KeptProfile(profile)
    }

    mutating func tell(
        _ node: NodeID,
        _ profile: Profile,
        into effects: inout [Effect]
    ) {
        let certificates = state.node(node)?.certificates ?? introductions[node]?.certificates
        guard node != id, let certificates, !state.isRevoked(node) else { return }
        tell(
            Introduction(node: node, certificates: certificates, profile: profile),
            into: &effects
        )
    }

    mutating func tell(_ peer: Introduction, into effects: inout [Effect]) {
        if let told = toldPeers[peer.node], told.certificates == peer.certificates,
            told.profile.value == peer.profile
        {
            return
        }
        toldPeers[peer.node] = Told(
            certificates: peer.certificates, profile: kept(peer.profile, of: peer.node))
        effects.append(.peer(peer.node, certificates: peer.certificates, peer.profile))
    }
}
