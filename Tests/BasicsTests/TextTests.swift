import Basics
import Testing

struct TextTests {
    @Test(arguments: 0..<70) func `base64 and hex give back what they took`(count: Int) {
        var chance = Chance(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &chance) }
        #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        #expect(Base64.decode(Base64.encodeForURL(bytes)) == bytes)
        #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    }

    // RFC 4648 section 10.
    @Test(arguments: [
        ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ])
    func `base64 is the standard's`(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
    }

    @Test(arguments: ["Z", "Zg=", "Zh==", "Zg==Zg==", "Z g=", "Zg===", "====", "Zm9=v"])
    func `what is not base64 in its one form is refused`(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test(arguments: ["0", "0g", "zz", "0x"])
    func `what is not hexadecimal is refused`(text: String) {
        #expect(Hex.decode(text) == nil)
    }

    @Test func `a reader never goes past its bytes`() {
        var reader = ByteReader([1, 2, 3])
        let integers = [reader.integer(UInt16.self), reader.integer(UInt16.self)]
        #expect(integers == [0x0201, nil])
        let pieces = [reader.take(2), reader.take(1)]
        #expect(pieces == [nil, [3]])
        let isSkipped = reader.skip(1)
        #expect(!isSkipped)
    }

    @Test func `chance from one seed is one sequence, and another from another`() {
        var first = Chance(seed: 5), again = Chance(seed: 5), other = Chance(seed: 6)
        let numbers = (0..<8).map { _ in first.next() }
        let same = (0..<8).map { _ in again.next() }, others = (0..<8).map { _ in other.next() }
        #expect(numbers == same)
        #expect(numbers != others)
        // splitmix64 of seed 0, as its authors publish it.
        var zero = Chance(seed: 0)
        let number = zero.next()
        #expect(number == 0xe220_a839_7b1d_cdaf)
    }
}
