/// The hyper-parameters of a model, checked, under the names of the field.
package struct ModelDescription: Hashable, Sendable {
    package let architecture: Architecture
    /// `general.name`, or the architecture.
    package let name: String
    package let layerCount: Int
    /// Elements of an activation row between layers.
    package let embeddingLength: Int
    package let feedForwardLength: Int
    package let headCount: Int
    /// Heads of keys and values; each serves `headCount / headCountKV` query heads.
    package let headCountKV: Int
    /// Elements of a head; all heads together may be longer or shorter than an activation row.
    package let headLength: Int
    /// Tokens that the model was trained for.
    package let contextLength: Int
    package let vocabularyCount: Int
    package let normEpsilon: Float
    package let rope: Rope
    /// Whether the output matrix is the embedding table.
    package let isTied: Bool
    package let fileByteCount: Int

    // Bounds on hyper-parameters: far above every published model, far below what would
    // overflow a product of three of them.
    private static let lengthMax = 1 << 20
    private static let layerCountMax = 1 << 12
    private static let headCountMax = 1 << 12
    private static let contextLengthMax = 1 << 28

    init(reading file: GGUF, fileByteCount: Int) throws(ModelError) {
        let metadata = file.metadata
        guard let name = metadata.string("general.architecture") else {
            throw .missingKey("general.architecture")
        }
        guard let architecture = Architecture(rawValue: name) else {
            throw .unsupportedArchitecture(name)
        }
        self.architecture = architecture
        self.name = metadata.string("general.name") ?? name
        var keys = Keys(metadata: metadata, prefix: name)
        layerCount = try keys.count("block_count", max: Self.layerCountMax)
        keys.layerCount = layerCount
        embeddingLength = try keys.count("embedding_length", max: Self.lengthMax)
        feedForwardLength = try keys.count("feed_forward_length", max: Self.lengthMax)
        contextLength = try keys.count("context_length", max: Self.contextLengthMax)
        headCount = try keys.count("attention.head_count", max: Self.headCountMax)
        headCountKV = try keys.count(
            "attention.head_count_kv", max: Self.headCountMax, default: headCount)
        guard headCount % headCountKV == 0 else { throw keys.refusal("attention.head_count_kv") }
        headLength = try keys.count(
            "attention.key_length", max: 1 << 12, default: embeddingLength / headCount)
        guard 0 < headLength, headLength % 2 == 0 else {
            throw .unacceptable(key: keys.key("attention.key_length"), value: "\(headLength)")
        }
        // Values as long as keys and all of a head rotated: what these architectures have.
        for name in ["attention.value_length", "rope.dimension_count"] {
            guard try keys.count(name, max: 1 << 12, default: headLength) == headLength else {
                throw keys.refusal(name)
            }
        }
        try keys.checkGraph(contextLength: contextLength)
        normEpsilon = try keys.epsilon("attention.layer_norm_rms_epsilon")
        rope = try Rope(
            reading: metadata, architecture: architecture, headLength: headLength,
            contextLength: contextLength)
        isTied = file.tensor("output.weight") == nil
        vocabularyCount = try Self.vocabularyCount(of: file, keys)
        self.fileByteCount = fileByteCount
    }

    private static func vocabularyCount(of file: GGUF, _ keys: Keys) throws(ModelError) -> Int {
        guard let embedding = file.tensor("token_embd.weight") else {
            throw .missingTensor("token_embd.weight")
        }
        // A file for benchmarks may have no tokens, and says then how many there would be.
        let tokenCount =
            file.metadata.strings("tokenizer.ggml.tokens")?.count
            ?? file.metadata.integer(keys.key("vocab_size"))
        guard tokenCount ?? embedding.rowCount == embedding.rowCount else {
            throw .vocabularyMismatch(tokenCount: tokenCount ?? 0, rowCount: embedding.rowCount)
        }
        return embedding.rowCount
    }
}

extension ModelDescription {
    /// The keys of one architecture.
    fileprivate struct Keys {
        let metadata: GGUFMetadata
        let prefix: String
        /// Known when it has been read; how long an array with one element per layer is.
        var layerCount = 0

        init(metadata: GGUFMetadata, prefix: String) {
            self.metadata = metadata
            self.prefix = prefix
        }

        func key(_ name: String) -> String { "\(prefix).\(name)" }

        func refusal(_ name: String) -> ModelError {
            .unacceptable(key: key(name), value: metadata.text(key(name)))
        }

        /// A number from 1 to `max`, or an array with the same number for each layer.
        func count(
            _ name: String, max: Int, default: Int? = nil
        ) throws(ModelError) -> Int {
            let key = key(name)
            if metadata[key] == nil, let value = `default` { return value }
            var value = metadata.integer(key)
            if let list = metadata.integers(key) {
                guard list.count == layerCount, let first = list.first,
                    list.allSatisfy({ $0 == first })
                else { throw .differingLayers(key: key) }
                value = Int(exactly: first)
            }
            guard let value else { throw .missingKey(key) }
            guard 1...max ~= value else { throw .unacceptable(key: key, value: "\(value)") }
            return value
        }

        func epsilon(_ name: String) throws(ModelError) -> Float {
            guard let value = metadata.float(key(name)) else { throw .missingKey(key(name)) }
            guard 0 <= value, value < 1 else { throw refusal(name) }
            return Float(value)
        }

        /// Refuses keys that ask for another graph than the engine computes; a zero asks for
        /// nothing.
        func checkGraph(contextLength: Int) throws(ModelError) {
            for name in [
                "expert_count", "expert_used_count", "attention.scale", "attention.clamp_kqv",
                "attention.max_alibi_bias", "attn_logit_softcapping", "final_logit_softcapping",
                "logit_scale", "residual_scale", "embedding_scale",
            ] where metadata[key(name)] != nil {
                guard metadata.float(key(name)) == 0 else { throw refusal(name) }
            }
            if metadata.bool(key("attention.causal")) == false { throw refusal("attention.causal") }
            if metadata.bool(key("use_parallel_residual")) == true {
                throw refusal("use_parallel_residual")
            }
            // A window as long as the context hides nothing.
            let window = "attention.sliding_window"
            guard metadata[key(window)] != nil else { return }
            guard let length = metadata.integer(key(window)),
                length == 0 || contextLength <= length
            else { throw refusal(window) }
        }
    }
}
