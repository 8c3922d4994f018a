import CKernels

/// Activation rows in the forms that weights are multiplied with: floats, and blocks of int8.
///
/// `Kernels.quantise` fills the second form from the first, once per row, for all the matrices
/// that read the row. It exists when a row is a whole number of blocks; a matrix with other
/// rows can only be F32 or F16 and reads the floats.
@safe package final class ActivationRows: @unchecked Sendable {
    package let floats: FloatRows
    /// Blocks of a row, rounded up to the 8 that kernels read at a time.
    let blockStride: Int
    // Owned: allocated in `init`, freed in `deinit`, never replaced. Shared as in `FloatRows`.
    let quants: UnsafeMutablePointer<Int8>
    // As above; zero behind the last block of each row.
    let scales: UnsafeMutablePointer<Float>
    // As above.
    let sums: UnsafeMutablePointer<Float>

    package var rowCount: Int { floats.rowCount }
    package var rowLength: Int { floats.rowLength }
    var hasQuants: Bool { rowLength % 32 == 0 }

    package convenience init(rowCount: Int, rowLength: Int) {
        self.init(FloatRows(rowCount: rowCount, rowLength: rowLength))
    }

    package init(_ floats: FloatRows) {
        self.floats = floats
        blockStride = (floats.rowLength / 32).roundedUp(to: 8)
        let quantCount = floats.rowCount * floats.rowLength
        let blockCount = floats.rowCount * blockStride
        // Safe: all of what is allocated is initialised below.
        unsafe quants = .allocate(capacity: quantCount)
        // Safe: as above.
        unsafe scales = .allocate(capacity: blockCount)
        // Safe: as above.
        unsafe sums = .allocate(capacity: blockCount)
        // Safe: the counts are those of the allocations.
        unsafe quants.initialize(repeating: 0, count: quantCount)
        // Safe: as above.
        unsafe scales.initialize(repeating: 0, count: blockCount)
        // Safe: as above.
        unsafe sums.initialize(repeating: 0, count: blockCount)
    }

    deinit {
        // Safe: allocated in `init`.
        unsafe quants.deallocate()
        // Safe: as above.
        unsafe scales.deallocate()
        // Safe: as above.
        unsafe sums.deallocate()
    }

    /// The form that C reads; valid while the object lives.
    var layout: kernels_activations {
        // Safe: the pointers are stored and passed on, not followed.
        unsafe kernels_activations(
            quants: quants, scales: scales, sums: sums, floats: floats.base,
            block_stride: blockStride)
    }
}
