/// A SHA-256 value: the name of an artifact, a key, a state.
public struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let byteCount = 32

    // Big-endian words: comparing them in order compares the bytes in order.
    @usableFromInline let first: UInt64, second: UInt64, third: UInt64, fourth: UInt64

    /// Nil where there are not exactly 32 bytes.
    // Inlined, because the walk over a collection that is not known is a call for each byte.
    @inlinable public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        var words: [4 of UInt64] = .init(repeating: 0)
        var index = 0
        for byte in bytes {
            words[index / 8] = words[index / 8] << 8 | UInt64(byte)
            index += 1
        }
        self.init(words: (words[0], words[1], words[2], words[3]))
    }

    /// Nil where the text is not exactly 64 hexadecimal digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    var words: (UInt64, UInt64, UInt64, UInt64) { (first, second, third, fourth) }

    @usableFromInline init(words: (UInt64, UInt64, UInt64, UInt64)) {
        (first, second, third, fourth) = words
    }

    /// The SHA-256 of some bytes.
    public static func of(_ bytes: [UInt8]) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// The SHA-256 of a text's UTF-8.
    public static func of(_ text: String) -> Digest { of(Array(text.utf8)) }

    /// Another value for each number, and none of them this one's neighbour: ids of the parts of
    /// something that has an id.
    public func derived(_ number: UInt64) -> Digest {
        let word = Chance.mix(number &+ Chance.increment)
        return Digest(words: (first ^ word, second, third, fourth))
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        bytes.append(littleEndian: first.byteSwapped)
        bytes.append(littleEndian: second.byteSwapped)
        bytes.append(littleEndian: third.byteSwapped)
        bytes.append(littleEndian: fourth.byteSwapped)
        return bytes
    }

    /// The first eight bytes as a number; digests sort by it before all else.
    @inlinable public var leadingWord: UInt64 { first }

    public var hex: String { Hex.encode(bytes) }
    /// Twelve digits: enough for a person to tell artifacts apart.
    public var short: String { String(hex.prefix(12)) }
    public var description: String { hex }

    @inlinable public static func == (left: Digest, right: Digest) -> Bool {
        left.first == right.first && left.second == right.second && left.third == right.third
            && left.fourth == right.fourth
    }

    @inlinable public static func < (left: Digest, right: Digest) -> Bool {
        // Mostly the first words say it.
        if left.first != right.first { return left.first < right.first }
        return (left.second, left.third, left.fourth) < (right.second, right.third, right.fourth)
    }
}
