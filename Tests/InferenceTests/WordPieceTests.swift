import Inference
import Testing

struct WordPieceTests {
    private static let words = EncoderFixture.words

    private static func make(lowercases: Bool = true) throws -> WordPiece {
        try WordPiece(WordPiece.Vocabulary(tokens: words, lowercases: lowercases))
    }

    /// The pieces of a text without the class token and the separator.
    private static func pieces(_ text: String, lowercases: Bool = true) throws -> [String] {
        let ids = try make(lowercases: lowercases).encode(text)
        try #require(ids.first == 2 && ids.last == 3)
        return ids.dropFirst().dropLast().map { words[Int($0)] }
    }

    @Test(arguments: [
        ("unaffable", ["un", "##aff", "##able"]), ("", []), (" \t\n", []),
        ("the cat\u{A0}sat", ["the", "cat", "sat"]), ("THE Cat", ["the", "cat"]),
        ("Café", ["cafe"]), ("CAFE\u{301}S", ["cafe", "##s"]), ("naïve", ["naive"]),
        ("cat,sat.", ["cat", ",", "sat", "."]), ("don't", ["don", "'", "t"]),
        ("日本", ["日", "本"]), ("cat東x", ["cat", "東", "x"]),
        ("unq", ["[UNK]"]), ("q cat", ["[UNK]", "cat"]), ("İ", ["i"]),
        ("c\u{200B}a\u{0}t", ["cat"]), ("[SEP]", ["[", "sep", "]"]),
        ("##s", ["[UNK]", "[UNK]", "[UNK]"]),
        ("\u{FFFD}", []), ("\u{E000}", []),
    ])
    func `a text is cut as BERT cuts it`(text: String, expected: [String]) throws {
        #expect(try Self.pieces(text) == expected)
    }

    @Test func `a cased vocabulary keeps capitals and accents`() throws {
        #expect(try Self.pieces("The the café", lowercases: false) == ["[UNK]", "the", "[UNK]"])
    }

    @Test func `a word of more than 100 characters is one unknown token`() throws {
        func x(_ count: Int) -> String { String(repeating: "x", count: count) }
        #expect(try Self.pieces(x(100)) == ["x"] + [String](repeating: "##x", count: 99))
        #expect(try Self.pieces(x(101)) == ["[UNK]"])
    }

    @Test func `what a text spells out is never an instruction`() throws {
        // Names without punctuation: only the vocabulary's word keeps the text from being one.
        let tokenizer = try WordPiece(
            WordPiece.Vocabulary(
                tokens: ["unknown", "begin", "end", "mask", "a"], lowercases: true, classID: 1,
                separatorID: 2, unknownID: 0, controlIDs: [3]))
        #expect(try tokenizer.encode("a mask begin end unknown") == [1, 4, 0, 0, 0, 0, 2])
    }

    @Test func `the longest piece is taken, as a slow search finds it`() throws {
        let vocabulary = Set(Self.words.dropFirst(5))
        var random = KernelRandomness(seed: 5)
        var knownCount = 0
        for _ in 0..<2_000 {
            let word = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                ["a", "b", "c", "d", "e", "s", "x", "caf", "un", "aff"]
                    .randomElement(using: &random) ?? ""
            }.joined()
            var expected: [String] = []
            var rest = Substring(word)
            while !rest.isEmpty {
                let prefix = expected.isEmpty ? "" : "##"
                guard
                    let count = (1...rest.count).reversed().first(where: {
                        vocabulary.contains(prefix + rest.prefix($0))
                    })
                else {
                    expected = ["[UNK]"]
                    break
                }
                expected.append(prefix + rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            #expect(try Self.pieces(word) == expected)
            knownCount += expected == ["[UNK]"] ? 0 : 1
        }
        #expect(100 < knownCount && knownCount < 1_900)
    }

    @Test func `a vocabulary that is not whole is refused`() {
        #expect(throws: TokenizerError.missingKey("[SEP]")) {
            try WordPiece.Vocabulary(tokens: ["[UNK]", "[CLS]"], lowercases: true)
        }
        #expect(throws: TokenizerError.emptyVocabulary) {
            try WordPiece(
                .init(
                    tokens: [], lowercases: true, classID: 0, separatorID: 0, unknownID: 0,
                    controlIDs: []))
        }
        #expect(throws: TokenizerError.tokenOutsideVocabulary(name: "separator", id: 7)) {
            try WordPiece(
                .init(
                    tokens: ["a"], lowercases: true, classID: 0, separatorID: 7, unknownID: 0,
                    controlIDs: []))
        }
        #expect(throws: TokenizerError.tokenOutsideVocabulary(name: "control", id: -1)) {
            try WordPiece(
                .init(
                    tokens: ["a"], lowercases: true, classID: 0, separatorID: 0, unknownID: 0,
                    controlIDs: [-1]))
        }
    }

    @Test func `a text that is too long is refused`() throws {
        let count = Tokenizer.textByteCountMax + 1
        let text = String(repeating: "a", count: count)
        #expect(
            throws: TokenizerError.textTooLong(
                byteCount: count, limit: Tokenizer.textByteCountMax)
        ) { try Self.make().encode(text) }
    }
}
