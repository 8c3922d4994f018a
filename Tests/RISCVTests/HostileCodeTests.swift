import Basics
import RISCV
import Testing

/// Programs that aim at the translator's fences: both engines stop them at the same place.
struct HostileCodeTests {
    /// Addresses around every border that a check could get wrong.
    static let addresses: [UInt64] = [
        0, 1, 7, 0xfff, 0x1000, Assembler.codeAddress - 8, Assembler.dataAddress - 1,
        Assembler.dataAddress + 65_535, Assembler.dataAddress + 65_536, 0x7fff_fff8, 0x8000_0000,
        0xffff_fffc, 1 << 32, 1 << 36 - 4097, 1 << 36 - 8, 1 << 36 - 1, 1 << 36, 1 << 36 + 8,
        1 << 39, 1 << 47, 1 << 47 - 8, 0xffff_8000_0000_0000, 1 << 63, .max - 4095, .max - 7, .max,
    ]

    /// x6 is a good address for some rounds, and then the one that is tried.
    private static func program(_ address: UInt64, _ body: [UInt32]) -> [UInt8] {
        let loop =
            body + [
                Assembler.addi(7, 7, -1),
                Assembler.branch(1, 7, 0, -4 * Int32(body.count + 1)),
                // The last round is with the other address.
                Assembler.register(0, 0, 28, 0, 6, 0x33), Assembler.addi(7, 0, 1),
                Assembler.branch(0, 0, 0, -4 * Int32(body.count + 3)),
            ]
        return Assembler.program(
            Assembler.li(6, Assembler.dataAddress + 2048) + Assembler.li(28, address)
                + [Assembler.addi(7, 0, 300)] + loop,
            protection: 7)
    }

    private static func report(
        _ program: [UInt8],
        _ engine: Engine,
        isHardened: Bool = false
    ) throws -> Report {
        var machine = try Machine(
            program: program,
            arguments: ["hostile"],
            settings: Machine.Settings(
                fuel: 50_000, engine: engine, translationThreshold: 2, isHardened: isHardened)
        )
        return machine.runToEnd()
    }

    private static func expectSame(_ program: [UInt8], _ what: String) throws {
        let interpreted = try report(program, .interpreter)
        for isHardened in [false, true] {
            let translated = try report(program, .translator, isHardened: isHardened)
            #expect(translated == interpreted, "\(what)")
        }
    }

    @Test(arguments: addresses, [-2048, -8, -1, 0, 1, 4, 2047] as [Int32])
    func `an access anywhere does the same in both engines`(
        address: UInt64,
        offset: Int32
    ) throws {
        for width in 0..<4 as Range<UInt32> {
            let load = Assembler.immediate(offset, 6, width, 5, 0x03)
            let store = Assembler.store(5, 6, offset, width: width)
            try Self.expectSame(Self.program(address, [load]), "load of \(width)")
            try Self.expectSame(Self.program(address, [store]), "store of \(width)")
        }
        let double = [
            Assembler.immediate(offset, 6, 3, 3, 0x07),
            Assembler.store(3, 6, offset, opcode: 0x27),
        ]
        try Self.expectSame(Self.program(address, double), "float")
    }

    @Test(arguments: addresses)
    func `accesses that share a check do the same in both engines`(address: UInt64) throws {
        let runs: [[Int32]] = [[0, 8], [-8, 0, 8, 16], [0, 2040], [-2048, -1024], [3, 9, 2047]]
        for offsets in runs {
            let loads = offsets.map { Assembler.immediate($0, 6, 0, 5, 0x03) }
            let stores = offsets.map { Assembler.store(5, 6, $0, width: 0) }
            try Self.expectSame(Self.program(address, loads), "loads at \(offsets)")
            try Self.expectSame(Self.program(address, stores), "stores at \(offsets)")
            try Self.expectSame(Self.program(address, loads + stores), "both at \(offsets)")
        }
    }

    @Test(arguments: addresses)
    func `a jump anywhere does the same in both engines`(address: UInt64) throws {
        // The good target is the instruction behind the jump.
        for offset in [0, 1, -1, 2, 2047, -2048] as [Int32] {
            let jump: [UInt32] = [
                0x0000_0317, Assembler.addi(29, 6, 16 - offset),
                // Most rounds go on; x28 is tried in the round where x7 is 7.
                Assembler.addi(30, 7, -7), Assembler.branch(1, 30, 0, 8),
                Assembler.register(0, 0, 28, 0, 29, 0x33),
                Assembler.immediate(offset, 29, 0, 1, 0x67),
            ]
            // auipc x6 lies at the jump's start: 24 bytes before what follows it.
            var words = jump
            words[1] = Assembler.addi(29, 6, 24 - offset)
            try Self.expectSame(Self.program(address, words), "jump with \(offset)")
        }
    }
}
