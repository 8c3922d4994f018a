import CZeroMQ
import Glibc

/// A Curve25519 key pair of the control plane: 32 bytes each.
package struct CurveKeyPair: Sendable, CustomStringConvertible {
    package static let keyByteCount = 32

    package let publicKey: [UInt8]
    package let secretKey: [UInt8]

    /// Nil where a key has another length.
    package init?(publicKey: [UInt8], secretKey: [UInt8]) {
        guard publicKey.count == Self.keyByteCount, secretKey.count == Self.keyByteCount
        else { return nil }
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    /// A fresh pair from the system's randomness.
    package static func generate() throws(TransportError) -> CurveKeyPair {
        // Z85 text: 40 characters and a zero.
        var texts = (
            publicKey: [CChar](repeating: 0, count: 41), secretKey: [CChar](repeating: 0, count: 41)
        )
        guard zmq_curve_keypair(&texts.publicKey, &texts.secretKey) == 0
        else { throw .last("zmq_curve_keypair") }
        func decoded(_ text: [CChar]) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: keyByteCount)
            let isDecoded = zmq_z85_decode(&bytes, text) != nil
            precondition(isDecoded, "libzmq does not read its own key")
            return bytes
        }
        guard
            let pair = CurveKeyPair(
                publicKey: decoded(texts.publicKey), secretKey: decoded(texts.secretKey))
        else { throw .system(operation: "zmq_curve_keypair", code: EINVAL) }
        return pair
    }

    /// Never the secret.
    package var description: String { "CURVE key pair" }
}
