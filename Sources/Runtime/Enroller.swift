import Basics
import Identity
import NodeLogic
import Synchronization
import Wire

/// Holds the issuing key where this node has it, and makes certificates with it.
///
/// Whoever founded the mesh, or made its newest root, has the key in its folder. Another voter gets
/// it sealed to its public key through the replicated log, and unseals it when it has to issue.
final class Enroller: Sendable {
    private static let purpose = "issuing key"
    /// Of a node that nobody else issues one for: time enough to find the others.
    private static let ownLifetimeSeconds: Int64 = 86_400

    /// The issuing key of one root.
    private struct Held {
        var rootNumber: Int
        var authority: CertificateAuthority
        /// What leads from its certificates to the root, and while that is trusted, the one before.
        var rotation: RootRotation?

        var issuers: [[UInt8]] {
            var issuers = [authority.issuingCertificate.der]
            if let rotation, WallClock.seconds < rotation.trustedUntil {
                issuers.insert(rotation.issuingCross.der, at: 0)
            }
            return issuers
        }
    }

    private let credentials: Credentials
    private let folder: String
    private let held = Mutex<Held?>(nil)

    init(credentials: Credentials, folder: String) {
        self.credentials = credentials
        self.folder = folder
    }

    /// - Parameter sealed: the key as the replicated log has it for this node, if it does.
    private func held(sealed: [UInt8]?) throws -> Held {
        let identity = credentials.identity
        let trust = identity.trust
        return try held.withLock { held in
            if let held, held.rootNumber == trust.rotations.count { return held }
            let rotation = trust.rotations.last
            let issuing = rotation?.issuing ?? identity.issuingCertificate
            let authority = try CertificateAuthority(
                issuingKey: try key(of: issuing, identity, sealed: sealed),
                issuingCertificate: issuing, rootCertificate: trust.newestRoot,
                meshID: trust.meshID)
            let opened = Held(
                rootNumber: trust.rotations.count, authority: authority, rotation: rotation)
            held = opened
            return opened
        }
    }

    private func key(
        of issuing: Certificate, _ identity: NodeIdentity, sealed: [UInt8]?
    ) throws -> PrivateKey {
        let own = try? PrivateKey.load(from: AuthorityFiles(folder: folder).issuingKey)
        if let own, own.publicKey == issuing.publicKey { return own }
        guard let sealed else {
            throw RuntimeError("this node has not been given the issuing key yet")
        }
        return try PrivateKey(
            pem: try SealedBox.open(sealed, with: identity.keys.key, purpose: Self.purpose))
    }

    func issue(_ order: Node.CertificateOrder, sealed: [UInt8]?) -> Node.IssuedCertificate {
        func refused(_ reason: String) -> Node.IssuedCertificate {
            Node.IssuedCertificate(
                order: order.order, node: credentials.identity.id, certificates: [],
                refusal: reason)
        }
        guard WallClock.seconds < Int64(clamping: order.token.expiresAt) else {
            return refused("the token has expired: create another one")
        }
        do {
            let request = try SigningRequest(der: order.signingRequest)
            let isRenewal = order.token.token == request.nodeID.digest
            guard !isRenewal || request.name == order.name else {
                return refused("only a node itself changes its name")
            }
            let held = try held(sealed: sealed)
            let certificate = try held.authority.issue(
                request, name: order.name, at: WallClock.seconds)
            return Node.IssuedCertificate(
                order: order.order, node: certificate.nodeID,
                certificates: [certificate.der] + held.issuers,
                rootNumber: UInt32(held.rootNumber), refusal: "")
        } catch {
            return refused("no certificate was issued: \(error)")
        }
    }

    /// A certificate for this node itself; nil where it does not hold the issuing key.
    func issueOwn(for identity: NodeIdentity, sealed: [UInt8]?) throws -> NodeIdentity? {
        guard let held = try? held(sealed: sealed) else { return nil }
        let certificate = try held.authority.issue(
            try identity.renewalRequest(), at: WallClock.seconds,
            lifetimeSeconds: Self.ownLifetimeSeconds)
        return try identity.renewed(with: [certificate.der] + held.issuers)
    }

    /// The issuing key sealed to another voter, and of which root it is; nil where this node does
    /// not hold it.
    func seal(
        for certificates: [[UInt8]], sealed: [UInt8]?
    ) -> (sealed: [UInt8], rootNumber: UInt32)? {
        guard let held = try? held(sealed: sealed),
            let sealed = Self.seal(held.authority.issuingKey, for: certificates)
        else { return nil }
        return (sealed, UInt32(held.rootNumber))
    }

    static func seal(_ key: PrivateKey, for certificates: [[UInt8]]) -> [UInt8]? {
        guard let leaf = certificates.first, let certificate = try? Certificate(der: leaf),
            let pem = try? key.pem()
        else { return nil }
        return try? SealedBox.seal(pem, to: certificate.publicKey, purpose: purpose)
    }
}
