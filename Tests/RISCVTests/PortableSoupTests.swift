import Foundation
import RISCV
import Testing

/// Random programs beside qemu-riscv64: the same registers, flags and data in the end.
///
/// SWIFTLET_SOUP_SEED and SWIFTLET_SOUP_COUNT say which seeds and how many, as for the engines.
struct PortableSoupTests {
    static let qemu = ["/usr/bin/qemu-riscv64", "/usr/local/bin/qemu-riscv64"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static let roundCount: Int32 = 300

    @Test(.enabled(if: qemu != nil), arguments: EngineTests.seeds)
    func `a random program ends as under qemu`(seed: UInt64) throws {
        for engine in FloatVectorTests.engines {
            guard var difference = try Self.difference(seed, Self.roundCount, engine) else {
                continue
            }
            // The fewest rounds that show it.
            var same: Int32 = 0, different = Self.roundCount
            while same + 1 < different {
                let middle = (same + different) / 2
                if let found = try Self.difference(seed, middle, engine) {
                    (different, difference) = (middle, found)
                } else {
                    same = middle
                }
            }
            let path = FileManager.default.temporaryDirectory
                .appending(path: "swiftlet-soup-\(seed).elf")
            try Data(InstructionSoup.portableProgram(seed: seed, roundCount: different))
                .write(to: path)
            Issue.record("\(engine), \(different) rounds, \(difference): \(path.path)")
        }
    }

    /// Where the program ends otherwise than under qemu, if it does.
    private static func difference(
        _ seed: UInt64,
        _ roundCount: Int32,
        _ engine: Engine
    ) throws -> String? {
        let program = InstructionSoup.portableProgram(seed: seed, roundCount: roundCount)
        let theirs = try underQEMU(program)
        try #require(theirs.count == Int(InstructionSoup.dataByteCount), "qemu's output")
        var machine = try Machine(
            program: program, arguments: ["soup"],
            settings: Machine.Settings(
                fuel: 100_000_000, engine: engine, translationThreshold: 1))
        let report = machine.runToEnd(), ours = report.standardOutput
        guard report.ending == .exited(0) else { return "\(report.ending)" }
        guard let offset = ours.indices.first(where: { ours[$0] != theirs[$0] }) else {
            return nil
        }
        return "\(place(offset)): \(ours[offset]), not \(theirs[offset])"
    }

    /// What lies at an offset of the output.
    private static func place(_ offset: Int) -> String {
        switch offset {
        case 1032..<1280: "in x\((offset - 1024) / 8)"
        case 1280..<1536: "in f\((offset - 1280) / 8)"
        case 1536..<1544: "in fcsr"
        default: "at byte \(offset) of the data"
        }
    }

    private static func underQEMU(_ program: [UInt8]) throws -> [UInt8] {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-soup-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: path) }
        try Data(program).write(to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path.path)
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/timeout")
        process.arguments = ["60", qemu ?? "", "-cpu", "rv64,zba=on,zbb=on,zbc=on,zbs=on,zbkb=on,"
            + "Zfh=on", path.path]
        process.standardOutput = pipe
        try process.run()
        let output = [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        return output
    }
}
