extension Tokenizer {
    /// Builds the tokenizer that a GGUF file describes under `tokenizer.ggml.*`.
    package init(metadata: GGUFMetadata) throws(TokenizerError) {
        let prefix = "tokenizer.ggml."
        guard let model = metadata.string(prefix + "model") else {
            throw .missingKey(prefix + "model")
        }
        guard let kind = Source.Model(rawValue: model) else { throw .unsupportedModel(model) }
        guard let tokens = metadata.strings(prefix + "tokens") else {
            throw .missingKey(prefix + "tokens")
        }
        var source = Source(model: model, tokens: tokens)
        switch kind {
        case .gpt2:
            guard let merges = metadata.strings(prefix + "merges") else {
                throw .missingKey(prefix + "merges")
            }
            source.merges = merges
            source.pre = metadata.string(prefix + "pre") ?? "default"
        case .llama:
            let integers = metadata.integers(prefix + "scores")?.map { Float($0) }
            guard let scores = metadata.floats(prefix + "scores") ?? integers else {
                throw .missingKey(prefix + "scores")
            }
            source.scores = scores
        }
        // A type outside 32 bits becomes one that no kind has, and is refused as such.
        source.tokenTypes = (metadata.integers(prefix + "token_type") ?? []).map {
            Int32(exactly: $0) ?? -1
        }
        source.bos = try Self.tokenID(prefix + "bos_token_id", in: metadata)
        source.eos = try Self.tokenID(prefix + "eos_token_id", in: metadata)
        source.unknown = try Self.tokenID(prefix + "unknown_token_id", in: metadata)
        for name in ["eot", "eom"] {
            if let id = try Self.tokenID(prefix + "\(name)_token_id", in: metadata) {
                source.ends.append(id)
            }
        }
        source.addsBeginOfText = metadata.bool(prefix + "add_bos_token")
        source.addsEndOfText = metadata.bool(prefix + "add_eos_token")
        source.addsSpacePrefix = metadata.bool(prefix + "add_space_prefix")
        try self.init(source)
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
