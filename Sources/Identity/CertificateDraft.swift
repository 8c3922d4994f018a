import COpenSSL
import Glibc

/// A certificate before it is signed: what the authority decides to say.
struct CertificateDraft {
    /// An extension in libcrypto's text form; only constants stand here.
    struct Extension {
        let id: Int32
        let value: String
    }

    let name: String
    let subjectKey: PublicKey
    let notBefore: Int64
    let notAfter: Int64
    let extensions: [Extension]
    let alternativeNames: [AlternativeName]

    static let authorityKeyUsage = Extension(
        id: NID_key_usage,
        value: "critical,keyCertSign,cRLSign"
    )
    static let subjectKeyID = Extension(id: NID_subject_key_identifier, value: "hash")
    static let authorityKeyID = Extension(id: NID_authority_key_identifier, value: "keyid:always")

    /// Signs with `key`, whose certificate is `issuer`; without one the draft signs itself.
    func signed(by key: PrivateKey, issuer: Certificate?) throws(IdentityError) -> Certificate {
        guard let pointer = X509_new() else { throw Libcrypto.error("make a certificate") }
        let handle = CertificateHandle(owning: pointer)
        // X.509 version 3 is written 2.
        guard X509_set_version(pointer, 2) == 1 else { throw Libcrypto.error("set a version") }
        try setSerial(of: pointer)
        try CertificateParts.setCommonName(name, of: X509_get_subject_name(pointer))
        let start = ASN1_TIME_set(X509_getm_notBefore(pointer), time_t(notBefore))
        let end = ASN1_TIME_set(X509_getm_notAfter(pointer), time_t(notAfter))
        guard start != nil, end != nil,
            X509_set_pubkey(pointer, subjectKey.handle.pointer) == 1
        else { throw Libcrypto.error("fill a certificate") }
        if let issuer {
            guard let issuerHandle = CertificateHandle(der: issuer.der) else {
                throw .certificate(.notDER)
            }
            let issuerName = X509_get_subject_name(issuerHandle.pointer)
            guard X509_set_issuer_name(pointer, issuerName) == 1 else {
                throw Libcrypto.error("name an issuer")
            }
            try addExtensions(to: pointer, issuer: issuerHandle.pointer)
        } else {
            guard X509_set_issuer_name(pointer, X509_get_subject_name(pointer)) == 1 else {
                throw Libcrypto.error("name an issuer")
            }
            try addExtensions(to: pointer, issuer: pointer)
        }
        guard X509_sign(pointer, key.handle.pointer, EVP_sha256()) > 0 else {
            throw Libcrypto.error("sign a certificate")
        }
        let der = try handle.encoded()
        do throws(CertificateMistake) { return try Certificate(der: der) } catch {
            throw .certificate(error)
        }
    }

    /// 126 random bits: unique without a register, and positive as RFC 5280 4.1.2.2 asks.
    private func setSerial(of certificate: OpaquePointer) throws(IdentityError) {
        var bytes = Random.bytes(count: 16)
        bytes[0] = bytes[0] & 0x3f | 0x40
        let number = BN_bin2bn(bytes, Int32(bytes.count), nil)
        defer { BN_free(number) }
        guard BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil else {
            throw Libcrypto.error("set a serial number")
        }
    }

    private func addExtensions(
        to certificate: OpaquePointer,
        issuer: OpaquePointer
    ) throws(IdentityError) {
        for item in extensions {
            guard openssl_add_extension(certificate, issuer, item.id, item.value) == 1 else {
                throw Libcrypto.error("add an extension")
            }
        }
        guard !alternativeNames.isEmpty else { return }
        let names = try AlternativeNamesHandle(alternativeNames)
        let flags = UInt(X509V3_ADD_DEFAULT)
        let list = UnsafeMutableRawPointer(names.pointer)
        guard X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, flags) == 1 else {
            throw Libcrypto.error("add alternative names")
        }
    }
}
