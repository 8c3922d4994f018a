import Basics
import Identity
import Messages
import Transport
import Wire

/// How a node gets its next certificate at another one's door, after the last one ended while it
/// was away; an edge node always.
///
/// Its hello would be refused then, so it comes as a joiner does, in quarantine. In the place of
/// the token stands its id, and it signs with its key, which stays the same: the log knows the
/// node, and whether it was revoked.
enum CertificateRenewal {
    private static let limit = Duration.seconds(5)

    /// A third of a certificate's life before its end.
    static func isDue(_ identity: NodeIdentity) -> Bool {
        let certificate = identity.certificate
        let ahead = (certificate.notAfter - certificate.notBefore) / 3
        return certificate.notAfter - WallClock.seconds < ahead
    }

    /// Nobody knows a newer root, and the certificate is good.
    struct NothingNew: Error {}

    /// Asks one relay after the other; blocks its thread.
    ///
    /// - Parameters:
    ///   - isDoubted: the certificate is good for long, but perhaps the mesh has another root.
    ///   - name: of the node, where it shall have another one.
    static func renewed(
        _ identity: NodeIdentity, through relays: [Introduction], isDoubted: Bool = false,
        name: String? = nil
    ) throws -> NodeIdentity {
        var lastError: any Error = RuntimeError("no relay is known")
        for relay in relays where !relay.profile.controlEndpoint.isEmpty {
            do {
                return try renewed(identity, through: relay, isDoubted: isDoubted, name: name)
            } catch {
                lastError = error
            }
        }
        throw lastError
    }

    private static func renewed(
        _ identity: NodeIdentity, through relay: Introduction, isDoubted: Bool, name: String?
    ) throws -> NodeIdentity {
        guard let leaf = relay.certificates.first,
            let serverKey = try Certificate(der: leaf).curvePublicKey
        else { throw RuntimeError("the relay \(relay.node.short) has no certificate") }
        // The channel reaches this very relay, or nobody.
        let client = try JoinClient(
            endpoint: relay.profile.controlEndpoint, serverKey: serverKey,
            keys: identity.keys.curve.forTransport(), mesh: identity.meshID, sender: identity.id)
        let nonce = Random.bytes(count: JoinProof.nonceByteCount)
        let id = identity.id.digest
        let first = try client.exchange(
            .joinBegin(JoinBegin(token: id, nonce: nonce)), timeout: limit)
        guard case .joinChallenge(let challenge) = first else { throw refusal(first) }
        // Whoever was away for long is led from the root that it knows to the newest one.
        let found = try TrustStore(
            root: identity.rootCertificate, messages: challenge.rotations)
        let isNewer = identity.trust.rotations.count < found.rotations.count
        let trust = isNewer ? found : identity.trust
        guard !isDoubted || identity.rootNumber < trust.rotations.count else { throw NothingNew() }
        let request = try identity.renewalRequest(name: name)
        let signed = JoinProof.renewalBytes(
            nonces: nonce + challenge.nonce, signingRequest: request.der)
        let second = try client.exchange(
            .joinRequest(
                JoinRequest(
                    token: id, signingRequest: request.der, proof: try identity.sign(signed),
                    name: request.name)), timeout: limit)
        guard case .joinAccepted(let accepted) = second else { throw refusal(second) }
        let next = try identity.renewed(with: accepted.certificates, trust: trust)
        guard !isDue(next) else { throw RuntimeError("the relay gave an old certificate") }
        return next
    }

    private static func refusal(_ body: Wire.Envelope.Body) -> RuntimeError {
        if case .joinRefused(let refused) = body {
            return RuntimeError("the mesh does not renew the certificate: \(refused.reason)")
        }
        return RuntimeError("the relay gave an answer that does not fit")
    }
}
