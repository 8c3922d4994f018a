import Basics
import Glibc
import Identity
import Membership
import Synchronization
import Transport
import Wire

/// Many members of a mesh in one process: a measure of what it costs a node to know them.
///
/// Each was enrolled by the mesh and has keys, a certificate and a profile of its own. Those to
/// whom a listener keeps a connection, some twenty, have a control plane like any node's, and
/// answer its pings; of the others only their first word is told. They gossip nothing of their own
/// after that, follow no log and take no work.
package final class Chorus: Sendable {
    private struct Voice {
        let identity: NodeIdentity
        var profile: Profile
        var plane: ControlPlane?
    }

    /// As many rumors as one message is sure to hold.
    private static let rumorCountMax = 250

    private let isStopped = Mutex(false)

    package init() {}

    package func stop() { isStopped.withLock { $0 = true } }

    /// Speaks for the nodes of these folders, which were enrolled and never started, until it is
    /// stopped. Blocks its thread.
    ///
    /// - Parameter listeners: running nodes of the same mesh, and the folders from which they run.
    package func sing(
        _ folders: [NodeDirectory], to listeners: [(id: String, folder: NodeDirectory)]
    ) throws {
        let ids = try listeners.map { listener in
            guard let id = NodeID(hex: listener.id) else {
                throw RuntimeError("\(listener.id) is no node's id")
            }
            return id
        }
        // What one listener keeps of another is what the other said of itself.
        let hearers = try ids.map { id in
            let known = listeners.lazy.flatMap { $0.folder.introductions() }
            guard let introduction = known.first(where: { $0.node == id }) else {
                throw RuntimeError("no other node knows \(id.short) yet")
            }
            return introduction
        }
        guard let pattern = hearers.first?.profile else {
            throw RuntimeError("there is nobody to sing to")
        }
        var voices = try folders.indices.map { number in
            let identity = try folders[number].loadIdentity()
            var profile = pattern
            profile.name = identity.name
            // Addresses of this machine at which nobody listens.
            let host = "127.77.\(number / 250).\(number % 250 + 1)"
            profile.controlEndpoint = "tcp://\(host):7400"
            profile.bulkEndpoint = "tcp://\(host):7401"
            return Voice(identity: identity, profile: profile)
        }
        try open(&voices, heardBy: hearers)
        let rumors = voices.map {
            Rumor(node: $0.identity.id, state: .alive, incarnation: 1, profile: $0.profile)
        }
        for hearer in hearers { try tell(rumors, to: hearer, through: voices) }
        while !isStopped.withLock({ $0 }) {
            for voice in voices {
                guard let plane = voice.plane else { continue }
                for event in plane.poll(for: .zero) { Self.answer(event, on: plane) }
            }
            usleep(2_000)
        }
    }

    /// Who is linked with a hearer follows from the list of members alone, as in any node.
    private func open(_ voices: inout [Voice], heardBy hearers: [Introduction]) throws {
        let everyone =
            hearers.map {
                Rumor(node: $0.node, state: .alive, incarnation: 1, profile: $0.profile)
            }
            + voices.map {
                Rumor(node: $0.identity.id, state: .alive, incarnation: 1, profile: $0.profile)
            }
        let views = hearers.map {
            FailureDetector(
                id: $0.node, profile: $0.profile, acquainted: everyone, seed: 0, now: .zero)
        }
        for index in voices.indices {
            let identity = voices[index].identity
            guard views.contains(where: { $0.isLinked(with: identity.id) }) else { continue }
            let plane = try ControlPlane(
                settings: ControlSettings(
                    bindEndpoint: "tcp://127.0.0.1:*", node: identity.id, mesh: identity.meshID,
                    keys: identity.keys.curve.forTransport()),
                authority: Credentials(
                    identity: identity, profile: voices[index].profile,
                    bulkKeys: BulkKeys(identity)))
            voices[index].profile.controlEndpoint = plane.boundEndpoint
            voices[index].plane = plane
        }
    }

    private func tell(
        _ rumors: [Rumor], to hearer: Introduction, through voices: [Voice]
    ) throws {
        guard let plane = voices.lazy.compactMap(\.plane).first,
            let leaf = hearer.certificates.first,
            let key = try Certificate(der: leaf).curvePublicKey
        else { throw RuntimeError("\(hearer.node.short) has no neighbour to hear") }
        plane.setPeer(
            PeerAddress(
                id: hearer.node, endpoint: hearer.profile.controlEndpoint, curvePublicKey: key))
        for message in Self.messages(telling: rumors) {
            try plane.send(.membership(message), to: hearer.node)
        }
    }

    static func messages(telling rumors: [Rumor]) -> [MembershipMessage] {
        stride(from: 0, to: rumors.count, by: rumorCountMax).map { start in
            let part = rumors[start..<min(start + rumorCountMax, rumors.count)]
            return MembershipMessage(body: .sync(Sync(reply: true, members: Array(part))))
        }
    }

    private static func answer(_ event: ControlEvent, on plane: ControlPlane) {
        guard case .message(.membership(let message), let sender) = event,
            case .ping(let ping) = message.body
        else { return }
        let answer = Acknowledgement(sequence: ping.sequence)
        // One that is lost is asked for again.
        try? plane.send(.membership(MembershipMessage(body: .acknowledgement(answer))), to: sender)
    }
}
