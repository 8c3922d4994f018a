import Basics
import Foundation
import RISCV
import Testing

/// Every operation of F, D, Zfh and Zfa in every rounding mode, bits and flags, against results
/// that `Floats/vectors.py` makes from the definition, with exact numbers.
///
/// SWIFTLET_FLOAT_VECTORS says how many vectors each operation gets in each mode, and
/// SWIFTLET_FLOAT_SEED makes others.
struct FloatVectorTests {
    struct Failed: Error, CustomStringConvertible { var description: String }

    /// Where the vectors come from, in one process for all tests.
    static let blocks = Result { try FloatVectorBlock.read() }

    static let engines = Engine.allCases.filter { $0 == .interpreter || Engine.best == $0 }

    /// `flagsBefore` is what fflags holds: with inexact raised the interpreter may use the host.
    @Test(arguments: engines, [0, 1] as [UInt64])
    func `a float operation gives the bits and the flags of its definition`(
        engine: Engine,
        flagsBefore: UInt64
    ) throws {
        try Self.expectDefinition(engine, flagsBefore)
    }

    static func expectDefinition(
        _ engine: Engine,
        _ flagsBefore: UInt64,
        host: (any CodeHost)? = nil
    ) throws {
        for block in try blocks.get() {
            for isDynamic in block.isRounding ? [false, true] : [false] {
                let outcome = try block.run(engine, flagsBefore, isDynamic: isDynamic, host)
                let wrong = block.differences(outcome, flagsBefore)
                #expect(
                    wrong.isEmpty, "\(block.name) rm \(block.mode): \(wrong.prefix(3))")
            }
        }
    }

    @Test func `there are vectors for every operation`() throws {
        let names = Set(try Self.blocks.get().map(\.name))
        // 24 of arithmetic and comparison, 10 conversions, 2 moves and fli of a format, and one.
        #expect(names.count == 3 * 37 + 1)
    }
}

/// The vectors of one operation in one rounding mode.
struct FloatVectorBlock: Sendable {
    struct Vector: Sendable {
        var operands: [UInt64]
        var result: UInt64
        var flags: UInt64
    }

    var name: String
    var mode: UInt32
    var vectors: [Vector]

    /// Whether the mode matters.
    var isRounding: Bool {
        !["fli", "fmin", "fmax", "fsgn", "feq", "flt", "fle", "fcla", "fmv", "fcvtm"].contains {
            name.hasPrefix($0)
        }
    }

    static func read() throws -> [FloatVectorBlock] {
        let environment = ProcessInfo.processInfo.environment
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Floats/vectors.py").path
        process.arguments = [
            "python3", script, environment["SWIFTLET_FLOAT_VECTORS"] ?? "120",
            environment["SWIFTLET_FLOAT_SEED"] ?? "0",
        ]
        process.standardOutput = pipe
        try process.run()
        let bytes = [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw FloatVectorTests.Failed(description: "vectors.py failed: is there a python3?")
        }
        return blocks(bytes)
    }

