import Inference
import Testing

/// The pre-tokenizers, seen through vocabularies in which every wrong join would show.
struct TokenizerRuleTests {
    /// Shows where a rule cuts: `joins` become tokens if they are not cut apart.
    private static func cut(_ text: String, pre: String, joins: [[String]]) throws -> [String] {
        var words: [String] = []
        var merges: [String] = []
        for join in joins {
            var word = join[0]
            for part in join.dropFirst() {
                merges.append(word + " " + part)
                word += part
                words.append(word)
            }
        }
        let tokenizer = try TokenizerFixture.tokenizer(pre: pre, words: words, merges: merges)
        return try tokenizer.encode(text, parsingSpecial: false).map {
            String(decoding: tokenizer.bytes(of: $0), as: UTF8.self)
        }
    }

    private static let digits = [["1", "2", "3", "4"], ["5", "6"]]

    @Test(arguments: [
        ("smollm", ["1", "2", "3", "4", "5", "6"]),
        ("qwen2", ["1", "2", "3", "4", "5", "6"]),
        // Three and three; the fourth digit cannot join the first three.
        ("llama-bpe", ["123", "4", "56"]),
        ("gpt-2", ["1234", "56"]),
    ])
    func `digits are grouped as the rule says`(pre: String, pieces: [String]) throws {
        #expect(try Self.cut("123456", pre: pre, joins: Self.digits) == pieces)
    }

    // Ġ is the space and Ċ the line feed of the byte alphabet.
    @Test(arguments: [
        ("gpt-2", ["  ", " 1"], "   1"),
        ("smollm", ["   ", "1"], "   1"),
        ("llama-bpe", ["  ", " ", "1"], "   1"),
        ("gpt-2", ["  ", " a"], "   a"),
        ("qwen2", ["  ", " a"], "   a"),
        ("gpt-2", [" ", " a"], "  a"),
        ("llama-bpe", [" ", " a"], "  a"),
        ("gpt-2", ["   "], "   "),
    ])
    func `the last space goes to the next word`(
        pre: String,
        pieces: [String],
        text: String
    ) throws {
        let joins = [["Ġ", "Ġ", "Ġ"], ["Ġ", "a"], ["Ġ", "1"]]
        #expect(try Self.cut(text, pre: pre, joins: joins) == pieces)
    }

    // A space goes with letters only where no sign or number stands between.
    @Test(arguments: [
        ("default", ["123", "456", "7"], "1234567"), ("default", ["x", "!?", "y"], "x!?y"),
        ("default", ["a", "  ", "!"], "a  !"), ("default", ["a", " ", " ", "b"], "a  b"),
    ])
    func `the rule without a name cuts signs and triples`(
        pre: String,
        pieces: [String],
        text: String
    ) throws {
        let joins = [
            ["1", "2", "3", "4"], ["4", "5", "6"], ["7", "8"], ["!", "?"], ["x", "!"], ["?", "y"],
            ["Ġ", "Ġ"], ["Ġ", "!"],
        ]
        #expect(try Self.cut(text, pre: pre, joins: joins) == pieces)
    }

    @Test(arguments: [("qwen2", ["e", "\u{301}", "a"]), ("qwen35", ["e\u{301}a"])])
    func `marks are letters to qwen35 alone`(pre: String, pieces: [String]) throws {
        // The two bytes of the mark, as the byte alphabet writes them.
        let mark = Array("\u{301}".utf8).map { TokenizerFixture.alphabet[Int($0)] }
        let found = try Self.cut("e\u{301}a", pre: pre, joins: [["e"] + mark + ["a"], mark])
        #expect(found == pieces)
    }

    @Test func `a letter that came after Unicode 15 is none`() throws {
        // U+1C89 is a letter of Unicode 16; U+2EBF0 is one of Unicode 15.1.
        for (text, isLetter) in [("\u{1C89}", false), ("\u{2EBF0}", true)] {
            let first = TokenizerFixture.alphabet[Int(Array(text.utf8)[0])]
            let pieces = try Self.cut("a" + text, pre: "gpt-2", joins: [["a", first]])
            #expect((pieces.count < 1 + text.utf8.count) == isLetter)
        }
    }

    @Test(arguments: [
        // gpt-2 keeps signs and line feeds apart, llama-bpe joins them.
        ("gpt-2", [")", "\n", "a"]), ("llama-bpe", [")\n", "a"]), ("qwen2", [")\n", "a"]),
    ])
    func `a line feed behind signs`(pre: String, pieces: [String]) throws {
        #expect(try Self.cut(")\na", pre: pre, joins: [[")", "Ċ"], ["Ċ", "a"]]) == pieces)
    }

    @Test(arguments: [
        ("gpt-2", ["(", "a"]), ("smollm", ["(", "a"]), ("llama-bpe", ["(a"]), ("qwen2", ["(a"]),
    ])
    func `one sign before letters`(pre: String, pieces: [String]) throws {
        #expect(try Self.cut("(a", pre: pre, joins: [["(", "a"]]) == pieces)
    }

    @Test(arguments: [
        // In capitals it is a sign and a word to gpt-2, a contraction to llama-bpe.
        ("gpt-2", ["'", "Sa"]), ("llama-bpe", ["'S", "a"]),
    ])
    func `contractions`(pre: String, pieces: [String]) throws {
        #expect(try Self.cut("'Sa", pre: pre, joins: [["'", "S"], ["S", "a"]]) == pieces)
        #expect(try Self.cut("'sa", pre: pre, joins: [["'", "s"], ["s", "a"]]) == ["'s", "a"])
    }

