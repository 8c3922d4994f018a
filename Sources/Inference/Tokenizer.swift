/// The number of a token in its vocabulary; GGUF and the wire use 32 bits.
package typealias TokenID = Int32

/// Turns text into token ids and back, as the model's vocabulary says.
///
/// Byte-level BPE (`gpt2` in GGUF), in three steps:
///
///     text ─ special strings cut out ─▶ stretches ─ UnicodeSplitter ─▶ pieces
///          ─ BytePairEncoding ─▶ ids
///
/// Special strings are control tokens such as `<|im_start|>`. They count only where the
/// caller asks (`parsingSpecial`): a user's text is tokenised with it off, so that an injected
/// control token stays the plain text it was. A control token is never made by merges either.
///
/// A value without I/O, built from plain inputs. Whatever it does not support is refused by
/// name when it is built, never approximated: one wrong id gives a fluent wrong answer.
package struct Tokenizer: Sendable {
    /// The types of GGUF's `tokenizer.ggml.token_type`.
    enum Kind: Int32 {
        case normal = 1, unknown = 2, control = 3, userDefined = 4, unused = 5, byte = 6
    }

    /// 2^21: seven times the largest known vocabulary.
    package static let tokenCountMax = 1 << 21
    /// 8 MiB: far more than any context holds; bounds the memory of one call to about 200 MiB.
    package static let textByteCountMax = 8 << 20

    /// The first token of a document; nil when the vocabulary has none.
    package let beginOfText: TokenID?
    /// Whether the model wants `beginOfText` in front of every prompt.
    package let addsBeginOfText: Bool
    /// The tokens that end a generation, ascending: the end of text, of a turn, of a message.
    package let endOfGeneration: [TokenID]

    /// The bytes of token i are `bytes[starts[i]..<starts[i + 1]]`.
    private let bytes: [UInt8]
    private let starts: [Int32]
    private let kinds: [Kind]
    private let encoding: BytePairEncoding
    private let splitter: UnicodeSplitter
    private let special: TokenizerSpecial

    /// Builds a tokenizer from the plain contents of a vocabulary.
    ///
    /// - Parameters:
    ///   - model: `gpt2`.
    ///   - pre: the pre-tokenizer, `tokenizer.ggml.pre`.
    ///   - tokens: by id, in the byte alphabet of GPT-2; special ones as plain text.
    ///   - tokenTypes: one for each token, or none when all are normal.
    ///   - merges: in order of rank.
    ///   - ends: ids that end a generation beside those known by their text.
    ///   - addsBeginOfText: nil leaves it to the pre-tokenizer's custom.
    package init(
        model: String,
        pre: String,
        tokens: [String],
        tokenTypes: [Int32],
        merges: [String],
        bos: TokenID? = nil,
        eos: TokenID? = nil,
        ends: [TokenID] = [],
        addsBeginOfText: Bool? = nil
    ) throws(TokenizerError) {
        guard model == "gpt2" else { throw .unsupportedModel(model) }
        guard let rule = UnicodeSplitter.Rule(name: pre) else {
            throw .unsupportedPreTokenizer(pre)
        }
        guard !tokens.isEmpty else { throw .emptyVocabulary }
        guard tokens.count <= Self.tokenCountMax else {
            throw .tooManyTokens(count: tokens.count, limit: Self.tokenCountMax)
        }
        let kinds = try Self.kinds(tokenTypes, tokenCount: tokens.count)
        let table = Self.table(of: tokens, kinds: kinds)
        // 11 is GGUF's default for this model, if the vocabulary is large enough to have it.
        let custom: TokenID? = 11 < tokens.count ? 11 : nil
        let named = [("begin-of-text", bos), ("end-of-text", eos)]
        for (name, id) in named + ends.map({ ("end-of-generation", $0) }) {
            guard let id, !(0 <= id && id < tokens.count) else { continue }
            throw .tokenOutsideVocabulary(name: name, id: Int(id))
        }
        guard !(addsBeginOfText ?? (rule == .llama3)) || bos ?? custom != nil else {
            throw .missingKey("tokenizer.ggml.bos_token_id")
        }

        self.bytes = table.bytes
        self.starts = table.starts
        self.kinds = table.kinds
        beginOfText = bos ?? custom
        self.addsBeginOfText = addsBeginOfText ?? (rule == .llama3)
        endOfGeneration = Self.ends(ends + table.ends + [eos ?? custom].compactMap { $0 })
        splitter = UnicodeSplitter(rule: rule)
        special = TokenizerSpecial(tokens: table.special)
        encoding = try BytePairEncoding(
            tokens: table.ids,
            tokenCount: tokens.count,
            merges: merges,
            ignoresMerges: rule == .llama3
        )
    }

    package var tokenCount: Int { kinds.count }

    package func endsGeneration(_ token: TokenID) -> Bool { endOfGeneration.contains(token) }

    /// Whether the token is an instruction to the model and never part of a text.
    package func isControl(_ token: TokenID) -> Bool {
        switch kinds[Int(token)] {
        case .control, .unknown, .unused: true
        case .normal, .userDefined, .byte: false
        }
    }

    /// The control or user-defined token that is written exactly so.
    package func specialToken(_ text: String) -> TokenID? { special.token(text) }

    // MARK: Text to tokens

    /// The tokens of a text, without a begin-of-text token.
    ///
    /// - Parameter parsingSpecial: true for text of our own making, such as a raw prompt in
    ///   which control tokens count; false for whatever a user wrote inside a template.
    package func encode(
        _ text: String,
        parsingSpecial: Bool
    ) throws(TokenizerError) -> [TokenID] {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.textByteCountMax else {
            throw .textTooLong(byteCount: bytes.count, limit: Self.textByteCountMax)
        }
        var ids: [TokenID] = []
        var scratch = BytePairEncoding.Scratch()
        var position = 0
        for match in special.matches(in: bytes, includingControl: parsingSpecial) {
            encode(bytes[position..<match.range.lowerBound], scratch: &scratch, into: &ids)
            ids.append(match.token)
            position = match.range.upperBound
        }
        encode(bytes[position...], scratch: &scratch, into: &ids)
        return ids
    }

    /// The tokens of a raw prompt: control tokens count, and the begin-of-text token is put
    /// in front if the model wants it.
    package func encodePrompt(_ text: String) throws(TokenizerError) -> [TokenID] {
        let tokens = try encode(text, parsingSpecial: true)
        guard addsBeginOfText, let beginOfText else { return tokens }
        return [beginOfText] + tokens
    }

    private func encode(
        _ stretch: ArraySlice<UInt8>,
        scratch: inout BytePairEncoding.Scratch,
        into ids: inout [TokenID]
    ) {
        for piece in splitter.pieces(of: stretch) {
            encoding.encode(stretch[piece], scratch: &scratch, into: &ids)
        }
    }

    // MARK: Tokens to text

    /// The bytes that a token stands for; maybe a part of a character, see `UnicodeStream`.
    ///
    /// - Parameter showingControl: whether control tokens give their text or nothing.
    package func bytes(of token: TokenID, showingControl: Bool = false) -> ArraySlice<UInt8> {
        guard 0 <= token, token < tokenCount, showingControl || !isControl(token) else {
            return []
        }
        return bytes[Int(starts[Int(token)])..<Int(starts[Int(token) + 1])]
    }

    /// The bytes of several tokens, one after another.
    package func decode(_ tokens: [TokenID], showingControl: Bool = false) -> [UInt8] {
        tokens.flatMap { bytes(of: $0, showingControl: showingControl) }
    }
}

