import CKernels

/// The numeric kernels of the best instruction set of this CPU: the one Swift door to CKernels.
///
/// Every method checks the shapes that it is given and then calls C. All instruction sets
/// give the same bits (the order of operations is written in kernels.h), so the choice is
/// one of speed alone; tests choose a lower one with `limit`.
@safe package struct Kernels: @unchecked Sendable {
    /// Worst first, as in kernels.h.
    package enum InstructionSet: UInt32, CaseIterable, Sendable {
        case scalar = 0, neon, neonDot, avx2, avx512
    }

    // Points at one of the constant tables in CKernels, which live for ever and never change.
    let table: UnsafePointer<kernels_table>

    package init(limit: InstructionSet = .avx512) {
        // Safe: the function answers for every limit and never returns null.
        unsafe table = kernels_select(kernels_isa(rawValue: limit.rawValue))
    }

    package var instructionSet: InstructionSet {
        // Safe: the table is constant.
        InstructionSet(rawValue: unsafe table.pointee.isa.rawValue) ?? .scalar
    }

    /// How many rows of weights of a type these kernels like to find interleaved; 0 for none.
    func interleave(of type: GGUFType) -> Int {
        // Safe: the table is constant.
        kernels_interleaves(kernels_type(rawValue: type.rawValue))
            ? unsafe table.pointee.interleave : 0
    }

    /// Whether weights of this type can be multiplied.
    package static func supports(_ type: GGUFType) -> Bool {
        kernels_supports(Int32(type.rawValue))
    }

    /// Quantises one row of `x` into those of `forms` that it can have, as their row `place` or
    /// that of the same number; a matrix of a type that reads another form has no rows of this
    /// length.
    package func quantise(
        row: Int, of x: ActivationRows,
        into forms: ActivationRows.Forms = [.blocks, .superblocks], at place: Int? = nil
    ) {
        let place = place ?? row, length = x.rowLength
        precondition(0 <= row && row < x.rowCount, "row \(row) of \(x.rowCount)")
        precondition(0 <= place && place < x.rowCount, "row \(place) of \(x.rowCount)")
        let forms = forms.intersection(x.forms)
        if forms.contains(.blocks) {
            let blocks = place * (length / 32)
            // Safe: `x` has a place for each of its rows in all parts of the form.
            unsafe table.pointee.quantise(
                x.floats.pointer(row: row), length, x.quants + place * length,
                x.scales + blocks, x.sums + blocks, x.negativeTotals + blocks)
        }
        if forms.contains(.superblocks) {
            // Safe: as above.
            unsafe table.pointee.quantise_superblocks(
                x.floats.pointer(row: row), length, x.superblockQuants + place * length,
                x.superblockScales + place * (length / 256),
                x.superblockSums + place * (length / 256 * 24))
        }
    }

    /// out[column][row] = dot(weights[row], x[first + column]) for the rows in `rows` and
    /// `columnCount` rows of `x`; added to what `out` holds when `accumulate`.
    package func multiply(
        _ weights: WeightMatrix, rows: Range<Int>, by x: ActivationRows, from first: Int = 0,
        columnCount: Int, into out: FloatRows, accumulate: Bool = false
    ) {
        precondition(
            weights.rowLength == x.rowLength && rows.upperBound <= weights.rowCount
                && weights.rowCount <= out.rowLength
                && 0 <= first && first + columnCount <= x.rowCount && columnCount <= out.rowCount
                && [0, interleave(of: weights.type)].contains(weights.interleave),
            "\(weights.rowCount) rows of \(weights.rowLength) times \(x.rowCount) of \(x.rowLength)"
        )
        // Safe: the shapes fit, as checked; the matrix keeps its memory alive.
        unsafe withUnsafePointer(to: weights.layout) { layout in
            // Safe: `x` lives through the call.
            var activations = unsafe x.layout(from: first)
            // Safe: as above.
            unsafe table.pointee.multiply(
                layout, rows.lowerBound, rows.count, &activations, columnCount,
                out.base, out.rowLength, accumulate)
        }
    }

    /// Root mean square normalisation of one row (arXiv 1910.07467), times `weight`.
    package func normalise(
        row: Int, of x: FloatRows, weight: FloatRows, epsilon: Float,
        into out: FloatRows, row outRow: Int
    ) {
        precondition(
            weight.rowLength == x.rowLength && out.rowLength == x.rowLength,
            "rows of \(x.rowLength), weights of \(weight.rowLength)")
        // Safe: `pointer(row:)` checks the rows, and they are equally long.
        unsafe table.pointee.normalise(
            x.pointer(row: row), weight.base, x.rowLength, epsilon, out.pointer(row: outRow))
    }

    /// gate = silu(gate) · up, for the elements in `range` of one row.
    package func gate(_ gate: FloatRows, with up: FloatRows, row: Int, range: Range<Int>) {
        precondition(
            0 <= range.lowerBound && range.upperBound <= gate.rowLength
                && gate.rowLength == up.rowLength,
            "elements \(range) of \(gate.rowLength)")
        // Safe: the range lies in both rows; the kernel allows out = gate.
        unsafe table.pointee.gate(
            gate.pointer(row: row) + range.lowerBound, up.pointer(row: row) + range.lowerBound,
            range.count, gate.pointer(row: row) + range.lowerBound)
    }

    /// e to the power of `x`, clamped to e^-87 … e^88; the same bits on every machine.
    package static func exponential(_ x: Float) -> Float { kernels_exp(x) }
}
