/// Who a node is: the SHA-256 of its public key (SubjectPublicKeyInfo, DER).
public struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let digest: Digest

    @inlinable public init(_ digest: Digest) { self.digest = digest }

    /// An invented node, for tests and simulations: ids sort as their numbers.
    public init(_ number: UInt64) { digest = Digest(words: (number, 0, 0, 0)) }

    public init?(hex: some StringProtocol) {
        guard let digest = Digest(hex: hex) else { return nil }
        self.init(digest)
    }

    @inlinable public init?(bytes: some Collection<UInt8>) {
        guard let digest = Digest(bytes: bytes) else { return nil }
        self.init(digest)
    }

    public var bytes: [UInt8] { digest.bytes }
    /// The first eight bytes as a number; ids sort by it before all else.
    @inlinable public var leadingWord: UInt64 { digest.leadingWord }
    public var hex: String { digest.hex }
    /// Twelve digits, as tables show it.
    public var short: String { digest.short }
    public var description: String { short }

    @inlinable public static func == (left: NodeID, right: NodeID) -> Bool {
        left.digest == right.digest
    }

    @inlinable public static func < (left: NodeID, right: NodeID) -> Bool {
        left.digest < right.digest
    }
}
