/// Numbers by byte strings: what a token is called, found without making a string.
///
/// Open addressing over one arena of bytes. A vocabulary comes from a stranger, who could choose
/// words that all fall into one place and make building the table cost the square of their
/// number: so a probe is bounded, and a vocabulary that exceeds the bound is refused. Honest
/// ones stay below 40 at the load of one half that is kept here.
struct TokenizerTable: Sendable {
    private static let probeCountMax = 1024

    private var bytes: [UInt8] = []
    /// Entry i is `bytes[starts[i]..<starts[i + 1]]`.
    private var starts: [Int] = [0]
    private var values: [Int32] = []
    /// `hash << 32 | entry + 1`, the upper half of the hash; 0 where nothing is.
    private var slots: [UInt64]

    init(capacity: Int) {
        var count = 16
        while count < 2 * capacity { count *= 2 }
        slots = Array(repeating: 0, count: count)
    }

    var count: Int { values.count }

    /// The bytes of an entry, in the order of insertion.
    func word(_ entry: Int) -> ArraySlice<UInt8> { bytes[starts[entry]..<starts[entry + 1]] }

    func value(of word: ArraySlice<UInt8>) -> Int32? {
        let hash = Self.hash(word)
        let slot = self.slot(of: word, hash)
        guard let slot, slots[slot] != 0 else { return nil }
        return values[Int(slots[slot] & 0xFFFF_FFFF) - 1]
    }

    /// The value of a word that is there; the new one otherwise, which it has from now on.
    mutating func intern(
        _ word: ArraySlice<UInt8>,
        as value: Int32,
        replacing: Bool = false
    ) throws(TokenizerError) -> Int32 {
        if slots.count <= 2 * (count + 1) { try grow() }
        let hash = Self.hash(word)
        guard let slot = slot(of: word, hash) else { throw .crowdedVocabulary }
        if slots[slot] != 0 {
            let entry = Int(slots[slot] & 0xFFFF_FFFF) - 1
            if replacing { values[entry] = value }
            return values[entry]
        }
        bytes.append(contentsOf: word)
        starts.append(bytes.count)
        values.append(value)
        slots[slot] = hash & ~0xFFFF_FFFF | UInt64(count)
        return value
    }

    private mutating func grow() throws(TokenizerError) {
        slots = Array(repeating: 0, count: 2 * slots.count)
        for entry in 0..<count {
            let hash = Self.hash(word(entry))
            guard let slot = slot(of: word(entry), hash) else { throw .crowdedVocabulary }
            slots[slot] = hash & ~0xFFFF_FFFF | UInt64(entry + 1)
        }
    }

    /// Where the word is, or where it would go; nil when too many others are in the way.
    private func slot(of word: ArraySlice<UInt8>, _ hash: UInt64) -> Int? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        for _ in 0..<Self.probeCountMax {
            let found = slots[slot]
            if found == 0 { return slot }
            if found >> 32 == hash >> 32, isEntry(Int(found & 0xFFFF_FFFF) - 1, word) {
                return slot
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func isEntry(_ entry: Int, _ word: ArraySlice<UInt8>) -> Bool {
        let start = starts[entry]
        guard starts[entry + 1] - start == word.count else { return false }
        for offset in 0..<word.count
        where bytes[start + offset] != word[word.startIndex + offset] {
            return false
        }
        return true
    }

    /// FNV-1a, and the finalizer of splitmix64, since FNV leaves its upper half unmixed.
    private static func hash(_ word: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return mixed(hash)
    }

    /// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
    static func mixed(_ number: UInt64) -> UInt64 {
        var z = number
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

/// Merges by the pair of symbols that they join; as `TokenizerTable`, for 64-bit keys.
struct TokenizerPairs: Sendable {
    private static let probeCountMax = 1024
    /// No pair: symbols are not negative.
    private static let empty = UInt64.max

    private struct Slot {
        var key: UInt64
        var value: UInt64
    }

    private var slots: [Slot]
    private var count = 0

    init(capacity: Int) {
        var slotCount = 16
        while slotCount < 2 * (capacity + 1) { slotCount *= 2 }
        slots = Array(repeating: Slot(key: Self.empty, value: 0), count: slotCount)
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    func value(_ left: Int32, _ right: Int32) -> UInt64? {
        let key = Self.key(left, right)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: TokenizerTable.mixed(key)) & mask
        while true {
            let found = slots[slot]
            if found.key == key { return found.value }
            if found.key == Self.empty { return nil }
            slot = (slot + 1) & mask
        }
    }

    /// Keeps what is there already.
    ///
    /// - Precondition: no more pairs than the capacity.
    mutating func insert(
        _ left: Int32,
        _ right: Int32,
        _ value: UInt64
    ) throws(TokenizerError) {
        let key = Self.key(left, right)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: TokenizerTable.mixed(key)) & mask
        for _ in 0..<Self.probeCountMax {
            if slots[slot].key == key { return }
            if slots[slot].key == Self.empty {
                precondition(2 * count < slots.count, "the capacity holds all pairs")
                slots[slot] = Slot(key: key, value: value)
                count += 1
                return
            }
            slot = (slot + 1) & mask
        }
        throw .crowdedVocabulary
    }
}
