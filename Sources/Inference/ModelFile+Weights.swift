extension ModelFile {
    /// Weights of one type.
    package struct WeightCount: Hashable, Sendable {
        package let type: GGUFType
        package internal(set) var byteCount: Int
        package internal(set) var elementCount: Int
    }

    /// The weights of one layer by their types, sorted by type.
    package func weightCounts(layer: Int) -> [WeightCount] {
        weightCounts(of: LayerTensor.allCases.map { $0.name(layer: layer) })
    }

    package var embeddingWeightCounts: [WeightCount] { weightCounts(of: ["token_embd.weight"]) }

    /// What makes logits of the last layer's rows.
    package var outputWeightCounts: [WeightCount] {
        weightCounts(of: ["output_norm.weight", outputName])
    }

    /// Bytes of the keys and values of one token in one layer.
    package func cacheByteCount(elementType: KVCache.ElementType = .f16) -> Int {
        2 * description.headCountKV * description.headLength * elementType.byteCount
    }

    private func weightCounts(of names: [String]) -> [WeightCount] {
        var counts: [WeightCount] = []
        for tensor in names.compactMap({ header.tensor($0) }) {
            let elementCount = tensor.dimensions.reduce(1, *)
            if let index = counts.firstIndex(where: { $0.type == tensor.type }) {
                counts[index].byteCount += tensor.byteCount
                counts[index].elementCount += elementCount
            } else {
                counts.append(
                    WeightCount(
                        type: tensor.type, byteCount: tensor.byteCount,
                        elementCount: elementCount))
            }
        }
        return counts.sorted { $0.type.rawValue < $1.type.rawValue }
    }
}
