import Inference
import Testing

/// The tokenizer of model `llama`.
struct SentencePieceTests {
    private static func pieces(
        _ text: String, _ tokenizer: Tokenizer, parsingSpecial: Bool = false
    ) throws -> [String] {
        try tokenizer.encode(text, parsingSpecial: parsingSpecial).map {
            String(decoding: tokenizer.bytes(of: $0, showingControl: true), as: UTF8.self)
        }
    }

    @Test func `the pair with the highest score is joined first, the leftmost on ties`() throws {
        // Scores fall in this order.
        let words = ["▁", "a", "b", "c", "bc", "ab", "▁a"]
        let tokenizer = try TokenizerFixture.sentencePieces(words: words)
        #expect(try Self.pieces("abc", tokenizer) == [" a", "bc"])
        #expect(try Self.pieces("bcbc", tokenizer) == [" ", "bc", "bc"])
        // By the score alone, ab would wait for bc.
        let same = try Tokenizer(
            .init(
                model: "llama", tokens: ["a", "b", "ab", "ba"], scores: [0, 0, 1, 1],
                addsSpacePrefix: false))
        #expect(try Self.pieces("aba", same) == ["ab", "a"])
        #expect(try Self.pieces("bab", same) == ["ba", "b"])
    }

    @Test func `a space goes in front of a text and behind special tokens`() throws {
        let words = ["▁", "a", "▁a", "▁▁"]
        let tokenizer = try TokenizerFixture.sentencePieces(
            words: words, control: ["<x>"], userDefined: ["<y>"])
        #expect(try Self.pieces("a", tokenizer) == [" a"])
        #expect(
            try Self.pieces("a<x>a<y>aa<y>", tokenizer, parsingSpecial: true)
                == [" a", "<x>", " a", "<y>", " a", "a", "<y>"])
        #expect(try Self.pieces("", tokenizer) == [])
        let bare = try TokenizerFixture.sentencePieces(words: words, addsSpacePrefix: false)
        #expect(try Self.pieces("a a", bare) == ["a", " a"])
        #expect(tokenizer.addsSpacePrefix && !bare.addsSpacePrefix)
    }

    @Test func `what no token spells becomes bytes, and comes back`() throws {
        let tokenizer = try TokenizerFixture.sentencePieces(
            words: ["▁", "a", "▁a"], control: ["<x>"])
        let ids = try tokenizer.encode("aé\n", parsingSpecial: false)
        // The bytes C3 A9 0A, whose tokens begin at 3.
        #expect(ids == [261, 198, 172, 13])
        for text in ["aé\n", " a", "  a ", "日本 語", "<0x41>", "▁"] {
            let ids = try tokenizer.encode(text, parsingSpecial: false)
            // What was written as the mark for a space comes back as one.
            let expected = text == "▁" ? " " : text
            #expect(String(decoding: tokenizer.decode(ids), as: UTF8.self) == expected)
        }
        let marked = try tokenizer.encode("a<x>a", parsingSpecial: true)
        #expect(tokenizer.decode(marked, showingControl: true) == Array("a<x>a".utf8))
        #expect(tokenizer.decode(marked) == Array("aa".utf8))
    }

    @Test func `text arrives token by token as it comes at once`() throws {
        let tokenizer = try TokenizerFixture.sentencePieces(words: ["▁", "a", "▁a"])
        let text = "a 日 aé"
        var stream = UnicodeStream()
        var previous: TokenID?
        var pieces: [String] = []
        for token in try tokenizer.encode(text, parsingSpecial: false) {
            pieces.append(stream.append(tokenizer.bytes(of: token, after: previous)))
            previous = token
        }
        #expect(pieces == ["a", " ", "", "", "日", " a", "", "é"])
        // Behind words, as in the middle of an answer, the space stays.
        #expect(tokenizer.bytes(of: 261, after: 260) == Array(" a".utf8)[...])
        #expect(tokenizer.bytes(of: 261, after: 1) == Array("a".utf8)[...])
    }

    @Test func `without bytes the unknown token stands in`() throws {
        let tokenizer = try Tokenizer(
            .init(
                model: "llama", tokens: ["<unk>", "<s>", "</s>", "▁", "a"],
                tokenTypes: [2, 3, 3, 1, 1], scores: [0, 0, 0, 0, 0]))
        #expect(try tokenizer.encode("a日b", parsingSpecial: false) == [3, 4, 0, 0])
        #expect(try tokenizer.encodePrompt("a") == [1, 3, 4])
        #expect(tokenizer.endOfGeneration == [2])
    }

    @Test func `control tokens are not spelt by merges`() throws {
        let tokenizer = try TokenizerFixture.sentencePieces(words: ["<", "s", ">", "<s", "▁"])
        #expect(try Self.pieces("<s>", tokenizer) == [" ", "<s", ">"])
        #expect(try tokenizer.encode("<s>", parsingSpecial: true) == [1])
    }

    @Test func `a megabyte of one letter is no attack`() throws {
        let tokenizer = try TokenizerFixture.sentencePieces(
            words: ["▁", "a", "aa", "aaaa", "aaaaaaaa", "▁▁", "▁▁▁▁"])
        for letter in ["a", " "] {
            let text = String(repeating: letter, count: 1 << 20)
            let ids = try tokenizer.encode(text, parsingSpecial: false)
            #expect(tokenizer.decode(ids) == Array(text.utf8))
        }
    }
}
