import CKernels

/// A weight matrix where it lies in memory, and the owner that keeps it there.
@safe package struct WeightMatrix: @unchecked Sendable {
    // Safe to share: the bytes are read only, and `owner` keeps them alive.
    let layout: kernels_matrix
    private let owner: AnyObject
    package let type: GGUFType

    /// The form of activations that this matrix is multiplied with.
    package var activationForms: ActivationRows.Forms { type.activationForms }

    // Safe: reads plain members.
    package var rowLength: Int { unsafe layout.row_length }
    // Safe: as above.
    package var rowCount: Int { unsafe layout.row_count }
    // Safe: as above.
    var byteCount: Int { unsafe layout.row_count * layout.row_byte_count }
    // Safe: as above.
    var interleave: Int { unsafe layout.interleave }

    /// `bytes` points at the whole matrix and stays valid as long as `owner` lives.
    @unsafe init(
        bytes: UnsafeRawPointer, type: GGUFType, rowLength: Int, rowCount: Int,
        interleave: Int = 0, owner: AnyObject
    ) {
        self.type = type
        self.owner = owner
        // Safe: the pointer is stored, not followed.
        unsafe layout = kernels_matrix(
            bytes: bytes.assumingMemoryBound(to: UInt8.self),
            row_byte_count: rowLength / type.blockLength * type.blockByteCount,
            row_length: rowLength, row_count: rowCount, type: kernels_type(rawValue: type.rawValue),
            interleave: interleave)
    }

    /// A matrix in its own memory.
    package init(copying bytes: [UInt8], type: GGUFType, rowLength: Int) {
        let rowByteCount = rowLength / type.blockLength * type.blockByteCount
        precondition(
            Kernels.supports(type) && rowLength % type.blockLength == 0 && 0 < rowByteCount
                && bytes.count % rowByteCount == 0,
            "\(bytes.count) bytes are not rows of \(rowLength) \(type)")
        let block = OwnedBytes(bytes)
        // Safe: the block has the matrix's size, as checked, and becomes its owner.
        unsafe self.init(
            bytes: block.base, type: type, rowLength: rowLength,
            rowCount: bytes.count / rowByteCount, owner: block)
    }

    /// The same matrix at another place, which has room for its bytes and stays valid as long as
    /// `owner` lives, with so many rows at a time interleaved as `kernels` likes to read them.
    @unsafe func copied(
        to place: UnsafeMutableRawPointer, for kernels: Kernels, owner: AnyObject
    ) -> WeightMatrix {
        let interleave = kernels.interleave(of: type)
        if interleave == 0 {
            // Safe: the layout describes `byteCount` bytes, for which there is room.
            unsafe place.copyMemory(from: layout.bytes, byteCount: byteCount)
        } else {
            // Safe: as above; the rows are interleaved in as many bytes.
            unsafe withUnsafePointer(to: layout) { layout in
                unsafe kernels_interleave(
                    layout, interleave, place.assumingMemoryBound(to: UInt8.self))
            }
        }
        // Safe: the bytes are there now.
        return unsafe WeightMatrix(
            bytes: place, type: type, rowLength: rowLength, rowCount: rowCount,
            interleave: interleave, owner: owner)
    }

    /// Dequantises one row, as the embedding table is read.
    package func read(row: Int, into out: FloatRows, row outRow: Int) {
        precondition(
            0 <= row && row < rowCount && out.rowLength == rowLength && interleave == 0,
            "row \(row) of \(rowCount), \(interleave) interleaved")
        // Safe: the row exists and the target is as long.
        unsafe withUnsafePointer(to: layout) { layout in
            unsafe kernels_read_row(layout, row, out.pointer(row: outRow))
        }
    }
}

/// Bytes that are freed with their last user.
@safe private final class OwnedBytes {
    // Owned: allocated in `init`, freed in `deinit`.
    let base: UnsafeMutableRawPointer

    init(_ bytes: [UInt8]) {
        // Safe: exactly as many bytes are copied as are allocated.
        unsafe base = .allocate(byteCount: bytes.count, alignment: 64)
        // Safe: as above.
        unsafe base.copyMemory(from: bytes, byteCount: bytes.count)
    }

    deinit {
        // Safe: allocated in `init`.
        unsafe base.deallocate()
    }
}
