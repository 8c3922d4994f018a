import Inference
import Testing

struct TokenizerStreamTests {
    private static func stream(_ parts: [ArraySlice<UInt8>]) -> String {
        var stream = UnicodeStream()
        return parts.map { stream.append($0) }.joined() + stream.finish()
    }

    @Test func `text that arrives byte by byte is never cut inside a character`() {
        var stream = UnicodeStream()
        let texts = Array("aé日😀".utf8).map { stream.append([$0]) }
        #expect(texts == ["a", "", "é", "", "", "日", "", "", "", "😀"])
        #expect(stream.finish().isEmpty)
    }

    // Whole characters, cut ones, stray continuations, overlong forms, surrogates, too large.
    @Test(
        arguments: [
            Array("naïve 日本 😀".utf8), [0x61, 0xE6, 0x97], [0x80, 0x80, 0x61], [0xC0, 0xAF],
            [0xE0, 0x80, 0x80, 0x61], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98], [0xF0, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x61], [0xE6, 0x97, 0xE6, 0x97, 0xA5], [0xFF, 0xFE],
            [0xF1, 0x80, 0x80, 0xE1, 0x80, 0xC2, 0x62], [0xED, 0x9F], [0xF4, 0x8F, 0xBF],
        ] as [[UInt8]]
    )
    func `parts give the same text as the whole`(bytes: [UInt8]) {
        let whole = String(decoding: bytes, as: UTF8.self)
        #expect(Self.stream(bytes.indices.map { bytes[$0...$0] }) == whole)
        for cut in 0...bytes.count {
            #expect(Self.stream([bytes[..<cut], bytes[cut...]]) == whole)
        }
    }

    @Test func `bytes that can never become a character do not wait`() {
        var stream = UnicodeStream()
        #expect(stream.append([0xFF]) == "\u{FFFD}")
        #expect(stream.append([0xE0, 0x80]) == "\u{FFFD}\u{FFFD}")
        #expect(stream.append([0xF0, 0x9F]).isEmpty)
        #expect(stream.finish() == "\u{FFFD}")
    }
}
