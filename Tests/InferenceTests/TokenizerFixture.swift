import Glibc
import Inference

/// The vocabulary of the real model, and small ones made by hand.
enum TokenizerFixture {
    struct Missing: Error, CustomStringConvertible {
        let path: String
        var description: String { "\(path) is missing: ./Tests/run fetches it" }
    }

    // Read once for all tests: it costs a second in a debug build.
    private static let real = Result { try readMetadata() }
    private static let realTokenizer = Result { try Tokenizer(metadata: metadata()) }
    private static let realVocabulary = Result { TokenVocabulary(try smolLM2()) }

    static func metadata() throws -> GGUFMetadata { try real.get() }
    static func smolLM2() throws -> Tokenizer { try realTokenizer.get() }
    static func vocabulary() throws -> TokenVocabulary { try realVocabulary.get() }

    private static func readMetadata() throws -> GGUFMetadata {
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        let path =
            getenv("SWIFTLET_MODEL").map { String(cString: $0) }
            ?? home + "/.cache/swiftlet/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        guard access(path, R_OK) == 0 else { throw Missing(path: path) }
        return try MappedFile(path: path).withBytes { try GGUF(parsing: $0).metadata }
    }

    /// The GPT-2 byte alphabet, worked out anew: byte → the character that stands for it.
    static let alphabet: [String] = {
        var next: UInt32 = 0x100
        return (UInt32(0)...255).map { byte in
            let isPrintable = (33...126).contains(byte) || (161...255).contains(byte) && byte != 173
            defer { if !isPrintable { next += 1 } }
            // Never a surrogate: all are below U+0144.
            return String(Unicode.Scalar(isPrintable ? byte : next)!)
        }
    }()

    /// All 256 bytes with their values as ids, then the words, which merges build up, then
    /// the control tokens.
    static func tokenizer(
        pre: String,
        words: [String] = [],
        merges: [String] = [],
        control: [String] = [],
        userDefined: [String] = []
    ) throws -> Tokenizer {
        let plain = alphabet + words
        return try Tokenizer(
            .init(
                model: "gpt2",
                pre: pre,
                tokens: plain + control + userDefined,
                tokenTypes: Array(repeating: 1, count: plain.count)
                    + Array(repeating: 3, count: control.count)
                    + Array(repeating: 4, count: userDefined.count),
                merges: merges
            )
        )
    }

    /// A SentencePiece vocabulary: unknown, begin, end, the 256 bytes, then words whose scores
    /// fall in their order, then the control and the user-defined tokens.
    static func sentencePieces(
        words: [String],
        control: [String] = [],
        userDefined: [String] = [],
        addsSpacePrefix: Bool? = nil
    ) throws -> Tokenizer {
        let hex = (0...255).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return "<0x\(digits.count < 2 ? "0" : "")\(digits)>"
        }
        let tokens = ["<unk>", "<s>", "</s>"] + hex + words + control + userDefined
        return try Tokenizer(
            .init(
                model: "llama",
                tokens: tokens,
                tokenTypes: [2, 3, 3] + Array(repeating: 6, count: 256)
                    + Array(repeating: 1, count: words.count)
                    + Array(repeating: 3, count: control.count)
                    + Array(repeating: 4, count: userDefined.count),
                scores: tokens.indices.map { -Float($0) },
                addsSpacePrefix: addsSpacePrefix
            )
        )
    }
}
