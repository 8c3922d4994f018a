extension Tokenizer {
    /// What the tokens of a model are: their bytes, their kinds, and how text finds them.
    struct Vocabulary: Sendable {
        /// The types of GGUF's `tokenizer.ggml.token_type`.
        enum Kind: Int32 {
            case normal = 1, unknown = 2, control = 3, userDefined = 4, unused = 5, byte = 6
        }

        /// 256 MiB for all words together: a hundred times the largest known vocabulary.
        static let byteCountMax = 256 << 20

        private(set) var kinds: [Kind] = []
        /// The tokens that text may become, by their bytes.
        private(set) var words: TokenizerTable
        /// Control, unknown and user-defined tokens.
        private(set) var special: [TokenizerSpecial.Token] = []
        /// By byte, the token that is written `<0x41>` (SentencePiece).
        private(set) var tokenOfByte = [TokenID?](repeating: nil, count: 256)

        /// The bytes of token i are `bytes[starts[i]..<starts[i + 1]]`.
        private var bytes: [UInt8] = []
        private var starts: [Int32] = [0]
        private var ends: [TokenID] = []

        var tokenCount: Int { kinds.count }

        init(_ source: Source, _ model: Source.Model) throws(TokenizerError) {
            let count = source.tokens.count
            guard 0 < count else { throw .emptyVocabulary }
            guard count <= Tokenizer.tokenCountMax else {
                throw .tooManyTokens(count: count, limit: Tokenizer.tokenCountMax)
            }
            kinds = try Self.kinds(source.tokenTypes, tokenCount: count)
            words = TokenizerTable(capacity: count)
            starts.reserveCapacity(count + 1)
            for (index, text) in source.tokens.enumerated() {
                guard bytes.count + text.utf8.count <= Self.byteCountMax else {
                    throw .vocabularyTooLong(limit: Self.byteCountMax)
                }
                try add(text, TokenID(index), model)
                starts.append(Int32(bytes.count))
            }
            let named = [
                ("begin-of-text", source.bos), ("end-of-text", source.eos),
                ("unknown", source.unknown),
            ]
            for (name, id) in named + source.ends.map({ ("end-of-generation", $0) }) {
                guard let id, !(0 <= id && id < count) else { continue }
                throw .tokenOutsideVocabulary(name: name, id: Int(id))
            }
        }

        private mutating func add(
            _ text: String,
            _ id: TokenID,
            _ model: Source.Model
        ) throws(TokenizerError) {
            let utf8 = Array(text.utf8)
            if kinds[Int(id)] != .unused, Self.isEnd(text, kinds[Int(id)]) {
                ends.append(id)
                kinds[Int(id)] = .control
            }
            let kind = kinds[Int(id)]
            if kind == .control || kind == .unknown || kind == .userDefined {
                bytes += utf8
                if !utf8.isEmpty {
                    special.append(.init(bytes: utf8, id: id, isControl: kind != .userDefined))
                }
                return
            }
            switch model {
            case .gpt2:
                let word = BytePairAlphabet.bytes(of: utf8[...])
                bytes += word ?? utf8
                // Of two tokens with the same text the later one counts, as in the reference.
                guard let word, kind != .unused else { return }
                _ = try words.intern(word[...], as: id, replacing: true)
            case .llama:
                let byte = SentencePieceEncoding.byte(of: utf8)
                if let byte { tokenOfByte[Int(byte)] = id }
                if kind == .byte {
                    guard let byte else { throw .badByteToken(id) }
                    bytes.append(byte)
                } else {
                    bytes += SentencePieceEncoding.bytes(of: utf8)
                    if utf8.isEmpty { return }
                    _ = try words.intern(utf8[...], as: id, replacing: true)
                }
            }
        }

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

        func bytes(of token: TokenID) -> ArraySlice<UInt8> {
            bytes[Int(starts[Int(token)])..<Int(starts[Int(token) + 1])]
        }

        /// Whether the token is cut out of a text before anything is merged.
        func isSpecial(_ token: TokenID) -> Bool {
            guard 0 <= token, token < tokenCount else { return false }
            return switch kinds[Int(token)] {
            case .control, .unknown, .userDefined: true
            case .normal, .unused, .byte: false
            }
        }

        /// A token that custom gives a meaning to, if the vocabulary is large enough to have it.
        func custom(_ id: TokenID) -> TokenID? { id < tokenCount ? id : nil }

        /// These and the ones that are known by their text: ascending, each once.
        func endsOfGeneration(_ listed: [TokenID]) -> [TokenID] {
            var all: [TokenID] = []
            for id in (ends + listed).sorted() where all.last != id { all.append(id) }
            return all
        }

        /// Texts by which model families name the end of a turn, whatever their metadata says.
        private static let endTexts: Set<String> = [
            "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>",
            "<|end|>", "<end_of_turn>", "<end_of_utterance>", "<|return|>", "<|call|>",
            "<｜end▁of▁sentence｜>",
        ]

        /// The same, but words that a text may well hold: they count where their type is special.
        private static let plainEndTexts: Set<String> = [
            "</s>", "<eos>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
        ]

        private static func isEnd(_ text: String, _ kind: Kind) -> Bool {
            // Most tokens are settled by their first byte.
            guard let first = text.utf8.first, "<[_".utf8.contains(first) else { return false }
            if endTexts.contains(text) { return true }
            return kind != .normal && kind != .byte && plainEndTexts.contains(text)
        }
    }
}
