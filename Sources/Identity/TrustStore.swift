package import Basics
import COpenSSL
import Provenance

/// Why a chain is not believed.
package enum ChainRefusal: Error, Hashable, Sendable {
    case noCertificate
    case tooLong(certificateCount: Int)
    case malformed(index: Int, CertificateMistake)
    /// The chain ends at another root.
    case unknownMesh(issuer: String)
    case brokenSignature
    /// Seconds since 1970.
    case expired(name: String, notAfter: Int64)
    case notYetValid(name: String, notBefore: Int64)
    case notNodeCertificate(NodeCertificateMistake)
    case revokedNode(NodeID)
    case revokedSerial(String)
    /// Another rule of RFC 5280 section 6; the code is libcrypto's X509_V_ERR number.
    case brokenRule(code: Int32)
    /// The root is one of this mesh, and opens no channel any more. Seconds since 1970.
    case distrusted(name: String, since: Int64)
    /// A new root for which the one before does not vouch.
    case brokenRotation
}

/// What a certificate lacks to be a node's.
package enum NodeCertificateMistake: Hashable, Sendable {
    case isAuthority, wrongUsage, noCurveKey, noMesh, wrongNode, badName
}

extension ChainRefusal: CustomStringConvertible {
    /// One sentence that names the cause.
    package var description: String {
        switch self {
        case .noCertificate: "There is no certificate."
        case .tooLong(let count):
            "The chain has \(count) certificates where a mesh's has two, or three with the root."
        case .malformed(let index, let mistake):
            "Certificate \(index + 1) of the chain is refused: \(mistake)."
        case .unknownMesh(let issuer):
            "The chain leads to \"\(issuer)\", which is not the root of this mesh."
        case .brokenSignature: "A certificate of the chain does not carry its issuer's signature."
        case .expired(let name, let notAfter):
            "The certificate of \(name) expired at \(Timestamp(seconds: notAfter))."
        case .notYetValid(let name, let notBefore):
            "The certificate of \(name) holds only from \(Timestamp(seconds: notBefore)) on."
        case .notNodeCertificate(let mistake):
            "The certificate is not a node's: \(mistake)."
        case .revokedNode(let id): "The node \(id.short) is revoked."
        case .revokedSerial(let serial): "The certificate \(serial) is revoked."
        case .distrusted(let name, let since):
            "The root \"\(name)\" is trusted no more since \(Timestamp(seconds: since)): "
                + "the node needs its next certificate."
        case .brokenRotation: "The new root does not follow from the one before."
        case .brokenRule(let code):
            "The chain breaks a rule of X.509: "
                + "\(String(cString: X509_verify_cert_error_string(Int(code))))."
        }
    }
}

extension NodeCertificateMistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .isAuthority: "it may sign certificates"
        case .wrongUsage: "it may not sign statements or serve and open connections"
        case .noCurveKey: "it binds no CURVE key, or several"
        case .noMesh: "it does not name this mesh"
        case .wrongNode: "it names another node than its key's"
        case .badName: "its common name is no node name"
        }
    }
}

/// What a revocation names.
package enum RevocationSubject: Hashable, Sendable {
    case node(NodeID), serial(String)
}

/// A node whose chain has been verified.
package struct VerifiedNode: Hashable, Sendable {
    package let certificate: Certificate
    /// 32 bytes.
    package let curvePublicKey: [UInt8]

    package var id: NodeID { certificate.nodeID }
    package var name: String { certificate.commonName }
    package var publicKey: PublicKey { certificate.publicKey }
    /// Seconds since 1970.
    package var notAfter: Int64 { certificate.notAfter }
}

