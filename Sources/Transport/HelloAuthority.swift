package import Basics
package import Wire

/// A peer that can be dialled, or that dials us.
package struct PeerAddress: NodeKeyed, Hashable, Sendable {
    package var id: NodeID
    /// `tcp://HOST:PORT`; empty for a node that only dials out.
    package var endpoint: String
    /// 32 bytes.
    package var curvePublicKey: [UInt8]

    package init(id: NodeID, endpoint: String, curvePublicKey: [UInt8]) {
        self.id = id
        self.endpoint = endpoint
        self.curvePublicKey = curvePublicKey
    }
}

/// Why a hello was not accepted: one sentence, which the other side gets to read.
package struct HelloRefusal: Error, Hashable, Sendable {
    package var sentence: String

    package init(sentence: String) { self.sentence = sentence }
}

/// Binds CURVE keys to nodes: the control plane asks it, and knows nothing of certificates.
///
/// Called on the thread of the control plane only.
package protocol HelloAuthority {
    /// A signed hello for a connection that this node has opened; its `sequence` grows.
    func hello(to server: PeerAddress, from ownCurveKey: [UInt8]) -> Hello

    /// Whose hello this is, when it is valid over just these two keys.
    ///
    /// Order of sequences, removed nodes and the envelope's names are checked by the plane.
    func judge(
        _ hello: Hello, clientCurveKey: [UInt8], serverCurveKey: [UInt8]
    ) -> Result<NodeID, HelloRefusal>

    /// Whether a key may connect at all: false for a revoked one, true for a stranger's.
    func isAllowed(curveKey: [UInt8]) -> Bool

    /// The connection to a peer on which this node said hello has ended, by whoever's will, and
    /// what the hello brought the peer, as a key, counts no more.
    func linkEnded(with peer: NodeID)
}

extension HelloAuthority {
    package func linkEnded(with peer: NodeID) {}
}

extension Hello {
    /// What the signature of a hello covers: both ends of the channel, and every field but itself.
    ///
    /// Each part with its length before it (32 bits, little-endian), so that no two hellos have the
    /// same bytes. The parts are named here and not taken from the encoding: a later version that
    /// adds a field still signs these, and this version still verifies it.
    package func signedBytes(clientCurveKey: [UInt8], serverCurveKey: [UInt8]) -> [UInt8] {
        var bytes = Array("swiftlet hello 1\n".utf8)
        func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
            (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T($0 * 8)) }
        }
        func append(_ part: [UInt8]) {
            bytes += number(UInt32(part.count))
            bytes += part
        }
        append(clientCurveKey)
        append(serverCurveKey)
        append(number(UInt32(certificates.count)))
        for certificate in certificates { append(certificate) }
        append(boot)
        append(number(sequence))
        append(number(protocolMin))
        append(number(protocolMax))
        append(Array(profile.name.utf8))
        append(Array(profile.controlEndpoint.utf8))
        append(Array(profile.bulkEndpoint.utf8))
        append(Array(profile.role.utf8))
        append(number(profile.coreCount))
        append(number(profile.memoryByteCount))
        append(Array(profile.version.utf8))
        append(bulkKey)
        return bytes
    }
}
