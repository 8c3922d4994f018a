/// Cuts a text into the pieces that byte-pair encoding may not cross.
///
/// Model families state their rule as a regular expression over Unicode code points; these
/// are the same rules written by hand, as the reference runtime does, since a backtracking
/// engine on a stranger's text is an attack surface. Letters are the general categories L*,
/// numbers N*, white space is the property White_Space. Code points and not Swift characters:
/// a grapheme cluster would join what the model was trained to see apart.
///
/// With C for the contractions 's 't 're 've 'm 'll 'd:
///
///     gpt2        C | ␣?L+ | ␣?N+ | ␣?[^\sLN]+ | \s+(?!\S) | \s+
///     smollm      every N alone first, then gpt2 on the stretches between
///     llama3      C in any case | [^\r\nLN]?L+ | N{1,3} | ␣?[^\sLN]+[\r\n]*
///                 | \s*[\r\n]+ | \s+(?!\S) | \s+
///     qwen2       as llama3, but every N alone
struct UnicodeSplitter: Sendable {
    enum Rule: Hashable, Sendable {
        case gpt2, smollm, llama3, qwen2

        /// The rule that a GGUF file means with `tokenizer.ggml.pre`; nil for any other name.
        init?(name: String) {
            switch name {
            case "gpt-2", "phi-2", "mpt", "olmo": self = .gpt2
            case "smollm", "starcoder", "refact", "command-r": self = .smollm
            case "llama-bpe", "llama3", "llama-v3", "falcon3": self = .llama3
            case "qwen2", "deepseek-r1-qwen": self = .qwen2
            default: return nil
            }
        }

        static let names = [
            "gpt-2", "phi-2", "mpt", "olmo", "smollm", "starcoder", "refact", "command-r",
            "llama-bpe", "llama3", "llama-v3", "falcon3", "qwen2", "deepseek-r1-qwen",
        ]
    }

    enum Kind: UInt8 {
        case letter, number, space, other

        init(_ scalar: Unicode.Scalar) {
            let properties = scalar.properties
            if properties.isWhitespace {
                self = .space
                return
            }
            switch properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter,
                .otherLetter:
                self = .letter
            case .decimalNumber, .letterNumber, .otherNumber: self = .number
            default: self = .other
            }
        }
    }

    private let rule: Rule
    /// ASCII by table: most text is ASCII, and the properties cost ten times as much.
    private let asciiKinds: [Kind]

    init(rule: Rule) {
        self.rule = rule
        asciiKinds = (0..<128).map { Kind(Unicode.Scalar(UInt8($0))) }
    }

    /// The pieces of a text as ranges of its bytes, in order and without gaps.
    ///
    /// - Parameter text: valid UTF-8.
    func pieces(of text: ArraySlice<UInt8>) -> [Range<Int>] {
        var cutter = Cutter(text: text, asciiKinds: asciiKinds)
        switch rule {
        case .gpt2: cutter.cutGPT2(0..<cutter.count)
        case .smollm: cutter.cutSmolLM()
        case .llama3: cutter.cutLlama3(digitCountMax: 3)
        case .qwen2: cutter.cutLlama3(digitCountMax: 1)
        }
        return cutter.pieces
    }
}

/// One text while it is cut; positions count code points.
private struct Cutter {
    private var scalars: [UInt32] = []
    private var kinds: [UnicodeSplitter.Kind] = []
    /// Where each code point starts in the bytes, and the end of the last.
    private var offsets: [Int] = []
    private(set) var pieces: [Range<Int>] = []

    var count: Int { scalars.count }