    @Test func `llama-bpe takes a piece that is a token whole, whatever merges say`() throws {
        let words = ["ab", "bc", "abc"]
        // By merges, bc is made first, and a is left over.
        let merges = ["b c", "a b"]
        let llama = try TokenizerFixture.tokenizer(
            pre: "llama-bpe",
            words: words,
            merges: merges
        )
        let gpt2 = try TokenizerFixture.tokenizer(pre: "gpt-2", words: words, merges: merges)
        #expect(try llama.encode("abc", parsingSpecial: false) == [258])
        #expect(try gpt2.encode("abc", parsingSpecial: false) == [97, 257])
        #expect(llama.addsBeginOfText && !gpt2.addsBeginOfText)
        #expect(try llama.encodePrompt("abc") == [11, 258])
    }

    @Test func `special strings are cut longest first, user-defined ones always`() throws {
        let tokenizer = try TokenizerFixture.tokenizer(
            pre: "gpt-2",
            control: ["<e>", "<e><e>"],
            userDefined: ["||"]
        )
        let (short, long, bars): (TokenID, TokenID, TokenID) = (256, 257, 258)
        #expect(
            try tokenizer.encode("<e><e><e>||", parsingSpecial: true) == [long, short, bars]
        )
        #expect(try tokenizer.encode("<e>||", parsingSpecial: false) == [60, 101, 62, bars])
        #expect(tokenizer.isControl(short) && !tokenizer.isControl(bars))
        #expect(tokenizer.decode([short, bars]) == Array("||".utf8))
    }

    @Test func `what may end a text is added around a prompt when asked`() throws {
        func tokens(_ pre: String, begin: Bool?, end: Bool?) throws -> [TokenID] {
            try Tokenizer(
                .init(
                    model: "gpt2", pre: pre, tokens: TokenizerFixture.alphabet, bos: 1, eos: 2,
                    addsBeginOfText: begin, addsEndOfText: end)
            ).encodePrompt("a")
        }
        #expect(try tokens("gpt-2", begin: nil, end: nil) == [97])
        #expect(try tokens("gpt-2", begin: true, end: true) == [1, 97, 2])
        #expect(try tokens("llama3", begin: nil, end: nil) == [1, 97])
        #expect(try tokens("llama3", begin: false, end: true) == [97, 2])
    }

    @Test func `words that end a turn count by their text`() throws {
        func ends(_ types: [Int32]) throws -> [TokenID] {
            try Tokenizer(
                .init(
                    model: "gpt2", pre: "gpt-2", tokens: ["x", "<|eot_id|>", "</s>", "y"],
                    tokenTypes: types, bos: 0, eos: 0, ends: [3])
            ).endOfGeneration
        }
        #expect(try ends([1, 3, 3, 1]) == [0, 1, 2, 3])
        // One that nobody would write is an end even where its type is forgotten.
        #expect(try ends([1, 1, 1, 1]) == [0, 1, 3])
    }

    @Test func `merges never make a control token of plain text`() throws {
        let tokenizer = try TokenizerFixture.tokenizer(
            pre: "llama-bpe",
            merges: ["e n", "en d"],
            control: ["end"]
        )
        #expect(try tokenizer.encode("end", parsingSpecial: false) == [101, 110, 100])
        #expect(try tokenizer.encode("end", parsingSpecial: true) == [256])
    }

    @Test func `what is not supported is refused by its name`() {
        func build(
            model: String = "gpt2",
            pre: String = "gpt-2",
            tokens: [String] = ["a"],
            types: [Int32] = [],
            merges: [String] = [],
            scores: [Float] = [],
            eos: TokenID? = nil
        ) throws {
            _ = try Tokenizer(
                .init(
                    model: model, pre: pre, tokens: tokens, tokenTypes: types, merges: merges,
                    scores: scores, eos: eos))
        }
        #expect(throws: TokenizerError.unsupportedModel("bert")) { try build(model: "bert") }
        #expect(throws: TokenizerError.scoreCountMismatch(tokenCount: 1, scoreCount: 0)) {
            try build(model: "llama")
        }
        #expect(throws: TokenizerError.badByteToken(0)) {
            try build(model: "llama", types: [6], scores: [0])
        }
        #expect(throws: TokenizerError.unsupportedPreTokenizer("tekken")) {
            try build(pre: "tekken")
        }
        #expect(throws: TokenizerError.emptyVocabulary) { try build(tokens: []) }
        #expect(throws: TokenizerError.tokenTypeCountMismatch(tokenCount: 1, typeCount: 2)) {
            try build(types: [1, 1])
        }
        #expect(throws: TokenizerError.unknownTokenType(token: 0, type: 9)) {
            try build(types: [9])
        }
        #expect(throws: TokenizerError.badMerge(index: 1)) { try build(merges: ["a b", "ab"]) }
        #expect(throws: TokenizerError.badMerge(index: 0)) { try build(merges: ["a 日"]) }
        #expect(throws: TokenizerError.tokenOutsideVocabulary(name: "end-of-text", id: 1)) {
            try build(eos: 1)
        }
        #expect(throws: TokenizerError.missingKey("tokenizer.ggml.bos_token_id")) {
            try build(pre: "llama-bpe")
        }
        #expect(throws: TokenizerError.missingKey("tokenizer.ggml.model")) {
            try Tokenizer(metadata: GGUFMetadata())
        }
        #expect("\(TokenizerError.unsupportedPreTokenizer("tekken"))".contains("'tekken'"))
    }
}
