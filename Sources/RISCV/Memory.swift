import Basics
internal import Glibc

/// What a program may do with a page.
struct Protection: OptionSet, Hashable, Sendable {
    var rawValue: UInt8
    static let read = Protection(rawValue: 1)
    static let write = Protection(rawValue: 2)
    static let execute = Protection(rawValue: 4)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// From p_flags of a program header: bit 0 execute, 1 write, 2 read.
    init(segmentFlags flags: UInt32) {
        self = []
        if flags & 1 != 0 { insert(.execute) }
        if flags & 2 != 0 { insert(.write) }
        if flags & 4 != 0 { insert(.read) }
    }
}

/// The guest's memory: one reservation of the whole address space and a byte per page.
///
/// The reservation costs nothing until a page is touched, so that an access is a base plus an
/// address. The byte per page says what the loop may do there without asking; the bits beside it
/// carry what the program asked for, whether the page has ever been written ("touched": only such
/// pages count against the limit and enter the digest), and whether instructions of it are
/// decoded (a store there must forget them).
struct Memory: ~Copyable {
    static let pageByteCount: UInt64 = 4096
    /// 64 GiB: large enough to reserve freely, small enough for every 64-bit host to give.
    static let byteCount: UInt64 = 1 << 36
    static let pageCount = byteCount / pageByteCount

    /// 2 GiB without access on either side: as far as a displacement of emitted code reaches.
    private static let guardByteCount = 1 << 31

    /// All that is reserved, and where in it the guest's address 0 lies.
    static let reservedByteCount = HostLayout.byteCount + Int(byteCount) + 2 * guardByteCount
    static let origin = guardByteCount + HostLayout.byteCount
    /// What of it is accessible.
    static let openRange = guardByteCount..<reservedByteCount - guardByteCount

    /// Reservations in which nothing is mapped.
    private static let idle = Idle<MemoryWindow>()

    let window: MemoryWindow
    /// Whether a `CodeHost` has it, too.
    private let isShared: Bool
    /// Mapped addresses, sorted, whole pages, neighbours merged.
    private(set) var ranges: [Range<UInt64>] = []
    private(set) var touchedPageCount: UInt64 = 0
    var touchedPageCountPeak: UInt64 = 0
    let touchedPageCountMax: UInt64
    var byteCountMax: UInt64 { touchedPageCountMax * Self.pageByteCount }
    /// Set when bytes of a page changed of which instructions are decoded.
    var codeChanged = false
    /// Set when a page was refused because of the limit.
    var limitReached = false

    /// - Parameter file: what holds the bytes, where another process is to see them; -1 for none.
    init(byteCountMax: UInt64, file: Int32 = -1) throws(ELFError) {
        touchedPageCountMax = byteCountMax / Self.pageByteCount
        isShared = file >= 0
        if !isShared, let idle = Self.idle.take() {
            window = idle
            return
        }
        let total = Self.reservedByteCount
        // A fresh mapping at an address of the system's choice: it overlaps nothing.
        let start = unsafe mmap(
            nil,
            total,
            PROT_NONE,
            isShared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            file,
            0
        )
        // MAP_FAILED and nil are only compared, never followed.
        guard let start = unsafe start, unsafe start != MAP_FAILED else {
            throw .hostMemory(byteCount: UInt64(total))
        }
        // All but the guards becomes accessible; a part of the mapping always can.
        let isOpen = unsafe mprotect(
            start + Self.guardByteCount,
            total - 2 * Self.guardByteCount,
            PROT_READ | PROT_WRITE
        )
        guard isOpen == 0 else {
            // Nobody has a pointer into it yet.
            unsafe munmap(start, total)
            throw .hostMemory(byteCount: UInt64(total))
        }
        // The page bytes lie below the guest's memory, inside the same mapping.
        let base = unsafe start + Self.guardByteCount + HostLayout.byteCount
        window = unsafe MemoryWindow(
            base: base,
            pages: (base + HostLayout.pages).assumingMemoryBound(to: UInt8.self)
        )
    }

    /// The registers, and what else emitted code shares with the machine.
    // The view is used while the memory lives.
    var context: HostContext { unsafe HostContext(window.base) }

    deinit {
        if !isShared, wipe(), Self.idle.keep(window) { return }
        // Mapped in `init` with this length, and no window outlives its memory.
        unsafe munmap(window.base - Self.origin, Self.reservedByteCount)
    }
}

// MARK: - Again

extension Memory {
    /// What a larger program has written is given back to the host instead.
    private static let wipedPageCountMax: UInt64 = 64

