/// The architectures that the engine computes, by their GGUF names.
///
/// All are pre-norm decoders with grouped queries and SwiGLU; they differ in what stands here.
package enum Architecture: String, Hashable, Sendable, CaseIterable {
    case llama, qwen2, qwen3

    /// Which two elements of a head the positions turn. Converters to GGUF reorder the rows of
    /// llama's queries and keys, and leave those of the others.
    var ropePairing: Rope.Pairing { self == .llama ? .neighbours : .halves }

    /// Whether each head of queries and keys is normalised before it is turned.
    var hasHeadNorms: Bool { self == .qwen3 }

    /// Whether queries, keys and values must have a bias; all may.
    var needsBiases: Bool { self == .qwen2 }

    /// Whether a tensor may divide the angles of each pair, as Llama 3.1 does to reach further.
    var takesRopeFactors: Bool { self == .llama }
}
