import Basics
import RISCV
import Testing

/// What holds for every run: exact counts, equal digests, limits, endings.
struct MachineTests {
    /// Counts down from 1,000 with a store in each round, then exits with 7.
    private static let countdown: [UInt32] =
        Assembler.li(20, Assembler.dataAddress) + [
            Assembler.addi(5, 0, 1000), Assembler.store(5, 20, 0), Assembler.load(6, 20, 0),
            Assembler.addi(5, 5, -1), Assembler.bne(5, 0, -12), Assembler.addi(10, 0, 7),
            Assembler.addi(17, 0, 93), Assembler.ecall,
        ]

    private static let countdownRetired: UInt64 = 11 + 1 + 4 * 1000 + 3

    private static func machine(fuel: UInt64 = .max) throws -> Machine {
        try Machine(
            program: Assembler.program(countdown),
            arguments: ["test"],
            settings: Machine.Settings(fuel: fuel)
        )
    }

    @Test func `the count of retired instructions is exact`() throws {
        var machine = try Self.machine()
        #expect(machine.run(fuel: .max) == .ended(.exited(7)))
        #expect(machine.retired == Self.countdownRetired)
    }

    @Test(arguments: [0, 1, 2, 11, 12, 63, 64, 65, 128, 129, 999, 4014] as [UInt64])
    func `fuel stops at exactly that instruction`(fuel: UInt64) throws {
        var machine = try Self.machine(fuel: fuel)
        #expect(machine.run(fuel: .max) == .ended(.outOfFuel))
        #expect(machine.retired == fuel)
    }

    @Test func `the last instruction that is needed is enough`() throws {
        var machine = try Self.machine(fuel: Self.countdownRetired)
        #expect(machine.run(fuel: .max) == .ended(.exited(7)))
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `a run in slices passes through the same states`(seed: UInt64) throws {
        var chance = Chance(seed: seed)
        var sliced = try Self.machine()
        while sliced.ending == nil {
            _ = sliced.run(fuel: UInt64.random(in: 1...300, using: &chance))
            guard sliced.ending == nil else { break }
            var whole = try Self.machine(fuel: sliced.retired)
            #expect(whole.run(fuel: .max) == .ended(.outOfFuel))
            #expect(whole.stateDigest() == sliced.stateDigest(), "at \(sliced.retired)")
        }
        var whole = try Self.machine()
        _ = whole.run(fuel: .max)
        #expect(whole.stateDigest() == sliced.stateDigest())
        #expect(whole.retired == sliced.retired)
    }

    @Test func `a single step changes the digest`() throws {
        var machine = try Self.machine()
        var seen: Set<Digest> = []
        for _ in 0..<100 {
            #expect(seen.insert(machine.stateDigest()).inserted)
            #expect(machine.run(fuel: 1) == .sliceDone)
        }
    }

    @Test func `a fault names instruction, function and address`() throws {
        let code = Assembler.li(5, 0x123_4560) + [Assembler.store(0, 5, 8)]
        var machine = try Machine(program: Assembler.program(code), arguments: ["test"])
        let report = machine.runToEnd()
        #expect(report.ending.exitCode == 139)
        #expect(report.retired == 11)
        #expect(
            report.ending.sentence
                == "stopped by SIGSEGV (signal 11) at pc 0x1002c: "
                + "store to unmapped address 0x1234568"
        )
    }

    @Test(
        arguments: [
            (0x0010_0073, 133), (0x0000_0000, 132), (0xffff_ffff, 132),
            // csrw cycle, and a control register of machine mode.
            (0xc000_1073, 132), (0x3000_2073, 132),
        ] as [(UInt32, Int32)]
    )
    func `what cannot be executed becomes a signal`(word: UInt32, exitCode: Int32) throws {
        var machine = try Machine(program: Assembler.program([word]), arguments: ["test"])
        #expect(machine.runToEnd().ending.exitCode == exitCode)
        #expect(machine.retired == 0)
    }