// MARK: Building

extension Tokenizer {
    private struct Table {
        var bytes: [UInt8] = []
        var starts: [Int32] = [0]
        var kinds: [Kind] = []
        // Looked up only, never iterated.
        var ids: [[UInt8]: TokenID] = [:]
        var special: [TokenizerSpecial.Token] = []
        var ends: [TokenID] = []
    }

    /// Texts by which model families name the end of a turn, whatever their metadata says.
    private static let endTexts: Set<String> = [
        "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>",
        "<end_of_turn>", "<end_of_utterance>", "<|return|>", "<|call|>", "</s>", "<eos>", "<EOT>",
        "_<EOT>", "[EOT]", "[EOS]", "<｜end▁of▁sentence｜>",
    ]

    private static func kinds(
        _ types: [Int32],
        tokenCount: Int
    ) throws(TokenizerError) -> [Kind] {
        if types.isEmpty { return Array(repeating: .normal, count: tokenCount) }
        guard types.count == tokenCount else {
            throw .tokenTypeCountMismatch(tokenCount: tokenCount, typeCount: types.count)
        }
        var kinds: [Kind] = []
        kinds.reserveCapacity(tokenCount)
        for (id, type) in types.enumerated() {
            guard let kind = Kind(rawValue: type) else {
                throw .unknownTokenType(token: TokenID(id), type: type)
            }
            kinds.append(kind)
        }
        return kinds
    }

    private static func table(of tokens: [String], kinds: [Kind]) -> Table {
        var table = Table()
        table.kinds = kinds
        table.ids.reserveCapacity(tokens.count)
        for (index, text) in tokens.enumerated() {
            let id = TokenID(index)
            let utf8 = Array(text.utf8)
            switch kinds[index] {
            case .normal, .byte, .unused:
                let word = BytePairAlphabet.bytes(of: utf8[...])
                table.bytes.append(contentsOf: word ?? utf8)
                // Of two tokens with the same text the later one counts, as in the reference.
                if let word, kinds[index] != .unused { table.ids[word] = id }
            case .control, .unknown, .userDefined:
                table.bytes.append(contentsOf: utf8)
                let isControl = kinds[index] != .userDefined
                if !utf8.isEmpty {
                    table.special.append(.init(bytes: utf8, id: id, isControl: isControl))
                }
                if endTexts.contains(text) {
                    table.ends.append(id)
                    table.kinds[index] = .control
                }
            }
            table.starts.append(Int32(table.bytes.count))
        }
        return table
    }

    /// Ascending, each once.
    private static func ends(_ listed: [TokenID]) -> [TokenID] {
        var ends: [TokenID] = []
        for id in listed.sorted() where ends.last != id { ends.append(id) }
        return ends
    }
}
