/// The instruction sets that are there, in user mode (RISC-V profiles: RVA22U64 with Zfh, and of
/// RVA23U64 all but V).
///
/// What has no instructions of its own is listed where a program can ask for it: Zkt, because the
/// only time that a guest sees counts instructions; Zihintpause and Zihintntl, whose hints do
/// nothing; Zicbop, whose prefetches do nothing either.
package enum Extension: String, CaseIterable, Sendable {
    case i, m, a, f, d, c
    case zicbom, zicbop, zicboz, zicntr, zicond, zicsr, zifencei, zihintntl, zihintpause, zihpm
    case zimop, zaamo, zalrsc, zawrs, zfa, zfh, zfhmin, zca, zcb, zcd, zcmop
    case zba, zbb, zbc, zbkb, zbkc, zbs, zkt

    /// A cache block, which cbo.zero clears (Zic64b).
    static let blockByteCount: UInt64 = 64

    /// "rv64imafdc_zicbom_zicbop…": the ISA string of all, in canonical order.
    package static let string: String = {
        let letters = allCases.filter { $0.rawValue.count == 1 }.map(\.rawValue)
        let words = allCases.filter { $0.rawValue.count > 1 }.map(\.rawValue)
        return "rv64" + letters.joined() + words.map { "_" + $0 }.joined()
    }()

    /// The bit in the answer to RISCV_HWPROBE_KEY_IMA_EXT_0 (Linux, asm/hwprobe.h); nil for what
    /// Linux does not ask about.
    var probeBit: UInt64? {
        switch self {
        // F and D are one bit, the first.
        case .d: 0
        case .c: 1
        case .zba: 3
        case .zbb: 4
        case .zbs: 5
        case .zicboz: 6
        case .zbc: 7
        case .zbkb: 8
        case .zbkc: 9
        case .zkt: 16
        case .zfh: 27
        case .zfhmin: 28
        case .zihintntl: 29
        case .zfa: 32
        case .zicond: 35
        case .zihintpause: 36
        case .zimop: 40
        case .zca: 43
        case .zcb: 44
        case .zcd: 45
        case .zcmop: 47
        case .zawrs: 48
        case .zicntr: 50
        case .zihpm: 51
        case .zicbom: 55
        case .zaamo: 56
        case .zalrsc: 57
        case .i, .m, .a, .f, .zicbop, .zicsr, .zifencei: nil
        }
    }

    /// The letters among them as the bits of AT_HWCAP: bit 0 is A.
    static let capabilities: UInt64 = allCases.reduce(0) { bits, set in
        guard set.rawValue.count == 1, let letter = set.rawValue.utf8.first else { return bits }
        return bits | 1 << UInt64(letter - UInt8(ascii: "a"))
    }
}
