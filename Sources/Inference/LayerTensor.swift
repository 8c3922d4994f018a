/// The tensors of one layer of the llama architecture by their GGUF names.
enum LayerTensor: String, CaseIterable {
    case attentionNorm = "attn_norm"
    case query = "attn_q"
    case key = "attn_k"
    case value = "attn_v"
    case attentionOutput = "attn_output"
    case feedForwardNorm = "ffn_norm"
    case gate = "ffn_gate"
    case up = "ffn_up"
    case down = "ffn_down"

    func name(layer: Int) -> String { "blk.\(layer).\(rawValue).weight" }

    /// Dimensions in the order of the file: inputs, then outputs.
    func shape(_ d: ModelDescription) -> [Int] {
        switch self {
        case .attentionNorm, .feedForwardNorm: [d.embeddingLength]
        case .query: [d.embeddingLength, d.headCount * d.headLength]
        case .key, .value: [d.embeddingLength, d.headCountKV * d.headLength]
        case .attentionOutput: [d.headCount * d.headLength, d.embeddingLength]
        case .gate, .up: [d.embeddingLength, d.feedForwardLength]
        case .down: [d.feedForwardLength, d.embeddingLength]
        }
    }
}
