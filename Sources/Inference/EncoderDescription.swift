import Basics

/// The hyper-parameters of an encoder of the BERT architecture (arXiv 1810.04805).
package struct EncoderDescription: Hashable, Sendable {
    package let layerCount: Int
    package let embeddingLength: Int
    package let headCount: Int
    package let feedForwardLength: Int
    /// The longest text in tokens, the class token and the separator included.
    package let contextLength: Int
    package let vocabularyCount: Int
    /// Kinds of segment that the model tells apart; an embedded text is all of the first.
    package let typeCount: Int
    package let normEpsilon: Float
    package let pooling: Pooling

    package var headLength: Int { embeddingLength / headCount }

    /// Reads `config.json` of a safetensors model.
    init(config: JSON, pooling: Pooling) throws(EncoderError) {
        let architecture = config["model_type"]?.asString ?? "unknown"
        guard architecture == "bert" else { throw .unsupportedArchitecture(architecture) }
        // What says the default may stand; anything else is another computation.
        let fixed: [(String, JSON)] = [
            ("hidden_act", "gelu"), ("position_embedding_type", "absolute"),
            ("is_decoder", false), ("add_cross_attention", false),
        ]
        for (key, value) in fixed {
            guard let found = config[key], !found.isNull, found != value else { continue }
            throw .unacceptable(key: key, value: found.text)
        }
        func count(_ key: String, max: Int) throws(EncoderError) -> Int {
            guard let number = config[key]?.asInteger else { throw .missingKey(key) }
            guard let value = Int(exactly: number), 1...max ~= value else {
                throw .unacceptable(key: key, value: "\(number)")
            }
            return value
        }
        guard let epsilon = config["layer_norm_eps"]?.asDouble else {
            throw .missingKey("layer_norm_eps")
        }
        try self.init(
            layerCount: count("num_hidden_layers", max: Self.layerCountMax),
            embeddingLength: count("hidden_size", max: Self.lengthMax),
            headCount: count("num_attention_heads", max: Self.lengthMax),
            feedForwardLength: count("intermediate_size", max: Self.lengthMax),
            contextLength: count("max_position_embeddings", max: Self.contextLengthMax),
            vocabularyCount: count("vocab_size", max: Tokenizer.tokenCountMax),
            typeCount: count("type_vocab_size", max: 64), normEpsilon: epsilon, pooling: pooling)
    }

    /// Reads the keys and values of a GGUF file of architecture `bert`.
    init(metadata: GGUFMetadata, vocabularyCount: Int, typeCount: Int) throws(EncoderError) {
        let architecture = metadata.string("general.architecture") ?? "unknown"
        guard architecture == "bert" else { throw .unsupportedArchitecture(architecture) }
        func count(_ name: String, max: Int) throws(EncoderError) -> Int {
            let key = "bert." + name
            guard let value = metadata.integer(key) else { throw .missingKey(key) }
            guard 1...max ~= value else { throw .unacceptable(key: key, value: "\(value)") }
            return value
        }
        let causalKey = "bert.attention.causal", poolingKey = "bert.pooling_type"
        guard metadata.bool(causalKey) != true else {
            throw .unacceptable(key: causalKey, value: "true")
        }
        let poolingNumber = metadata.integer(poolingKey) ?? 1
        guard let pooling = Pooling(ggufNumber: poolingNumber) else {
            throw .unacceptable(key: poolingKey, value: "\(poolingNumber)")
        }
        let epsilonKey = "bert.attention.layer_norm_epsilon"
        guard let epsilon = metadata.float(epsilonKey) else { throw .missingKey(epsilonKey) }
        try self.init(
            layerCount: count("block_count", max: Self.layerCountMax),
            embeddingLength: count("embedding_length", max: Self.lengthMax),
            headCount: count("attention.head_count", max: Self.lengthMax),
            feedForwardLength: count("feed_forward_length", max: Self.lengthMax),
            contextLength: count("context_length", max: Self.contextLengthMax),
            vocabularyCount: vocabularyCount, typeCount: typeCount, normEpsilon: epsilon,
            pooling: pooling)
    }

    // Far above every encoder in use; they keep products of two far from overflow.
    private static let layerCountMax = 256
    private static let lengthMax = 1 << 16
    private static let contextLengthMax = 1 << 14
    /// 1 GiB, ten times what the largest encoders in use need for their longest text.
    private static let scratchByteCountMax = 1 << 30

    private init(
        layerCount: Int, embeddingLength: Int, headCount: Int, feedForwardLength: Int,
        contextLength: Int, vocabularyCount: Int, typeCount: Int, normEpsilon: Double,
        pooling: Pooling
    ) throws(EncoderError) {
        guard embeddingLength % headCount == 0 else {
            throw .unacceptable(key: "number of attention heads", value: "\(headCount)")
        }
        guard 0 <= normEpsilon, normEpsilon < 1 else {
            throw .unacceptable(key: "layer norm epsilon", value: "\(normEpsilon)")
        }
        // Six rows of the embedding's length, and the inner one, for each position of a text.
        let positionByteCount = 4 * (6 * embeddingLength + feedForwardLength)
        guard contextLength * positionByteCount <= Self.scratchByteCountMax else {
            throw .unacceptable(key: "context length", value: "\(contextLength)")
        }
        self.layerCount = layerCount
        self.embeddingLength = embeddingLength
        self.headCount = headCount
        self.feedForwardLength = feedForwardLength
        self.contextLength = contextLength
        self.vocabularyCount = vocabularyCount
        self.typeCount = typeCount
        self.normEpsilon = Float(normEpsilon)
        self.pooling = pooling
    }
}
