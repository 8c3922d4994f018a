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

/// One mesh's root, and the rules by which a chain below it is believed.
///
/// The root is pinned: no other certificate of the machine counts. libcrypto walks the path (RFC
/// 5280 section 6: names, signatures, CA flags, path lengths, critical extensions); times,
/// revocation and what makes a certificate a *node's* are checked here, after the signatures, so
/// that every refusal speaks of authentic data.
package struct TrustStore: Hashable, Sendable {
    package let root: Certificate

    package var meshID: Digest { root.fingerprint }

    package init(root: Certificate) { self.root = root }

    /// Verifies leaf first, then the issuing certificate; the root may follow.
    ///
    /// - Parameters:
    ///   - seconds: the time at which the chain must hold, since 1970.
    ///   - revoked: asked for the node and for each serial below the root.
    package func verify(
        chain: [[UInt8]],
        at seconds: Int64,
        revoked: (RevocationSubject) -> Bool
    ) -> Result<VerifiedNode, ChainRefusal> {
        do throws(ChainRefusal) {
            let path = try path(of: chain)
            try checkSignatures(of: path)
            for certificate in path + [root] { try checkTimes(of: certificate, at: seconds) }
            let node = try node(of: path[0])
            if revoked(.node(node.id)) { throw .revokedNode(node.id) }
            for certificate in path where revoked(.serial(certificate.serial)) {
                throw .revokedSerial(certificate.serial)
            }
            return .success(node)
        } catch {
            return .failure(error)
        }
    }

    /// Nil where the certificate is an authority directly below this root; times do not count.
    package func refusal(ofIssuing certificate: Certificate) -> ChainRefusal? {
        guard certificate.isAuthority else { return .brokenRule(code: X509_V_ERR_INVALID_CA) }
        do throws(ChainRefusal) { try checkSignatures(of: [certificate]) } catch { return error }
        return nil
    }

    /// The certificates below the root, leaf first: one or two.
    private func path(of chain: [[UInt8]]) throws(ChainRefusal) -> [Certificate] {
        guard !chain.isEmpty else { throw .noCertificate }
        guard chain.count <= CertificateChain.countMax else {
            throw .tooLong(certificateCount: chain.count)
        }
        var path: [Certificate] = []
        for (index, der) in chain.enumerated() {
            do throws(CertificateMistake) { path.append(try Certificate(der: der)) } catch {
                throw .malformed(index: index, error)
            }
        }
        if path.count > 1, path.last == root { path.removeLast() }
        guard path.count <= 2 else { throw .tooLong(certificateCount: chain.count) }
        return path
    }

    private func checkSignatures(of path: [Certificate]) throws(ChainRefusal) {
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