    /// Makes all as it was when it was new; false where giving it back is less work.
    ///
    /// Pages that no program has written hold zeros, and what was unmapped was given back.
    private func wipe() -> Bool {
        guard touchedPageCount <= Self.wipedPageCountMax, ranges.count <= 64 else { return false }
        for range in ranges {
            for page in range.lowerBound >> 12..<range.upperBound >> 12
            where window[page: page] & PageBits.touched != 0 {
                window.zero(page: page)
            }
            window.forgetPages(range.lowerBound >> 12..<range.upperBound >> 12)
        }
        window.zeroContext()
        return true
    }
}

// MARK: - Mapping

extension Memory {
    /// The whole pages that hold some bytes; nil where they are not in the address space.
    static func pages(_ address: UInt64, _ byteCount: UInt64) -> Range<UInt64>? {
        let (end, overflow) = address.addingReportingOverflow(byteCount)
        guard !overflow, end <= Self.byteCount else { return nil }
        return address & ~4095..<(end + 4095) & ~4095
    }

    /// Makes pages accessible, zero where they were not mapped before.
    mutating func map(_ range: Range<UInt64>, _ protection: Protection) {
        guard !range.isEmpty else { return }
        insert(range)
        protect(range, protection, adding: false)
    }

    /// Sets the protection of mapped pages; `adding` keeps what they already allow.
    mutating func protect(_ range: Range<UInt64>, _ protection: Protection, adding: Bool) {
        for page in range.lowerBound >> 12..<range.upperBound >> 12 {
            let old = window[page: page]
            if old & PageBits.code != 0 { codeChanged = true }
            var bits = old & (PageBits.touched | PageBits.code) | PageBits.mapped
            if adding { bits |= old & (PageBits.read | PageBits.writable | PageBits.execute) }
            if protection.contains(.read) { bits |= PageBits.read }
            if protection.contains(.write) { bits |= PageBits.writable | PageBits.read }
            if protection.contains(.execute) { bits |= PageBits.execute }
            window[page: page] = PageBits.withFastWrite(bits)
        }
    }

    mutating func unmap(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        clear(range)
        for part in ranges where part.overlaps(range) {
            let part = part.clamped(to: range)
            for page in part.lowerBound >> 12..<part.upperBound >> 12 { window[page: page] = 0 }
        }
        remove(range)
    }

    /// Gives up the content of pages: they read as zeros and count as never written.
    mutating func clear(_ range: Range<UInt64>) {
        for part in ranges where part.overlaps(range) {
            let part = part.clamped(to: range)
            for page in part.lowerBound >> 12..<part.upperBound >> 12 {
                let bits = window[page: page]
                if bits & PageBits.code != 0 { codeChanged = true }
                if bits & PageBits.touched != 0 { touchedPageCount -= 1 }
                window[page: page] = bits & ~(PageBits.touched | PageBits.write)
            }
            // The part lies inside the reservation; the next read of it gives zeros.
            unsafe madvise(
                window.base + Int(part.lowerBound),
                part.count,
                // What is shared comes back as it was unless the file gives it up.
                Int32(isShared ? MADV_REMOVE : MADV_DONTNEED)
            )
        }
    }

    /// Whether the same addresses are mapped, and all pages hold the same bytes.
    func hasContent(of other: borrowing Memory) -> Bool {
        guard ranges == other.ranges else { return false }
        for range in ranges {
            for address in stride(from: range.lowerBound, to: range.upperBound, by: 4096)
            where isTouched(address) || other.isTouched(address) {
                guard window.hasPage(of: other.window, at: address) else { return false }
            }
        }
        return true
    }

    func isTouched(_ address: UInt64) -> Bool {
        window[page: address >> 12] & PageBits.touched != 0
    }

    func protection(of address: UInt64) -> Protection {
        let bits = window[page: address >> 12]
        var protection = Protection()
        if bits & PageBits.read != 0 { protection.insert(.read) }
        if bits & PageBits.writable != 0 { protection.insert(.write) }
        if bits & PageBits.execute != 0 { protection.insert(.execute) }
        return protection
    }

    /// The first gap of some bytes at or above `start`, below `limit`.
    func gap(_ byteCount: UInt64, from start: UInt64, to limit: UInt64) -> UInt64? {
        var candidate = start
        for range in ranges where candidate < range.upperBound {
            if range.lowerBound >= candidate, range.lowerBound - candidate >= byteCount { break }
            candidate = max(candidate, range.upperBound)
        }
        return candidate <= limit && limit - candidate >= byteCount ? candidate : nil
    }

    func isMapped(_ range: Range<UInt64>) -> Bool {
        range.isEmpty
            || ranges.contains {
                $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound
            }
    }

    func overlapsMapped(_ range: Range<UInt64>) -> Bool {
        ranges.contains { $0.overlaps(range) }
    }

