package import Basics
import COpenSSL

/// The public half of an ECDSA P-256 key, as SubjectPublicKeyInfo (RFC 5480).
///
/// Only the uncompressed form with the named curve is taken: it is the one that everybody writes,
/// and with two forms one key would have two node ids.
package struct PublicKey: Hashable, Sendable {
    static let coordinateByteCount = 32
    // SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING { 04 | x | y } }
    static let prefix: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ]
    package static let byteCount = prefix.count + 2 * coordinateByteCount

    let handle: KeyHandle
    /// 91 bytes.
    package let der: [UInt8]
    /// SHA-256 of `der`: who signs with this key.
    package let nodeID: NodeID

    /// Nil where the bytes are not a point of P-256 in the form above.
    package init?(der: [UInt8]) {
        guard der.count == Self.byteCount, der.starts(with: Self.prefix) else { return nil }
        let parsed = Libcrypto.parse(der, { d2i_PUBKEY(nil, $0, $1) }, { EVP_PKEY_free($0) })
        guard let parsed else { return nil }
        handle = KeyHandle(owning: parsed)
        self.der = der
        nodeID = NodeID(Digest.of(der))
    }

    /// From x | y, 64 bytes, as a `SealedBox` carries them.
    init?(coordinates: some Collection<UInt8>) {
        self.init(der: Self.prefix + coordinates)
    }

    var coordinates: ArraySlice<UInt8> { der[Self.prefix.count...] }

    /// True where `signature` (DER) is this key's over SHA-256 of the bytes.
    package func verify(_ signature: [UInt8], over bytes: [UInt8]) -> Bool {
        handle.verify(signature, over: bytes, hash: EVP_sha256())
    }

    package static func == (left: PublicKey, right: PublicKey) -> Bool { left.der == right.der }
    package func hash(into hasher: inout Hasher) { hasher.combine(der) }
}

extension PublicKey: CustomStringConvertible {
    package var description: String { "public key of \(nodeID.short)" }
}
