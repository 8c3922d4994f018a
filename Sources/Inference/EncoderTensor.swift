/// The tensors of an encoder by their place in the computation, with the names that the two file
/// formats give them.
enum EncoderTensor: Hashable {
    case words, positions, types
    case embeddingNorm(Part)
    case layer(Int, LayerPart, Part)

    enum Part: String, CaseIterable {
        case weight, bias
    }

    /// Raw values are GGUF's names.
    enum LayerPart: String, CaseIterable {
        case query = "attn_q"
        case key = "attn_k"
        case value = "attn_v"
        case attentionOutput = "attn_output"
        case attentionNorm = "attn_output_norm"
        case up = "ffn_up"
        case down = "ffn_down"
        case outputNorm = "layer_output_norm"

        var safetensorsName: String {
            switch self {
            case .query: "attention.self.query"
            case .key: "attention.self.key"
            case .value: "attention.self.value"
            case .attentionOutput: "attention.output.dense"
            case .attentionNorm: "attention.output.LayerNorm"
            case .up: "intermediate.dense"
            case .down: "output.dense"
            case .outputNorm: "output.LayerNorm"
            }
        }
    }

    /// All tensors of a model with so many layers.
    static func all(layerCount: Int) -> [EncoderTensor] {
        var all: [EncoderTensor] = [.words, .positions, .types]
        all += Part.allCases.map { .embeddingNorm($0) }
        for layer in 0..<layerCount {
            for part in LayerPart.allCases {
                all += Part.allCases.map { .layer(layer, part, $0) }
            }
        }
        return all
    }

    var ggufName: String {
        switch self {
        case .words: "token_embd.weight"
        case .positions: "position_embd.weight"
        case .types: "token_types.weight"
        case .embeddingNorm(let part): "token_embd_norm.\(part.rawValue)"
        case .layer(let layer, let name, let part):
            "blk.\(layer).\(name.rawValue).\(part.rawValue)"
        }
    }

    var safetensorsName: String {
        switch self {
        case .words: "embeddings.word_embeddings.weight"
        case .positions: "embeddings.position_embeddings.weight"
        case .types: "embeddings.token_type_embeddings.weight"
        case .embeddingNorm(let part): "embeddings.LayerNorm.\(part.rawValue)"
        case .layer(let layer, let name, let part):
            "encoder.layer.\(layer).\(name.safetensorsName).\(part.rawValue)"
        }
    }

    /// Rows, then their length, as a matrix product reads it; one number for a vector.
    func shape(_ d: EncoderDescription) -> [Int] {
        switch self {
        case .words: [d.vocabularyCount, d.embeddingLength]
        case .positions: [d.contextLength, d.embeddingLength]
        case .types: [d.typeCount, d.embeddingLength]
        case .embeddingNorm, .layer(_, .attentionNorm, _), .layer(_, .outputNorm, _):
            [d.embeddingLength]
        case .layer(_, .up, let part):
            part == .bias ? [d.feedForwardLength] : [d.feedForwardLength, d.embeddingLength]
        case .layer(_, .down, let part):
            part == .bias ? [d.embeddingLength] : [d.embeddingLength, d.feedForwardLength]
        case .layer(_, _, let part):
            part == .bias ? [d.embeddingLength] : [d.embeddingLength, d.embeddingLength]
        }
    }
}
