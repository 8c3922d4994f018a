package import Basics
import COpenSSL

/// Why bytes are not a certificate that a mesh may hold.
package enum CertificateMistake: Error, Hashable, Sendable {
    case tooLong(byteCount: Int), notDER, unsupportedKey, badCommonName, badTime, badSerial
    case badAlternativeNames
}

extension CertificateMistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let count):
            "it has \(count) bytes where \(Certificate.byteCountMax) are allowed"
        case .notDER: "it is not X.509 in DER"
        case .unsupportedKey: "its key is not ECDSA P-256"
        case .badCommonName: "its common name is missing, double, too long or not printable"
        case .badTime: "its validity times are malformed"
        case .badSerial: "its serial number is malformed"
        case .badAlternativeNames: "its alternative names are too many, too long or not ASCII"
        }
    }
}

/// An X.509 certificate (RFC 5280) with what a mesh reads from it.
///
/// Parsing says only what the certificate claims; `TrustStore` says whether to believe it.
package struct Certificate: Hashable, Sendable {
    /// Ours have some 700 bytes.
    package static let byteCountMax = 16 * 1024

    /// The whole certificate; everything else follows from it.
    package let der: [UInt8]
    package let commonName: String
    package let issuerName: String
    package let publicKey: PublicKey
    /// Subject alternative names of the kind URI, in order.
    package let uris: [String]
    package let dnsNames: [String]
    /// Seconds since 1970; the first and the last second in which it holds.
    package let notBefore: Int64
    package let notAfter: Int64
    /// True where it may sign certificates.
    package let isAuthority: Bool
    /// Lower-case hexadecimal.
    package let serial: String
    // X509_get_key_usage and X509_get_extended_key_usage: bits, all set where there is none.
    let keyUsage: UInt32
    let extendedKeyUsage: UInt32

    package init(der: [UInt8]) throws(CertificateMistake) {
        guard der.count <= Self.byteCountMax else { throw .tooLong(byteCount: der.count) }
        guard let handle = CertificateHandle(der: der) else { throw .notDER }
        self.der = der
        let keyDER = try? Libcrypto.der("encode a public key") {
            i2d_X509_PUBKEY(X509_get_X509_PUBKEY(handle.pointer), $0)
        }
        guard let keyDER, let publicKey = PublicKey(der: keyDER) else { throw .unsupportedKey }
        self.publicKey = publicKey
        guard
            let name = CertificateParts.commonName(of: X509_get_subject_name(handle.pointer)),
            let issuer = CertificateParts.commonName(of: X509_get_issuer_name(handle.pointer)),
            !name.isEmpty, !issuer.isEmpty
        else { throw .badCommonName }
        commonName = name
        issuerName = issuer
        guard
            let notBefore = CertificateParts.seconds(of: X509_get0_notBefore(handle.pointer)),
            let notAfter = CertificateParts.seconds(of: X509_get0_notAfter(handle.pointer))
        else { throw .badTime }
        self.notBefore = notBefore
        self.notAfter = notAfter
        guard let serial = CertificateParts.serial(of: handle.pointer) else { throw .badSerial }
        self.serial = serial
        (uris, dnsNames) = try Self.names(of: handle)
        isAuthority = X509_check_ca(handle.pointer) == 1
        keyUsage = X509_get_key_usage(handle.pointer)
        extendedKeyUsage = X509_get_extended_key_usage(handle.pointer)
    }

    /// Reads every certificate of a PEM text, at most `countMax`.
    package static func parse(
        pem text: String,
        countMax: Int = CertificateChain.countMax
    ) throws(IdentityError) -> [Certificate] {
        let blocks = PEM.decode(text, label: PEM.certificate, countMax: countMax)
        guard let blocks, !blocks.isEmpty else { throw .malformedPEM(path: "the text") }
        return try parse(chain: blocks)
    }

    /// Reads certificates that came together, each in DER.
    static func parse(chain: [[UInt8]]) throws(IdentityError) -> [Certificate] {
        var certificates: [Certificate] = []
        for der in chain {
            do throws(CertificateMistake) {
                certificates.append(try Certificate(der: der))
            } catch { throw .certificate(error) }
        }
        return certificates
    }

    /// Who holds the key.
    package var nodeID: NodeID { publicKey.nodeID }
    /// SHA-256 of the DER; a root's is its mesh's id.
    package var fingerprint: Digest { Digest.of(der) }
    /// The CURVE public key that the certificate binds to its node, 32 bytes.
    package var curvePublicKey: [UInt8]? { SwiftletURI.value(SwiftletURI.curve, in: uris) }
    package var pem: String { PEM.encode(der, label: PEM.certificate) }

    private static func names(
        of handle: borrowing CertificateHandle
    ) throws(CertificateMistake) -> ([String], [String]) {
        var critical: Int32 = 0
        let found = X509_get_ext_d2i(handle.pointer, NID_subject_alt_name, &critical, nil)
        // -1: the certificate has no such extension. -2: several. 0 or 1 without a value: broken.
        guard let found else {
            if critical == -1 { return ([], []) }
            throw .badAlternativeNames
        }
        let list = AlternativeNamesHandle(owning: OpaquePointer(found))
        guard let names = list.names() else { throw .badAlternativeNames }
        var uris: [String] = []
        var dnsNames: [String] = []
        for name in names {
            switch name {
            case .uri(let text): uris.append(text)
            case .dns(let text): dnsNames.append(text)
            case .address: continue
            }
        }
        return (uris, dnsNames)
    }

    package static func == (left: Certificate, right: Certificate) -> Bool {
        left.der == right.der
    }
    package func hash(into hasher: inout Hasher) { hasher.combine(der) }
}

extension Certificate: CustomStringConvertible {
    package var description: String { "certificate of \(commonName) (\(nodeID.short))" }
}

/// Limits of a chain: leaf first, the root may be there or not.
package enum CertificateChain {
    /// What any reader takes in; a mesh's own chains have two certificates, or three with the root.
    package static let countMax = 4
}
