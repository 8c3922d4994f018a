internal import Basics

// What a program finds when it starts: its segments, its stack, its auxiliary vector.
//
//   0x0000_1000  fixed programs, then their break
//   0x1000_0000  position-independent programs, then their break
//   0x3fff_f000  the code that a signal handler returns to
//   0x4000_0000  mmap, upwards
//  0x1_0000_0000 mmap of 1 MiB and more without a file, upwards
//  0xf_ff80_0000 stack of the first thread, 8 MiB, down from the end of the address space
enum Layout {
    static let trampolineAddress: UInt64 = 0x3fff_f000
    static let mappingStart: UInt64 = 0x4000_0000
    /// Below, mmap ignores where a program would like to have something.
    static let hintMin: UInt64 = 0x1_0000
    static let highStart: UInt64 = 0x1_0000_0000
    static let highByteCount: UInt64 = 1 << 20
    static let stackEnd: UInt64 = Memory.byteCount - Memory.pageByteCount
    static let stackByteCount: UInt64 = 8 << 20
    static let argumentByteCountMax = 1 << 20
}

extension Memory {
    /// Maps the segments of a program or of its loader.
    mutating func load(_ file: ELFFile, _ program: [UInt8]) throws(ELFError) {
        for segment in file.segments {
            guard let pages = Self.pages(segment.address, segment.byteCount) else {
                throw .segmentOutsideAddressSpace(
                    address: segment.address,
                    byteCount: segment.byteCount
                )
            }
            // Segments may share a page, which then allows what either does.
            for page in stride(from: pages.lowerBound, to: pages.upperBound, by: 4096) {
                let isNew = !isMapped(page..<page + 4096)
                if isNew { map(page..<page + 4096, segment.protection) }
                protect(page..<page + 4096, segment.protection, adding: !isNew)
            }
            let bytes = Array(program[segment.fileRange])
            guard write(bytes, at: segment.address, forced: true) else {
                throw .memoryLimit(
                    byteCount: segment.byteCount,
                    byteCountMax: byteCountMax
                )
            }
        }
    }

    /// Maps the code that signal handlers return to.
    mutating func mapTrampoline() {
        // li a7, 139; ecall: where the handler of a signal returns to (rt_sigreturn).
        let trampoline = Layout.trampolineAddress..<Layout.trampolineAddress + 4096
        guard !overlapsMapped(trampoline) else { return }
        map(trampoline, [.read, .execute])
        let code: [UInt8] = [0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00]
        _ = write(code, at: trampoline.lowerBound, forced: true)
    }

    /// Lays out arguments, environment and auxiliary vector as Linux does.
    ///
    /// - Parameter name: the program's path, which it finds as AT_EXECFN; the first argument's
    ///   address where nil.
    mutating func prepareStack(
        _ file: ELFFile,
        loader: ELFFile?,
        _ arguments: [String],
        _ environment: [String],
        name: String?,
        _ chance: inout Chance
    ) throws(ELFError) -> Start {
        let arguments = arguments.isEmpty ? ["program"] : arguments
        let texts = arguments + environment + (name.map { [$0] } ?? [])
        let byteCount = texts.reduce(0) { $0 + $1.utf8.count + 1 }
        guard byteCount <= Layout.argumentByteCountMax else {
            throw .argumentsTooLong(
                byteCount: byteCount,
                byteCountMax: Layout.argumentByteCountMax
            )
        }
        map(Layout.stackEnd - Layout.stackByteCount..<Layout.stackEnd, [.read, .write])
        var strings: [UInt8] = [], offsets: [UInt64] = []
        for text in texts {
            offsets.append(UInt64(strings.count))
            strings += text.utf8
            strings.append(0)
        }
        let randomOffset = UInt64(strings.count)
        for _ in 0..<2 { strings.append(littleEndian: chance.next()) }
        let stringsAddress = (Layout.stackEnd - UInt64(strings.count)) & ~15
        let auxiliary = auxiliary(
            file,
            loader,
            random: stringsAddress + randomOffset,
            name: stringsAddress + (name == nil ? 0 : offsets.last ?? 0)
        )
        var image: [UInt8] = []
        image.append(littleEndian: UInt64(arguments.count))
        for (index, offset) in offsets.prefix(arguments.count + environment.count).enumerated() {
            // A zero ends the arguments, another one the environment.
            if index == arguments.count { image.append(littleEndian: UInt64(0)) }
            image.append(littleEndian: stringsAddress + offset)
        }
        if environment.isEmpty { image.append(littleEndian: UInt64(0)) }
        image.append(littleEndian: UInt64(0))
        var bytes: [UInt8] = []
        for word in auxiliary { bytes.append(littleEndian: word) }
        image += bytes
        let stack = (stringsAddress - UInt64(image.count)) & ~15
        guard write(strings, at: stringsAddress), write(image, at: stack) else {
            throw .memoryLimit(
                byteCount: UInt64(strings.count + image.count),
                byteCountMax: byteCountMax
            )
        }
        return Start(stack: stack, auxiliary: bytes)
    }

    /// What the first thread starts with.
    struct Start {
        var stack: UInt64
        /// The auxiliary vector as it lies in memory.
        var auxiliary: [UInt8]
    }

    /// AT_PHDR, PHENT, PHNUM, PAGESZ, BASE, FLAGS, ENTRY, UID…EGID, HWCAP, CLKTCK, SECURE,
    /// RANDOM, EXECFN; the hardware capabilities are the letters of `Extension` as bits.
    private func auxiliary(
        _ file: ELFFile, _ loader: ELFFile?, random: UInt64, name: UInt64
    ) -> [UInt64] {
        [
            3, file.headerAddress, 4, 56, 5, file.headerCount, 6, Self.pageByteCount, 7,
            loader?.base ?? 0,
            8, 0, 9, file.entry, 11, Machine.userID, 12, Machine.userID, 13, Machine.userID,
            14, Machine.userID, 16, Extension.capabilities, 17, 100, 23, 0, 25, random, 31, name,
            0, 0,
        ]
    }
}
