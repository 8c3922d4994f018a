import Glibc

/// A whole file, mapped read-only into memory; unmapped when the value goes away.
///
/// Not copyable: two owners would unmap twice. Pages are read from disk when they are first
/// touched, so a stage that uses ten layers of a model never reads the others. The mapping
/// is private; should another process shorten the file, a touched page behind its new end
/// stops this process: model files are content-addressed and never written again.
@safe package struct MappedFile: ~Copyable, @unchecked Sendable {
    // Safe to share: the bytes are mapped for reading alone and live until `deinit`.
    private let base: UnsafeRawPointer
    package let byteCount: Int

    package init(path: String) throws(GGUFError) {
        // Safe: the path is copied into a C string for the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard 0 <= descriptor else { throw .cannotOpen(path: path, code: errno) }
        // The mapping outlives the descriptor.
        defer { close(descriptor) }
        var status = stat()
        // Safe: `status` is ours and lives through the call.
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw .cannotOpen(path: path, code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG, 0 < status.st_size else {
            throw .empty(path: path)
        }
        let byteCount = Int(status.st_size)
        // Safe: the kernel chooses the address, so nothing of ours is mapped over.
        let address = unsafe mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
        // Safe: compared, not followed.
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw .cannotOpen(path: path, code: errno)
        }
        // Safe: the kernel has mapped `byteCount` bytes there.
        unsafe self.base = UnsafeRawPointer(address)
        self.byteCount = byteCount
    }

    deinit {
        // Safe: `base` came from mmap with this length, and no pointer to it outlives the owner.
        unsafe munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    }

    /// Gives back the memory of the pages that lie wholly in `range`; whoever touches them again
    /// reads them again.
    func releasePages(in range: Range<Int>) {
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        let start = range.lowerBound.roundedUp(to: pageByteCount)
        let end = min(range.upperBound, byteCount) / pageByteCount * pageByteCount
        guard start < end else { return }
        // Safe: the range lies in the mapping, which nobody writes, so nothing is lost.
        _ = unsafe madvise(
            UnsafeMutableRawPointer(mutating: base + start), end - start, MADV_DONTNEED)
    }

    /// The first byte; valid as long as the value lives.
    var unsafeBase: UnsafeRawPointer { unsafe base }

    /// Lends the bytes.
    borrowing package func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe: the mapping has `byteCount` bytes and outlives the borrow.
        let bytes = unsafe UnsafeRawBufferPointer(start: base, count: byteCount)
            .assumingMemoryBound(to: UInt8.self)
        // Safe: as above; the span cannot leave the call.
        return try body(unsafe bytes.span)
    }
}
