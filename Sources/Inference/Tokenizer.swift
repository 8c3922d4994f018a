/// The number of a token in its vocabulary; GGUF and the wire use 32 bits.
package typealias TokenID = Int32

/// Turns text into token ids and back, as the model's vocabulary says.
///
///     text ─ special strings cut out ─▶ stretches
///          ├ UnicodeSplitter ─▶ pieces ─ BytePairEncoding ─▶ ids
///          └ SentencePieceEncoding ─▶ ids
///
/// The upper way is byte-level BPE (`gpt2` in GGUF), the lower one SentencePiece's BPE (`llama`).
///
/// Special strings are control tokens such as `<|im_start|>`. They count only where the
/// caller asks (`parsingSpecial`): a user's text is tokenised with it off, so that an injected
/// control token stays the plain text it was. A control token is never made by merges either,
/// where llama.cpp would make one of a vocabulary whose words spell it.
///
/// A value without I/O, built from plain inputs. Whatever it does not support is refused by
/// name when it is built, never approximated: one wrong id gives a fluent wrong answer.
package struct Tokenizer: Sendable {
    /// 2^21: seven times the largest known vocabulary.
    package static let tokenCountMax = 1 << 21
    /// 8 MiB: far more than any context holds; bounds the memory of one call to about 400 MiB.
    package static let textByteCountMax = 8 << 20

    enum Encoding {
        case bytePairs(BytePairEncoding, UnicodeSplitter)
        case sentencePieces(SentencePieceEncoding)
    }

    /// The first token of a document; nil when the vocabulary has none.
    package let beginOfText: TokenID?
    /// The last token of a document; nil when the vocabulary has none.
    package let endOfText: TokenID?
    /// Whether the model wants `beginOfText` in front of every prompt.
    package let addsBeginOfText: Bool
    /// Whether it wants `endOfText` behind every prompt, as some embedding models do.
    package let addsEndOfText: Bool
    /// Whether a text starts with a space that nobody wrote (SentencePiece).
    package let addsSpacePrefix: Bool
    /// The tokens that end a generation, ascending: the end of text, of a turn, of a message.
    package let endOfGeneration: [TokenID]

    private let vocabulary: Vocabulary
    private let encoding: Encoding
    private let special: TokenizerSpecial

    /// Builds a tokenizer from the plain contents of a vocabulary.
    package init(_ source: Source) throws(TokenizerError) {
        guard let model = Source.Model(rawValue: source.model) else {
            throw .unsupportedModel(source.model)
        }
        let rule = UnicodeSplitter.Rule(name: source.pre)
        let vocabulary = try Vocabulary(source, model)
        switch model {
        case .gpt2:
            guard let rule else { throw .unsupportedPreTokenizer(source.pre) }
            let encoding = try BytePairEncoding(
                tokens: vocabulary.words,
                tokenCount: vocabulary.tokenCount,
                merges: source.merges,
                ignoresMerges: rule == .llama3
            )
            self.encoding = .bytePairs(encoding, UnicodeSplitter(rule: rule))
        case .llama:
            guard source.scores.count == source.tokens.count else {
                throw .scoreCountMismatch(
                    tokenCount: source.tokens.count, scoreCount: source.scores.count)
            }
            let encoding = SentencePieceEncoding(
                tokens: vocabulary.words,
                scores: source.scores,
                bytes: vocabulary.tokenOfByte,
                unknown: source.unknown ?? vocabulary.custom(0)
            )
            self.encoding = .sentencePieces(encoding)
        }
        // GGUF's defaults for the two models, where the vocabulary is large enough to have them.
        let isLlama = model == .llama
        beginOfText = source.bos ?? vocabulary.custom(isLlama ? 1 : 11)
        endOfText = source.eos ?? vocabulary.custom(isLlama ? 2 : 11)
        addsBeginOfText = source.addsBeginOfText ?? (isLlama || rule == .llama3)
        addsEndOfText = source.addsEndOfText ?? false
        addsSpacePrefix = isLlama && source.addsSpacePrefix ?? true
        guard !addsBeginOfText || beginOfText != nil else {
            throw .missingKey("tokenizer.ggml.bos_token_id")
        }
        guard !addsEndOfText || endOfText != nil else {
            throw .missingKey("tokenizer.ggml.eos_token_id")
        }
        endOfGeneration = vocabulary.endsOfGeneration(source.ends + [endOfText].compactMap { $0 })
        special = TokenizerSpecial(tokens: vocabulary.special)
        self.vocabulary = vocabulary
    }

    package var tokenCount: Int { vocabulary.tokenCount }

    package func endsGeneration(_ token: TokenID) -> Bool { endOfGeneration.contains(token) }

    /// Whether the token is an instruction to the model and never part of a text.
    package func isControl(_ token: TokenID) -> Bool {
        switch vocabulary.kinds[Int(token)] {
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
    ///   which control tokens count; false for whatever a user wrote.
    package func encode(
        _ text: String,
        parsingSpecial: Bool
    ) throws(TokenizerError) -> [TokenID] {
        try encode(Array(text.utf8), control: parsingSpecial ? .everywhere : .nowhere)
    }

    /// The tokens of a raw prompt: control tokens count unless told otherwise, and the
    /// begin-of-text and end-of-text tokens are put around it if the model wants them.
    package func encodePrompt(
        _ text: String,
        parsingSpecial: Bool = true
    ) throws(TokenizerError) -> [TokenID] {
        var tokens = try encode(text, parsingSpecial: parsingSpecial)
        if addsBeginOfText, let beginOfText { tokens.insert(beginOfText, at: 0) }
        if addsEndOfText, let endOfText { tokens.append(endOfText) }
        return tokens
    }

    /// The tokens of a text in which control tokens count at some places only.
    ///
    /// - Parameter bytes: valid UTF-8.
    func encode(
        _ bytes: [UInt8],
        control: TokenizerSpecial.Control
    ) throws(TokenizerError) -> [TokenID] {
        guard bytes.count <= Self.textByteCountMax else {
            throw .textTooLong(byteCount: bytes.count, limit: Self.textByteCountMax)
        }
        var ids: [TokenID] = []
        var merging = TokenizerMerging()
        var position = 0
        for match in special.matches(in: bytes, control: control) {
            encode(bytes[position..<match.range.lowerBound], &merging, &ids)
            ids.append(match.token)
            position = match.range.upperBound
        }
        encode(bytes[position...], &merging, &ids)
        return ids
    }

    /// Every stretch starts the text or follows a special token.
    private func encode(
        _ stretch: ArraySlice<UInt8>,
        _ merging: inout TokenizerMerging,
        _ ids: inout [TokenID]
    ) {
        if stretch.isEmpty { return }
        switch encoding {
        case .bytePairs(let encoding, let splitter):
            for piece in splitter.pieces(of: stretch) {
                encoding.encode(stretch[piece], merging: &merging, into: &ids)
            }
        case .sentencePieces(let encoding):
            encoding.encode(
                stretch, isPrefixed: addsSpacePrefix, merging: &merging, into: &ids)
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
        return vocabulary.bytes(of: token)
    }

    /// The bytes of a token behind another one, or at the start of a text.
    ///
    /// Differs from `bytes(of:)` where encoding puts a space in front of a text or of what
    /// follows a special token: that space is taken away again.
    package func bytes(of token: TokenID, after previous: TokenID?) -> ArraySlice<UInt8> {
        let bytes = bytes(of: token)
        guard addsSpacePrefix, bytes.first == UInt8(ascii: " "), !vocabulary.isSpecial(token),
            previous.map(vocabulary.isSpecial) ?? true
        else { return bytes }
        return bytes.dropFirst()
    }

    /// The bytes of a whole text's tokens: what `encode` took, where every byte has a token.
    package func decode(_ tokens: [TokenID], showingControl: Bool = false) -> [UInt8] {
        var text: [UInt8] = []
        var previous: TokenID?
        for token in tokens {
            let isShown = showingControl && 0 <= token && token < tokenCount && isControl(token)
            text += isShown ? vocabulary.bytes(of: token) : bytes(of: token, after: previous)
            previous = token
        }
        return text
    }
}
