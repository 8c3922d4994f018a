import Basics
import Testing

struct DigestTests {
    // FIPS 180-4 example values, as published with the standard.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `the digest is the standard's`(text: String, hex: String) {
        #expect(Digest.of(text).hex == hex)
    }

    @Test func `a million letters in uneven pieces have the standard's digest`() {
        var hash = SHA256()
        var left = 1_000_000
        var piece = 1
        while left > 0 {
            let count = min(piece, left)
            hash.update([UInt8](repeating: UInt8(ascii: "a"), count: count))
            left -= count
            piece = piece * 3 % 1_009 + 1
        }
        #expect(
            hash.finish().hex
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func `digests sort as their bytes and survive both text forms`() {
        let low = Digest.of("one"), high = Digest.of("two")
        let sorted = [low, high].sorted().map(\.bytes)
        #expect(sorted[0].lexicographicallyPrecedes(sorted[1]))
        #expect(Digest(hex: low.hex) == low)
        #expect(Digest(bytes: low.bytes) == low)
        #expect(Digest(hex: String(low.hex.dropLast())) == nil)
        #expect(Digest(bytes: [1, 2, 3]) == nil)
    }

    @Test func `node ids of numbers sort as the numbers`() {
        #expect(NodeID(2) < NodeID(10))
        #expect(NodeID(bytes: NodeID(7).bytes) == NodeID(7))
    }
}
