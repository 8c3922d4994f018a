import Basics
import RISCV
import Testing

/// The lines of the commit log are those of Spike for the same instructions.
struct CommitLogTests {
    /// Each word beside the line that Spike wrote for it, behind hart and privilege.
    private static let samples: [(word: UInt32, line: String)] = [
        (0xffd5_0593, "x11 0x0000000000000002"),
        (0x00b4_3023, "mem 0x0000000000100000 0x0000000000000002"),
        (0x0004_2603, "x12 0x0000000000000002 mem 0x0000000000100000"),
        (0x00d4_1323, "mem 0x0000000000100006 0x0000"),
        (
            0x00b4_272f,
            "x14 0x0000000000000002 mem 0x0000000000100000 mem 0x0000000000100000 0x00000004"
        ),
        (0x1004_37af, "x15 0x0000000000000004 mem 0x0000000000100000"),
        (0x18a4_382f, "x16 0x0000000000000000 mem 0x0000000000100000 0x0000000000000005"),
        (0x18a4_382f, "x16 0x0000000000000001"),
        (0xd225_7553, "f10 0x4014000000000000"),
        (0xd025_f5d3, "f11 0xffffffff40000000"),
        (0x02a5_7653, "f12 0x4024000000000000"),
        // 2^(1/2) and 5/0: inexact, then divide by zero beside it.
        (0x5805_f1d3, "c1_fflags 0x0000000000000001 f3  0xffffffff3fb504f3"),
        (0x1be5_7153, "c1_fflags 0x0000000000000009 f2  0x7ff0000000000000"),
        // f0 comes before fflags, as Spike sorts by number.
        (0x1be5_7053, "f0  0x7ff0000000000000 c1_fflags 0x0000000000000009"),
        (0x00b4_2827, "mem 0x0000000000100010 0x40000000"),
        (0x0020_df73, "c2_frm 0x0000000000000001 x30 0x0000000000000000"),
        (0x0020_5073, "c2_frm 0x0000000000000000"),
        (
            0x0030_1ff3,
            "c1_fflags 0x0000000000000000 c2_frm 0x0000000000000000 x31 0x0000000000000009"
        ),
        (0x0000_006f, ""),
    ]

    @Test func `each kind of instruction has the line that Spike writes`() throws {
        let start =
            Assembler.li(8, Assembler.dataAddress) + [Assembler.addi(10, 0, 5)]
        let program = Assembler.program(start + Self.samples.map(\.word))
        var machine = try Machine(program: program, arguments: ["test"])
        var log = CommitLog()
        _ = log.run(&machine, fuel: UInt64(start.count + Self.samples.count))
        let lines = String(decoding: log.takeLines(), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == start.count + Self.samples.count)
        for (index, sample) in Self.samples.enumerated() {
            let pc = Assembler.codeAddress + UInt64(4 * (start.count + index))
            let place = String(pc, radix: 16), word = String(sample.word, radix: 16)
            let padded = String(repeating: "0", count: 8 - word.count) + word
            let head =
                "core   0: 0 0x" + String(repeating: "0", count: 16 - place.count) + place
                + " (0x\(padded))"
            let expected = sample.line.isEmpty ? head : head + " " + sample.line
            #expect(lines[start.count + index] == expected)
        }
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func `who logs changes nothing`(seed: UInt64) throws {
        let program = InstructionSoup.program(seed: seed)
        let settings = Machine.Settings(fuel: 20_000)
        var plain = try Machine(program: program, arguments: ["soup"], settings: settings)
        let expected = plain.runToEnd()
        var machine = try Machine(program: program, arguments: ["soup"], settings: settings)
        var log = CommitLog(), lineCount = 0
        while machine.ending == nil {
            _ = log.run(&machine, fuel: 3000)
            lineCount += log.takeLines().count { $0 == UInt8(ascii: "\n") }
        }
        #expect(UInt64(lineCount) == expected.retired)
        #expect(machine.stateDigest() == expected.digest)
    }
}
