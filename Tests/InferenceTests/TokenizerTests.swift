import Inference
import Testing

struct TokenizerTests {
    // Ids compared with llama.cpp's for the same file.
    static let texts: [(String, [TokenID])] = [
        ("The capital of France is", [504, 3575, 282, 4649, 314]),
        ("", []),
        ("nan", [12792]),
        ("\u{301}", [151, 219]),
        (
            "don't we'LL 'S x'y",
            [12420, 982, 392, 23, 16421, 637, 67, 1792, 23, 105]
        ),
        (
            " \n \n  if (a<b) {\n\t\treturn 0;\n    }",
            [
                3717, 3717, 216, 585, 365, 81, 44, 82, 25, 1662, 3354, 197, 5406, 216, 32, 43,
                472, 4029,
            ]
        ),
        ("日本語 中文", [23274, 115, 40993, 179, 120, 248, 216, 28589, 29184]),
        (
            "👩‍👩‍👧‍👦🇫🇷",
            [
                10813, 235, 119, 321, 231, 10813, 235, 119, 321, 231, 10813, 235, 117, 321, 231,
                10813, 235, 116, 10813, 225, 121, 10813, 225, 132,
            ]
        ),
        (
            "٣٤٥ ½Ⅷ²",
            [164, 113, 164, 114, 164, 115, 216, 16738, 173, 223, 117, 19133]
        ),
        ("क्षि", [38565, 16525, 4300, 132, 27011]),
        ("   three   spaces  ", [256, 1296, 256, 5600, 256]),
        ("a\u{a0}b\u{3000}c\u{200b}d", [81, 15442, 82, 12109, 218, 83, 321, 229, 84]),
        ("\r\n\r\n", [18682]),
        ("Ünïcödé e\u{301}", [142, 246, 94, 25972, 83, 7466, 84, 2756, 297, 151, 219]),
        (
            "https://example.com/?q=1&r=%20",
            [4687, 1742, 7434, 30, 824, 35005, 97, 45, 33, 22, 98, 23446, 34, 32]
        ),
        (
            "1234567890 12.5",
            [33, 34, 35, 36, 37, 38, 39, 40, 41, 32, 216, 33, 34, 30, 37]
        ),
        ("𝔘𝔫𝔦", [23159, 238, 242, 23159, 238, 121, 23159, 238, 116]),
        (
            "<|im_start|>user\nhi<|im_end|>",
            [
                44, 108, 306, 79, 3738, 108, 46, 4093, 198, 6004, 44, 108, 306, 79, 486, 108, 46,
            ]
        ),
    ]

    @Test(arguments: texts)
    func `a text has the ids that the reference gives it`(
        text: String,
        ids: [TokenID]
    ) throws {
        let tokenizer = try TokenizerFixture.smolLM2()
        #expect(try tokenizer.encode(text, parsingSpecial: false) == ids)
        #expect(tokenizer.decode(ids) == Array(text.utf8))
    }

    @Test func `control tokens are parsed only when asked`() throws {
        let tokenizer = try TokenizerFixture.smolLM2()
        let text = "<|im_start|>user\nhi<|im_end|>"
        let ids: [TokenID] = [1, 4093, 198, 6004, 2]
        #expect(try tokenizer.encode(text, parsingSpecial: true) == ids)
        #expect(try tokenizer.encodePrompt(text) == ids)
        #expect(tokenizer.decode(ids) == Array("user\nhi".utf8))
        #expect(tokenizer.decode(ids, showingControl: true) == Array(text.utf8))
        #expect(try !tokenizer.encode(text, parsingSpecial: false).contains { $0 < 17 })
    }

    @Test func `the model's ends are one set`() throws {
        let tokenizer = try TokenizerFixture.smolLM2()
        // <|endoftext|> by its text, <|im_end|> by its text and by the metadata.
        #expect(tokenizer.endOfGeneration == [0, 2])
        #expect(tokenizer.endsGeneration(2) && !tokenizer.endsGeneration(1))
        #expect(tokenizer.beginOfText == 1 && !tokenizer.addsBeginOfText)
        #expect(tokenizer.specialToken("<|im_start|>") == 1)
        #expect(tokenizer.specialToken("the") == nil)
    }

    /// The rule as it is stated: look at all pairs, merge the best, begin again.
    private static func naiveMerge(
        _ word: String,
        ranks: [String: Int],
        ids: [String: TokenID]
    ) -> [TokenID?] {
        var parts = word.utf8.map { TokenizerFixture.alphabet[Int($0)] }
        while true {
            var best = (rank: Int.max, index: -1)
            for index in parts.indices.dropLast() {
                guard let rank = ranks[parts[index] + " " + parts[index + 1]] else { continue }
                if rank < best.rank { best = (rank, index) }
            }
            guard 0 <= best.index else { return parts.map { ids[$0] } }
            parts[best.index] += parts.remove(at: best.index + 1)
        }
    }

    @Test func `the heap merges as the plain rule does`() throws {
        let metadata = try TokenizerFixture.metadata()
        let tokenizer = try TokenizerFixture.smolLM2()
        let merges = try #require(metadata.strings("tokenizer.ggml.merges"))
        let tokens = try #require(metadata.strings("tokenizer.ggml.tokens"))
        let ranks = Dictionary(
            zip(merges, merges.indices),
            uniquingKeysWith: { first, _ in first }
        )
        let ids = Dictionary(
            zip(tokens, tokens.indices.map { TokenID($0) }),
            uniquingKeysWith: { $1 }
        )
        var random = KernelRandomness(seed: 5)
        for _ in 0..<100 {
            let letters = random.bytes(40).map { "etaoinshrdlucmfwg"[Int($0) % 17] }
            let word = String(letters)
            #expect(
                try tokenizer.encode(word, parsingSpecial: false)
                    == Self.naiveMerge(word, ranks: ranks, ids: ids),
                "\(word)"
            )
        }
    }

    @Test func `a long word costs no square of its length`() throws {
        // 400,000 letters in one piece: pair by pair over the whole piece would take hours.
        let tokenizer = try TokenizerFixture.smolLM2()
        let text = String(repeating: "abcab", count: 80_000)
        let ids = try tokenizer.encode(text, parsingSpecial: false)
        #expect(tokenizer.decode(ids) == Array(text.utf8))
        #expect(ids.count < 300_000)
    }

    @Test func `a text beyond the limit is refused`() throws {
        let tokenizer = try TokenizerFixture.tokenizer(pre: "gpt-2")
        let limit = Tokenizer.textByteCountMax
        #expect(throws: TokenizerError.textTooLong(byteCount: limit + 1, limit: limit)) {
            try tokenizer.encode(String(repeating: " ", count: limit + 1), parsingSpecial: false)
        }
    }
}

extension String {
    fileprivate subscript(index: Int) -> Character { self[self.index(startIndex, offsetBy: index)] }
}
