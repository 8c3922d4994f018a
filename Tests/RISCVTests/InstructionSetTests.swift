import RISCV
import Testing

/// What no other simulator at hand is asked about: Zicond, Zcb, Zimop, Zcmop, Zawrs, cache blocks,
/// counters, and what a program is told of all this.
struct InstructionSetTests {
    /// Two compressed instructions.
    private static func pair(_ first: UInt32, _ second: UInt32 = 1) -> UInt32 {
        first | second << 16
    }

    /// The value of x8 after code that begins with some values in x8 and x9.
    private static func result(_ x8: UInt64, _ x9: UInt64, _ code: [UInt32]) throws -> UInt64 {
        try Assembler.results(
            1, Assembler.li(8, x8) + Assembler.li(9, x9) + code + [Assembler.store(8, 20, 0)])[0]
    }

    private static func ending(_ code: [UInt32]) throws -> Ending {
        var machine = try Machine(
            program: Assembler.program(
                Assembler.li(20, Assembler.dataAddress) + code + [
                    Assembler.addi(10, 0, 0), Assembler.addi(17, 0, 93), Assembler.ecall,
                ]), arguments: ["test"])
        return machine.runToEnd().ending
    }

    @Test func `czero gives zero where the condition says so`() throws {
        let equal = Assembler.register(0x07, 9, 8, 5, 8, 0x33)
        let notEqual = Assembler.register(0x07, 9, 8, 7, 8, 0x33)
        #expect(try Self.result(5, 0, [equal]) == 0)
        #expect(try Self.result(5, 1 << 63, [equal]) == 5)
        #expect(try Self.result(5, 0, [notEqual]) == 5)
        #expect(try Self.result(5, 1 << 63, [notEqual]) == 0)
    }

    @Test(arguments: [
        // c.zext.b, c.sext.b, c.zext.h, c.sext.h, c.zext.w, c.not, c.mul x8, x9
        (0x9c61, 0xf1), (0x9c65, 0xffff_ffff_ffff_fff1), (0x9c69, 0x80f1),
        (0x9c6d, 0xffff_ffff_ffff_80f1), (0x9c71, 0x8765_80f1), (0x9c75, 0xffff_ffff_789a_7f0e),
        (0x9c45, 0x8765_80f1 &* 3),
    ] as [(UInt32, UInt64)])
    func `the arithmetic of Zcb`(half: UInt32, expected: UInt64) throws {
        #expect(try Self.result(0x8765_80f1, 3, [Self.pair(half)]) == expected)
    }

    @Test func `the accesses of Zcb`() throws {
        // c.sb x8, 3(x9); c.sh x8, 2(x9) at other places; c.lbu, c.lhu, c.lh x8.
        let address = Assembler.dataAddress + 64
        let store = Self.pair(0x8880 | 0x60), read = Assembler.load(8, 9, 0)
        #expect(try Self.result(0xabcd, address, [store, read]) == 0xcd00_0000)
        let storeHalf = Self.pair(0x8c80 | 0x20)
        #expect(try Self.result(0xabcd, address, [storeHalf, read]) == 0xabcd_0000)
        let loads: [(UInt32, UInt64)] = [
            (0x8080 | 0x20, 0xcd), (0x8480 | 0x20, 0xabcd), (0x84c0 | 0x20, ~0 << 16 | 0xabcd),
        ]
        for (load, expected) in loads {
            #expect(try Self.result(0xabcd, address, [storeHalf, Self.pair(load)]) == expected)
        }
        // c.sh with bit 6 set is reserved.
        #expect(try Self.ending([Self.pair(0x8c80 | 0x40)]).exitCode == 132)
    }

    @Test func `an operation that may be gives zero, a compressed one nothing`() throws {
        for word in [0x81c0_4073, 0xcdf0_4073, 0x8200_4073, 0xce00_4073] as [UInt32] {
            #expect(try Self.result(7, 9, [word | 9 << 15 | 8 << 7]) == 0)
        }
        // c.mop.1 and c.mop.15.
        #expect(try Self.result(7, 9, [Self.pair(0x6081, 0x6781)]) == 7)
        // c.lui x2, 0 and c.lui x16, 0 are reserved.
        #expect(try Self.ending([Self.pair(0x6101)]).exitCode == 132)
        #expect(try Self.ending([Self.pair(0x6801)]).exitCode == 132)
    }

