internal import Basics
internal import Glibc

/// What the byte of a page says.
enum PageBits {
    /// The loop may read.
    static let read: UInt8 = 1
    /// The loop may write: writable, touched and without decoded instructions.
    static let write: UInt8 = 2
    static let execute: UInt8 = 4
    static let writable: UInt8 = 8
    static let touched: UInt8 = 16
    static let code: UInt8 = 32
    static let mapped: UInt8 = 64

    static func withFastWrite(_ bits: UInt8) -> UInt8 {
        let isFast = bits & (writable | touched | code) == writable | touched
        return isFast ? bits | write : bits & ~write
    }
}

/// A view of guest memory for the loop: pointers without an owner, valid while `Memory` lives.
@safe struct MemoryWindow {
    let base: UnsafeMutableRawPointer
    private let pages: UnsafeMutablePointer<UInt8>

    init(base: UnsafeMutableRawPointer, pages: UnsafeMutablePointer<UInt8>) {
        // `Memory` owns both for longer than any view of it.
        unsafe self.base = unsafe base
        // As above.
        unsafe self.pages = unsafe pages
    }

    @inline(__always) subscript(page page: UInt64) -> UInt8 {
        get {
            // Callers pass pages below `Memory.pageCount`, which is as many as there are bytes.
            unsafe pages[Int(truncatingIfNeeded: page)]
        }
        nonmutating set {
            // As above.
            unsafe pages[Int(truncatingIfNeeded: page)] = newValue
        }
    }

    /// Whether the page of an aligned value has a bit.
    ///
    /// The rotation brings the low bits of a misaligned address to the top, so that one compare
    /// refuses both what is misaligned and what lies outside; the slow path sorts them out.
    @inline(__always)
    func allows<Value: FixedWidthInteger>(
        _ bit: UInt8,
        _: Value.Type,
        at address: UInt64
    ) -> Bool {
        let width = UInt64(Value.bitWidth / 8)
        let shift = UInt64(width.trailingZeroBitCount)
        let rotated = shift == 0 ? address : address &>> shift | address &<< (64 &- shift)
        let page = rotated &>> (12 &- shift)
        return page < Memory.pageCount && self[page: page] & bit != 0
    }

    /// A little-endian value that `allows` has let through, or whose bytes were checked.
    @inline(__always)
    func load<Value: FixedWidthInteger>(_: Value.Type, at address: UInt64) -> Value {
        // The page is readable, hence inside the reservation, and an aligned value stays in it.
        unsafe Value(
            littleEndian: base.loadUnaligned(
                fromByteOffset: Int(truncatingIfNeeded: address),
                as: Value.self
            )
        )
    }

    @inline(__always)
    func store<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) {
        // As in `load`: the page is writable.
        unsafe base.storeBytes(
            of: value.littleEndian,
            toByteOffset: Int(truncatingIfNeeded: address),
            as: Value.self
        )
    }

    /// Whether the page at an address holds the same bytes in another memory.
    func hasPage(of other: MemoryWindow, at address: UInt64) -> Bool {
        // The page is mapped in both, and both have all of it inside their reservation.
        unsafe memcmp(base + Int(address), other.base + Int(address), 4096) == 0
    }

    /// Bytes that were checked to be readable.
    func bytes(_ address: UInt64, _ count: Int) -> [UInt8] {
        // The caller has checked every page of the range.
        unsafe Array(UnsafeRawBufferPointer(start: base + Int(address), count: count))
    }

    /// Zeros for the whole of a page.
    func zero(page: UInt64) {
        // The page is mapped, hence inside the reservation.
        unsafe memset(base + Int(page) << 12, 0, 4096)
    }

    /// Zeros for the bytes of pages: nothing is mapped there.
    func forgetPages(_ range: Range<UInt64>) {
        // As many as there are bytes of pages, at most.
        unsafe memset(pages + Int(range.lowerBound), 0, range.count)
    }

    /// Zeros for registers and context.
    func zeroContext() {
        // The layout has this page below the guest's memory.
        unsafe memset(base + HostLayout.context, 0, -HostLayout.context)
    }

    /// Of a page that is mapped: which of its 64 blocks of 64 bytes are not zero, as bits of a
    /// little-endian word, and the bytes of those.
    func append(page address: UInt64, to bytes: inout [UInt8]) {
        // All of the page is inside the reservation.
        let page = unsafe UnsafeRawBufferPointer(start: base + Int(address), count: 4096)
        var mask: UInt64 = 0
        for block in 0..<64 {
            // 64 bytes at a multiple of 64 below 4,096.
            let words = unsafe page.loadUnaligned(
                fromByteOffset: 64 * block, as: SIMD8<UInt64>.self)
            if words != .zero { mask |= 1 << UInt64(block) }
        }
        bytes.append(littleEndian: mask)
        while mask != 0 {
            // The next run of blocks; as above.
            let first = mask.trailingZeroBitCount
            let count = (~(mask >> UInt64(first))).trailingZeroBitCount
            let run = unsafe page[64 * first..<64 * (first + count)]
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: run))
            mask &= first + count == 64 ? 0 : ~0 << UInt64(first + count)
        }
    }

    /// Writes bytes where every page was checked.
    func store(_ bytes: [UInt8], at address: UInt64) {
        guard !bytes.isEmpty else { return }
        // The caller has checked every page of the range.
        unsafe UnsafeMutableRawBufferPointer(start: base + Int(address), count: bytes.count)
            .copyBytes(from: bytes)
    }
}
