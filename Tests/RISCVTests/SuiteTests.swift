import RISCV
import Testing

/// Programs of ISA test suites, by both conventions.
struct SuiteTests {
    /// An ELF file with a table of these symbols.
    private static func program(
        _ words: [UInt32],
        symbols: [(name: String, address: UInt64)] = []
    ) -> [UInt8] {
        var file = Assembler.program(words)
        if file.count % 8 != 0 { file += [UInt8](repeating: 0, count: 8 - file.count % 8) }
        var strings: [UInt8] = [0], table = [UInt8](repeating: 0, count: 24)
        for (name, address) in symbols {
            table.append(little: UInt32(strings.count))
            // No type, in section 1.
            table += [0x10, 0, 1, 0]
            table.append(little: address)
            table.append(little: UInt64(0))
            strings += Array(name.utf8) + [0]
        }
        let tableStart = file.count, stringStart = tableStart + table.count
        file += table + strings
        let headers = file.count
        file += [UInt8](repeating: 0, count: 64)
        for (type, start, count, link, entry) in [
            (2, tableStart, table.count, 2, 24), (3, stringStart, strings.count, 0, 0),
        ] {
            file.append(little: UInt32(0))
            file.append(little: UInt32(type))
            for value in [0, 0, start, count] { file.append(little: UInt64(value)) }
            file.append(little: UInt32(link))
            file.append(little: UInt32(0))
            for value in [1, entry] { file.append(little: UInt64(value)) }
        }
        file.replaceSubrange(40..<48, with: little(UInt64(headers)))
        file.replaceSubrange(58..<62, with: little(UInt16(64)) + little(UInt16(3)))
        return file
    }

    private static func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: value)
        return bytes
    }

    private static func exit(_ code: Int32) -> [UInt32] {
        [Assembler.addi(10, 0, code), Assembler.addi(17, 0, 93), Assembler.ecall]
    }

    private static func verdict(
        _ program: [UInt8],
        signature: String? = nil,
        _ engine: Engine = .interpreter
    ) throws -> SuiteTest.Verdict {
        var test = try SuiteTest(program: program, signature: signature)
        test.fuel = 100_000
        return try test.run(engine)
    }

    @Test(arguments: Engine.allCases.filter { $0 == .interpreter || $0 == .best })
    func `a program passes by exiting with 0 and fails by any other way`(engine: Engine) throws {
        #expect(try Self.verdict(Self.program(Self.exit(0)), engine) == .passed)
        #expect(
            try Self.verdict(Self.program(Self.exit(7 << 1 | 1)), engine)
                == .failed("its test 7 failed"))
        for words in [[Assembler.jal(0, 0)], [0x0010_0073], [0]] as [[UInt32]] {
            #expect(try Self.verdict(Self.program(words), engine) != .passed)
        }
    }

    @Test(arguments: [(1, "passed"), (9, "its test 4 failed")] as [(Int32, String)])
    func `a program that stores in tohost and waits has said it`(
        number: Int32,
        verdict: String
    ) throws {
        let words =
            Assembler.li(20, Assembler.dataAddress) + [
                Assembler.addi(5, 0, number), Assembler.store(5, 20, 64), Assembler.jal(0, 0),
            ]
        let program = Self.program(words, symbols: [("tohost", Assembler.dataAddress + 64)])
        let expected = verdict == "passed" ? SuiteTest.Verdict.passed : .failed(verdict)
        #expect(try Self.verdict(program) == expected)
    }

    @Test func `a signature is compared with the reference, byte by byte`() throws {
        let words =
            Assembler.li(20, Assembler.dataAddress) + Assembler.li(5, 0x1122_3344_5566_7788)
            + [Assembler.store(5, 20, 8)] + Self.exit(0)
        let start = Assembler.dataAddress + 8
        let program = Self.program(
            words, symbols: [("begin_signature", start), ("end_signature", start + 8)])
        #expect(try Self.verdict(program, signature: "55667788\n11223344\n") == .passed)
        #expect(try Self.verdict(program, signature: "1122334455667788") == .passed)
        #expect(
            try Self.verdict(program, signature: "55667788\n11223345\n")
                == .failed("byte 4 of its signature is 0x44, not 0x45"))
        for reference in ["55667788", "", "zz", "123"] {
            #expect(try Self.verdict(program, signature: reference) != .passed)
        }
        #expect(
            try Self.verdict(Self.program(Self.exit(0)), signature: "00000000") != .passed)
    }
}
