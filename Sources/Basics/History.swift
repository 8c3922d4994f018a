/// What has ended, in that order: the numbers of what is kept, and the ids of what is forgotten.
///
/// An id that was used must not be used again, or what it stood for would be done twice. So the
/// ids of what is forgotten are kept longer than the rest, by their first words.
public struct History: Hashable, Sendable {
    /// Ids that are remembered: 8 bytes each, and as much again to look them up.
    public static let forgottenCountMax = 100_000

    /// How many have ended and are forgotten.
    public private(set) var forgottenCount: UInt64 = 0
    /// In the order in which they ended.
    public private(set) var kept: [Int] = []
    /// Of the ids that are forgotten, the oldest first.
    public private(set) var words: [UInt64] = []
    // The same, looked up, never iterated.
    private var lookup: Set<UInt64> = []

    public init() {}

    /// - Parameters:
    ///   - kept: as `kept` of the history that is put back.
    ///   - words: as `words`.
    public init(forgottenCount: UInt64, kept: [Int], words: [UInt64]) {
        self.forgottenCount = forgottenCount
        self.kept = kept
        self.words = words
        lookup = Set(words)
    }

    /// How many have ever ended.
    public var endedCount: UInt64 { forgottenCount + UInt64(kept.count) }

    public func hasForgotten(_ id: Digest) -> Bool { lookup.contains(id.leadingWord) }

    /// Whether an id that begins with these hexadecimal digits is forgotten; fewer than eight say
    /// nothing.
    public func hasForgotten(prefix: String) -> Bool {
        let digits = prefix.prefix(16)
        guard digits.count >= 8, digits.allSatisfy(\.isHexDigit),
            let first = UInt64(digits, radix: 16)
        else { return false }
        return words.contains { $0 >> UInt64(64 - 4 * digits.count) == first }
    }

    public mutating func end(_ number: Int) { kept.append(number) }

    /// Forgets the oldest, until so many are forgotten in all; returns their numbers.
    public mutating func forget(through count: UInt64) -> [Int] {
        guard count > forgottenCount else { return [] }
        let numbers = Array(kept.prefix(Int(clamping: count - forgottenCount)))
        kept.removeFirst(numbers.count)
        forgottenCount += UInt64(numbers.count)
        return numbers
    }

    /// This id is not to be used again.
    public mutating func forget(_ id: Digest) {
        words.append(id.leadingWord)
        lookup.insert(id.leadingWord)
        guard words.count > Self.forgottenCountMax else { return }
        // Many at once, because the rest moves up.
        words.removeFirst(Self.forgottenCountMax / 8)
        lookup = Set(words)
    }
}
