package import Basics
import COpenSSL

/// Why a signing request is refused.
package enum RequestMistake: Error, Hashable, Sendable {
    case tooLong(byteCount: Int), notDER, unsupportedKey, badSignature, badName(String)
    case badAlternativeNames, noCurveKey
}

extension RequestMistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let count):
            "it has \(count) bytes where \(SigningRequest.byteCountMax) are allowed"
        case .notDER: "it is not PKCS#10 in DER"
        case .unsupportedKey: "its key is not ECDSA P-256"
        case .badSignature: "it is not signed with the key that it names"
        case .badName(let name): "\"\(name)\" is no node name"
        case .badAlternativeNames: "its alternative names are too many, too long or not ASCII"
        case .noCurveKey: "it names no CURVE key, or several"
        }
    }
}

/// A node's request for a certificate: PKCS#10 (RFC 2986).
///
/// A value of this type has proven possession of its private key: `init(der:)` verifies the
/// signature before anything else is believed. What the request asks for beside a name and a
/// CURVE key is ignored.
package struct SigningRequest: Hashable, Sendable {
    /// Ours have some 350 bytes.
    package static let byteCountMax = 8 * 1024

    package let der: [UInt8]
    package let name: String
    package let publicKey: PublicKey
    /// 32 bytes.
    package let curvePublicKey: [UInt8]

    package var nodeID: NodeID { publicKey.nodeID }
    package var pem: String { PEM.encode(der, label: PEM.request) }

    /// Asks for `name`, signed with the node's own key.
    package init(name: String, keys: NodeKeys) throws(IdentityError) {
        guard NodeName.isValid(name) else { throw .badNodeName(name) }
        guard let pointer = X509_REQ_new() else { throw Libcrypto.error("make a request") }
        let handle = RequestHandle(owning: pointer)
        let key = keys.key.handle.pointer
        let names = try AlternativeNamesHandle([
            .uri(SwiftletURI.curve + Hex.encode(keys.curve.publicKey))
        ])
        try CertificateParts.setCommonName(name, of: X509_REQ_get_subject_name(handle.pointer))
        guard X509_REQ_set_version(handle.pointer, 0) == 1,
            X509_REQ_set_pubkey(handle.pointer, key) == 1,
            openssl_request_set_names(handle.pointer, names.pointer) == 1,
            X509_REQ_sign(handle.pointer, key, EVP_sha256()) > 0
        else { throw Libcrypto.error("make a request") }
        der = try Libcrypto.der("encode a request") { i2d_X509_REQ(pointer, $0) }
        self.name = name
        publicKey = keys.key.publicKey
        curvePublicKey = keys.curve.publicKey
    }

    /// Reads a stranger's request and checks that the stranger holds its private key.
    package init(der: [UInt8]) throws(RequestMistake) {
        guard der.count <= Self.byteCountMax else { throw .tooLong(byteCount: der.count) }
        guard let handle = RequestHandle(der: der) else { throw .notDER }
        let keyDER = try? Libcrypto.der("encode a public key") {
            i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(handle.pointer), $0)
        }
        guard let keyDER, let publicKey = PublicKey(der: keyDER) else { throw .unsupportedKey }
        let verified = X509_REQ_verify(handle.pointer, publicKey.handle.pointer) == 1
        ERR_clear_error()
        guard verified else { throw .badSignature }
        let subject = X509_REQ_get_subject_name(handle.pointer)
        guard let name = CertificateParts.commonName(of: subject) else { throw .badName("") }
        guard NodeName.isValid(name) else { throw .badName(name) }
        let found = openssl_request_names(handle.pointer)
        ERR_clear_error()
        guard let found else { throw .noCurveKey }
        let list = AlternativeNamesHandle(owning: found)
        guard let names = list.names() else { throw .badAlternativeNames }
        let uris = names.compactMap { if case .uri(let text) = $0 { text } else { nil } }
        guard let curve = SwiftletURI.value(SwiftletURI.curve, in: uris) else {
            throw .noCurveKey
        }
        self.der = der
        self.name = name
        self.publicKey = publicKey
        curvePublicKey = curve
    }

    package static func == (left: SigningRequest, right: SigningRequest) -> Bool {
        left.der == right.der
    }
    package func hash(into hasher: inout Hasher) { hasher.combine(der) }
}
