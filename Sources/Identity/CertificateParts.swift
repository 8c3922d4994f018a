import Basics
import COpenSSL
import Glibc

/// A subject alternative name (RFC 5280 section 4.2.1.6) of the kinds that we write.
enum AlternativeName: Hashable {
    case uri(String), dns(String)
    /// 4 or 16 bytes.
    case address([UInt8])

    static let countMax = 64
    static let byteCountMax = 512

    fileprivate var type: Int32 {
        switch self {
        case .uri: GEN_URI
        case .dns: GEN_DNS
        case .address: GEN_IPADD
        }
    }

    fileprivate var bytes: [UInt8] {
        switch self {
        case .uri(let text), .dns(let text): Array(text.utf8)
        case .address(let bytes): bytes
        }
    }
}

/// A list of alternative names inside libcrypto, freed once.
struct AlternativeNamesHandle: ~Copyable {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    init(_ names: [AlternativeName]) throws(IdentityError) {
        guard let pointer = openssl_names_new() else { throw Libcrypto.error("make names") }
        for name in names {
            let bytes = name.bytes
            guard openssl_names_add(pointer, name.type, bytes, Int32(bytes.count)) == 1 else {
                openssl_names_free(pointer)
                throw Libcrypto.error("make names")
            }
        }
        self.pointer = pointer
    }

    /// Names of other kinds are left out; nil where there are too many, or one is too long or
    /// holds anything but printable ASCII.
    borrowing func names() -> [AlternativeName]? {
        let count = openssl_names_count(pointer)
        guard count <= AlternativeName.countMax else { return nil }
        var names: [AlternativeName] = []
        for index in 0..<max(0, count) {
            var start: UnsafePointer<UInt8>?
            var byteCount: Int32 = 0
            let type = openssl_names_get(pointer, index, &start, &byteCount)
            guard let start else { continue }
            guard byteCount <= AlternativeName.byteCountMax else { return nil }
            let bytes = Array(UnsafeBufferPointer(start: start, count: Int(byteCount)))
            if type == GEN_IPADD {
                names.append(.address(bytes))
                continue
            }
            guard bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
            let text = String(decoding: bytes, as: UTF8.self)
            names.append(type == GEN_URI ? .uri(text) : .dns(text))
        }
        return names
    }

    deinit { openssl_names_free(pointer) }
}

/// The URIs by which a node's certificate says what X.509 has no field for.
enum SwiftletURI {
    static let curve = "swiftlet:curve:"
    static let mesh = "swiftlet:mesh:"
    static let node = "swiftlet:node:"

    /// The 32 bytes after `prefix`, where exactly one URI has it and it is written our way.
    static func value(_ prefix: String, in uris: [String]) -> [UInt8]? {
        let matches = uris.filter { $0.hasPrefix(prefix) }
        guard matches.count == 1 else { return nil }
        let text = matches[0].dropFirst(prefix.count)
        guard text.utf8.count == 64, text == text.lowercased() else { return nil }
        return Hex.decode(text)
    }
}

/// Names and times of X.509 as Swift values.
enum CertificateParts {
    /// The upper bound of a common name, RFC 5280 appendix A (ub-common-name).
    static let commonNameByteCountMax = 64

    /// The only common name; "" where there is none, nil where there are several, or it is too
    /// long or cannot be shown on one line.
    static func commonName(of name: OpaquePointer?) -> String? {
        guard let name else { return "" }
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0 else { return "" }
        guard X509_NAME_get_index_by_NID(name, NID_commonName, index) < 0 else { return nil }
        let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index))
        var start: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&start, value)
        defer { openssl_free(start) }
        guard let start, 0 <= count, count <= commonNameByteCountMax else { return nil }
        let bytes = UnsafeBufferPointer(start: start, count: Int(count))
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        let isOneLine = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                false
            default: true
            }
        }
        return isOneLine ? text : nil
    }

    /// Sets the only attribute that our names have.
    static func setCommonName(_ text: String, of name: OpaquePointer?) throws(IdentityError) {
        let bytes = Array(text.utf8)
        let done = X509_NAME_add_entry_by_NID(
            name,
            NID_commonName,
            MBSTRING_UTF8,
            bytes,
            Int32(bytes.count),
            -1,
            0
        )
        guard done == 1 else { throw Libcrypto.error("set a common name") }
    }

    /// Seconds since 1970.
    static func seconds(of time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }

    /// The serial as lower-case hexadecimal, two digits a byte.
    static func serial(of certificate: OpaquePointer) -> String? {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else {
            return nil
        }
        defer { BN_free(number) }
        guard BN_is_negative(number) == 0, let text = BN_bn2hex(number) else { return nil }
        defer { openssl_free(text) }
        return String(cString: text).lowercased()
    }
}
