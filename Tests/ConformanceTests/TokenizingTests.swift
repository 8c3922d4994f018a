import Basics
import Foundation
import Inference
import Testing

/// Tokens of this engine and of llama.cpp for the same texts and vocabularies.
///
/// `SWIFTLET_FUZZ_STRINGS` says how many strings are made up for each vocabulary.
struct TokenizingTests {
    struct Vocabulary: CustomStringConvertible {
        let words: String
        var pre: String?
        var addsSpacePrefix: Bool?

        var description: String {
            "\(words), \(pre ?? "no pre"), \(addsSpacePrefix.map(String.init) ?? "")"
        }

        var request: JSON {
            var members: [JSON.Member] = [
                .init("words", .string(words)),
                .init("pre", pre.map { .string($0) } ?? .null),
            ]
            if let addsSpacePrefix {
                members.append(.init("add_space_prefix", .bool(addsSpacePrefix)))
            }
            return .object(members)
        }
    }

    static let rules = [
        nil, "default", "gpt-2", "smollm", "starcoder", "refact", "command-r", "llama-bpe", "qwen2",
        "deepseek-r1-qwen", "qwen35",
    ]

    @Test func `made-up strings have the tokens that llama_cpp gives them`() throws {
        let variable = ProcessInfo.processInfo.environment["SWIFTLET_FUZZ_STRINGS"]
        let count = variable.flatMap { Int($0) } ?? 300
        var texts = TokenizingText(seed: 20_251_123)
        let strings = (0..<count).map { _ in texts.next() }
        let vocabularies =
            Self.rules.map { Vocabulary(words: "pairs", pre: $0) }
            + ["gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35"].map {
                Vocabulary(words: "model", pre: $0)
            }
            + [nil, false].map { Vocabulary(words: "pieces", addsSpacePrefix: $0) }
        try Self.compare(strings, vocabularies)
        print("\(count) strings have the same tokens in \(vocabularies.count) vocabularies")
    }

    @Test func `every character is cut as llama_cpp cuts it`() throws {
        // Between letters, digits, signs and spaces, 512 characters in one string.
        var lines: [String] = []
        for value in UInt32(0)..<0x110000 {
            guard let scalar = Unicode.Scalar(value),
                scalar.properties.age != nil || value.isMultiple(of: 61),
                scalar.properties.generalCategory != .privateUse || value.isMultiple(of: 509)
            else { continue }
            let character = String(Character(scalar))
            lines.append(["a", "1", "!", " ", "'", "\n"].map { $0 + character }.joined() + "z\n")
        }
        let strings = stride(from: 0, to: lines.count, by: 512).map {
            lines[$0..<min($0 + 512, lines.count)].joined()
        }
        try Self.compare(
            strings,
            ["gpt-2", "default", "llama-bpe", "qwen35"].map {
                Vocabulary(words: "pairs", pre: $0)
            })
        print("\(lines.count) characters are cut in the same way")
    }

    private static func compare(_ strings: [String], _ vocabularies: [Vocabulary]) throws {
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let request: JSON = [
            "folder": .string(folder.path),
            "texts": .array(strings.map { .string($0) }),
            "vocabularies": .array(vocabularies.map(\.request)),
        ]
        let file = folder.appending(path: "request.json")
        try Data(request.text.utf8).write(to: file)
        let run = try ClientProgram(
            script: "llama_tokenize.py", [ClientProgram.model(), file.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        let answers = try #require(try JSON(parsing: run.output).asArray)
        try #require(answers.count == vocabularies.count)
        for (vocabulary, answer) in zip(vocabularies, answers) {
            let path = try #require(answer["model"]?.asString)
            let metadata = try MappedFile(path: path).withBytes { try GGUF(parsing: $0).metadata }
            let tokenizer = try Tokenizer(metadata: metadata)
            for (key, isSpecial) in [("plain", false), ("special", true)] {
                let expected = try #require(answer[key]?.asArray)
                try #require(expected.count == strings.count)
                for (text, expected) in zip(strings, expected) {
                    let ids = expected.asArray?.compactMap(\.asInteger).map { TokenID($0) }
                    let found = try tokenizer.encode(text, parsingSpecial: isSpecial)
                    guard found != ids else { continue }
                    Issue.record("\(vocabulary), \(key): \(Self.shown(text, found, ids ?? []))")
                }
            }
        }
    }

    /// The string and where its tokens part.
    private static func shown(_ text: String, _ found: [TokenID], _ ids: [TokenID]) -> String {
        let common = zip(found, ids).prefix { $0 == $1 }.count
        let scalars = text.unicodeScalars.prefix(80).map { String($0.value, radix: 16) }
        return "\(scalars.joined(separator: " ")), token \(common): "
            + "\(found.dropFirst(common).prefix(4)), not \(ids.dropFirst(common).prefix(4))"
    }
}

/// Strings such as nobody writes on purpose: scripts, digits, marks, spaces, controls, halves of
/// special tokens, in any order.
struct TokenizingText {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// splitmix64.
    private mutating func number(below limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ z >> 31) % UInt64(limit))
    }

