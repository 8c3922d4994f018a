import Basics
import RISCV
import Testing

/// System calls with arguments that no library would pass.
struct SystemCallTests {
    /// All numbers, but those that end or suspend it, or set pc.
    private static let numbers: [UInt64] = {
        let others: [UInt64] = [22, 72, 73, 93, 94, 133, 137, 139, 441]
        return (0..<470).filter { !others.contains($0) }
    }()

    /// Up to eight bytes each: what path arguments may point at.
    private static let names = ["a", "a/b", "new", "..", "/dev", "../dev", "/tmp", "a/b/c"]

    private static func argument(_ chance: inout Chance) -> UInt64 {
        let small = chance.next() % 16, data = Assembler.dataAddress
        return switch chance.next() % 15 {
        case 0, 1: small
        case 2, 3: data + chance.next() % 65536
        case 13: data + 8 * (chance.next() % UInt64(names.count))
        case 4: data + (chance.next() % 16) << 12
        case 5: 4096 << (chance.next() % 30)
        case 6: ~0 - small
        case 7: 1 << (chance.next() % 64)
        case 8: 0x4000_0000 + (chance.next() % 64) << 12
        // The working directory's handle, and what looks like a size.
        case 9: UInt64(bitPattern: -100)
        case 10: chance.next() % 5000
        case 11: (1 << 63) - small
        case 12: 0x22
        default: chance.next()
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `no arguments of a system call do more than make it fail`(seed: UInt64) throws {
        var chance = Chance(seed: seed)
        var code = Assembler.li(20, Assembler.dataAddress)
        for (index, name) in Self.names.enumerated() {
            let word = name.utf8.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            code += Assembler.li(5, word) + [Assembler.store(5, 20, Int32(8 * index))]
        }
        for _ in 0..<250 {
            let number = Self.numbers[Int(chance.next() % UInt64(Self.numbers.count))]
            for register in 10..<16 as Range<UInt32> {
                code += Assembler.li(register, Self.argument(&chance))
            }
            code += Assembler.li(17, number) + [Assembler.ecall]
        }
        code += [Assembler.addi(17, 0, 94), Assembler.ecall]
        var settings = Machine.Settings(fuel: 1_000_000, memoryByteCountMax: 1 << 26)
        settings.fileByteCountMax = 1 << 24
        settings.outputByteCountMax = 1 << 20
        let files = [InputFile(name: "a/b", bytes: [1, 2, 3])]
        let reports = try [.max, 1000].map { (slice: UInt64) -> Report in
            var machine = try Machine(
                program: Assembler.program(code),
                arguments: ["test"],
                files: files,
                standardInput: [7, 8, 9],
                settings: settings
            )
            while true {
                let pause = machine.run(fuel: slice)
                _ = machine.takeOutput()
                guard case .ended(let ending) = pause else { continue }
                return machine.report(ending, standardOutput: [], standardError: [])
            }
        }
        #expect(reports[0] == reports[1])
        #expect(reports[0].peakMemoryByteCount <= 1 << 26)
        #expect(reports[0].systemCalls.reduce(0) { $0 + $1.count } >= 5)
    }
}
