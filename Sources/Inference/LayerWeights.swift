/// The weights of one layer: matrices in a stage's own memory or where they lie in the file, norms
/// and biases copied.
struct LayerWeights: Sendable {
    let attentionNorm: FloatRows  // (embedding)
    let query: Projection  // (heads · headLength, embedding)
    let key: Projection  // (headsKV · headLength, embedding)
    let value: Projection  // (headsKV · headLength, embedding)
    let attentionOutput: WeightMatrix  // (embedding, heads · headLength)
    let feedForwardNorm: FloatRows  // (embedding)
    let gate: WeightMatrix  // (feedForward, embedding)
    let up: WeightMatrix  // (feedForward, embedding)
    let down: WeightMatrix  // (embedding, feedForward)

    /// What makes queries, keys or values of the normed stream.
    struct Projection: Sendable {
        let matrix: WeightMatrix
        let bias: FloatRows?  // (outputs)
        let norm: FloatRows?  // (headLength)
    }

    /// The forms of the normed stream that attention reads.
    var attentionForms: ActivationRows.Forms {
        query.matrix.activationForms.union(key.matrix.activationForms)
            .union(value.matrix.activationForms)
    }
    /// The forms of the normed stream that the feed-forward part reads.
    var feedForwardForms: ActivationRows.Forms {
        gate.activationForms.union(up.activationForms)
    }

    /// Takes the matrices in the order in which they are multiplied.
    init(_ model: ModelFile, layer: Int, memory: WeightMemory?) {
        func matrix(_ tensor: LayerTensor) -> WeightMatrix {
            model.matrix(tensor.name(layer: layer), in: memory)
        }
        func vector(_ tensor: LayerTensor) -> FloatRows {
            model.vector(tensor.name(layer: layer))
        }
        func vectorIfAny(_ tensor: LayerTensor) -> FloatRows? {
            model.header.tensor(tensor.name(layer: layer)) == nil ? nil : vector(tensor)
        }
        attentionNorm = vector(.attentionNorm)
        query = Projection(
            matrix: matrix(.query), bias: vectorIfAny(.queryBias), norm: vectorIfAny(.queryNorm))
        key = Projection(
            matrix: matrix(.key), bias: vectorIfAny(.keyBias), norm: vectorIfAny(.keyNorm))
        value = Projection(matrix: matrix(.value), bias: vectorIfAny(.valueBias), norm: nil)
        attentionOutput = matrix(.attentionOutput)
        feedForwardNorm = vector(.feedForwardNorm)
        gate = matrix(.gate)
        up = matrix(.up)
        down = matrix(.down)
    }
}
