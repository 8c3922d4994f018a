import Inference
import Wire

extension ModelShape {
    /// What placing must know of a model, from its file.
    init(of file: ModelFile) {
        let description = file.description
        var runs: [LayerRun] = []
        for layer in 0..<description.layerCount {
            let parts = Self.parts(file.weightCounts(layer: layer))
            if let last = runs.indices.last, runs[last].parts == parts {
                runs[last].layerCount += 1
            } else {
                runs.append(LayerRun(layerCount: 1, parts: parts))
            }
        }
        self.init(
            embeddingLength: UInt32(description.embeddingLength),
            contextLength: UInt32(description.contextLength),
            cacheByteCount: UInt32(clamping: file.cacheByteCount()), layers: runs,
            embedding: Self.parts(file.embeddingWeightCounts),
            output: Self.parts(file.outputWeightCounts), isTied: description.isTied)
    }

    private static func parts(_ counts: [ModelFile.WeightCount]) -> [WeightPart] {
        counts.map {
            WeightPart(
                type: $0.type.rawValue, byteCount: UInt64($0.byteCount),
                elementCount: UInt64($0.elementCount))
        }
    }
}
