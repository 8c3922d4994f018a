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
                Assembler.branch(0, 0, 0, -4 * Int32(body.count + 4)),
            ]
        return Assembler.program(
            Assembler.li(6, Assembler.dataAddress + 2048) + Assembler.li(28, address)
                + [Assembler.addi(7, 0, 300)] + loop,
            protection: 7)
    }

    private static func report(
        _ program: [UInt8],
        _ engine: Engine,
        isHardened: Bool = false,
        _ host: (any CodeHost)? = nil
    ) throws -> Report {
        var machine = try Machine(
            program: program,
            arguments: ["hostile"],
            settings: Machine.Settings(
                fuel: 50_000, engine: engine, translationThreshold: 2, isHardened: isHardened),
            host: host
        )
        return machine.runToEnd()
    }

    private static func expectSame(
        _ program: [UInt8],
        _ what: String,
        _ host: (any CodeHost)?
    ) throws {
        let interpreted = try report(program, .interpreter)
        for isHardened in [false, true] {
            let translated = try report(program, .translator, isHardened: isHardened, host)
            #expect(translated == interpreted, "\(what)")
        }
    }

    @Test func `the address that is tried is accessed`() throws {
        let load = Assembler.immediate(0, 6, 3, 5, 0x03)
        let report = try Self.report(Self.program(1 << 40, [load]), .interpreter)
        #expect(report.ending != .outOfFuel)
    }

    static let offsets: [Int32] = [-2048, -8, -1, 0, 1, 4, 2047]

    @Test(arguments: addresses, offsets)
    func `an access anywhere does the same in both engines`(
        address: UInt64,
        offset: Int32
    ) throws {
        try Self.expectSameAccess(address, offset)
    }

    static func expectSameAccess(
        _ address: UInt64,
        _ offset: Int32,
        _ host: (any CodeHost)? = nil
    ) throws {
        for width in 0..<4 as Range<UInt32> {
            let load = Assembler.immediate(offset, 6, width, 5, 0x03)
            let store = Assembler.store(5, 6, offset, width: width)
            try expectSame(program(address, [load]), "load of \(width)", host)
            try expectSame(program(address, [store]), "store of \(width)", host)
        }
        let double = [
            Assembler.immediate(offset, 6, 3, 3, 0x07),
            Assembler.store(3, 6, offset, opcode: 0x27),
        ]
        try expectSame(program(address, double), "float", host)
    }

    // The last is mapped as far as twelve bytes go.
    @Test(arguments: addresses + [Assembler.dataAddress + 65_524])
    func `accesses that share a check do the same in both engines`(address: UInt64) throws {
        try Self.expectSameGroups(address)
    }

    static func expectSameGroups(_ address: UInt64, _ host: (any CodeHost)? = nil) throws {
        let runs: [[Int32]] = [
            [0, 8], [8, 0], [-8, 0, 8, 16], [16, 8, 0, -8], [0, 2040], [-2048, -1024],
            [3, 9, 2047],
        ]
        for width in [0, 3] as [UInt32] {
            for offsets in runs {
                let loads = offsets.map { Assembler.immediate($0, 6, width, 5, 0x03) }
                let stores = offsets.map { Assembler.store(5, 6, $0, width: width) }
                let what = "\(offsets), width \(width)"
                try expectSame(program(address, loads), "loads at \(what)", host)
                try expectSame(program(address, stores), "stores at \(what)", host)
                try expectSame(program(address, loads + stores), "both at \(what)", host)
                // As a loop over an array that is unrolled: the register moves in between.
                let steps = [Assembler.addi(5, 7, 0)] + stores + [Assembler.addi(6, 6, 8)] + stores
                try expectSame(program(address, steps), "steps at \(what)", host)
            }
        }
    }

    @Test(arguments: addresses)
    func `a jump anywhere does the same in both engines`(address: UInt64) throws {
        try Self.expectSameJumps(address)
    }

    static func expectSameJumps(_ address: UInt64, _ host: (any CodeHost)? = nil) throws {
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
            try expectSame(program(address, words), "jump with \(offset)", host)
        }
    }

    private static func expectExit(_ code: Int32, _ words: [UInt32]) throws {
        let program = Assembler.program(words, protection: 7)
        for engine in Engine.allCases {
            #expect(try report(program, engine).ending == .exited(code), "in the \(engine)")
        }
    }

    @Test(arguments: [0, 1])
    func `a store that begins before executed code and ends in it changes it`(pad: Int) throws {
        func pair(adding step: Int32) -> UInt64 {
            UInt64(Assembler.addi(5, 5, step)) << 32 | UInt64(Assembler.addi(0, 0, 0))
        }
        let start = Assembler.li(6, pair(adding: 1)) + Assembler.li(28, pair(adding: 2))
        let loop: [UInt32] = [
            // auipc x12, 0; the word behind the jump is never executed.
            0x0000_0617, Assembler.jal(0, 8), Assembler.addi(0, 0, 0), Assembler.addi(5, 5, 1),
            Assembler.store(6, 12, 8, width: 3), Assembler.addi(7, 7, -1),
            Assembler.branch(1, 7, 0, -24),
        ]
        try Self.expectExit(
            // The last three rounds add one, as it was, and then two.
            200 + 1 + 2 + 2,
            [UInt32](repeating: Assembler.addi(0, 0, 0), count: pad) + start + [
                Assembler.addi(7, 0, 200), Assembler.addi(29, 0, 0), Assembler.addi(5, 0, 0),
            ] + loop + [
                Assembler.branch(1, 29, 0, 20), Assembler.addi(29, 0, 1),
                Assembler.addi(6, 28, 0), Assembler.addi(7, 0, 3), Assembler.branch(0, 0, 0, -44),
                Assembler.addi(10, 5, 0), Assembler.addi(17, 0, 93), Assembler.ecall,
            ])
    }

    @Test func `a double in the place of a single is no single any more`() throws {
        let start =
            Assembler.li(20, Assembler.dataAddress) + Assembler.li(6, 0x3f80_0000)
            + [Assembler.store(6, 20, 0)] + Assembler.li(6, 0x3ff0_0000_0000_0000)
            + [Assembler.store(6, 20, 8), Assembler.addi(7, 0, 200)]
        let loop = [
            // flw f4, 0(x20); fld f4, 8(x20); fadd.s f5, f4, f4; fmv.x.w x5, f5
            Assembler.immediate(0, 20, 2, 4, 0x07), Assembler.immediate(8, 20, 3, 4, 0x07),
            Assembler.register(0, 4, 4, 7, 5, 0x53), Assembler.register(0x70, 0, 5, 0, 5, 0x53),
            Assembler.addi(7, 7, -1), Assembler.branch(1, 7, 0, -20),
        ]
        // Whether x5 is the canonical NaN: sub, sltu.
        let end =
            Assembler.li(6, 0x7fc0_0000) + [
                Assembler.register(0x20, 6, 5, 0, 10, 0x33),
                Assembler.register(0, 10, 0, 3, 10, 0x33), Assembler.addi(17, 0, 93),
                Assembler.ecall,
            ]
        try Self.expectExit(0, start + loop + end)
    }
}
