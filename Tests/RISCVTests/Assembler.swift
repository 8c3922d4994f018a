import RISCV

/// Just enough of an assembler for tests: instructions as words, wrapped in a small ELF file.
///
/// It is independent of the decoder: fields are put together here as the ISA manual's tables
/// show them, and taken apart there.
enum Assembler {
    static let codeAddress: UInt64 = 0x10000

    static func register(
        _ function7: UInt32,
        _ rs2: UInt32,
        _ rs1: UInt32,
        _ function3: UInt32,
        _ rd: UInt32,
        _ opcode: UInt32
    ) -> UInt32 {
        function7 << 25 | rs2 << 20 | rs1 << 15 | function3 << 12 | rd << 7 | opcode
    }

    static func immediate(
        _ value: Int32,
        _ rs1: UInt32,
        _ function3: UInt32,
        _ rd: UInt32,
        _ opcode: UInt32
    ) -> UInt32 {
        UInt32(bitPattern: value) << 20 | rs1 << 15 | function3 << 12 | rd << 7 | opcode
    }

    static func addi(_ rd: UInt32, _ rs1: UInt32, _ value: Int32) -> UInt32 {
        immediate(value, rs1, 0, rd, 0x13)
    }

    static func slli(_ rd: UInt32, _ rs1: UInt32, _ count: Int32) -> UInt32 {
        immediate(count, rs1, 1, rd, 0x13)
    }

    /// A store of 2^width bytes.
    static func store(
        _ rs2: UInt32,
        _ rs1: UInt32,
        _ offset: Int32,
        width: UInt32 = 3,
        opcode: UInt32 = 0x23
    ) -> UInt32 {
        let bits = UInt32(bitPattern: offset)
        return register(bits >> 5 & 0x7f, rs2, rs1, width, bits & 31, opcode)
    }

    static func load(_ rd: UInt32, _ rs1: UInt32, _ offset: Int32) -> UInt32 {
        immediate(offset, rs1, 3, rd, 0x03)
    }

    static func bne(_ rs1: UInt32, _ rs2: UInt32, _ offset: Int32) -> UInt32 {
        branch(1, rs1, rs2, offset)
    }

    /// A branch by its function code and an offset in bytes.
    static func branch(
        _ function3: UInt32,
        _ rs1: UInt32,
        _ rs2: UInt32,
        _ offset: Int32
    ) -> UInt32 {
        let bits = UInt32(bitPattern: offset)
        let high = (bits >> 12 & 1) << 31 | (bits >> 5 & 0x3f) << 25
        let low = (bits >> 1 & 15) << 8 | (bits >> 11 & 1) << 7
        return high | rs2 << 20 | rs1 << 15 | function3 << 12 | low | 0x63
    }

    static func jal(_ rd: UInt32, _ offset: Int32) -> UInt32 {
        let bits = UInt32(bitPattern: offset)
        let high = (bits >> 20 & 1) << 31 | (bits >> 1 & 0x3ff) << 21
        let low = (bits >> 11 & 1) << 20 | (bits >> 12 & 0xff) << 12
        return high | low | rd << 7 | 0x6f
    }

    static let ecall: UInt32 = 0x73

    /// Any 64-bit value into a register, 11 bits at a time.
    static func li(_ rd: UInt32, _ value: UInt64) -> [UInt32] {
        var words = [addi(rd, 0, Int32(value >> 55))]
        for shift in stride(from: 44, through: 0, by: -11) {
            words.append(slli(rd, rd, 11))
            words.append(addi(rd, rd, Int32(value >> UInt64(shift) & 0x7ff)))
        }
        return words
    }

    /// Puts at x20 what rt_sigaction takes for a handler at word 1 of the code (SA_NODEFER |
    /// SA_ONSTACK, no mask), and 64 bytes on what sigaltstack takes: address, flags, size.
    static var signalTables: [UInt32] {
        let words: [(UInt64, Int32)] = [
            (codeAddress + 4, 0), (0x4800_0000, 8), (0, 16),
            (dataAddress + 40_000, 64), (0, 72), (8192, 80),
        ]
        return words.flatMap { value, offset in li(5, value) + [store(5, 20, offset)] }
    }

    /// write(1, address, count) with the address in x10's place, then exit(0).
    static func finish(writing count: Int32, from base: UInt32) -> [UInt32] {
        [
            addi(11, base, 0), addi(10, 0, 1), addi(12, 0, count), addi(17, 0, 64), ecall,
            addi(10, 0, 0), addi(17, 0, 93), ecall,
        ]
    }

    /// An ELF file of one segment of code and one to write to, which begins with some data.
    static func program(
        _ words: [UInt32],
        protection: UInt32 = 5,
        data: [UInt8] = [],
        dataByteCount: UInt64 = 65536
    ) -> [UInt8] {
        var code: [UInt8] = []
        for word in words { code.append(little: word) }
        var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        file.append(little: UInt16(2))
        file.append(little: UInt16(243))
        file.append(little: UInt32(1))
        file.append(little: codeAddress)
        file.append(little: UInt64(64))
        file.append(little: UInt64(0))
        file.append(little: UInt32(0))
        for size in [64, 56, 2, 64, 0, 0] as [UInt16] { file.append(little: size) }
        // Offsets are whole pages, as addresses are: other simulators map the file.
        let dataOffset = data.isEmpty ? 4096 : (4096 + UInt64(code.count) + 4095) & ~4095
        let headers: [(UInt32, UInt64, UInt64, Int, UInt64)] = [
            (protection, 4096, codeAddress, code.count, UInt64(code.count)),
            (6, dataOffset, dataAddress, data.count, dataByteCount),
        ]
        for (flags, offset, address, fileSize, memorySize) in headers {
            file.append(little: UInt32(1))
            file.append(little: flags)
            for value in [offset, address, address, UInt64(fileSize), memorySize, 4096] {
                file.append(little: value)
            }
        }
        file += [UInt8](repeating: 0, count: 4096 - file.count) + code
        if data.isEmpty { return file }
        return file + [UInt8](repeating: 0, count: Int(dataOffset) - file.count) + data
    }

    static let dataAddress: UInt64 = 0x100000

    /// Runs code that leaves 64-bit results at x20, and returns them.
    static func results(_ count: Int, _ body: [UInt32]) throws -> [UInt64] {
        let code =
            li(20, dataAddress) + body + finish(writing: Int32(8 * count), from: 20)
        var machine = try Machine(program: program(code), arguments: ["test"])
        let report = machine.runToEnd()
        guard report.ending == .exited(0), report.standardOutput.count == 8 * count else {
            throw Unexpected(ending: report.ending)
        }
        return (0..<count).map { index in
            report.standardOutput[8 * index..<8 * index + 8].reversed().reduce(0) {
                $0 << 8 | UInt64($1)
            }
        }
    }

    struct Unexpected: Error { var ending: Ending }
}

extension [UInt8] {
    mutating func append<Value: FixedWidthInteger>(little value: Value) {
        for index in 0..<Value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> Value(truncatingIfNeeded: 8 * index)))
        }
    }
}