    @Test func `hints and waits do nothing`() throws {
        let words: [UInt32] = [
            // pause, wrs.nto, wrs.sto, prefetch.r 0(x9), ntl.all, cbo.clean, cbo.flush on data
            0x0100_000f, 0x00d0_0073, 0x01d0_0073, 0x0014_e013, 0x0050_0033, 0x001a_200f,
            0x002a_200f,
        ]
        #expect(try Self.result(7, 9, words) == 7)
    }

    @Test func `cbo zero clears the block of its address, and asks as a store does`() throws {
        let fill = (0..<24).map { Assembler.store(8, 20, 8 * $0) }
        // addi x21, x20, 100; cbo.zero (x21)
        let body =
            Assembler.li(8, ~0) + fill + [Assembler.addi(21, 20, 100), 0x004a_a00f]
        let words = try Assembler.results(24, body)
        #expect(words.enumerated().allSatisfy { ($0 / 8 == 1) == ($1 == 0) })
        // On code, which is not writable; cbo.clean where nothing is; cbo.inval is the system's.
        #expect(try Self.ending(Assembler.li(21, 0x10000) + [0x004a_a00f]).exitCode == 139)
        #expect(try Self.ending(Assembler.li(21, 1 << 30) + [0x001a_a00f]).exitCode == 139)
        #expect(try Self.ending([0x000a_200f]).exitCode == 132)
    }

    @Test func `counters of events read as zero and cannot be written`() throws {
        #expect(try Self.result(7, 9, [0xc03 << 20 | 2 << 12 | 8 << 7 | 0x73]) == 0)
        #expect(try Self.result(7, 9, [0xc1f << 20 | 2 << 12 | 8 << 7 | 0x73]) == 0)
        #expect(try Self.ending([0xc03 << 20 | 1 << 12 | 8 << 7 | 0x73]).exitCode == 132)
    }

    @Test func `a system call ends a reservation`() throws {
        func code(_ between: [UInt32]) -> [UInt32] {
            // lr.d x5, (x20); sc.d x8, x9, (x20)
            [Assembler.register(2 << 2, 0, 20, 3, 5, 0x2f)] + between
                + [Assembler.register(3 << 2, 9, 20, 3, 8, 0x2f)]
        }
        #expect(try Self.result(7, 9, code([])) == 0)
        let yield = [Assembler.addi(17, 0, 124), Assembler.ecall]
        #expect(try Self.result(7, 9, code(yield)) == 1)
    }

    @Test func `the probe tells what there is`() throws {
        // riscv_hwprobe(x20, 4 pairs, no set, no flags) with keys 3, 4, 6 and 999.
        var body: [UInt32] = []
        for (index, key) in [3, 4, 6, 999].enumerated() {
            body += [Assembler.addi(5, 0, Int32(key)), Assembler.store(5, 20, 16 * Int32(index))]
        }
        body += [
            Assembler.addi(10, 20, 0), Assembler.addi(11, 0, 4), Assembler.addi(12, 0, 0),
            Assembler.addi(13, 0, 0), Assembler.addi(14, 0, 0), Assembler.addi(17, 0, 258),
            Assembler.ecall, Assembler.store(10, 20, 64),
        ]
        let words = try Assembler.results(9, body)
        #expect(words[8] == 0)
        #expect(words[1] == 1)
        // F and D, C, Zba, Zbb, Zbs, Zicboz; not V. Zfh, Zfa, Zicond, Zcb.
        #expect(words[3] & 0x7f == 0b111_1011)
        for bit in [27, 32, 35, 44] as [UInt64] { #expect(words[3] >> bit & 1 == 1) }
        #expect(words[5] == 64)
        #expect(words[6] == .max && words[7] == 0)
    }

    @Test func `the string of all sets is in canonical order`() {
        #expect(Extension.string.hasPrefix("rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr"))
        #expect(Extension.string.hasSuffix("_zba_zbb_zbc_zbkb_zbkc_zbs_zkt"))
    }
}
