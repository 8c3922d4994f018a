import CKernels

/// Activation rows in the forms that weights are multiplied with: floats, int8 in blocks of 32,
/// and int8 in blocks of 256.
///
/// `Kernels.quantise` fills the other forms from the floats, each once per row for all the
/// matrices that read the row in it. A form exists when a row is a whole number of its blocks:
/// a matrix with other rows cannot be of a type that reads it.
@safe package final class ActivationRows: @unchecked Sendable {
    /// Forms beside the floats.
    package struct Forms: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// What weights in blocks of 32 read: ggml's Q8_0 and Q8_1.
        package static let blocks = Forms(rawValue: 1)
        /// What weights in blocks of 256 read: ggml's Q8_K.
        package static let superblocks = Forms(rawValue: 2)
    }

    package let floats: FloatRows
    // Owned: allocated in `init`, freed in `deinit`, never replaced. Shared as in `FloatRows`.
    let quants: UnsafeMutablePointer<Int8>
    // As above.
    let scales: UnsafeMutablePointer<Float>
    // As above.
    let sums: UnsafeMutablePointer<Float>
    // As above; of each block, minus the sum of its quants.
    let negativeTotals: UnsafeMutablePointer<Int32>
    // As above; empty without whole blocks of 256.
    let superblockQuants: UnsafeMutablePointer<Int8>
    // As above.
    let superblockScales: UnsafeMutablePointer<Float>
    // As above; of each block, sixteen sums of 16 elements and eight of 32.
    let superblockSums: UnsafeMutablePointer<Int16>

    package var rowCount: Int { floats.rowCount }
    package var rowLength: Int { floats.rowLength }

    /// The forms that rows of this length can have.
    package var forms: Forms {
        rowLength % 256 == 0 ? [.blocks, .superblocks] : rowLength % 32 == 0 ? .blocks : []
    }

    package convenience init(rowCount: Int, rowLength: Int) {
        self.init(FloatRows(rowCount: rowCount, rowLength: rowLength))
    }

    package init(_ floats: FloatRows) {
        self.floats = floats
        let elementCount = floats.rowCount * floats.rowLength
        let blockCount = floats.rowCount * (floats.rowLength / 32)
        // Safe: all that is allocated is zeroed and freed by `deinit`.
        unsafe quants = Self.zeros(elementCount)
        // Safe: as above.
        unsafe scales = Self.zeros(blockCount)
        // Safe: as above.
        unsafe sums = Self.zeros(blockCount)
        // Safe: as above.
        unsafe negativeTotals = Self.zeros(blockCount)
        let wholeCount = floats.rowLength % 256 == 0 ? elementCount : 0
        // Safe: as above.
        unsafe superblockQuants = Self.zeros(wholeCount)
        // Safe: as above.
        unsafe superblockScales = Self.zeros(wholeCount / 256)
        // Safe: as above.
        unsafe superblockSums = Self.zeros(wholeCount / 256 * 24)
    }

    deinit {
        // Safe: allocated in `init`.
        unsafe quants.deallocate()
        // Safe: as above.
        unsafe scales.deallocate()
        // Safe: as above.
        unsafe sums.deallocate()
        // Safe: as above.
        unsafe negativeTotals.deallocate()
        // Safe: as above.
        unsafe superblockQuants.deallocate()
        // Safe: as above.
        unsafe superblockScales.deallocate()
        // Safe: as above.
        unsafe superblockSums.deallocate()
    }

    /// The rows from `first` on as C reads them; valid while the object lives.
    func layout(from first: Int) -> kernels_activations {
        precondition(0 <= first && first <= rowCount, "row \(first) of \(rowCount)")
        let elements = first * rowLength, blocks = first * (rowLength / 32)
        let superblocks = rowLength % 256 == 0 ? blocks / 8 : 0
        // Safe: each part has `rowCount` rows, so the pointers stay inside or at its end; those
        // of a form that does not exist are not moved. They are passed on, not followed.
        return unsafe kernels_activations(
            quants: quants + elements, scales: scales + blocks, sums: sums + blocks,
            negative_totals: negativeTotals + blocks, floats: floats.base + elements,
            superblock_quants: superblockQuants + superblocks * 256,
            superblock_scales: superblockScales + superblocks,
            superblock_sums: superblockSums + superblocks * 24)
    }

    private static func zeros<Number: Numeric>(_ count: Int) -> UnsafeMutablePointer<Number> {
        let start = UnsafeMutablePointer<Number>.allocate(capacity: count)
        // Safe: as many are initialised as were allocated.
        unsafe start.initialize(repeating: 0, count: count)
        return unsafe start
    }
}
