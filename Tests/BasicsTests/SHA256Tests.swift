import Basics
import Testing

/// The host's instructions for SHA-256 and plain code are one function.
struct SHA256Tests {
    @Test(arguments: [0, 1, 55, 56, 63, 64, 65, 119, 120, 4096, 100_003])
    func `the host's digest is that of plain code, in pieces of any length`(count: Int) {
        var chance = Chance(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &chance) }
        let expected = Digest.of(bytes)
        for isPlain in [true, false] {
            var hash = SHA256(isPlain: isPlain)
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...20_000, using: &chance))
                hash.update(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(hash.finish() == expected)
        }
    }

    @Test func `hashing goes on from a chaining value as if it had never stopped`() throws {
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for cut in stride(from: 0, through: 960, by: 64) {
            var first = SHA256()
            first.update(Array(bytes[..<cut]))
            let value = try #require(first.chainingValue)
            var second = SHA256(after: UInt64(cut), chaining: value)
            second.update(Array(bytes[cut...]))
            #expect(second.finish() == Digest.of(bytes))
        }
        var hash = SHA256()
        #expect(hash.chainingValue == SHA256.start)
        hash.update([1])
        #expect(hash.chainingValue == nil)
    }
}
