import Basics
import Identity
import Logging
import Synchronization
import Transport
import Wire

/// Says and judges hellos: the one place where a channel's CURVE key and a certificate meet.
///
/// Used on the node thread, but revocations and the own profile arrive from there too; the lock is
/// for the bulk plane and for tests.
final class Credentials: HelloAuthority, Sendable {
    static let protocolVersion: UInt32 = 1

    private struct State {
        var identity: NodeIdentity
        var profile: Profile
        // Looked up, never iterated.
        var revoked: Set<NodeID> = []
        var revokedKeys: Set<[UInt8]> = []
        /// Of the log; looked up, never iterated.
        var enrolled: Set<NodeID> = []
        var isDoubted = false
        /// A peer has said that this node was removed, and none has let it in since.
        var isRemoved = false
        /// Of the last hello.
        var sequence: UInt64 = 0
    }

    /// With the certificate that it has now.
    var identity: NodeIdentity { state.withLock { $0.identity } }
    private let boot = Random.bytes(count: 16)
    private let bulkKeys: BulkKeys
    private let state: Mutex<State>

    init(identity: NodeIdentity, profile: Profile, bulkKeys: BulkKeys) {
        self.bulkKeys = bulkKeys
        state = Mutex(State(identity: identity, profile: profile))
    }

    /// The same node with its next certificate.
    func update(identity: NodeIdentity) { state.withLock { $0.identity = identity } }

    var profile: Profile { state.withLock { $0.profile } }

    func update(profile: Profile) { state.withLock { $0.profile = profile } }

    func revoke(_ node: NodeID, curvePublicKey: [UInt8]?) {
        state.withLock { state in
            state.revoked.insert(node)
            if let curvePublicKey { state.revokedKeys.insert(curvePublicKey) }
        }
    }

    /// The key of a node that is welcome, whoever else had a certificate with it.
    func welcome(curvePublicKey: [UInt8]) {
        state.withLock { _ = $0.revokedKeys.remove(curvePublicKey) }
    }

    /// The log has let this node in.
    func enrol(_ node: NodeID) { state.withLock { _ = $0.enrolled.insert(node) } }

    func isEnrolled(_ node: NodeID) -> Bool { state.withLock { $0.enrolled.contains(node) } }

    /// Somebody does not believe this node's certificate, or this node somebody's that should be
    /// good: the mesh may have another root than this node knows.
    func doubt() { state.withLock { $0.isDoubted = true } }

    /// Whether there was doubt; there is none then.
    func settleDoubt() -> Bool {
        state.withLock { state in
            defer { state.isDoubted = false }
            return state.isDoubted
        }
    }

    private static let removal =
        "peers say that this node was removed from the mesh: it can only join anew, with a new "
        + "token and another directory"

    /// A peer does not let this node in.
    func wasRefused(by peer: NodeID, _ reason: String, _ logger: Logger) {
        let said = "node \(peer.short) refused us: \(reason)"
        let own = ChainRefusal.revokedNode(identity.id).description
        guard reason == ControlPlane.removal || reason == own else {
            logger.warning("\(said)")
            return doubt()
        }
        let isNews = state.withLock { state in
            defer { state.isRemoved = true }
            return !state.isRemoved
        }
        if isNews { logger.error("\(Self.removal)") } else { logger.debug("\(said)") }
    }

    /// A peer has let this node in.
    func wasAccepted() { state.withLock { $0.isRemoved = false } }

    /// What peers say who do not let this node in.
    ///
    /// - Parameter other: who is heard all the same: then those who say so lie, or one of them.
    func removal(hearing other: NodeID?) -> String? {
        other == nil && state.withLock({ $0.isRemoved }) ? Self.removal : nil
    }

    func isRevoked(_ node: NodeID) -> Bool { state.withLock { $0.revoked.contains(node) } }

    /// What chains of others are checked against, now.
    func verify(chain: [[UInt8]]) -> Result<VerifiedNode, ChainRefusal> {
        identity.trust.verify(chain: chain, at: WallClock.seconds) { subject in
            if case .node(let node) = subject { return isRevoked(node) }
            return false
        }
    }

    // MARK: HelloAuthority

    func hello(to server: PeerAddress, from ownCurveKey: [UInt8]) -> Hello {
        let (profile, sequence) = state.withLock { state -> (Profile, UInt64) in
            // It grows also where the clock was set back.
            state.sequence = max(WallClock.nanoseconds, state.sequence + 1)
            return (state.profile, state.sequence)
        }
        var hello = Hello(
            certificates: identity.chain, boot: boot, sequence: sequence,
            protocolMin: Self.protocolVersion, protocolMax: Self.protocolVersion, profile: profile,
            bulkKey: bulkKeys.offerKey(to: server.id))
        let signed = hello.signedBytes(
            clientCurveKey: ownCurveKey, serverCurveKey: server.curvePublicKey)
        // Signing fails only when libcrypto has no memory left; the peer then refuses the hello.
        hello.signature = (try? identity.sign(signed)) ?? []
        return hello
    }

    func judge(
        _ hello: Hello, clientCurveKey: [UInt8], serverCurveKey: [UInt8]
    ) -> Result<NodeID, HelloRefusal> {
        guard hello.protocolMin <= Self.protocolVersion,
            Self.protocolVersion <= hello.protocolMax
        else {
            return .failure(
                HelloRefusal(
                    sentence: "this node speaks protocol \(Self.protocolVersion), yours "
                        + "\(hello.protocolMin) to \(hello.protocolMax): update the older one"))
        }
        switch verify(chain: hello.certificates) {
        case .failure(let refusal):
            if case .unknownMesh = refusal, isMember(hello) { doubt() }
            return .failure(HelloRefusal(sentence: refusal.description))
        case .success(let node):
            guard node.curvePublicKey == clientCurveKey else {
                return .failure(
                    HelloRefusal(
                        sentence: "the hello was signed for another channel: it is a copy"))
            }
            let signed = hello.signedBytes(
                clientCurveKey: clientCurveKey, serverCurveKey: serverCurveKey)
            guard node.certificate.publicKey.verify(hello.signature, over: signed) else {
                return .failure(
                    HelloRefusal(sentence: "the hello's signature is not its certificate's"))
            }
            let id = node.certificate.nodeID
            // Before the peer hears that it is welcome: it may dial the bulk plane at once then.
            bulkKeys.setPeer(id, curvePublicKey: clientCurveKey)
            bulkKeys.received(key: hello.bulkKey, from: id)
            return .success(id)
        }
    }

    // One that the log has let in says so; a stranger can make nobody doubt.
    private func isMember(_ hello: Hello) -> Bool {
        guard let leaf = hello.certificates.first, let certificate = try? Certificate(der: leaf)
        else { return false }
        return isEnrolled(certificate.nodeID)
    }

    func linkEnded(with peer: NodeID) { bulkKeys.linkEnded(with: peer) }

    func isAllowed(curveKey: [UInt8]) -> Bool {
        state.withLock { !$0.revokedKeys.contains(curveKey) }
    }
}
