import CKernels

/// The kernels of encoders, of the instruction set of a `Kernels`; they give the same bits in all.
@safe struct EncoderKernels: @unchecked Sendable {
    // Points at one of the constant tables in CKernels, which live for ever and never change.
    private let table: UnsafePointer<kernels_encoder_table>

    init(_ kernels: Kernels) {
        // Safe: the function answers for every limit and never returns null.
        unsafe table = kernels_encoder_select(
            kernels_isa(rawValue: kernels.instructionSet.rawValue))
    }

    /// Adds `y`, one row, to the elements in `range` of the first rows of `x`.
    func add(_ y: FloatRows, row: Int = 0, range: Range<Int>, to x: FloatRows, rows: Range<Int>) {
        precondition(
            0 <= range.lowerBound && range.upperBound <= x.rowLength
                && y.rowLength == x.rowLength, "elements \(range) of \(x.rowLength)")
        for place in rows {
            // Safe: the range lies in both rows, which `pointer(row:)` checks.
            unsafe table.pointee.add(
                y.pointer(row: row) + range.lowerBound, range.count,
                x.pointer(row: place) + range.lowerBound)
        }
    }

    /// Layer normalisation of one row, in place.
    func normalise(
        row: Int, of x: FloatRows, weight: FloatRows, bias: FloatRows, epsilon: Float
    ) {
        precondition(
            weight.rowLength == x.rowLength && bias.rowLength == x.rowLength,
            "rows of \(x.rowLength), weights of \(weight.rowLength)")
        // Safe: all rows are equally long; the kernel allows out = x.
        unsafe table.pointee.normalise_layer(
            x.pointer(row: row), weight.base, bias.base, x.rowLength, epsilon,
            x.pointer(row: row))
    }

    /// GELU of the elements in `range` of one row, in place.
    func gelu(row: Int, of x: FloatRows, range: Range<Int>) {
        precondition(
            0 <= range.lowerBound && range.upperBound <= x.rowLength,
            "elements \(range) of \(x.rowLength)")
        // Safe: the range lies in the row.
        unsafe table.pointee.gelu(range.count, x.pointer(row: row) + range.lowerBound)
    }

    /// Attention of one head at `row` over all positions of its text, `rows`.
    ///
    /// `scores` is scratch, at least as long as the text, of the calling thread alone.
    func attend(
        row: Int, of queries: FloatRows, keys: FloatRows, values: FloatRows, rows: Range<Int>,
        head: Int, headLength: Int, scores: FloatRows, scoresRow: Int, into out: FloatRows
    ) {
        let offset = head * headLength
        precondition(
            rows.upperBound <= keys.rowCount && rows.upperBound <= values.rowCount
                && !rows.isEmpty && rows.count <= scores.rowLength
                && offset + headLength <= keys.rowLength && keys.rowLength == values.rowLength
                && keys.rowLength == queries.rowLength && keys.rowLength == out.rowLength,
            "positions \(rows) of \(keys.rowCount)")
        let scale = 1 / Float(headLength).squareRoot()
        // Safe: the head lies in each row, and the rows and the scores are there, as checked.
        unsafe table.pointee.attend_all(
            queries.pointer(row: row) + offset,
            keys.pointer(row: rows.lowerBound) + offset,
            values.pointer(row: rows.lowerBound) + offset, rows.count, keys.rowLength,
            headLength, scale, scores.pointer(row: scoresRow), out.pointer(row: row) + offset)
    }
}