    @Test func `memory is limited by what is written, not by what is reserved`() throws {
        // mmap of 256 MiB, then a store to one page after another.
        let map =
            Assembler.li(11, 1 << 28)
            + [
                Assembler.addi(10, 0, 0), Assembler.addi(12, 0, 3), Assembler.addi(13, 0, 0x22),
                Assembler.addi(14, 0, -1), Assembler.addi(15, 0, 0), Assembler.addi(17, 0, 222),
                Assembler.ecall,
            ] + Assembler.li(6, 4096)
            + [
                Assembler.store(0, 10, 0), Assembler.register(0, 6, 10, 0, 10, 0x33),
                Assembler.bne(10, 0, -8),
            ]
        var machine = try Machine(
            program: Assembler.program(map),
            arguments: ["test"],
            settings: Machine.Settings(memoryByteCountMax: 1 << 22)
        )
        #expect(
            machine.runToEnd().ending == .limitReached(.memory(byteCountMax: 1 << 22))
        )
        #expect(machine.peakMemoryByteCount == 1 << 22)
    }

    @Test func `output is limited, kept up to the limit, and told in pauses`() throws {
        // Writes the same 1,000 bytes for ever.
        let code =
            Assembler.li(20, Assembler.dataAddress)
            + [
                Assembler.addi(10, 0, 1), Assembler.addi(11, 20, 0), Assembler.addi(12, 0, 1000),
                Assembler.addi(17, 0, 64), Assembler.ecall, Assembler.bne(17, 0, -20),
            ]
        var machine = try Machine(
            program: Assembler.program(code),
            arguments: ["test"],
            settings: Machine.Settings(outputByteCountMax: 200_500)
        )
        #expect(machine.run(fuel: .max) == .wroteOutput)
        #expect(machine.takeOutput().standardOutput.count >= 1 << 16)
        let report = machine.runToEnd()
        #expect(report.ending == .limitReached(.output(byteCountMax: 200_500)))
        #expect(report.ending.exitCode == 125)
    }

    @Test func `code that is overwritten is executed as it is now`() throws {
        // The loop stores "addi x8, x8, 2" over its own "addi x8, x8, 1"; no fence in between.
        let code =
            Assembler.li(20, Assembler.codeAddress)
            + [
                Assembler.addi(5, 0, 0), Assembler.addi(7, 0, 10),
            ] + Assembler.li(6, UInt64(Assembler.addi(8, 8, 2)))
            + [
                Assembler.addi(8, 8, 1),
                // sw x6, 96(x20)
                (96 >> 5) << 25 | 6 << 20 | 20 << 15 | 2 << 12 | 0x23,
                Assembler.addi(7, 7, -1), Assembler.bne(7, 0, -12), Assembler.addi(10, 8, 0),
                Assembler.addi(17, 0, 93), Assembler.ecall,
            ]
        // The changed instruction is the 25th word (li is 11 words, then 2, then 11).
        #expect(code[24] == Assembler.addi(8, 8, 1))
        for slice in [1, 7, 100_000] as [UInt64] {
            var machine = try Machine(
                program: Assembler.program(code, protection: 7),
                arguments: ["test"]
            )
            while machine.ending == nil { _ = machine.run(fuel: slice) }
            #expect(machine.ending == .exited(1 + 9 * 2), "in slices of \(slice)")
        }
    }

    @Test func `a slice ends when its system calls were much work for few instructions`() throws {
        // getrandom(data, 60,000, 0) for ever.
        let code =
            Assembler.li(8, Assembler.dataAddress) + Assembler.li(9, 60_000) + [
                Assembler.addi(10, 8, 0), Assembler.addi(11, 9, 0), Assembler.addi(12, 0, 0),
                Assembler.addi(17, 0, 278), Assembler.ecall, Assembler.jal(0, -20),
            ]
        var machine = try Machine(program: Assembler.program(code), arguments: ["test"])
        #expect(machine.run(fuel: .max) == .sliceDone)
        #expect(machine.retired < 100_000)
    }

    @Test func `a handler that faults for ever is stopped`() throws {
        // Its address holds no code, it may interrupt itself, and its stack begins anew each time.
        let data: [(UInt64, Int32)] = [
            (8, 0), (0x4800_0000, 8), (0, 16), (Assembler.dataAddress + 8192, 64), (0, 72),
            (2048, 80),
        ]
        var code = Assembler.li(20, Assembler.dataAddress)
        for (value, offset) in data {
            code += Assembler.li(5, value) + [Assembler.store(5, 20, offset)]
        }
        code += [
            // sigaltstack, rt_sigaction of SIGSEGV, and the first fault.
            Assembler.addi(10, 20, 64), Assembler.addi(11, 0, 0), Assembler.addi(17, 0, 132),
            Assembler.ecall, Assembler.addi(10, 0, 11), Assembler.addi(11, 20, 0),
            Assembler.addi(12, 0, 0), Assembler.addi(13, 0, 8), Assembler.addi(17, 0, 134),
            Assembler.ecall, Assembler.load(5, 0, 0),
        ]
        var machine = try Machine(program: Assembler.program(code), arguments: ["test"])
        #expect(machine.runToEnd().ending.exitCode == 139)
    }

    @Test func `sleeping for ages takes no time and overflows nothing`() throws {
        var code =
            Assembler.li(20, Assembler.dataAddress) + Assembler.li(5, 1 << 61)
            + [Assembler.store(5, 20, 0)]
        for _ in 0..<6 {
            code += [
                Assembler.addi(10, 20, 0), Assembler.addi(11, 0, 0), Assembler.addi(17, 0, 101),
                Assembler.ecall,
            ]
        }
        code += [Assembler.addi(17, 0, 93), Assembler.ecall]
        var machine = try Machine(program: Assembler.program(code), arguments: ["test"])
        #expect(machine.runToEnd().ending == .exited(0))
    }

    @Test func `the seed alone decides what chance gives`() throws {
        // getrandom(data, 32, 0), then write it.
        let code =
            Assembler.li(20, Assembler.dataAddress)
            + [
                Assembler.addi(10, 20, 0), Assembler.addi(11, 0, 32), Assembler.addi(12, 0, 0),
                Assembler.addi(17, 0, 278), Assembler.ecall,
            ] + Assembler.finish(writing: 32, from: 20)
        let outputs = try ([1, 1, 2] as [UInt64]).map { seed -> [UInt8] in
            var machine = try Machine(
                program: Assembler.program(code),
                arguments: ["test"],
                settings: Machine.Settings(seed: seed)
            )
            return machine.runToEnd().standardOutput
        }
        #expect(outputs[0] == outputs[1])
        #expect(outputs[0] != outputs[2])
        #expect(outputs[0].count == 32)
    }

    @Test func `unknown calls fail and are counted`() throws {
        let code = [
            Assembler.addi(17, 0, 500), Assembler.ecall, Assembler.ecall, Assembler.addi(17, 0, 93),
            Assembler.register(0x20, 10, 0, 0, 10, 0x33), Assembler.ecall,
        ]
        var machine = try Machine(program: Assembler.program(code), arguments: ["test"])
        let report = machine.runToEnd()
        // -(-ENOSYS); the first result became the second call's argument.
        #expect(report.ending == .exited(38))
        #expect(report.unknownSystemCalls == [SystemCallCount(number: 500, count: 2)])
    }
}