    private mutating func insert(_ range: Range<UInt64>) {
        var low = range.lowerBound, high = range.upperBound
        let first = ranges.firstIndex { $0.upperBound >= low } ?? ranges.count
        var last = first
        while last < ranges.count, ranges[last].lowerBound <= high {
            low = min(low, ranges[last].lowerBound)
            high = max(high, ranges[last].upperBound)
            last += 1
        }
        ranges.replaceSubrange(first..<last, with: [low..<high])
    }

    private mutating func remove(_ range: Range<UInt64>) {
        ranges = ranges.flatMap { old -> [Range<UInt64>] in
            guard old.overlaps(range) else { return [old] }
            let left = old.lowerBound..<max(old.lowerBound, range.lowerBound)
            let right = min(old.upperBound, range.upperBound)..<old.upperBound
            return [left, right].filter { !$0.isEmpty }
        }
    }

    /// Marks that instructions of a page are decoded, so that a store there is noticed.
    mutating func markCode(page: UInt64) {
        window[page: page] = PageBits.withFastWrite(window[page: page] | PageBits.code)
    }

    mutating func clearCode(page: UInt64) {
        window[page: page] = PageBits.withFastWrite(window[page: page] & ~PageBits.code)
    }

    /// Counts a page as written; false where the limit forbids it.
    private mutating func touch(page: UInt64) -> Bool {
        let bits = window[page: page]
        guard bits & PageBits.touched == 0 else { return true }
        guard touchedPageCount < touchedPageCountMax else {
            limitReached = true
            return false
        }
        touchedPageCount += 1
        touchedPageCountPeak = max(touchedPageCountPeak, touchedPageCount)
        window[page: page] = PageBits.withFastWrite(bits | PageBits.touched)
        return true
    }
}

// MARK: - Access with all checks

extension Memory {
    /// Whether all bytes may be read.
    func canRead(_ address: UInt64, _ byteCount: UInt64) -> Bool {
        has(PageBits.read, address, byteCount)
    }

    /// Whether all bytes may be written; touches nothing.
    func canWrite(_ address: UInt64, _ byteCount: UInt64) -> Bool {
        has(PageBits.writable, address, byteCount)
    }

    func canExecute(_ address: UInt64) -> Bool { has(PageBits.execute, address, 2) }

    private func has(_ bits: UInt8, _ address: UInt64, _ byteCount: UInt64) -> Bool {
        guard let range = Self.pages(address, byteCount) else { return false }
        for page in range.lowerBound >> 12..<range.upperBound >> 12
        where window[page: page] & bits == 0 { return false }
        return true
    }

    /// Touches the pages of a write to come; false where one is not writable or over the limit.
    mutating func prepareWrite(_ address: UInt64, _ byteCount: UInt64, forced: Bool = false) -> Bool
    {
        guard let range = Self.pages(address, byteCount) else { return false }
        let pages = range.lowerBound >> 12..<range.upperBound >> 12
        let needed = forced ? PageBits.mapped : PageBits.writable
        for page in pages where window[page: page] & needed == 0 { return false }
        for page in pages {
            guard touch(page: page) else { return false }
        }
        return true
    }

    /// Copies bytes out of the guest; nil where one is not readable.
    func bytes(_ address: UInt64, _ byteCount: UInt64) -> [UInt8]? {
        guard canRead(address, byteCount) else { return nil }
        return window.bytes(address, Int(byteCount))
    }

    /// Copies bytes into the guest; false, and nothing written, where one is not writable.
    mutating func write(_ bytes: [UInt8], at address: UInt64, forced: Bool = false) -> Bool {
        guard prepareWrite(address, UInt64(bytes.count), forced: forced) else { return false }
        noteCode(address, UInt64(bytes.count))
        window.store(bytes, at: address)
        return true
    }

    /// Remembers that decoded instructions may have changed.
    private mutating func noteCode(_ address: UInt64, _ byteCount: UInt64) {
        guard let range = Self.pages(address, byteCount) else { return }
        for page in range.lowerBound >> 12..<range.upperBound >> 12
        where window[page: page] & PageBits.code != 0 { codeChanged = true }
    }

    func integer<Value: FixedWidthInteger>(_: Value.Type, at address: UInt64) -> Value? {
        bytes(address, UInt64(Value.bitWidth / 8))?.integer(Value.self, at: 0)
    }

    mutating func write<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) -> Bool {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        return write(bytes, at: address)
    }

    /// The bytes up to the first zero; nil where they are not readable or more than `countMax`.
    func terminatedBytes(_ address: UInt64, countMax: Int) -> [UInt8]? {
        var text: [UInt8] = []
        var address = address
        while text.count <= countMax {
            guard canRead(address, 1) else { return nil }
            let byte = window.load(UInt8.self, at: address)
            if byte == 0 { return text }
            text.append(byte)
            address &+= 1
        }
        return nil
    }
}
