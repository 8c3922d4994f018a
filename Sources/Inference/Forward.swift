extension Stage {
    /// One position of a tile.
    private struct Row {
        let segmentIndex: Int
        /// Of the row in its segment's input.
        let inputIndex: Int
        let position: Int
        let session: KVSession
        let wantsLogits: Bool
    }

    /// Computes the segments together: each weight that is read serves all their positions.
    ///
    /// Returns one output per segment. Either all segments are good and all sessions have
    /// moved on by their positions, or an error says what is wrong and nothing has changed.
    package func forward(_ segments: [Segment]) throws(StageError) -> [Output] {
        var logits = [[Float]](repeating: [], count: segments.count)
        let hidden = try compute(segments) { index, _, row in
            // Safe: the row is copied within the call.
            unsafe row.withUnsafeBufferPointer { unsafe logits[index].append(contentsOf: $0) }
        }
        return segments.indices.map { index in
            isLast && segments[index].logits != .normed
                ? .logits(logits[index]) : .hidden(hidden[index])
        }
    }

    /// Computes one segment, and shows the logits of its positions from `first` on, in their
    /// order: some hundred rows of a large vocabulary are more than anybody should keep.
    package func forward(
        _ input: Input, start: Int, session: KVSession, logitsFrom first: Int,
        visit: (_ position: Int, _ row: Span<Float>) -> Void
    ) throws(StageError) {
        let segment = Segment(session: session, start: start, input: input, logits: .from(first))
        _ = try compute([segment]) { _, position, row in visit(position, row) }
    }

    /// Returns the hidden rows of each segment, and shows its logits, each with the segment's
    /// index and the position.
    private func compute(
        _ segments: [Segment], visit: (Int, Int, Span<Float>) -> Void
    ) throws(StageError) -> [[Float]] {
        var rows: [Row] = []
        for (index, segment) in segments.enumerated() {
            let count = try rowCount(of: segment)
            guard !segments[..<index].contains(where: { $0.session === segment.session }) else {
                throw .sessionTwice
            }
            for offset in 0..<count {
                let wanted =
                    switch segment.logits {
                    case .none, .normed: false
                    case .last: offset == count - 1
                    case .all: true
                    case .from(let first): first <= segment.start + offset
                    }
                rows.append(
                    Row(
                        segmentIndex: index, inputIndex: offset,
                        position: segment.start + offset, session: segment.session,
                        wantsLogits: wanted))
            }
        }
        var outputs = [[Float]](repeating: [], count: segments.count)
        for row in rows where row.session.count <= row.position {
            row.session.grow(to: row.position + 1)
        }
        var first = 0
        while first < rows.count {
            let end = min(first + rowCountMax, rows.count)
            compute(Array(rows[first..<end]), of: segments, into: &outputs, visit: visit)
            first = end
        }
        return outputs
    }

    /// Checks a segment and counts its positions.
    private func rowCount(of segment: Segment) throws(StageError) -> Int {
        let description = model.description, session = segment.session
        let count: Int
        switch segment.input {
        case .tokens(let tokens):
            guard isFirst else { throw .wrongInput }
            let vocabularyCount = description.vocabularyCount
            for token in tokens where !(0..<vocabularyCount ~= Int(token)) {
                throw .tokenOutOfRange(token, vocabularyCount: vocabularyCount)
            }
            count = tokens.count
        case .hidden(let elements):
            guard !isFirst else { throw .wrongInput }
            count = elements.count / description.embeddingLength
            guard 0 < count, count * description.embeddingLength == elements.count else {
                throw .raggedInput(
                    elementCount: elements.count, rowLength: description.embeddingLength)
            }
        }
        guard isLast || segment.logits == .none else { throw .noLogitsHere }
        guard session.pool === pool else { throw .foreignSession }
        guard segment.start == session.count else {
            throw .notContiguous(start: segment.start, expected: session.count)
        }
        guard count <= session.capacity - session.count else {
            throw .sessionFull(needed: session.count + count, capacity: session.capacity)
        }
        return count
    }

    /// Computes one tile: at most `rowCountMax` positions through all layers.
    private func compute(
        _ rows: [Row], of segments: [Segment], into outputs: inout [[Float]],
        visit: (Int, Int, Span<Float>) -> Void
    ) {
        for (index, row) in rows.enumerated() {
            switch segments[row.segmentIndex].input {
            case .tokens(let tokens):
                weights.embedding?.read(
                    row: Int(tokens[row.inputIndex]), into: scratch.stream, row: index)
            case .hidden(let elements):
                let length = scratch.stream.rowLength
                let start = row.inputIndex * length
                scratch.stream.set(index, to: elements[start..<start + length])
            }
            Kernels.ropeAngles(
                frequencies, position: row.position, magnitude: magnitude,
                pairing: model.description.rope.pairing, into: scratch.angles, row: index)
        }
        let description = model.description
        let plan = AttentionPlan(
            rows: rows.map { ($0.session, $0.position) }, headCountKV: description.headCountKV,
            groupLength: description.headCount / description.headCountKV,
            threadCount: threads.count, slotCount: scratch.states.rowCount)
        threads.run { lane in
            for (index, layer) in weights.ofLayers.enumerated() {
                attention(layer, index: index, rows: rows, plan: plan, lane: lane)
                feedForward(layer, rowCount: rows.count, lane: lane)
            }
        }
        if isLast {
            showLogits(of: rows, visit)
            appendNormed(rows.map(\.segmentIndex), of: segments, to: &outputs)
        } else {
            for (index, row) in rows.enumerated() {
                scratch.stream.append(index, to: &outputs[row.segmentIndex])
            }
        }
    }

    /// stream += W_o · softmax(q·K / √headLength) · V, with q, K, V from the normed stream.
    private func attention(
        _ layer: LayerWeights, index: Int, rows: [Row], plan: AttentionPlan, lane: Int
    ) {
        let s = scratch, d = model.description
        let first = norm(
            s.stream, weight: layer.attentionNorm, forms: layer.attentionForms,
            rowCount: rows.count, lane: lane)

        // A lane computes whole heads, so it rotates and stores them without waiting.
        let heads = threads.share(of: d.headCount, lane: lane)
        project(layer.query, heads: heads, from: first, rowCount: rows.count, into: s.queries)
        // The other way round: who has a head more here has one less there.
        let headsKV = threads.share(of: d.headCountKV, lane: threads.count - 1 - lane)
        project(layer.key, heads: headsKV, from: first, rowCount: rows.count, into: s.keys)
        project(layer.value, heads: headsKV, from: first, rowCount: rows.count, into: s.values)
        for (r, row) in rows.enumerated() {
            turn(s.queries, row: r, heads: heads, norm: layer.query.norm)
            turn(s.keys, row: r, heads: headsKV, norm: layer.key.norm)
            for (part, kind) in [(s.keys, KVCache.Part.keys), (s.values, .values)] {
                kernels.store(
                    row: r, of: part, heads: headsKV, as: kind, layer: index,
                    position: row.position, session: row.session)
            }
        }
        threads.synchronise()

        attend(plan, layer: index, lane: lane)
        threads.synchronise()
        let firstAttended = quantise(
            s.attended, for: layer.attentionOutput, rowCount: rows.count, lane: lane)
        kernels.multiply(
            layer.attentionOutput, rows: threads.share(ofRows: d.embeddingLength, lane: lane),
            by: s.attended, from: firstAttended, columnCount: rows.count, into: s.stream,
            accumulate: true)
        threads.synchronise()
    }

    /// stream += W_down · (silu(W_gate · h) ⊙ (W_up · h)), h = the normed stream.
    private func feedForward(_ layer: LayerWeights, rowCount: Int, lane: Int) {
        let s = scratch, d = model.description
        let first = norm(
            s.stream, weight: layer.feedForwardNorm, forms: layer.feedForwardForms,
            rowCount: rowCount, lane: lane)
        let range = threads.share(ofRows: d.feedForwardLength, lane: lane)
        kernels.multiply(
            layer.gate, rows: range, by: s.normed, from: first, columnCount: rowCount,
            into: s.gated.floats)
        kernels.multiply(
            layer.up, rows: range, by: s.normed, from: first, columnCount: rowCount, into: s.up)
        for row in 0..<rowCount {
            kernels.gate(s.gated.floats, with: s.up, row: row, range: range)
        }
        threads.synchronise()
        let firstGated = quantise(s.gated, for: layer.down, rowCount: rowCount, lane: lane)
        kernels.multiply(
            layer.down, rows: threads.share(ofRows: d.embeddingLength, lane: lane),
            by: s.gated, from: firstGated, columnCount: rowCount, into: s.stream,
            accumulate: true)
        threads.synchronise()
    }

    /// Whether every lane prepares the rows of a tile for itself, at the place of its own number,
    /// instead of a part of them for all: a single row of 1,536 is quantised in half a microsecond,
    /// and saves a barrier, at which all wait for the last. A layer then has five instead of ten.
    private func preparesAlone(rowCount: Int) -> Bool {
        rowCount == 1 && threads.count <= rowCountMax
    }

    /// Normalises the first rows into these forms of `normed`; returns where the lane finds them,
    /// all of them.
    private func norm(
        _ x: FloatRows, weight: FloatRows, forms: ActivationRows.Forms, rowCount: Int, lane: Int
    ) -> Int {
        let isAlone = preparesAlone(rowCount: rowCount), place = isAlone ? lane : 0
        for row in isAlone ? 0..<1 : threads.share(of: rowCount, lane: lane) {
            kernels.normalise(
                row: row, of: x, weight: weight, epsilon: model.description.normEpsilon,
                into: scratch.normed.floats, row: place + row)
            kernels.quantise(row: place + row, of: scratch.normed, into: forms)
        }
        if !isAlone { threads.synchronise() }
        return place
    }

    /// Quantises the first rows for a matrix; returns where the lane finds them, all of them.
    private func quantise(
        _ x: ActivationRows, for matrix: WeightMatrix, rowCount: Int, lane: Int
    ) -> Int {
        // A matrix of floats reads them as they are.
        guard !matrix.activationForms.isEmpty else { return 0 }
        let isAlone = preparesAlone(rowCount: rowCount), place = isAlone ? lane : 0
        for row in isAlone ? 0..<1 : threads.share(of: rowCount, lane: lane) {
            kernels.quantise(row: row, of: x, into: matrix.activationForms, at: place + row)
        }
        if !isAlone { threads.synchronise() }
        return place
    }

    /// Multiplies the rows of whole heads with the normed stream, and adds their bias.
    private func project(
        _ projection: LayerWeights.Projection, heads: Range<Int>, from first: Int, rowCount: Int,
        into out: FloatRows
    ) {
        let length = model.description.headLength
        let range = heads.lowerBound * length..<heads.upperBound * length
        if let bias = projection.bias {
            for row in 0..<rowCount { out.copy(range, of: bias, to: row) }
        }
        kernels.multiply(
            projection.matrix, rows: range, by: scratch.normed, from: first,
            columnCount: rowCount, into: out, accumulate: projection.bias != nil)
    }

    /// Turns whole heads of one row by its position; normalises them before, if the model does.
    private func turn(_ x: FloatRows, row: Int, heads: Range<Int>, norm: FloatRows?) {
        let d = model.description
        if let norm {
            kernels.normalise(
                row: row, of: x, heads: heads, weight: norm, epsilon: d.normEpsilon)
        }
        kernels.rotate(
            row: row, of: x, heads: heads, headLength: d.headLength, pairing: d.rope.pairing,
            angles: scratch.angles, anglesRow: row)
    }

    /// The output norm and matrix, for the rows that want logits, some rows at a time.
    private func showLogits(of rows: [Row], _ visit: (Int, Int, Span<Float>) -> Void) {
        guard let output = weights.output, let outputNorm = weights.outputNorm else { return }
        let wanted = rows.indices.filter { rows[$0].wantsLogits }
        var first = 0
        while first < wanted.count {
            let part = wanted[first..<min(first + ForwardScratch.logitsRowCount, wanted.count)]
            for (place, index) in part.enumerated() {
                kernels.normalise(
                    row: index, of: scratch.stream, weight: outputNorm,
                    epsilon: model.description.normEpsilon,
                    into: scratch.normed.floats, row: place)
                kernels.quantise(
                    row: place, of: scratch.normed, into: output.activationForms)
            }
            threads.run { lane in
                kernels.multiply(
                    output, rows: threads.share(ofRows: output.rowCount, lane: lane),
                    by: scratch.normed, columnCount: part.count, into: scratch.logits)
            }
            for (place, index) in part.enumerated() {
                let row = rows[index]
                scratch.logits.withRow(place) { visit(row.segmentIndex, row.position, $0) }
            }
            first += part.count
        }
    }

    /// The rows behind the output norm, for the segments that want them.
    private func appendNormed(
        _ segmentIndices: [Int], of segments: [Segment], to outputs: inout [[Float]]
    ) {
        guard let outputNorm = weights.outputNorm else { return }
        for (row, index) in segmentIndices.enumerated() where segments[index].logits == .normed {
            kernels.normalise(
                row: row, of: scratch.stream, weight: outputNorm,
                epsilon: model.description.normEpsilon, into: scratch.normed.floats, row: 0)
            scratch.normed.floats.append(0, to: &outputs[index])
        }
    }
}
