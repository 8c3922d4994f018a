/// Cuts a text into the pieces that byte-pair encoding may not cross.
///
/// Model families state their rule as a regular expression over Unicode code points; these
/// are the same rules written by hand, as the reference runtime does, since a backtracking
/// engine on a stranger's text is an attack surface. Code points and not Swift characters: a
/// grapheme cluster would join what the model was trained to see apart.
///
/// With C for the contractions 's 't 're 've 'm 'll 'd:
///
///     gpt2        C | ␣?L+ | ␣?N+ | ␣?[^\sLN]+ | \s+(?!\S) | \s+
///     smollm      every N alone first, then gpt2 on the stretches between
///     llama3      C in any case | [^\r\nLN]?L+ | N{1,3} | ␣?[^\sLN]+[\r\n]*
///                 | \s*[\r\n]+ | \s+(?!\S) | \s+
///     qwen2       as llama3, but every N alone
///     qwen35      as qwen2, but marks count as letters in words: [LM]+ and [^\sLMN]
///     legacy      [P$+<=>^~|]+ first, then gpt2, then N+, then [0-9][0-9][0-9]
struct UnicodeSplitter: Sendable {
    enum Rule: Hashable, Sendable {
        case gpt2, smollm, llama3, qwen2, qwen35
        /// For files that were made before pre-tokenizers had names; seldom what the model
        /// was trained with.
        case legacy

        /// The rule that a GGUF file means with `tokenizer.ggml.pre`; nil for any other name.
        init?(name: String) {
            guard let found = Self.named.first(where: { $0.name == name }) else { return nil }
            self = found.rule
        }

        static var names: [String] { named.map(\.name) }

        private static let named: [(name: String, rule: Rule)] = [
            ("default", .legacy),
            ("gpt-2", .gpt2), ("phi-2", .gpt2), ("mpt", .gpt2), ("olmo", .gpt2),
            ("jais", .gpt2), ("exaone4", .gpt2), ("gigachat", .gpt2), ("a.x-4.0", .gpt2),
            ("mellum", .gpt2), ("modern-bert", .gpt2), ("trillion", .gpt2),
            ("granite-docling", .gpt2),
            ("smollm", .smollm), ("starcoder", .smollm), ("refact", .smollm),
            ("command-r", .smollm), ("codeshell", .smollm), ("exaone", .smollm),
            ("minerva-7b", .smollm), ("mellum2", .smollm),
            ("llama-bpe", .llama3), ("llama3", .llama3), ("llama-v3", .llama3),
            ("falcon3", .llama3), ("falcon-h1", .llama3), ("pixtral", .llama3),
            ("midm-2.0", .llama3), ("lfm2", .llama3),
            ("qwen2", .qwen2), ("deepseek-r1-qwen", .qwen2), ("stablelm2", .qwen2),
            ("megrez", .qwen2), ("hunyuan", .qwen2), ("solar-open", .qwen2), ("kormo", .qwen2),
            ("qwen35", .qwen35),
        ]
    }

    private let rule: Rule
    /// ASCII by table: most text is ASCII, and the properties cost ten times as much.
    private let asciiKinds: [UnicodeKind]

    init(rule: Rule) {
        self.rule = rule
        asciiKinds = (0..<128).map { UnicodeKind(Unicode.Scalar(UInt8($0))) }
    }

    /// The pieces of a text as ranges of its bytes, in order and without gaps.
    ///
    /// - Parameter text: valid UTF-8.
    func pieces(of text: ArraySlice<UInt8>) -> [Range<Int>] {
        var cutter = UnicodeCutter(text: text, asciiKinds: asciiKinds)
        let whole = 0..<cutter.count
        switch rule {
        case .gpt2: cutter.cutGPT2(whole)
        case .smollm: cutter.cutSmolLM()
        case .llama3: cutter.cutLlama3(digitCountMax: 3, word: .letter)
        case .qwen2: cutter.cutLlama3(digitCountMax: 1, word: .letter)
        case .qwen35: cutter.cutLlama3(digitCountMax: 1, word: [.letter, .mark])
        case .legacy: cutter.cutLegacy()
        }
        return cutter.pieces
    }
}

/// What the rules tell code points apart by: the general category, and White_Space.
///
/// As of Unicode 15.1, whatever the toolchain knows: a code point that came later is unassigned,
/// as it was to the models, and two nodes never cut one text differently.
struct UnicodeKind: OptionSet, Sendable {
    let rawValue: UInt8

    static let letter = UnicodeKind(rawValue: 1)
    static let number = UnicodeKind(rawValue: 2)
    static let mark = UnicodeKind(rawValue: 4)
    static let punctuation = UnicodeKind(rawValue: 8)
    static let space = UnicodeKind(rawValue: 16)
    static let other = UnicodeKind(rawValue: 32)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init(_ scalar: Unicode.Scalar) {
        let properties = scalar.properties
        if properties.isWhitespace {
            self = .space
            return
        }
        if let age = properties.age, (15, 1) < (age.major, age.minor) {
            self = .other
            return
        }
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = .letter
        case .decimalNumber, .letterNumber, .otherNumber: self = .number
        case .nonspacingMark, .spacingMark, .enclosingMark: self = .mark
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            self = .punctuation
        default: self = .other
        }
    }
}
