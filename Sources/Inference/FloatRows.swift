internal import Glibc

/// Rows of floats in memory that a stage takes once and its threads share.
///
/// A class around a pointer and not an array, because the threads of a stage write different
/// parts of the same rows at the same time. The rule that keeps this sound is the stage's:
/// between two synchronisations no thread touches what another writes.
@safe package final class FloatRows: @unchecked Sendable {
    package let rowCount: Int
    package let rowLength: Int
    // Owned: allocated in `init`, freed in `deinit`, never replaced.
    let base: UnsafeMutablePointer<Float>

    /// Rows of zeros.
    package init(rowCount: Int, rowLength: Int) {
        precondition(0 <= rowCount && 0 <= rowLength, "\(rowCount) rows of \(rowLength)")
        self.rowCount = rowCount
        self.rowLength = rowLength
        // Zeros of the system: what is never written takes no memory.
        // Safe: the count of bytes cannot overflow, and the result is looked at.
        let zeros = unsafe calloc(max(1, rowCount * rowLength), MemoryLayout<Float>.stride)
        guard let zeros = unsafe zeros else {
            fatalError("no memory for \(rowCount) rows of \(rowLength) floats")
        }
        // Safe: `calloc` aligns for every type, and zeros are floats.
        unsafe base = zeros.bindMemory(to: Float.self, capacity: rowCount * rowLength)
    }

    /// Rows with the given values, row after row.
    package convenience init(_ values: [Float], rowLength: Int) {
        precondition(0 < rowLength && values.count % rowLength == 0, "ragged rows")
        self.init(rowCount: values.count / rowLength, rowLength: rowLength)
        for row in 0..<rowCount { set(row, to: values[row * rowLength..<(row + 1) * rowLength]) }
    }

    deinit {
        // Safe: `base` was allocated in `init`; floats need no deinitialisation.
        unsafe free(base)
    }

    /// The first element of a row; the caller stays inside the row.
    func pointer(row: Int) -> UnsafeMutablePointer<Float> {
        precondition(0 <= row && row < rowCount, "row \(row) of \(rowCount)")
        // Safe: the row exists.
        return unsafe base + row * rowLength
    }

    package func set(_ row: Int, to values: ArraySlice<Float>) {
        precondition(values.count == rowLength, "\(values.count) values for \(rowLength)")
        // Safe: a row has room for `rowLength` values.
        let rows = unsafe UnsafeMutableBufferPointer(start: pointer(row: row), count: rowLength)
        // Safe: as above.
        _ = unsafe rows.update(from: values)
    }

    /// Copies some elements of the first row of `source` to the same places of a row.
    func copy(_ range: Range<Int>, of source: FloatRows, to row: Int) {
        precondition(
            0 <= range.lowerBound && range.upperBound <= min(rowLength, source.rowLength),
            "elements \(range) of \(rowLength)")
        // Safe: the range lies in both rows, as checked.
        unsafe (pointer(row: row) + range.lowerBound).update(
            from: source.pointer(row: 0) + range.lowerBound, count: range.count)
    }

    /// Appends a copy of a row.
    package func append(_ row: Int, to values: inout [Float]) {
        // Safe: the row has `rowLength` elements.
        unsafe values.append(
            contentsOf: UnsafeBufferPointer(start: pointer(row: row), count: rowLength))
    }

    /// Lends a row, which nobody may write meanwhile.
    func withRow(_ row: Int, _ body: (Span<Float>) -> Void) {
        // Safe: the row has `rowLength` elements, and the span does not leave the call.
        body(unsafe UnsafeBufferPointer(start: pointer(row: row), count: rowLength).span)
    }

    /// A copy of a row.
    package subscript(row: Int) -> [Float] {
        var values: [Float] = []
        append(row, to: &values)
        return values
    }
}