    private static func blocks(_ bytes: [UInt8]) -> [FloatVectorBlock] {
        var blocks: [FloatVectorBlock] = [], offset = 0
        func integer(_ byteCount: Int) -> UInt64 {
            defer { offset += byteCount }
            return bytes[offset..<offset + byteCount].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        while offset < bytes.count {
            let name = bytes[offset..<offset + 32].prefix { $0 != 0 }
            offset += 32
            let mode = UInt32(integer(4)), count = Int(integer(4))
            let vectors = (0..<count).map { _ in
                Vector(operands: (0..<3).map { _ in integer(8) }, result: integer(8),
                    flags: integer(8))
            }
            blocks.append(
                FloatVectorBlock(
                    name: String(decoding: name, as: UTF8.self), mode: mode, vectors: vectors))
        }
        return blocks
    }

    // MARK: - Running

    /// What came out, and what should have.
    func differences(_ outcome: [(result: UInt64, flags: UInt64)], _ before: UInt64) -> [String] {
        zip(vectors, outcome).compactMap { vector, outcome in
            guard outcome.result != vector.result || outcome.flags != vector.flags | before else {
                return nil
            }
            let operands = vector.operands.map { String($0, radix: 16) }.joined(separator: " ")
            let words = [outcome.result, outcome.flags, vector.result, vector.flags | before]
                .map { String($0, radix: 16) }
            return "(\(operands)) is \(words[0]) with \(words[1]), not \(words[2]) with \(words[3])"
        }
    }

    func run(
        _ engine: Engine,
        _ flagsBefore: UInt64,
        isDynamic: Bool,
        _ host: (any CodeHost)?
    ) throws -> [(result: UInt64, flags: UInt64)] {
        let operandByteCount = 24 * vectors.count, resultByteCount = 16 * vectors.count
        var data: [UInt8] = []
        for vector in vectors { for operand in vector.operands { data.append(little: operand) } }
        let results = Assembler.dataAddress + UInt64(operandByteCount)
        let control = UInt64(isDynamic ? mode << 5 : 0) | flagsBefore
        var code =
            Assembler.li(20, Assembler.dataAddress) + Assembler.li(21, results)
            + Assembler.li(22, UInt64(vectors.count)) + Assembler.li(23, control)
        for number in name.hasPrefix("fli") ? 0..<UInt32(vectors.count) : 0..<1 {
            let body = round(try word(isDynamic ? 7 : mode, number))
            code += body
            // fli has its operand in the instruction: no loop.
            if name.hasPrefix("fli") { continue }
            code += [
                Assembler.addi(22, 22, -1), Assembler.bne(22, 0, -4 * Int32(body.count + 1)),
            ]
        }
        code +=
            Assembler.li(21, results) + Assembler.li(12, UInt64(resultByteCount)) + [
                Assembler.addi(11, 21, 0), Assembler.addi(10, 0, 1), Assembler.addi(17, 0, 64),
                Assembler.ecall, Assembler.addi(10, 0, 0), Assembler.addi(17, 0, 93),
                Assembler.ecall,
            ]
        let program = Assembler.program(
            code, data: data, dataByteCount: UInt64(operandByteCount + resultByteCount))
        var machine = try Machine(
            program: program, arguments: ["floats"],
            settings: Machine.Settings(engine: engine, translationThreshold: 0), host: host)
        let report = machine.runToEnd(), output = report.standardOutput
        guard report.ending == .exited(0), output.count == resultByteCount else {
            throw FloatVectorTests.Failed(description: "\(name): \(report.ending)")
        }
        func integer(_ offset: Int) -> UInt64 {
            output[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        return vectors.indices.map { (integer(16 * $0), integer(16 * $0 + 8)) }
    }

    /// Loads three operands, executes an instruction, and stores its result and the flags.
    private func round(_ word: UInt32) -> [UInt32] {
        // x13 is the result of what gives an integer, f4 of all else.
        let isInteger = word >> 7 & 31 == 13
        return [
            Assembler.load(10, 20, 0), Assembler.load(11, 20, 8), Assembler.load(12, 20, 16),
            // fmv.d.x f1, x10; f2, x11; f3, x12; csrw fcsr, x23
            0xf205_00d3, 0xf205_8153, 0xf206_01d3, 0x003b_9073, word,
            // csrr x14, fflags; fmv.x.d x13, f4
            0x0010_2773, isInteger ? Assembler.addi(0, 0, 0) : 0xe202_06d3,
            Assembler.store(13, 21, 0), Assembler.store(14, 21, 8), Assembler.addi(20, 20, 24),
            Assembler.addi(21, 21, 16),
        ]
    }

    /// The instruction: operands in f1, f2, f3 or x10, the result in f4 or x13.
    private func word(_ rounding: UInt32, _ number: UInt32) throws -> UInt32 {
        let formats: [Substring: UInt32] = ["s": 0, "d": 1, "h": 2, "w": 0]
        let integers: [Substring: UInt32] = ["w": 0, "wu": 1, "l": 2, "lu": 3]
        let parts = name.split(separator: ".")
        func make(_ function5: UInt32, _ format: UInt32, _ rs2: UInt32, _ mode: UInt32,
            from: UInt32 = 1, to: UInt32 = 4
        ) -> UInt32 {
            Assembler.register(function5 << 2 | format, rs2, from, mode, to, 0x53)
        }
        if parts[0] == "fmv" {
            return parts[1] == "x"
                ? make(0x1c, formats[parts[2]] ?? 3, 0, 0, to: 13)
                : make(0x1e, formats[parts[1]] ?? 3, 0, 0, from: 10)
        }
        if parts[0] == "fcvtmod" { return make(0x18, 1, 8, 1, to: 13) }
        if parts[0] == "fcvt" {
            let from = formats[parts[2]] ?? 3
            if parts[2] != "w", let integer = integers[parts[1]], formats[parts[2]] != nil {
                return make(0x18, from, integer, rounding, to: 13)
            }
            let to = formats[parts[1]] ?? 3
            if let integer = integers[parts[2]] {
                return make(0x1a, to, integer, rounding, from: 10)
            }
            return make(0x08, to, from, rounding)
        }
        let format = formats[parts[1]] ?? 3
        if parts[0] == "fli" { return make(0x1e, format, 1, 0, from: number) }
        let fused: [Substring: UInt32] = [
            "fmadd": 0x43, "fmsub": 0x47, "fnmsub": 0x4b, "fnmadd": 0x4f,
        ]
        if let opcode = fused[parts[0]] {
            return Assembler.register(3 << 2 | format, 2, 1, rounding, 4, opcode)
        }
        // Function, second operand, mode where it is part of the name.
        let others: [Substring: (UInt32, UInt32, UInt32?)] = [
            "fadd": (0, 2, nil), "fsub": (1, 2, nil), "fmul": (2, 2, nil), "fdiv": (3, 2, nil),
            "fsqrt": (0x0b, 0, nil), "fround": (0x08, 4, nil), "froundnx": (0x08, 5, nil),
            "fsgnj": (4, 2, 0), "fsgnjn": (4, 2, 1), "fsgnjx": (4, 2, 2), "fmin": (5, 2, 0),
            "fmax": (5, 2, 1), "fminm": (5, 2, 2), "fmaxm": (5, 2, 3), "fle": (0x14, 2, 0),
            "flt": (0x14, 2, 1), "feq": (0x14, 2, 2), "fleq": (0x14, 2, 4), "fltq": (0x14, 2, 5),
            "fclass": (0x1c, 0, 1),
        ]
        guard let (function5, rs2, mode) = others[parts[0]] else {
            throw FloatVectorTests.Failed(description: "no instruction called \(name)")
        }
        let isInteger = function5 == 0x14 || function5 == 0x1c
        return make(function5, format, rs2, mode ?? rounding, to: isInteger ? 13 : 4)
    }
}