    init(text: ArraySlice<UInt8>, asciiKinds: [UnicodeSplitter.Kind]) {
        scalars.reserveCapacity(text.count)
        kinds.reserveCapacity(text.count)
        offsets.reserveCapacity(text.count + 1)
        var decoder = UTF8()
        var offset = text.startIndex
        var iterator = text.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            scalars.append(scalar.value)
            kinds.append(
                scalar.value < 128
                    ? asciiKinds[Int(scalar.value)] : UnicodeSplitter.Kind(scalar)
            )
            offsets.append(offset)
            offset += UTF8.width(scalar)
        }
        offsets.append(offset)
    }

    private mutating func cut(_ start: Int, _ end: Int) {
        if start < end { pieces.append(offsets[start]..<offsets[end]) }
    }

    private func kind(_ position: Int, _ end: Int) -> UnicodeSplitter.Kind? {
        position < end ? kinds[position] : nil
    }

    private func run(of kind: UnicodeSplitter.Kind, from start: Int, to end: Int) -> Int {
        var position = start
        while position < end, kinds[position] == kind { position += 1 }
        return position
    }

    /// The length of a contraction at `position`, or 0.
    private func contraction(at position: Int, _ end: Int, anyCase: Bool) -> Int {
        guard scalars[position] == 0x27, position + 1 < end else { return 0 }
        func letter(_ offset: Int) -> UInt32 {
            guard position + offset < end else { return 0 }
            let scalar = scalars[position + offset]
            return anyCase && 0x41...0x5A ~= scalar ? scalar + 0x20 : scalar
        }
        switch (letter(1), letter(2)) {
        case (0x73, _), (0x74, _), (0x6D, _), (0x64, _): return 2  // s t m d
        case (0x72, 0x65), (0x76, 0x65), (0x6C, 0x6C): return 3  // re ve ll
        default: return 0
        }
    }

    mutating func cutSmolLM() {
        var start = 0
        for position in 0..<count where kinds[position] == .number {
            cutGPT2(start..<position)
            cut(position, position + 1)
            start = position + 1
        }
        cutGPT2(start..<count)
    }

    mutating func cutGPT2(_ range: Range<Int>) {
        let end = range.upperBound
        var position = range.lowerBound
        while position < end {
            let start = position
            let length = contraction(at: position, end, anyCase: false)
            if 0 < length {
                position += length
            } else {
                // One space may lead a run of letters, numbers or signs.
                let lead = scalars[position] == 0x20 ? 1 : 0
                let following = kind(position + lead, end) ?? .space
                position =
                    following == .space
                    ? endOfSpace(from: position, end)
                    : run(of: following, from: position + lead, to: end)
            }
            cut(start, position)
        }
    }

    mutating func cutLlama3(digitCountMax: Int) {
        let end = count
        var position = 0
        while position < end {
            let start = position
            let length = contraction(at: position, end, anyCase: true)
            let isBreak = isLineBreak(position)
            if 0 < length {
                position += length
            } else if kinds[position] == .letter {
                position = run(of: .letter, from: position, to: end)
            } else if !isBreak, kinds[position] != .number, kind(position + 1, end) == .letter {
                position = run(of: .letter, from: position + 1, to: end)
            } else if kinds[position] == .number {
                let runEnd = run(of: .number, from: position, to: end)
                position = min(runEnd, position + digitCountMax)
            } else {
                let lead = scalars[position] == 0x20 ? 1 : 0
                if kind(position + lead, end) == .other {
                    position = run(of: .other, from: position + lead, to: end)
                    while position < end, isLineBreak(position) { position += 1 }
                } else {
                    position = endOfSpaceOrLine(from: position, end)
                }
            }
            cut(start, position)
        }
    }

    private func isLineBreak(_ position: Int) -> Bool {
        scalars[position] == 0x0D || scalars[position] == 0x0A
    }

    /// `\s+(?!\S) | \s+`: all but the last, which goes to the next word, unless it is alone
    /// or the text ends.
    private func endOfSpace(from start: Int, _ end: Int) -> Int {
        let runEnd = run(of: .space, from: start, to: end)
        return runEnd < end && 1 < runEnd - start ? runEnd - 1 : runEnd
    }

    /// `\s*[\r\n]+` first: a run of space is cut behind its last line break.
    private func endOfSpaceOrLine(from start: Int, _ end: Int) -> Int {
        let runEnd = run(of: .space, from: start, to: end)
        var position = runEnd
        while start < position, !isLineBreak(position - 1) { position -= 1 }
        return start < position ? position : endOfSpace(from: start, end)
    }
}
