import Glibc

/// The matrices of a stage, copied in the order in which a token reads them, their rows interleaved
/// as the kernels read them.
///
/// A token reads every weight once, so it meets a new page each 4 KiB, and a walk through the
/// page tables for each: in a virtual machine a token of a 98 MB model took 1.65 times as long
/// from pages of 4 KiB as from pages of 2 MiB, which a mapped file cannot ask for. So the copy
/// lies in huge pages where the system has them, and the file's pages are given back, page by
/// page: what is resident stays one copy of the weights. It costs a pass over the weights when a
/// stage is made, and that two processes no longer share them.
@safe package final class WeightMemory: @unchecked Sendable {
    // Owned: mapped in `init`, unmapped in `deinit`, never replaced. Written by `copy` alone,
    // before the matrix that reads it exists.
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int
    private let kernels: Kernels
    private var end = 0

    /// Also where the next matrix begins: rows of whole cache lines stay so.
    private static let alignment = 64

    /// Room for matrices of `byteCount` bytes together; nil where the machine should not copy
    /// them: where they take more than half of its memory, or there is none.
    package init?(byteCount: Int, matrixCount: Int, kernels: Kernels) {
        self.kernels = kernels
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE)), pageCount = sysconf(Int32(_SC_PHYS_PAGES))
        guard 0 < byteCount, byteCount <= pageCount * pageByteCount / 2 else { return nil }
        self.byteCount = byteCount + matrixCount * Self.alignment
        // Safe: the system chooses the address. Nothing is resident before it is written.
        let address = unsafe mmap(
            nil, self.byteCount, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        // Safe: compared, not followed.
        guard let address = unsafe address, unsafe address != MAP_FAILED else { return nil }
        // Safe: `self.byteCount` bytes were mapped there.
        unsafe base = address
        // A wish: without huge pages the copy is as good as the file.
        // Safe: as above.
        _ = unsafe madvise(base, self.byteCount, MADV_HUGEPAGE)
    }

    deinit {
        // Safe: mapped in `init` with this length; every matrix keeps `self` alive.
        unsafe munmap(base, byteCount)
    }

    /// The same matrix in this memory.
    package func copy(_ matrix: WeightMatrix) -> WeightMatrix {
        let start = end.roundedUp(to: Self.alignment), count = matrix.byteCount
        precondition(start + count <= byteCount, "no room for a matrix of \(count) bytes")
        end = start + count
        // Safe: both places have the matrix's bytes, as checked, and do not overlap.
        return unsafe matrix.copied(to: base + start, for: kernels, owner: self)
    }
}
