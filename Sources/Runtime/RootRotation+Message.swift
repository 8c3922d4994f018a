import Identity
import Wire

extension RootRotation {
    /// As the log, a door and the data directory have it.
    init(_ message: RootRotated) throws {
        try self.init(
            parsing: message.certificates, trustedUntil: Int64(clamping: message.trustedUntil))
    }

    func message(number: Int) -> RootRotated {
        RootRotated(
            number: UInt32(number),
            certificates: [root, cross, issuing, issuingCross].map(\.der),
            trustedUntil: UInt64(clamping: trustedUntil))
    }
}

extension TrustStore {
    /// Refuses what the founding root does not lead to.
    init(root: Certificate, messages: [RootRotated]) throws {
        try self.init(root: root, rotations: try messages.map { try RootRotation($0) })
    }

    var messages: [RootRotated] {
        rotations.enumerated().map { $1.message(number: $0 + 1) }
    }
}
