package import Basics
import COpenSSL

/// Enrols nodes: signs node certificates with the issuing key.
package struct CertificateAuthority: Sendable {
    /// Thirty days: a node renews itself long before, and a lost node ends by itself.
    package static let nodeLifetimeSeconds: Int64 = 30 * 86_400
    static let rootLifetimeSeconds: Int64 = 3_652 * 86_400
    static let issuingLifetimeSeconds: Int64 = 730 * 86_400
    /// New certificates start this much earlier, for nodes whose clocks are behind.
    static let clockSkewSeconds: Int64 = 300

    package let issuingKey: PrivateKey
    package let issuingCertificate: Certificate
    package let rootCertificate: Certificate

    /// The founding root's fingerprint, also where this is an authority of a later one.
    package let meshID: Digest

    /// Refuses a key that is not the certificate's, and a certificate that is not the root's.
    package init(
        issuingKey: PrivateKey,
        issuingCertificate: Certificate,
        rootCertificate: Certificate,
        meshID: Digest? = nil
    ) throws(IdentityError) {
        guard issuingKey.publicKey == issuingCertificate.publicKey else {
            throw .keyMismatch(path: "the issuing key")
        }
        if let refusal = TrustStore(root: rootCertificate).refusal(ofIssuing: issuingCertificate) {
            throw .chain(refusal)
        }
        self.issuingKey = issuingKey
        self.issuingCertificate = issuingCertificate
        self.rootCertificate = rootCertificate
        self.meshID = meshID ?? rootCertificate.fingerprint
    }

    /// A node certificate for the request's key.
    ///
    /// From the request come the public key, the CURVE key and, unless `name` says otherwise, the
    /// node name; everything else is this authority's decision. Whether the node may join at all,
    /// and whether its name is free, the caller has decided.
    ///
    /// - Parameters:
    ///   - seconds: now, since 1970.
    ///   - lifetimeSeconds: from now; cut at the end of the issuing certificate.
    package func issue(
        _ request: SigningRequest,
        name: String? = nil,
        at seconds: Int64,
        lifetimeSeconds: Int64 = CertificateAuthority.nodeLifetimeSeconds
    ) throws(IdentityError) -> Certificate {
        let name = name ?? request.name
        guard NodeName.isValid(name) else { throw .badNodeName(name) }
        guard 0 < lifetimeSeconds, lifetimeSeconds <= Self.issuingLifetimeSeconds,
            seconds < issuingCertificate.notAfter
        else { throw .badLifetime(seconds: lifetimeSeconds) }
        let draft = CertificateDraft(
            name: name,
            subjectKey: request.publicKey,
            notBefore: seconds - Self.clockSkewSeconds,
            notAfter: min(seconds + lifetimeSeconds, issuingCertificate.notAfter),
            extensions: [
                .init(id: NID_basic_constraints, value: "critical,CA:FALSE"),
                .init(id: NID_key_usage, value: "critical,digitalSignature"),
                .init(id: NID_ext_key_usage, value: "serverAuth,clientAuth,codeSigning"),
                CertificateDraft.subjectKeyID, CertificateDraft.authorityKeyID,
            ],
            alternativeNames: [
                .uri(SwiftletURI.curve + Hex.encode(request.curvePublicKey)),
                .uri(SwiftletURI.mesh + meshID.hex),
                .uri(SwiftletURI.node + request.nodeID.hex),
                // A client on the same machine reaches the node by these.
                .dns(name), .dns("localhost"), .address([127, 0, 0, 1]),
                .address([UInt8](repeating: 0, count: 15) + [1]),
            ]
        )
        return try draft.signed(by: issuingKey, issuer: issuingCertificate)
    }

    /// A root for a new mesh: signs itself, may have one level of authorities below it.
    static func makeRoot(
        _ key: PrivateKey,
        name: String,
        at seconds: Int64
    ) throws(IdentityError) -> Certificate {
        try CertificateDraft(
            name: name,
            subjectKey: key.publicKey,
            notBefore: seconds - clockSkewSeconds,
            notAfter: seconds + rootLifetimeSeconds,
            extensions: [
                .init(id: NID_basic_constraints, value: "critical,CA:TRUE,pathlen:1"),
                CertificateDraft.authorityKeyUsage, CertificateDraft.subjectKeyID,
            ],
            alternativeNames: []
        ).signed(by: key, issuer: nil)
    }

    /// An issuing certificate below the root: may sign nodes, and no further authority.
    package static func makeIssuing(
        for key: PublicKey,
        name: String,
        rootKey: PrivateKey,
        rootCertificate: Certificate,
        at seconds: Int64
    ) throws(IdentityError) -> Certificate {
        try CertificateDraft(
            name: name,
            subjectKey: key,
            notBefore: seconds - clockSkewSeconds,
            notAfter: min(seconds + issuingLifetimeSeconds, rootCertificate.notAfter),
            extensions: [
                .init(id: NID_basic_constraints, value: "critical,CA:TRUE,pathlen:0"),
                CertificateDraft.authorityKeyUsage, CertificateDraft.subjectKeyID,
                CertificateDraft.authorityKeyID,
            ],
            alternativeNames: []
        ).signed(by: rootKey, issuer: rootCertificate)
    }
}
