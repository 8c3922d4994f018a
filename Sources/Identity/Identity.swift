// Identity: who a node is, and how others can tell.
//
//   root key ── root certificate (10 years) ───── mesh id = SHA-256 of the founding root's DER
//                   │ signs
//   issuing key ─ issuing certificate (2 years) ── sealed to the voters, so that any may enrol
//                   │ signs
//   node key ── node certificate (30 days) ───────────────── node id = SHA-256 of the public key
//                   URI swiftlet:node:<id>   URI swiftlet:mesh:<mesh id>
//                   URI swiftlet:curve:<key> ─ channel and certificate are one identity
//
// A mesh can change its root and its issuing key (RootRotation.swift): the old root vouches for the
// new one, so that whoever was away finds the way from one to the other by itself.
//
// The one key that serves TLS also signs statements: ECDSA P-256, because every outside verifier
// takes it. A private key never leaves its node: joining sends a SigningRequest, whose signature
// proves possession, and the authority copies from it no more than the name and the CURVE key.
//
// All cryptography is libcrypto's. This module decides what is asked of it and what its answers
// mean. Three rules hold everywhere:
//
//   - Bytes of strangers are measured before they are parsed, and must be the one DER form of
//     what they say: two byte strings never stand for one certificate.
//   - Secrets live in `SecretBytes` or inside libcrypto, are wiped when dropped, and print as
//     nothing in descriptions, dumps and debuggers.
//   - The wall clock is an argument: seconds since 1970 in UTC.
//
//   PrivateKey, PublicKey   ECDSA P-256              Certificate, SigningRequest   X.509, PKCS#10
//   CurveKeyPair            X25519, for ZeroMQ CURVE CertificateAuthority          issues
//   NodeKeys, NodeIdentity  a node's folder          TrustStore                    verifies
//   MeshFounding            what `init` makes        JoinToken                     invites
//   RootSuccession          a new root               RootRotation                  leads to it
//   SealedChannel, SealedBox AES-256-GCM             TokenKey                      proves a token

package import Provenance

/// What went wrong below: libcrypto, a file, or the form of something read.
package enum IdentityError: Error, Hashable, Sendable {
    /// libcrypto refused an operation; `code` is its packed error, 0 where it gave none.
    case crypto(operation: String, code: UInt)
    case file(operation: String, path: String, code: Int32)
    case fileTooLong(path: String, byteCountMax: Int)
    case secretReadableByOthers(path: String, mode: UInt32)
    case alreadyExists(path: String)
    case malformedKey(path: String)
    case malformedPEM(path: String)
    case certificate(CertificateMistake)
    case request(RequestMistake)
    case badNodeName(String)
    case badLifetime(seconds: Int64)
    /// The key in the folder is not the one in the certificate beside it.
    case keyMismatch(path: String)
    case chain(ChainRefusal)
    /// Nobody could read what was to be signed.
    case statement(Statement.Mistake)
}

extension IdentityError: CustomStringConvertible {
    /// One sentence, for the rim.
    package var description: String {
        switch self {
        case .crypto(let operation, let code):
            "libcrypto could not \(operation) (error \(Libcrypto.text(of: code)))."
        case .file(let operation, let path, let code):
            "Could not \(operation) \(path): \(SecureFile.text(of: code))."
        case .fileTooLong(let path, let byteCountMax):
            "\(path) is longer than the \(byteCountMax) bytes that it may have."
        case .secretReadableByOthers(let path, let mode):
            "\(path) can be read by others (mode \(String(mode, radix: 8))); "
                + "run `chmod 600` on it."
        case .alreadyExists(let path):
            "\(path) is already there; choose an empty folder."
        case .malformedKey(let path): "\(path) holds no private key of the expected kind."
        case .malformedPEM(let path): "\(path) holds no PEM text of the expected kind."
        case .certificate(let mistake): "The certificate is refused: \(mistake)."
        case .request(let mistake): "The signing request is refused: \(mistake)."
        case .badNodeName(let name):
            "\"\(name)\" is no node name: take 1 to 63 letters, digits, dots and hyphens, "
                + "with a letter or digit at both ends."
        case .badLifetime(let seconds):
            "A certificate cannot be issued for \(seconds) seconds here."
        case .keyMismatch(let path): "\(path) does not belong to the certificate beside it."
        case .chain(let refusal): refusal.description
        case .statement(let mistake): mistake.description
        }
    }
}

/// The names that a node may have: a DNS label sequence, since it becomes a DNS name.
package enum NodeName {
    package static let byteCountMax = 63

    package static func isValid(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard (1...byteCountMax).contains(bytes.count) else { return false }
        guard let first = bytes.first, let last = bytes.last else { return false }
        guard isLetterOrDigit(first), isLetterOrDigit(last) else { return false }
        var previous = first
        for byte in bytes {
            let isDot = byte == UInt8(ascii: ".")
            guard isLetterOrDigit(byte) || isDot || byte == UInt8(ascii: "-") else { return false }
            if isDot, previous == UInt8(ascii: ".") { return false }
            previous = byte
        }
        return true
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
