/// The hyper-parameters of a model, checked, under the names of the field.
package struct ModelDescription: Hashable, Sendable {
    package let architecture: String
    /// `general.name`, or the architecture.
    package let name: String
    package let layerCount: Int
    /// Elements of an activation row between layers.
    package let embeddingLength: Int
    package let feedForwardLength: Int
    package let headCount: Int
    /// Heads of keys and values; each serves `headCount / headCountKV` query heads.
    package let headCountKV: Int
    package let headLength: Int
    /// Tokens that the model was trained for.
    package let contextLength: Int
    package let vocabularyCount: Int
    package let normEpsilon: Float
    package let ropeBase: Double
    /// Factor on all angles; 1 but for linear context extension.
    package let ropeScale: Double
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
        guard let architecture = metadata.string("general.architecture") else {
            throw .missingKey("general.architecture")
        }
        guard architecture == "llama" else { throw .unsupportedArchitecture(architecture) }
        func key(_ name: String) -> String { "\(architecture).\(name)" }
        func count(_ name: String, max: Int, default: Int? = nil) throws(ModelError) -> Int {
            let key = key(name)
            if metadata[key] == nil, let value = `default` { return value }
            guard let value = metadata.integer(key) else { throw .missingKey(key) }
            guard 1...max ~= value else { throw .unacceptable(key: key, value: "\(value)") }
            return value
        }
        self.architecture = architecture
        name = metadata.string("general.name") ?? architecture
        layerCount = try count("block_count", max: Self.layerCountMax)
        embeddingLength = try count("embedding_length", max: Self.lengthMax)
        feedForwardLength = try count("feed_forward_length", max: Self.lengthMax)
        contextLength = try count("context_length", max: Self.contextLengthMax)
        let headCount = try count("attention.head_count", max: Self.headCountMax)
        let headCountKV = try count(
            "attention.head_count_kv", max: Self.headCountMax, default: headCount)
        guard headCount % headCountKV == 0 else {
            throw .unacceptable(key: key("attention.head_count_kv"), value: "\(headCountKV)")
        }
        let headLength = try count(
            "attention.key_length", max: 1 << 12, default: embeddingLength / headCount)
        guard 0 < headLength, headLength % 2 == 0 else {
            throw .unacceptable(key: key("attention.key_length"), value: "\(headLength)")
        }
        // Values as long as keys and all of a head rotated: what llama models have.
        for name in ["attention.value_length", "rope.dimension_count"] {
            let length = try count(name, max: 1 << 12, default: headLength)
            guard length == headLength else {
                throw .unacceptable(key: key(name), value: "\(length)")
            }
        }
        for name in ["expert_count", "expert_used_count"] {
            if let count = metadata.integer(key(name)), count != 0 {
                throw .unacceptable(key: key(name), value: "\(count)")
            }
        }
        (self.headCount, self.headCountKV, self.headLength) = (headCount, headCountKV, headLength)
        normEpsilon = try Self.epsilon(metadata, key("attention.layer_norm_rms_epsilon"))
        (ropeBase, ropeScale) = try Self.rope(metadata, prefix: key("rope"))
        isTied = file.tensor("output.weight") == nil
        guard let embedding = file.tensor("token_embd.weight") else {
            throw .missingTensor("token_embd.weight")
        }
        vocabularyCount = embedding.rowCount
        self.fileByteCount = fileByteCount
        let tokens = metadata.strings("tokenizer.ggml.tokens")
        if let tokens, tokens.count != embedding.rowCount {
            throw .vocabularyMismatch(tokenCount: tokens.count, rowCount: embedding.rowCount)
        }
    }

    private static func epsilon(
        _ metadata: GGUFMetadata, _ key: String
    ) throws(ModelError) -> Float {
        guard let value = metadata.float(key) else { throw .missingKey(key) }
        guard 0 <= value, value < 1 else { throw .unacceptable(key: key, value: "\(value)") }
        return Float(value)
    }

    private static func rope(
        _ metadata: GGUFMetadata, prefix: String
    ) throws(ModelError) -> (base: Double, scale: Double) {
        let baseKey = prefix + ".freq_base", typeKey = prefix + ".scaling.type"
        let base = metadata.float(baseKey) ?? 10_000
        // The largest base in use is 5e7.
        guard 1 <= base, base <= 1e12 else {
            throw .unacceptable(key: baseKey, value: "\(base)")
        }
        switch metadata.string(typeKey) {
        case nil, "none": return (base, 1)
        case "linear":
            let factorKey = prefix + ".scaling.factor"
            guard let factor = metadata.float(factorKey) else { throw .missingKey(factorKey) }
            guard 1 <= factor, factor <= 1e6 else {
                throw .unacceptable(key: factorKey, value: "\(factor)")
            }
            return (base, 1 / factor)
        case let type?: throw .unacceptable(key: typeKey, value: type)
        }
    }
}
