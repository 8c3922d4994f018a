internal import Basics

// riscv_hwprobe (Linux, Documentation/arch/riscv/hwprobe.rst): what the hart can do, asked by key.
extension Machine {
    /// RISCV_HWPROBE_WHICH_CPUS: which processors have these values, and not what the values are.
    private static let whichProcessors: UInt64 = 1
    private static let pairCountMax: UInt64 = 1 << 12

    /// pairs, how many, bytes of the processor set, the set, flags.
    mutating func probe(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        guard a[4] & ~Self.whichProcessors == 0, a[1] <= Self.pairCountMax else { throw .invalid }
        let asksWhich = a[4] != 0
        // There is one processor, number 0; no set means all of them.
        guard a[2] == 0 || a[3] != 0, !asksWhich || a[2] != 0 else { throw .invalid }
        var set = try processors(at: a[3], byteCount: a[2])
        if !asksWhich, a[2] != 0, set & 1 == 0 { throw .invalid }
        for index in 0..<a[1] {
            let address = a[0] &+ 16 * index
            guard let key = memory.integer(UInt64.self, at: address),
                let asked = memory.integer(UInt64.self, at: address &+ 8)
            else { throw .badAddress }
            let known = Self.probed(key)
            if !asksWhich || known == nil {
                // An unknown key comes back as -1.
                try put(known == nil ? UInt64.max : key, at: address)
                try put(known ?? 0, at: address &+ 8)
            }
            let isBits = key == 3 || key == 4
            let fits = known.map { isBits ? $0 & asked == asked : $0 == asked } ?? false
            if asksWhich, !fits { set = 0 }
        }
        if asksWhich { try put([UInt8](repeating: 0, count: Int(a[2])), at: a[3]) }
        if asksWhich { try put(UInt8(set & 1), at: a[3]) }
        return 0
    }

    /// The first byte of a processor set; an empty set stands for all processors.
    private func processors(at address: UInt64, byteCount: UInt64) throws(Errno) -> UInt8 {
        guard byteCount > 0 else { return 1 }
        guard byteCount <= 1024 else { throw .invalid }
        guard let bytes = memory.bytes(address, byteCount) else { throw .badAddress }
        return bytes.allSatisfy { $0 == 0 } ? 1 : bytes[0]
    }

    /// The value of a key, or nil where Linux has more to say than we do.
    private static func probed(_ key: UInt64) -> UInt64? {
        switch key {
        // Vendor, architecture and implementation: not a known chip.
        case 0, 1, 2: 0
        // The base behaviour: IMA.
        case 3: 1
        case 4: Extension.allCases.compactMap(\.probeBit).reduce(0) { $0 | 1 << $1 }
        // Misaligned scalar accesses work, one by one in the machine: slow.
        case 5, 9: 2
        // The sizes of blocks of cbo.zero, and of cbo.clean and its like.
        case 6, 12: Extension.blockByteCount
        case 7: Memory.byteCount - 1
        // The time counter counts nanoseconds.
        case 8: 1_000_000_000
        // No vectors, hence no misaligned ones.
        case 10: 4
        default: nil
        }
    }
}
