/// The weights of an encoder: matrices where they lie in the file, vectors copied.
struct EncoderWeights {
    /// W · x + b.
    struct Dense {
        let weight: WeightMatrix  // (outputs, inputs)
        let bias: FloatRows  // (outputs)

        init(_ model: EncoderModel, _ layer: Int, _ part: EncoderTensor.LayerPart) {
            weight = model.matrix(.layer(layer, part, .weight))
            bias = model.vector(.layer(layer, part, .bias))
        }
    }

    struct Norm {
        let weight: FloatRows  // (embedding)
        let bias: FloatRows  // (embedding)
    }

    struct Layer {
        let query: Dense
        let key: Dense
        let value: Dense
        let attentionOutput: Dense
        let attentionNorm: Norm
        let up: Dense
        let down: Dense
        let outputNorm: Norm
    }

    let words: WeightMatrix  // (vocabulary, embedding)
    let positions: WeightMatrix  // (context, embedding)
    /// The embedding of the first segment, which all of a text is.
    let type: FloatRows  // (embedding)
    let norm: Norm
    let layers: [Layer]
    /// The forms of activations that the matrices are multiplied with.
    let activationForms: ActivationRows.Forms

    init(_ model: EncoderModel) {
        func norm(_ layer: Int, _ part: EncoderTensor.LayerPart) -> Norm {
            Norm(
                weight: model.vector(.layer(layer, part, .weight)),
                bias: model.vector(.layer(layer, part, .bias)))
        }
        words = model.matrix(.words)
        positions = model.matrix(.positions)
        type = model.vector(.types)
        self.norm = Norm(
            weight: model.vector(.embeddingNorm(.weight)),
            bias: model.vector(.embeddingNorm(.bias)))
        layers = (0..<model.description.layerCount).map { layer in
            func dense(_ part: EncoderTensor.LayerPart) -> Dense { Dense(model, layer, part) }
            return Layer(
                query: dense(.query), key: dense(.key), value: dense(.value),
                attentionOutput: dense(.attentionOutput),
                attentionNorm: norm(layer, .attentionNorm), up: dense(.up), down: dense(.down),
                outputNorm: norm(layer, .outputNorm))
        }
        activationForms = layers.reduce(into: []) { forms, layer in
            for dense in [
                layer.query, layer.key, layer.value, layer.attentionOutput, layer.up, layer.down,
            ] { forms.formUnion(dense.weight.activationForms) }
        }
    }
}

/// The memory between the kernels of an encoder, for so many positions at a time.
final class EncoderScratch {
    let rowCount: Int
    /// The residual stream: what goes from layer to layer.
    let stream: ActivationRows  // (rows, embedding)
    let queries: FloatRows  // (rows, embedding)
    let keys: FloatRows  // (rows, embedding)
    let values: FloatRows  // (rows, embedding)
    let attended: ActivationRows  // (rows, embedding)
    let inner: ActivationRows  // (rows, feedForward)
    let positions: FloatRows  // (threads, embedding)
    let scores: FloatRows  // (threads, rows)

    init(_ d: EncoderDescription, rowCount: Int, threadCount: Int) {
        self.rowCount = rowCount
        stream = ActivationRows(rowCount: rowCount, rowLength: d.embeddingLength)
        queries = FloatRows(rowCount: rowCount, rowLength: d.embeddingLength)
        keys = FloatRows(rowCount: rowCount, rowLength: d.embeddingLength)
        values = FloatRows(rowCount: rowCount, rowLength: d.embeddingLength)
        attended = ActivationRows(rowCount: rowCount, rowLength: d.embeddingLength)
        inner = ActivationRows(rowCount: rowCount, rowLength: d.feedForwardLength)
        positions = FloatRows(rowCount: threadCount, rowLength: d.embeddingLength)
        // Multiples of 64 floats: two threads then never share a cache line.
        scores = FloatRows(rowCount: threadCount, rowLength: rowCount.roundedUp(to: 64))
    }
}