    private static let words = [
        "the", " The", " quick", "fox", "Ünïcödé", "e\u{301}", "naïve", "straße", "ǅ", "ʰ",
        "ſ", "K",
        "日本語", "中文", "한국어", "ไทย", "क्षि", "עברית", "العربية", "ქართული", "Ελλάδα", "Привет",
        "𝔘𝔫𝔦", "ꙮ", "\u{1C89}", "\u{2EBF0}", "ª", "x", "I", "a", "int main() {", "return 0;", "</div>",
        "https://example.com/?q=1&r=%20", "foo_bar", "CamelCase", "a.b", "…", "—", "«»", "¿", "!?",
        "'s", "'S", "'t", "'re", "'RE", "'Ve", "'m", "'ll", "'LL", "'d", "'D", "'x", "'", "''",
        "’s",
        "'r", "'ſ", " 's", "\"", "`", "$", "^", "~", "|", "+", "=", "<", ">", "#", "@", "_",
        "-", "--",
        "0", "1", "7", "12", "123", "1234", "12345678", "٣٤٥", "½", "Ⅷ", "²", "৭", "𝟘", "1.5",
        "1,000",
        " ", "  ", "   ", "        ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ",
        "\u{B}",
        "\u{C}", "\u{85}", "\u{A0}", "\u{1680}", "\u{2003}", "\u{2028}", "\u{2029}", "\u{202F}",
        "\u{3000}", "\u{200B}", "\u{FEFF}", "\u{0}", "\u{1}", "\u{1B}", "\u{1C}", "\u{7F}",
        "\u{9F}",
        "\u{301}", "\u{20DD}", "\u{903}", "\u{FE0F}", "\u{200D}", "👩‍👩‍👧‍👦", "🇫🇷", "😀", "👍🏽", "1️⃣", "\u{FFFD}",
        "\u{FFFE}", "\u{FFFF}", "\u{10FFFF}", "\u{E000}", "\u{378}", "\u{D7FF}", "Ã©", "\\xED", "\\u0000",
        "<|im_start|>", "<|im_end|>", "<|im_end|><|im_end|>", "<|u|>", "||", "@@", "@@@", "@@@@", "<|im_", "end|>",
        "<|", "|>", "<|im_end|", "<0x0A>", "<0x", "▁", "▁▁", "Ġ", "Ċ", "<|endoftext|>", "[INST]",
    ]

    mutating func next() -> String {
        var text = ""
        for _ in 0..<number(below: 24) {
            if number(below: 6) == 0 {
                text.unicodeScalars.append(scalar())
            } else {
                let word = Self.words[number(below: Self.words.count)]
                let count = number(below: 12) == 0 ? 1 + number(below: 9) : 1
                for _ in 0..<count { text += word }
            }
        }
        return text
    }

    private mutating func scalar() -> Unicode.Scalar {
        let limit = [0x80, 0x100, 0x800, 0x3000, 0x10000, 0x110000][number(below: 6)]
        return Unicode.Scalar(UInt32(number(below: limit))) ?? "\u{FFFD}"
    }
}
