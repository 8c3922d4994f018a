import Foundation
import RISCV
import Testing

/// The kernels built for this machine, for 64-bit Arm and for RISC-V give the same bytes:
/// `Tests/Programs/kernels` prints a digest of what each kernel gives on pseudo-random input.
///
/// The instruction sets are those of kernels.h by number. A set that a machine lacks gives its
/// next lower one, so the first line says which one it was.
struct KernelDigestTests {
    private static let sources = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Programs/kernels")

    /// The folder of built programs; building happens once per run.
    private static let built: Result<URL, any Error> = Result {
        let folder = ClientProgram.cache.appending(path: "programs")
        let run = try ClientProgram(sources.appending(path: "build").path, [folder.path])
        guard run.exitCode == 0 else { throw ClientProgram.Missing(run.shortComplaint) }
        return folder
    }

    private static func program(_ machine: String) throws -> String {
        try built.get().appending(path: "digests-\(machine)").path
    }

    /// What the scalar kernels of this machine give: every line but the first.
    private static let expected: Result<[Substring], any Error> = Result {
        Array(lines(try ClientProgram(program("host"), ["0"]).output).dropFirst())
    }

    private static func lines(_ output: [UInt8]) -> [Substring] {
        String(decoding: output, as: UTF8.self).split(separator: "\n")
    }

    private static func expectDigests(_ output: [UInt8], instructionSet: Int? = nil) throws {
        let found = lines(output), expected = try expected.get()
        if let instructionSet {
            #expect(found.first == "instruction set \(instructionSet)")
        }
        try #require(found.count == expected.count + 1)
        for (line, reference) in zip(found.dropFirst(), expected) { #expect(line == reference) }
    }

    @Test func `every kernel is digested, and no two alike`() throws {
        let expected = try Self.expected.get()
        #expect(expected.count >= 60)
        let digests = Set(expected.compactMap { $0.split(separator: " ").last })
        #expect(digests.count == expected.count)
    }

    @Test(arguments: 1...4)
    func `the instruction sets of this machine give the scalar bytes`(limit: Int) throws {
        let run = try ClientProgram(Self.program("host"), ["\(limit)"])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        try Self.expectDigests(run.output)
    }

    @Test(arguments: 0...2)
    func `the instruction sets of 64-bit Arm give the bytes of this machine`(
        limit: Int
    ) throws {
        let run = try Self.runUnderQEMU(["qemu-aarch64", "-cpu", "max"], "aarch64", "\(limit)")
        try Self.expectDigests(run.output, instructionSet: limit)
    }

    @Test func `RISC-V under qemu gives the bytes of this machine`() throws {
        let run = try Self.runUnderQEMU(["qemu-riscv64"], "riscv64", "0")
        try Self.expectDigests(run.output, instructionSet: 0)
    }

    @Test func `RISC-V in the simulator gives the bytes of this machine`() throws {
        let path = try Self.program("riscv64")
        let program = try #require(FileManager.default.contents(atPath: path))
        var settings = Machine.Settings()
        settings.fuel = 2_000_000_000
        var machine = try Machine(
            program: [UInt8](program), arguments: ["digests", "0"], environment: [], files: [],
            standardInput: [], settings: settings)
        var output: [UInt8] = []
        while true {
            let pause = machine.run(fuel: .max)
            output += machine.takeOutput().standardOutput
            guard case .ended(let ending) = pause else { continue }
            #expect(ending.exitCode == 0, "\(ending)")
            break
        }
        try Self.expectDigests(output, instructionSet: 0)
    }

    private static func runUnderQEMU(
        _ command: [String], _ machine: String, _ limit: String
    ) throws -> ClientProgram {
        let emulator = ["/usr/bin/", "/usr/local/bin/"].map { $0 + command[0] }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let emulator else {
            throw ClientProgram.Missing(
                "\(command[0]) is missing: cluster/setup --tests installs it")
        }
        let run = try ClientProgram(
            emulator, command.dropFirst() + [program(machine), limit])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        return run
    }
}
