/// A checked ELF64 executable: its segments and its symbols (System V ABI, chapters 4 and 5).
///
/// Whoever holds a value of this type need not look at a length again: every offset was compared
/// with the file, every address with the address space, and the segments do not overlap.
struct ELFFile: Sendable {
    /// A loadable segment, already moved to where it will lie.
    struct Segment: Sendable {
        var address: UInt64
        var byteCount: UInt64
        var fileRange: Range<Int>
        var protection: Protection
    }

    /// The machine number of RISC-V.
    private static let riscv: UInt16 = 243
    private static let programHeaderByteCount = 56
    /// Position-independent programs go here: above everything that a fixed program uses.
    static let positionIndependentBase: UInt64 = 0x1000_0000
    /// Segments below the stack; code must have 32-bit addresses (see `TraceCache`).
    static let segmentAddresses: Range<UInt64> = 0x1000..<0xf000_0000

    private(set) var segments: [Segment] = []
    private(set) var entry: UInt64 = 0
    /// Where the program headers lie in memory, or 0: the C library finds its TLS by them.
    private(set) var headerAddress: UInt64 = 0
    private(set) var headerCount: UInt64 = 0
    private(set) var base: UInt64 = 0
    /// The program that loads this one and its libraries, where it has such.
    private(set) var interpreter: String?

    /// Its segments as files in memory.
    func mappings(path: String) -> [Machine.FileMapping] {
        segments.filter { !$0.fileRange.isEmpty }.map { segment in
            let start = segment.address & ~4095
            let end = (segment.address + UInt64(segment.fileRange.count) + 4095) & ~4095
            let offset = UInt64(segment.fileRange.lowerBound) & ~4095
            return .init(range: start..<end, offset: offset, path: Array(path.utf8))
        }
    }

    var end: UInt64 { segments.map { $0.address + $0.byteCount }.max() ?? 0 }

    /// - Parameter base: where it goes if it is position-independent, a multiple of a page.
    init(_ bytes: [UInt8], at start: UInt64 = positionIndependentBase) throws(ELFError) {
        guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
            throw .notELF(byteCount: bytes.count)
        }
        guard bytes.count >= 64 else {
            throw .truncated(.header, offset: 0, byteCount: 64, fileByteCount: bytes.count)
        }
        guard bytes[4] == 2, bytes[5] == 1 else {
            throw .not64BitLittleEndian(fileClass: bytes[4], byteOrder: bytes[5])
        }
        let machine = bytes.integer(UInt16.self, at: 18), type = bytes.integer(UInt16.self, at: 16)
        guard machine == Self.riscv else { throw .notRISCV(machine: machine) }
        guard type == 2 || type == 3 else { throw .notExecutable(type: type) }
        base = type == 3 ? start : 0
        entry = bytes.integer(UInt64.self, at: 24) &+ base
        try readProgramHeaders(bytes)
        try checkSegments()
    }

    private mutating func readProgramHeaders(_ bytes: [UInt8]) throws(ELFError) {
        let offset = bytes.integer(UInt64.self, at: 32)
        let size = bytes.integer(UInt16.self, at: 54)
        let count = Int(bytes.integer(UInt16.self, at: 56))
        guard count > 0 else { throw .noSegments }
        guard Int(size) == Self.programHeaderByteCount else {
            throw .badHeaderSize(programHeaderByteCount: size)
        }
        let byteCount = UInt64(count * Self.programHeaderByteCount)
        let range = try Self.range(
            .programHeaders,
            offset: offset,
            byteCount: byteCount,
            in: bytes
        )
        headerCount = UInt64(count)
        for header in stride(from: range.lowerBound, to: range.upperBound, by: 56) {
            try readProgramHeader(bytes, at: header)
        }
        for segment in segments where segment.fileRange.lowerBound <= range.lowerBound {
            guard range.upperBound <= segment.fileRange.upperBound else { continue }
            let distance = UInt64(range.lowerBound - segment.fileRange.lowerBound)
            headerAddress = segment.address + distance
        }
    }

    private mutating func readProgramHeader(_ bytes: [UInt8], at header: Int) throws(ELFError) {
        let type = bytes.integer(UInt32.self, at: header)
        let offset = bytes.integer(UInt64.self, at: header + 8)
        let fileByteCount = bytes.integer(UInt64.self, at: header + 32)
        if type == 3 {
            let range = try Self.range(
                .interpreter,
                offset: offset,
                byteCount: fileByteCount,
                in: bytes
            )
            // The name is text from a stranger: at most a path's length of it is repeated.
            let name = bytes[range].prefix(255).prefix { $0 != 0 }
            interpreter = String(decoding: name, as: UTF8.self)
            return
        }
        let byteCount = bytes.integer(UInt64.self, at: header + 40)
        guard type == 1, byteCount > 0 else { return }
        let address = bytes.integer(UInt64.self, at: header + 16) &+ base
        let (end, overflow) = address.addingReportingOverflow(byteCount)
        guard !overflow, Self.segmentAddresses.contains(address),
            end <= Self.segmentAddresses.upperBound
        else { throw .segmentOutsideAddressSpace(address: address, byteCount: byteCount) }
        guard fileByteCount <= byteCount else {
            throw .segmentSmallerThanItsBytes(address: address)
        }
        let range = try Self.range(.segment, offset: offset, byteCount: fileByteCount, in: bytes)
        let flags = bytes.integer(UInt32.self, at: header + 4)
        segments.append(
            Segment(
                address: address,
                byteCount: byteCount,
                fileRange: range,
                protection: Protection(segmentFlags: flags)
            )
        )
    }

    private mutating func checkSegments() throws(ELFError) {
        guard !segments.isEmpty else { throw .noSegments }
        segments.sort { $0.address < $1.address }
        for (first, second) in zip(segments, segments.dropFirst())
        where second.address < first.address + first.byteCount {
            throw .overlappingSegments(first: first.address, second: second.address)
        }
        let isInCode = segments.contains { segment in
            segment.protection.contains(.execute) && segment.address <= entry
                && entry < segment.address + segment.byteCount
        }
        guard isInCode, entry.isMultiple(of: 2) else { throw .noExecutableEntry(entry) }
    }

    /// The bytes of the file that a header names, or an error where they are not all there.
    private static func range(
        _ part: ELFError.Part,
        offset: UInt64,
        byteCount: UInt64,
        in bytes: [UInt8]
    ) throws(ELFError) -> Range<Int> {
        let (end, overflow) = offset.addingReportingOverflow(byteCount)
        guard !overflow, end <= UInt64(bytes.count) else {
            throw .truncated(
                part,
                offset: offset,
                byteCount: byteCount,
                fileByteCount: bytes.count
            )
        }
        return Int(offset)..<Int(end)
    }
}

extension [UInt8] {
    /// A little-endian integer; the caller has checked that its bytes are there.
    func integer<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value {
        var value: Value = 0
        for index in (0..<Value.bitWidth / 8).reversed() {
            value = value << 8 | Value(truncatingIfNeeded: self[offset + index])
        }
        return value
    }
}
