/// The memory between the kernels of a stage, taken once; every row count is a tile's.
final class ForwardScratch {
    /// The residual stream: what goes from layer to layer.
    let stream: FloatRows  // (rows, embedding)
    let normed: ActivationRows  // (rows, embedding)
    let queries: FloatRows  // (rows, heads · headLength)
    let keys: FloatRows  // (rows, headsKV · headLength)
    let values: FloatRows  // (rows, headsKV · headLength)
    let attended: ActivationRows  // (rows, heads · headLength)
    let gated: ActivationRows  // (rows, feedForward)
    let up: FloatRows  // (rows, feedForward)
    let angles: FloatRows  // (rows, 2 · headLength)
    let logits: FloatRows  // (logitsRowCount, vocabulary); empty but in the last stage
    let scores: FloatRows  // (threads, what attention needs)
    let states: FloatRows  // (slots of AttentionPlan, headLength + 2)

    /// Rows of logits that are made at a time, when a replay wants those of all: 150,000 tokens
    /// of a large vocabulary are then 38 MB, which nobody touches before.
    static let logitsRowCount = 64

    init(_ d: ModelDescription, rowCount: Int, threadCount: Int, makesLogits: Bool) {
        stream = FloatRows(rowCount: rowCount, rowLength: d.embeddingLength)
        normed = ActivationRows(rowCount: rowCount, rowLength: d.embeddingLength)
        queries = FloatRows(rowCount: rowCount, rowLength: d.headCount * d.headLength)
        keys = FloatRows(rowCount: rowCount, rowLength: d.headCountKV * d.headLength)
        values = FloatRows(rowCount: rowCount, rowLength: d.headCountKV * d.headLength)
        attended = ActivationRows(rowCount: rowCount, rowLength: d.headCount * d.headLength)
        gated = ActivationRows(rowCount: rowCount, rowLength: d.feedForwardLength)
        up = FloatRows(rowCount: rowCount, rowLength: d.feedForwardLength)
        angles = FloatRows(rowCount: rowCount, rowLength: 2 * d.headLength)
        logits = FloatRows(
            rowCount: makesLogits ? Self.logitsRowCount : 0, rowLength: d.vocabularyCount)
        scores = FloatRows(
            rowCount: threadCount,
            // Multiples of 64 floats: two threads then never share a cache line.
            rowLength: Kernels.attentionScratchCount(headLength: d.headLength).roundedUp(to: 64))
        states = FloatRows(
            rowCount: AttentionPlan.slotCount(d, threadCount: threadCount),
            rowLength: d.headLength + 2)
    }
}
