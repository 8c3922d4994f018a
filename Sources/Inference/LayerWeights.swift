/// The weights of one layer: matrices where they lie in the file, norms copied.
struct LayerWeights {
    let attentionNorm: FloatRows  // (embedding)
    let query: WeightMatrix  // (heads · headLength, embedding)
    let key: WeightMatrix  // (headsKV · headLength, embedding)
    let value: WeightMatrix  // (headsKV · headLength, embedding)
    let attentionOutput: WeightMatrix  // (embedding, heads · headLength)
    let feedForwardNorm: FloatRows  // (embedding)
    let gate: WeightMatrix  // (feedForward, embedding)
    let up: WeightMatrix  // (feedForward, embedding)
    let down: WeightMatrix  // (embedding, feedForward)

    init(_ model: ModelFile, layer: Int) {
        func matrix(_ tensor: LayerTensor) -> WeightMatrix {
            model.matrix(tensor.name(layer: layer))
        }
        attentionNorm = model.vector(LayerTensor.attentionNorm.name(layer: layer))
        query = matrix(.query)
        key = matrix(.key)
        value = matrix(.value)
        attentionOutput = matrix(.attentionOutput)
        feedForwardNorm = model.vector(LayerTensor.feedForwardNorm.name(layer: layer))
        gate = matrix(.gate)
        up = matrix(.up)
        down = matrix(.down)
    }
}
