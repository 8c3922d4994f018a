/// The weights of a range of a model's layers, which stages may share: nobody writes them.
package final class StageWeights: Sendable {
    package let model: ModelFile
    package let layers: Range<Int>
    let ofLayers: [LayerWeights]
    let embedding: WeightMatrix?  // (vocabulary, embedding), where the first layer is here
    let outputNorm: FloatRows?  // (embedding), where the last layer is here
    let output: WeightMatrix?  // (vocabulary, embedding), as above

    package var isFirst: Bool { layers.lowerBound == 0 }
    package var isLast: Bool { layers.upperBound == model.description.layerCount }

    /// Copies the matrices into memory of their own, in one pass over them, for `kernels` and no
    /// others.
    ///
    /// Without `copies` they are read where they lie in the file when they are needed: for a
    /// stage that computes some hundred rows and goes.
    package init(
        model: ModelFile, layers: Range<Int>, kernels: Kernels = Kernels(), copies: Bool = true
    ) throws(ModelError) {
        let layerCount = model.description.layerCount
        guard 0 <= layers.lowerBound, layers.upperBound <= layerCount, !layers.isEmpty
        else { throw .layersOutOfRange(layers, layerCount: layerCount) }
        self.model = model
        self.layers = layers
        let memory =
            copies
            ? WeightMemory(
                byteCount: model.weightByteCount(layers: layers),
                matrixCount: layers.count * LayerTensor.allCases.count + 1, kernels: kernels) : nil
        ofLayers = layers.map { LayerWeights(model, layer: $0, memory: memory) }
        let isLast = layers.upperBound == layerCount
        embedding = layers.lowerBound == 0 ? model.matrix("token_embd.weight") : nil
        outputNorm = isLast ? model.vector("output_norm.weight") : nil
        output = isLast ? model.matrix(model.outputName, in: memory) : nil
    }
}
