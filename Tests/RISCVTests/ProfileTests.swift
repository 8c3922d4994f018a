import Basics
import RISCV
import Testing

/// A profile counts every instruction once, and changes nothing.
struct ProfileTests {
    private static func profile(
        _ program: [UInt8], fuel: UInt64, slice: UInt64 = .max
    ) throws -> (Profile, Digest) {
        var machine = try Machine(
            program: program, arguments: ["test"], settings: Machine.Settings(fuel: fuel))
        var profiler = Profiler()
        while machine.ending == nil {
            _ = profiler.run(&machine, fuel: slice)
            _ = machine.takeOutput()
        }
        return (profiler.profile(of: machine), machine.stateDigest())
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `all counts add up to the retired instructions, however the run is sliced`(
        seed: UInt64
    ) throws {
        let program = InstructionSoup.program(seed: seed)
        var plain = try Machine(
            program: program, arguments: ["test"], settings: Machine.Settings(fuel: 30_000))
        let expected = plain.runToEnd()
        for slice in [.max, 777] as [UInt64] {
            let (profile, digest) = try Self.profile(program, fuel: 30_000, slice: slice)
            #expect(digest == expected.digest)
            #expect(profile.retired == expected.retired)
            #expect(profile.functions.reduce(0) { $0 + $1.ownCount } == expected.retired)
            #expect(profile.blocks.reduce(0) { $0 + $1.count } == expected.retired)
            #expect(profile.mix.reduce(0) { $0 + $1.count } == expected.retired)
            #expect(profile.paths.reduce(0) { $0 + $1.count } == expected.retired)
        }
    }

    @Test func `blocks and kinds are those of the code`() throws {
        // Ten rounds of three instructions, one of them a store.
        let code =
            Assembler.li(20, Assembler.dataAddress) + [
                Assembler.addi(5, 0, 10), Assembler.store(5, 20, 0), Assembler.addi(5, 5, -1),
                Assembler.bne(5, 0, -8), Assembler.addi(17, 0, 93), Assembler.ecall,
            ]
        let (profile, _) = try Self.profile(Assembler.program(code), fuel: 1000)
        #expect(profile.blocks[0].executions == 10)
        #expect(profile.blocks[0].instructionCount == 3)
        #expect(profile.blocks[0].count == 30)
        #expect(profile.count(of: .store) == 10)
        #expect(profile.count(of: .branch) == 10)
        #expect(profile.count(of: .system) == 1)
        #expect(profile.mix.first { $0.mnemonic == "sd" }?.count == 10)
        #expect(profile.compressedCount == 0)
    }

    @Test func `a picture shows each path once and escapes names`() throws {
        let (profile, _) = try Self.profile(
            Assembler.program([Assembler.jal(0, 0)]), fuel: 1000)
        let svg = FlameGraph(profile, title: "a<b & \"c\"").svg
        #expect(svg.contains("a&lt;b &amp; &quot;c&quot;"))
        #expect(svg.contains("1,000 instructions, each counted"))
        #expect(svg.contains("<title>[unknown]: 1,000 instructions, 100.0 %</title>"))
        #expect(svg.hasPrefix("<?xml") && svg.hasSuffix("</svg>\n"))
        #expect(profile.foldedText == "[unknown] 1000\n")
    }
}
