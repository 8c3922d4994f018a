/// The tensors of one layer by their GGUF names.
enum LayerTensor: String, CaseIterable {
    case attentionNorm = "attn_norm.weight"
    case query = "attn_q.weight"
    case key = "attn_k.weight"
    case value = "attn_v.weight"
    case queryBias = "attn_q.bias"
    case keyBias = "attn_k.bias"
    case valueBias = "attn_v.bias"
    case queryNorm = "attn_q_norm.weight"
    case keyNorm = "attn_k_norm.weight"
    case attentionOutput = "attn_output.weight"
    case feedForwardNorm = "ffn_norm.weight"
    case gate = "ffn_gate.weight"
    case up = "ffn_up.weight"
    case down = "ffn_down.weight"

    enum Presence { case needed, allowed, unknown }

    func name(layer: Int) -> String { "blk.\(layer).\(rawValue)" }

    func presence(in architecture: Architecture) -> Presence {
        switch self {
        case .queryBias, .keyBias, .valueBias: architecture.needsBiases ? .needed : .allowed
        case .queryNorm, .keyNorm: architecture.hasHeadNorms ? .needed : .unknown
        default: .needed
        }
    }

    /// Dimensions in the order of the file: inputs, then outputs.
    func shape(_ d: ModelDescription) -> [Int] {
        switch self {
        case .attentionNorm, .feedForwardNorm: [d.embeddingLength]
        case .query: [d.embeddingLength, d.headCount * d.headLength]
        case .key, .value: [d.embeddingLength, d.headCountKV * d.headLength]
        case .queryBias: [d.headCount * d.headLength]
        case .keyBias, .valueBias: [d.headCountKV * d.headLength]
        case .queryNorm, .keyNorm: [d.headLength]
        case .attentionOutput: [d.headCount * d.headLength, d.embeddingLength]
        case .gate, .up: [d.embeddingLength, d.feedForwardLength]
        case .down: [d.feedForwardLength, d.embeddingLength]
        }
    }
}
