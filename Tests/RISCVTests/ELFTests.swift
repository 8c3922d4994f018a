import Basics
import RISCV
import Testing

/// Files that are not programs, each with the reason by name; and damage of every kind.
struct ELFTests {
    private static let exit: [UInt32] = [
        Assembler.addi(10, 0, 5), Assembler.addi(17, 0, 93), Assembler.ecall,
    ]

    private static let good = Assembler.program(exit)

    /// The error that a file gives, or nil when it loads.
    private static func refusal(_ file: [UInt8]) -> ELFError? {
        do {
            _ = try Machine(program: file, arguments: ["test"])
            return nil
        } catch {
            return error
        }
    }

    private static func changed(_ at: Int, _ bytes: [UInt8]) -> [UInt8] {
        var file = good
        file.replaceSubrange(at..<at + bytes.count, with: bytes)
        return file
    }

    @Test func `a good program runs`() throws {
        var machine = try Machine(program: Self.good, arguments: ["test"])
        let report = machine.runToEnd()
        #expect(report.ending == .exited(5))
        #expect(report.retired == 3)
    }

    @Test func `each mistake has its name`() {
        #expect(Self.refusal([]) == .notELF(byteCount: 0))
        #expect(Self.refusal(Array("#!/bin/sh\n".utf8)) == .notELF(byteCount: 10))
        #expect(
            Self.refusal(Self.changed(4, [1]))
                == .not64BitLittleEndian(fileClass: 1, byteOrder: 1)
        )
        #expect(
            Self.refusal(Self.changed(5, [2]))
                == .not64BitLittleEndian(fileClass: 2, byteOrder: 2)
        )
        #expect(Self.refusal(Self.changed(18, [62, 0])) == .notRISCV(machine: 62))
        #expect(Self.refusal(Self.changed(16, [1, 0])) == .notExecutable(type: 1))
        #expect(
            Self.refusal(Self.changed(54, [32, 0])) == .badHeaderSize(programHeaderByteCount: 32)
        )
        #expect(Self.refusal(Self.changed(56, [0, 0])) == .noSegments)
        #expect(Self.refusal(Self.changed(24, [0, 0, 0x40])) == .noExecutableEntry(0x400000))
        #expect(
            Self.refusal(Array(Self.good.prefix(40)))
                == .truncated(.header, offset: 0, byteCount: 64, fileByteCount: 40)
        )
        #expect(
            Self.refusal(Array(Self.good.prefix(100)))
                == .truncated(.programHeaders, offset: 64, byteCount: 112, fileByteCount: 100)
        )
        #expect(
            Self.refusal(Array(Self.good.prefix(4100)))
                == .truncated(.segment, offset: 4096, byteCount: 12, fileByteCount: 4100)
        )
    }

    @Test func `segments must lie apart and inside`() {
        // The second header's address, at 64 + 56 + 16.
        let overlapping = Self.changed(136, [0, 0, 1, 0, 0, 0, 0, 0])
        #expect(
            Self.refusal(overlapping) == .overlappingSegments(first: 0x10000, second: 0x10000)
        )
        let outside = Self.changed(136, [0, 0, 0, 0, 0, 0, 0, 0x80])
        #expect(
            Self.refusal(outside)
                == .segmentOutsideAddressSpace(address: 1 << 63, byteCount: 65536)
        )
        let wrapping = Self.changed(136, [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
        #expect(
            Self.refusal(wrapping)
                == .segmentOutsideAddressSpace(address: ~0 - 0xff, byteCount: 65536)
        )
        // More bytes in the file than in memory: p_memsz of the first, at 64 + 40.
        #expect(
            Self.refusal(Self.changed(104, [4])) == .segmentSmallerThanItsBytes(address: 0x10000)
        )
        // The second header as an interpreter.
        var dynamic = Self.changed(120, [3])
        dynamic += Array("/lib/ld.so\0".utf8)
        dynamic.replaceSubrange(128..<136, with: [12, 16, 0, 0, 0, 0, 0, 0])
        dynamic.replaceSubrange(152..<160, with: [11, 0, 0, 0, 0, 0, 0, 0])
        #expect(Self.refusal(dynamic) == .needsInterpreter("/lib/ld.so"))
    }

    @Test func `a program larger than its memory limit is refused`() {
        var settings = Machine.Settings()
        settings.memoryByteCountMax = 4096
        #expect(
            throws: ELFError.memoryLimit(
                byteCount: UInt64(Self.smallStackByteCount),
                byteCountMax: 4096
            )
        ) {
            _ = try Machine(program: Self.good, arguments: ["test"], settings: settings)
        }
    }

    /// What the stack of a program without arguments but its name holds.
    private static let smallStackByteCount = 5 + 16 + 8 * (1 + 2 + 1 + 34)

    @Test func `every sentence says what to do`() {
        let errors: [ELFError] = [
            .notELF(byteCount: 3), .not64BitLittleEndian(fileClass: 1, byteOrder: 1),
            .notRISCV(machine: 62), .notExecutable(type: 1), .noSegments,
            .truncated(.segment, offset: 1, byteCount: 2, fileByteCount: 2),
            .overlappingSegments(first: 0, second: 0), .needsInterpreter("ld"),
            .segmentOutsideAddressSpace(address: 0, byteCount: 1), .noExecutableEntry(0),
            .memoryLimit(byteCount: 2, byteCountMax: 1), .hostMemory(byteCount: 1),
        ]
        for error in errors {
            #expect(error.description.contains(": "))
            #expect(!error.description.hasSuffix("."))
        }
        #expect(ELFError.notRISCV(machine: 62).description.contains("x86-64"))
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `no damage to a file does more than refuse it or run`(seed: UInt64) {
        var chance = Chance(seed: seed), loaded = 0
        for _ in 0..<500 {
            var file = Self.good
            for _ in 0..<Int.random(in: 1...6, using: &chance) {
                // Mostly in the headers, where it matters.
                let index = Int.random(in: 4..<file.count, using: &chance)
                file[index] = UInt8.random(in: 0...255, using: &chance)
            }
            if chance.next() & 7 == 0 { file = Array(file.prefix(Int(chance.next() % 200))) }
            var settings = Machine.Settings()
            settings.fuel = 10_000
            settings.memoryByteCountMax = 1 << 24
            guard
                var machine = try? Machine(program: file, arguments: ["test"], settings: settings)
            else { continue }
            loaded += 1
            #expect(machine.runToEnd().retired <= 10_000)
        }
        // Some damage hits nothing that counts; without such files the loop would test little.
        #expect(loaded > 0)
    }
}
