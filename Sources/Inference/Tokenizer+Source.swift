extension Tokenizer {
    /// The plain contents of a vocabulary, as a GGUF file has them.
    package struct Source: Sendable {
        enum Model: String { case gpt2, llama }

        /// `gpt2` (byte-level BPE) or `llama` (SentencePiece's BPE).
        package var model: String
        /// The pre-tokenizer, `tokenizer.ggml.pre`; only `gpt2` has one.
        package var pre: String
        /// By id: in the byte alphabet of GPT-2, or with `▁` for a space; special ones as text.
        package var tokens: [String]
        /// One for each token, or none when all are normal.
        package var tokenTypes: [Int32]
        /// In order of rank; of `gpt2`.
        package var merges: [String]
        /// One for each token, the highest joined first; of `llama`.
        package var scores: [Float]
        package var bos: TokenID?
        package var eos: TokenID?
        package var unknown: TokenID?
        /// Ids that end a generation beside those known by their text.
        package var ends: [TokenID]
        /// nil leaves it to the custom of the model or of the pre-tokenizer, also below.
        package var addsBeginOfText: Bool?
        package var addsEndOfText: Bool?
        package var addsSpacePrefix: Bool?

        package init(
            model: String,
            pre: String = "default",
            tokens: [String],
            tokenTypes: [Int32] = [],
            merges: [String] = [],
            scores: [Float] = [],
            bos: TokenID? = nil,
            eos: TokenID? = nil,
            unknown: TokenID? = nil,
            ends: [TokenID] = [],
            addsBeginOfText: Bool? = nil,
            addsEndOfText: Bool? = nil,
            addsSpacePrefix: Bool? = nil
        ) {
            self.model = model
            self.pre = pre
            self.tokens = tokens
            self.tokenTypes = tokenTypes
            self.merges = merges
            self.scores = scores
            self.bos = bos
            self.eos = eos
            self.unknown = unknown
            self.ends = ends
            self.addsBeginOfText = addsBeginOfText
            self.addsEndOfText = addsEndOfText
            self.addsSpacePrefix = addsSpacePrefix
        }
    }
}
