import Basics
import Identity
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
        let profile = state.withLock { $0.profile }
        var hello = Hello(
            certificates: identity.chain, boot: boot, sequence: WallClock.nanoseconds,
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
            bulkKeys.received(key: hello.bulkKey, from: id)
            return .success(id)
        }
    }

    func isAllowed(curveKey: [UInt8]) -> Bool {
        state.withLock { !$0.revokedKeys.contains(curveKey) }
    }
}
