extension Tokenizer {
    /// Builds the tokenizer that a GGUF file describes under `tokenizer.ggml.*`.
    package init(metadata: GGUFMetadata) throws(TokenizerError) {
        let prefix = "tokenizer.ggml."
        guard let model = metadata.string(prefix + "model") else {
            throw .missingKey(prefix + "model")
        }
        guard let tokens = metadata.strings(prefix + "tokens") else {
            throw .missingKey(prefix + "tokens")
        }
        guard model != "gpt2" || metadata.strings(prefix + "merges") != nil else {
            throw .missingKey(prefix + "merges")
        }
        var ends: [TokenID] = []
        for name in ["eot", "eom"] {
            if let id = try Self.tokenID(prefix + "\(name)_token_id", in: metadata) {
                ends.append(id)
            }
        }
        // A type outside 32 bits becomes one that no kind has, and is refused as such.
        let types = (metadata.integers(prefix + "token_type") ?? []).map {
            Int32(exactly: $0) ?? -1
        }
        try self.init(
            model: model,
            pre: metadata.string(prefix + "pre") ?? "default",
            tokens: tokens,
            tokenTypes: types,
            merges: metadata.strings(prefix + "merges") ?? [],
            bos: try Self.tokenID(prefix + "bos_token_id", in: metadata),
            eos: try Self.tokenID(prefix + "eos_token_id", in: metadata),
            ends: ends,
            addsBeginOfText: metadata.bool(prefix + "add_bos_token")
        )
    }

    private static func tokenID(
        _ key: String,
        in metadata: GGUFMetadata
    ) throws(TokenizerError) -> TokenID? {
        guard let number = metadata.integer(key) else { return nil }
        guard let id = TokenID(exactly: number) else {
            throw .tokenOutsideVocabulary(name: key, id: number)
        }
        return id
    }
}