/// The roots that a mesh has had, and the rules by which a chain below them is believed.
///
/// The founding root is pinned, and names the mesh for ever; a later one is believed because the
/// one before vouches for it (`RootRotation`). No other certificate of the machine counts.
/// libcrypto walks the path (RFC 5280 section 6: names, signatures, CA flags, path lengths,
/// critical extensions); times, revocation and what makes a certificate a *node's* are checked
/// here, after the signatures, so that every refusal speaks of authentic data.
package struct TrustStore: Hashable, Sendable {
    /// The founding root.
    package let root: Certificate
    /// In their order.
    package private(set) var rotations: [RootRotation] = []

    package var meshID: Digest { root.fingerprint }
    package var roots: [Certificate] { [root] + rotations.map(\.root) }
    package var newestRoot: Certificate { rotations.last?.root ?? root }

    package init(root: Certificate) { self.root = root }

    /// Refuses a rotation for which the root before does not vouch.
    package init(root: Certificate, rotations: [RootRotation]) throws(IdentityError) {
        self.root = root
        guard rotations.count <= RootRotation.countMax else {
            throw .chain(.tooLong(certificateCount: rotations.count))
        }
        for rotation in rotations {
            if let refusal = rotation.refusal(after: newestRoot) { throw .chain(refusal) }
            self.rotations.append(rotation)
        }
    }

    /// Until when a root opens channels, in seconds since 1970: the newest always.
    package func trustedUntil(_ number: Int) -> Int64 {
        number < rotations.count ? rotations[number].trustedUntil : .max
    }

    /// The roots that open channels now.
    package func trustedRoots(at seconds: Int64) -> [Certificate] {
        let roots = roots
        return roots.indices.filter { seconds <= trustedUntil($0) }.map { roots[$0] }
    }

    /// Verifies leaf first, then what leads to a root; the root may be there.
    ///
    /// - Parameters:
    ///   - seconds: the time at which the chain must hold, since 1970.
    ///   - now: when this is asked, if that is another time. A root that is trusted no more is
    ///     trusted for no earlier time either: whoever stole it dates certificates at will.
    ///   - afterDistrust: whether a node's chain may hang on a root that is trusted no more: what a
    ///     node of the log has signed under it stands, and a key that the log does not know may
    ///     have been let in by whoever stole the root.
    ///   - revoked: asked for the node and for each serial below the root.
    package func verify(
        chain: [[UInt8]],
        at seconds: Int64,
        now: Int64? = nil,
        afterDistrust: (NodeID) -> Bool = { _ in false },
        revoked: (RevocationSubject) -> Bool
    ) -> Result<VerifiedNode, ChainRefusal> {
        do throws(ChainRefusal) {
            let (path, number) = try path(of: try certificates(of: chain))
            let root = roots[number]
            for certificate in path + [root] { try checkTimes(of: certificate, at: seconds) }
            let node = try node(of: path[0])
            if trustedUntil(number) < now ?? seconds, !afterDistrust(node.id) {
                throw .distrusted(name: root.commonName, since: trustedUntil(number))
            }
            if revoked(.node(node.id)) { throw .revokedNode(node.id) }
            for certificate in path where revoked(.serial(certificate.serial)) {
                throw .revokedSerial(certificate.serial)
            }
            return .success(node)
        } catch {
            return .failure(error)
        }
    }

    /// Nil where the certificate is an authority directly below the founding root; times do not
    /// count.
    package func refusal(ofIssuing certificate: Certificate) -> ChainRefusal? {
        guard certificate.isAuthority else { return .brokenRule(code: X509_V_ERR_INVALID_CA) }
        do throws(ChainRefusal) { try checkSignatures(of: [certificate], below: root) } catch {
            return error
        }
        return nil
    }

    /// The newest root on which these hang, leaf first; nil where they hang on none.
    package func rootNumber(of certificates: [Certificate]) -> Int? {
        (try? path(of: certificates))?.number
    }

    private func certificates(of chain: [[UInt8]]) throws(ChainRefusal) -> [Certificate] {
        guard !chain.isEmpty else { throw .noCertificate }
        guard chain.count <= CertificateChain.countMax else {
            throw .tooLong(certificateCount: chain.count)
        }
        var given: [Certificate] = []
        for (index, der) in chain.enumerated() {
            do throws(CertificateMistake) { given.append(try Certificate(der: der)) } catch {
                throw .malformed(index: index, error)
            }
        }
        return given
    }

    /// The certificates below a root, leaf first, one or two, and the newest root that they hang
    /// on.
    private func path(
        of given: [Certificate]
    ) throws(ChainRefusal) -> (path: [Certificate], number: Int) {
        let roots = roots
        let leaf = given[0]
        let issuers = given.dropFirst().filter { !roots.contains($0) }
        // Several are one key, of which several roots say the same.
        let isCrossed = issuers.indices.dropFirst().allSatisfy { index in
            issuers[index].publicKey == issuers[issuers.startIndex].publicKey
                && !issuers[..<index].contains(issuers[index])
        }
        guard isCrossed else { throw .tooLong(certificateCount: given.count) }
        guard let last = issuers.last ?? given.first else { throw .noCertificate }
        var refusal = ChainRefusal.unknownMesh(issuer: last.issuerName)
        for number in roots.indices.reversed() {
            for issuer in issuers.isEmpty ? [leaf] : issuers {
                let path = issuers.isEmpty ? [leaf] : [leaf, issuer]
                do throws(ChainRefusal) {
                    try checkSignatures(of: path, below: roots[number])
                    return (path, number)
                } catch {
                    // That the chain leads elsewhere says the least.
                    if case .unknownMesh = error {
                        guard case .unknownMesh = refusal else { continue }
                    }
                    refusal = error
                }
            }
        }
        throw refusal
    }

    private func checkSignatures(
        of path: [Certificate], below root: Certificate
    ) throws(ChainRefusal) {
        let last = path[path.count - 1]
        guard let leafHandle = CertificateHandle(der: path[0].der),
            let lastHandle = CertificateHandle(der: last.der),
            let rootHandle = CertificateHandle(der: root.der)
        else { throw .malformed(index: 0, .notDER) }
        // By name and key id; whether the signature is good is another question, asked below.
        guard last != root, X509_check_issued(rootHandle.pointer, lastHandle.pointer) == X509_V_OK
        else {
            throw .unknownMesh(issuer: last.issuerName)
        }
        let between = path.count > 1 ? lastHandle.pointer : nil
        let code = openssl_verify_chain(leafHandle.pointer, between, rootHandle.pointer, 3)
        ERR_clear_error()
        switch code {
        case X509_V_OK: return
        case X509_V_ERR_CERT_SIGNATURE_FAILURE: throw .brokenSignature
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            throw .unknownMesh(issuer: path[0].issuerName)
        default: throw .brokenRule(code: code)
        }
    }

    private func checkTimes(
        of certificate: Certificate,
        at seconds: Int64
    ) throws(ChainRefusal) {
        guard seconds <= certificate.notAfter else {
            throw .expired(name: certificate.commonName, notAfter: certificate.notAfter)
        }
        guard certificate.notBefore <= seconds else {
            throw .notYetValid(name: certificate.commonName, notBefore: certificate.notBefore)
        }
    }

    private func node(of leaf: Certificate) throws(ChainRefusal) -> VerifiedNode {
        func refuse(_ mistake: NodeCertificateMistake) -> ChainRefusal {
            .notNodeCertificate(mistake)
        }
        guard !leaf.isAuthority else { throw refuse(.isAuthority) }
        let wanted = UInt32(XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_CODE_SIGN)
        // All bits are set where the extension is missing; a node's certificate says its uses.
        guard leaf.keyUsage == UInt32(KU_DIGITAL_SIGNATURE), leaf.extendedKeyUsage != .max,
            leaf.extendedKeyUsage & wanted == wanted
        else { throw refuse(.wrongUsage) }
        guard let curve = leaf.curvePublicKey else { throw refuse(.noCurveKey) }
        guard SwiftletURI.value(SwiftletURI.mesh, in: leaf.uris) == meshID.bytes else {
            throw refuse(.noMesh)
        }
        guard SwiftletURI.value(SwiftletURI.node, in: leaf.uris) == leaf.nodeID.bytes else {
            throw refuse(.wrongNode)
        }
        guard NodeName.isValid(leaf.commonName) else { throw refuse(.badName) }
        return VerifiedNode(certificate: leaf, curvePublicKey: curve)
    }
}
