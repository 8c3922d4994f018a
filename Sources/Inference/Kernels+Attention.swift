import CKernels

extension Kernels {
    /// Floats of scratch that attention needs for each thread.
    package static func attentionScratchCount(headLength: Int) -> Int {
        kernels_attend_scratch(headLength)
    }

    /// Positions whose softmax weights are computed together; see kernels.h.
    package static let spanLength = Int(KERNELS_SPAN)

    /// Queries that read the same head of keys: some heads of consecutive positions.
    package struct Queries {
        package var rows: Range<Int>
        /// The position of the first row; the others follow.
        package var position: Int
        package var heads: Range<Int>
        package var layer: Int
        package var headKV: Int

        package init(
            rows: Range<Int>, position: Int, heads: Range<Int>, layer: Int, headKV: Int
        ) {
            self.rows = rows
            self.position = position
            self.heads = heads
            self.layer = layer
            self.headKV = headKV
        }

        package var count: Int { rows.count * heads.count }
    }

    /// Attention of some queries over some spans of a session: one state per query (row by row,
    /// head by head), from row `slot` of `states` on.
    ///
    /// `scratch` is of the calling thread alone.
    package func attend(
        _ queries: Queries, of x: FloatRows, over session: KVSession, spans: Range<Int>,
        scratch: FloatRows, scratchRow: Int, into states: FloatRows, slot: Int
    ) {
        let length = session.shape.headLength, rows = queries.rows
        precondition(
            queries.position + rows.count <= session.count
                && queries.heads.upperBound * length <= x.rowLength
                && 0 <= rows.lowerBound && rows.upperBound <= x.rowCount && !spans.isEmpty
                && spans.lowerBound * Self.spanLength < queries.position + rows.count
                && (spans.upperBound - 1) * Self.spanLength < queries.position + rows.count
                && scratch.rowLength >= Self.attentionScratchCount(headLength: length)
                && states.rowLength == length + 2 && 0 <= slot
                && slot + queries.count <= states.rowCount,
            "\(rows.count) rows from position \(queries.position) in a session of \(session.count)")
        // Safe: the layout lives as long as the session.
        var layout = unsafe session.layout(layer: queries.layer, head: queries.headKV)
        // Safe: the rows and their heads lie in `x`, as checked.
        var block = unsafe kernels_queries(
            rows: x.base + rows.lowerBound * x.rowLength + queries.heads.lowerBound * length,
            row_stride: x.rowLength, row_count: rows.count, head_count: queries.heads.count,
            position: queries.position, scale: 1 / Float(length).squareRoot())
        // Safe: the session has blocks for all positions, states and scratch have room.
        unsafe table.pointee.attend(
            &layout, &block, spans.lowerBound, spans.count, scratch.pointer(row: scratchRow),
            states.base + slot * states.rowLength)
    }

    /// Adds the state of the span that follows to the state of those before.
    package func join(_ states: FloatRows, slot: Int, with next: Int) {
        // Safe: `pointer(row:)` checks the rows; a state is a row.
        unsafe table.pointee.join(
            states.pointer(row: slot), states.pointer(row: next), states.rowLength - 2)
    }

    /// Writes the attention of one query, whose state is complete, as a head of a row.
    package func finish(
        _ states: FloatRows, slot: Int, into out: FloatRows, row: Int, head: Int
    ) {
        let length = states.rowLength - 2
        precondition((head + 1) * length <= out.rowLength, "head \(head) of \(out.rowLength)")
        // Safe: `pointer(row:)` checks the rows, and the head lies in its row.
        unsafe table.pointee.finish(
            states.pointer(row: slot), length, out.pointer(row: row) + head * length)
    }

    /// Stores the heads in `heads` of one row of keys or values in the cache.
    package func store(
        row: Int, of x: FloatRows, heads: Range<Int>, as part: KVCache.Part,
        layer: Int, position: Int, session: KVSession
    ) {
        let length = session.shape.headLength
        precondition(heads.upperBound * length <= x.rowLength, "heads \(heads)")
        let type = kernels_type(rawValue: session.shape.elementType.rawValue)
        for head in heads {
            // Safe: the head lies in its row, and `place` has room for a head of this position.
            unsafe table.pointee.store(
                x.pointer(row: row) + head * length, length, type, part == .keys,
                session.place(part, layer: layer, head: head, position: position))
        }
    }
}
