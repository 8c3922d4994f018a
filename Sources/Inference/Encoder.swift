/// An encoder of the BERT architecture, ready to compute: weights, scratch memory and threads.
///
/// All positions of a text see each other, so a text is computed as a whole; several texts go
/// through together, which reads each weight once for all of them. A text's vector depends, bit for
/// bit, on its own tokens alone: not on its neighbours, nor on threads or instruction set.
///
/// One call at a time; the caller gives it a plain thread, never a Swift task. The computation is
/// that of BERT (arXiv 1810.04805): embeddings and layer norm, then per layer attention and two
/// matrices with GELU between them, each followed by its residual and a layer norm.
package final class Encoder {
    package let model: EncoderModel
    private let kernels: Kernels
    private let own: EncoderKernels
    private let threads: Threads
    private let weights: EncoderWeights
    private var scratch: EncoderScratch

    /// Positions that are computed at a time, unless one text has more: 256 rows of the scratch
    /// still fit the second cache, and reading the weights no longer counts.
    private static let rowCountMax = 256

    /// A text in the rows of a tile.
    private struct Text {
        let tokens: [TokenID]
        let rows: Range<Int>
    }

    package init(
        model: EncoderModel, threads: Int, kernels: Kernels = Kernels()
    ) throws(EncoderError) {
        guard 1...Threads.countMax ~= threads else { throw .threadCountOutOfRange(threads) }
        self.model = model
        self.kernels = kernels
        own = EncoderKernels(kernels)
        self.threads = Threads(count: threads)
        weights = EncoderWeights(model)
        scratch = EncoderScratch(model.description, rowCount: 0, threadCount: threads)
    }

    /// One vector of length 1 for each text, given as the tokenizer's ids.
    package func embed(_ texts: [[TokenID]]) throws(EncoderError) -> [[Float]] {
        let d = model.description
        for (index, tokens) in texts.enumerated() {
            try EncoderError.check(
                tokens, index: index, contextLength: d.contextLength,
                vocabularyCount: d.vocabularyCount)
        }
        var vectors: [[Float]] = []
        vectors.reserveCapacity(texts.count)
        var tile: [Text] = []
        for tokens in texts {
            let first = tile.last?.rows.upperBound ?? 0
            if 0 < first, Self.rowCountMax < first + tokens.count {
                vectors += compute(tile)
                tile = []
            }
            let start = tile.last?.rows.upperBound ?? 0
            tile.append(Text(tokens: tokens, rows: start..<start + tokens.count))
        }
        return tile.isEmpty ? vectors : vectors + compute(tile)
    }

    private func compute(_ texts: [Text]) -> [[Float]] {
        let d = model.description
        let rowCount = texts.last?.rows.upperBound ?? 0
        if scratch.rowCount < rowCount {
            scratch = EncoderScratch(d, rowCount: rowCount, threadCount: threads.count)
        }
        threads.run { lane in
            embed(texts, lane: lane)
            for layer in weights.layers {
                attention(layer, texts, rowCount: rowCount, lane: lane)
                feedForward(layer, rowCount: rowCount, lane: lane)
            }
        }
        return texts.map { text in
            var rows: [Float] = []
            rows.reserveCapacity(text.rows.count * d.embeddingLength)
            for row in text.rows { scratch.stream.floats.append(row, to: &rows) }
            return d.pooling.vector(of: rows, rowLength: d.embeddingLength)
        }
    }

    /// stream = norm(word + type + position).
    private func embed(_ texts: [Text], lane: Int) {
        let stream = scratch.stream.floats, all = 0..<stream.rowLength
        for text in texts {
            for index in threads.share(of: text.tokens.count, lane: lane) {
                let row = text.rows.lowerBound + index
                weights.words.read(row: Int(text.tokens[index]), into: stream, row: row)
                own.add(weights.type, range: all, to: stream, rows: row..<row + 1)
                weights.positions.read(row: index, into: scratch.positions, row: lane)
                own.add(
                    scratch.positions, row: lane, range: all, to: stream, rows: row..<row + 1)
            }
        }
        threads.synchronise()
        norm(weights.norm, rowCount: texts.last?.rows.upperBound ?? 0, lane: lane)
    }

    /// stream = norm(stream + W_o · softmax(q·K / √headLength) · V).
    private func attention(
        _ layer: EncoderWeights.Layer, _ texts: [Text], rowCount: Int, lane: Int
    ) {
        let s = scratch, d = model.description
        let share = threads.share(of: d.embeddingLength, lane: lane)
        multiply(layer.query, s.stream, rowCount, into: s.queries, share)
        multiply(layer.key, s.stream, rowCount, into: s.keys, share)
        multiply(layer.value, s.stream, rowCount, into: s.values, share)
        threads.synchronise()
        for text in texts {
            for item in threads.share(of: text.rows.count * d.headCount, lane: lane) {
                let (index, head) = item.quotientAndRemainder(dividingBy: d.headCount)
                own.attend(
                    row: text.rows.lowerBound + index, of: s.queries, keys: s.keys,
                    values: s.values, rows: text.rows, head: head, headLength: d.headLength,
                    scores: s.scores, scoresRow: lane, into: s.attended.floats)
            }
        }
        threads.synchronise()
        quantise(s.attended, rowCount: rowCount, lane: lane)
        addProduct(layer.attentionOutput, s.attended, rowCount, lane: lane)
        norm(layer.attentionNorm, rowCount: rowCount, lane: lane)
    }

    /// stream = norm(stream + W_down · gelu(W_up · stream)).
    private func feedForward(_ layer: EncoderWeights.Layer, rowCount: Int, lane: Int) {
        let s = scratch
        let share = threads.share(of: model.description.feedForwardLength, lane: lane)
        multiply(layer.up, s.stream, rowCount, into: s.inner.floats, share)
        for row in 0..<rowCount { own.gelu(row: row, of: s.inner.floats, range: share) }
        threads.synchronise()
        quantise(s.inner, rowCount: rowCount, lane: lane)
        addProduct(layer.down, s.inner, rowCount, lane: lane)
        norm(layer.outputNorm, rowCount: rowCount, lane: lane)
    }

    /// out = W · x + bias, for the outputs in `share`.
    private func multiply(
        _ dense: EncoderWeights.Dense, _ x: ActivationRows, _ rowCount: Int, into out: FloatRows,
        _ share: Range<Int>
    ) {
        kernels.multiply(dense.weight, rows: share, by: x, columnCount: rowCount, into: out)
        own.add(dense.bias, range: share, to: out, rows: 0..<rowCount)
    }

    /// stream += W · x + bias; all lanes see all rows when it returns.
    private func addProduct(
        _ dense: EncoderWeights.Dense, _ x: ActivationRows, _ rowCount: Int, lane: Int
    ) {
        let stream = scratch.stream.floats
        let share = threads.share(of: stream.rowLength, lane: lane)
        kernels.multiply(
            dense.weight, rows: share, by: x, columnCount: rowCount, into: stream,
            accumulate: true)
        own.add(dense.bias, range: share, to: stream, rows: 0..<rowCount)
        threads.synchronise()
    }

    /// Normalises the stream in place; all lanes see all rows when it returns.
    private func norm(_ norm: EncoderWeights.Norm, rowCount: Int, lane: Int) {
        for row in threads.share(of: rowCount, lane: lane) {
            own.normalise(
                row: row, of: scratch.stream.floats, weight: norm.weight, bias: norm.bias,
                epsilon: model.description.normEpsilon)
            kernels.quantise(row: row, of: scratch.stream, into: weights.activationForms)
        }
        threads.synchronise()
    }

    /// Quantises the first rows, if any weight reads them so; all lanes see all rows then.
    private func quantise(_ x: ActivationRows, rowCount: Int, lane: Int) {
        guard !weights.activationForms.isEmpty else { return }
        for row in threads.share(of: rowCount, lane: lane) {
            kernels.quantise(row: row, of: x, into: weights.activationForms)
        }
        threads.synchronise()
    }
}
