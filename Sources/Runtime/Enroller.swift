import Basics
import Identity
import NodeLogic
import Synchronization
import Wire

/// Holds the issuing key where this node has it, and makes certificates with it.
///
/// The founder has the key in its folder; another voter gets it sealed to its public key through
/// the replicated log, and unseals it when it is asked to issue.
final class Enroller: Sendable {
    private static let purpose = "issuing key"

    private let identity: NodeIdentity
    private let authority: Mutex<CertificateAuthority?>

    init(identity: NodeIdentity, folder: String) {
        self.identity = identity
        let own = CertificateAuthority.exists(in: folder)
            ? try? CertificateAuthority.load(from: folder) : nil
        authority = Mutex(own)
    }

    /// - Parameter sealed: the key as the replicated log has it for this node, if it does.
    private func authority(sealed: [UInt8]?) throws -> CertificateAuthority {
        try authority.withLock { authority in
            if let authority { return authority }
            guard let sealed else {
                throw RuntimeError("this node has not been given the issuing key yet")
            }
            let text = try SealedBox.open(
                sealed, with: identity.keys.key, purpose: Self.purpose)
            let opened = try CertificateAuthority(
                issuingKey: PrivateKey(pem: text),
                issuingCertificate: identity.issuingCertificate,
                rootCertificate: identity.rootCertificate)
            authority = opened
            return opened
        }
    }

    func issue(_ order: Node.CertificateOrder, sealed: [UInt8]?) -> Node.IssuedCertificate {
        func refused(_ reason: String) -> Node.IssuedCertificate {
            Node.IssuedCertificate(
                order: order.order, node: identity.id, certificates: [], refusal: reason)
        }
        guard WallClock.seconds < Int64(clamping: order.token.expiresAt) else {
            return refused("the token has expired: create another one")
        }
        do {
            let request = try SigningRequest(der: order.signingRequest)
            let certificate = try authority(sealed: sealed).issue(
                request, name: order.name, at: WallClock.seconds)
            return Node.IssuedCertificate(
                order: order.order, node: certificate.nodeID,
                certificates: [certificate.der, identity.issuingCertificate.der], refusal: "")
        } catch {
            return refused("no certificate was issued: \(error)")
        }
    }

    /// Of a node that nobody else issues one for: time enough to find the others.
    private static let ownLifetimeSeconds: Int64 = 86_400

    /// A certificate for this node itself; nil where it does not hold the issuing key.
    func issueOwn(for identity: NodeIdentity, sealed: [UInt8]?) throws -> NodeIdentity? {
        guard let authority = try? authority(sealed: sealed) else { return nil }
        let certificate = try authority.issue(
            try identity.renewalRequest(), at: WallClock.seconds,
            lifetimeSeconds: Self.ownLifetimeSeconds)
        return try identity.renewed(
            with: [certificate.der, identity.issuingCertificate.der])
    }

    /// The issuing key sealed to another voter; nil where this node does not hold it.
    func seal(for certificates: [[UInt8]], sealed: [UInt8]?) -> [UInt8]? {
        guard let leaf = certificates.first, let certificate = try? Certificate(der: leaf),
            let key = try? authority(sealed: sealed).issuingKey.pem()
        else { return nil }
        return try? SealedBox.seal(key, to: certificate.publicKey, purpose: Self.purpose)
    }
}
