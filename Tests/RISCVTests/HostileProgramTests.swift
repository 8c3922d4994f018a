import Basics
import Foundation
import RISCV
import Testing

/// Hostile guests: whatever they are and do, limits hold, both engines say the same, and nothing
/// beside the guest's memory changes. `Tests/fuzz` runs many of them under AddressSanitizer.
struct HostileProgramTests {
    /// How many of each, from which seed on; for long runs.
    private static func setting(_ name: String, _ usual: UInt64) -> UInt64 {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? usual
    }

    private static let programCount = setting("SWIFTLET_FUZZ_PROGRAMS", 200)
    private static let fileCount = setting("SWIFTLET_FUZZ_COUNT", 400)
    private static let firstSeed = setting("SWIFTLET_FUZZ_SEED", 0)

    private static func settings(
        _ engine: Engine, fuel: UInt64, isHardened: Bool
    ) -> Machine.Settings {
        Machine.Settings(
            fuel: fuel, memoryByteCountMax: 1 << 22, fileByteCountMax: 1 << 16,
            outputByteCountMax: 1 << 17, handleCountMax: 16, threadCountMax: 6, engine: engine,
            translationThreshold: 1, codeByteCountMax: 1 << 18, isHardened: isHardened)
    }

    /// Runs a program and checks what must hold at its end; nil where it is no program.
    private static func report(
        _ program: [UInt8], _ engine: Engine, fuel: UInt64, _ name: String,
        isHardened: Bool = false
    ) -> Report? {
        let settings = settings(engine, fuel: fuel, isHardened: isHardened)
        do {
            var machine = try Machine(
                program: program, arguments: ["hostile"], standardInput: [1, 2, 3],
                settings: settings)
            let report = Self.run(&machine)
            let outputCount = report.standardOutput.count + report.standardError.count
            let fileCount = report.files.reduce(0) { $0 + $1.bytes.count }
            #expect(report.retired <= fuel, "\(name)")
            #expect(report.peakMemoryByteCount <= settings.memoryByteCountMax, "\(name)")
            #expect(outputCount <= settings.outputByteCountMax, "\(name)")
            #expect(fileCount <= settings.fileByteCountMax, "\(name)")
            #expect(machine.fenceDamage == nil, "\(name)")
            return report
        } catch {
            return nil
        }
    }

    /// Runs to the end, or until system calls were so much work that the caller is asked: whoever
    /// calls may then end the program, and so do we.
    private static func run(_ machine: inout Machine) -> Report {
        var output: [UInt8] = [], errors: [UInt8] = []
        while true {
            let pause = machine.run(fuel: .max), taken = machine.takeOutput()
            output += taken.standardOutput
            errors += taken.standardError
            if case .wroteOutput = pause { continue }
            return machine.report(
                machine.ending ?? .outOfFuel, standardOutput: output, standardError: errors)
        }
    }

    private static func expectSame(_ program: [UInt8], fuel: UInt64, _ name: String) -> Bool {
        let interpreted = report(program, .interpreter, fuel: fuel, name)
        // Every second one in hardened code, by its length.
        let translated = report(
            program, .translator, fuel: fuel, name, isHardened: program.count % 8 == 4)
        #expect(interpreted == translated, "\(name)")
        return interpreted != nil
    }

    @Test func `programs that attack are stopped, in both engines alike`() {
        for seed in Self.firstSeed..<Self.firstSeed + Self.programCount {
            let program = HostileProgram.program(seed: seed)
            #expect(Self.expectSame(program, fuel: 60_000, "attack \(seed)"))
        }
    }

    @Test func `the attacks end in every way that there is`() throws {
        var endings: Set<String> = []
        for seed in 0..<150 as Range<UInt64> {
            let program = HostileProgram.program(seed: seed)
            let report = try #require(
                Self.report(program, .interpreter, fuel: 60_000, "attack \(seed)"))
            let name =
                switch report.ending {
                case .exited: "exited"
                case .signalled: "signalled"
                case .outOfFuel: "out of fuel"
                case .limitReached(.memory): "memory"
                case .limitReached(.output): "output"
                case .deadlocked: "deadlocked"
                }
            endings.insert(name)
        }
        // An attack that never gets anywhere would show here.
        #expect(endings.isSuperset(of: ["signalled", "out of fuel", "memory", "output"]))
    }

    @Test func `damaged files are refused or run within their limits, in both engines alike`() {
        let files = Self.wholeFiles()
        var runCount = 0
        for seed in Self.firstSeed..<Self.firstSeed + Self.fileCount {
            var chance = Chance(seed: seed)
            let whole = files[Int.random(in: files.indices, using: &chance)]
            let program = DamagedELF.file(from: whole, &chance)
            if Self.expectSame(program, fuel: 20_000, "file \(seed)") { runCount += 1 }
        }
        // Damage that only ever breaks the header would test nothing else.
        #expect(runCount > Int(Self.fileCount) / 10)
    }

    /// Small programs of our own, and real ones where they are built.
    private static func wholeFiles() -> [[UInt8]] {
        var files = (0..<24 as Range<UInt64>).map { InstructionSoup.program(seed: $0) }
        files += (0..<24 as Range<UInt64>).map { HostileProgram.program(seed: $0) }
        let cache =
            ProcessInfo.processInfo.environment["SWIFTLET_CACHE"]
            ?? NSHomeDirectory() + "/.cache/swiftlet"
        for name in ["free-odd-O2", "free-raw-O2", "pico-embedded-O2", "c-hello-O2"] {
            if let data = FileManager.default.contents(atPath: "\(cache)/programs/\(name)") {
                files.append([UInt8](data))
            }
        }
        return files
    }
}

/// An ELF file with some damage.
enum DamagedELF {
    static func file(from whole: [UInt8], _ chance: inout Chance) -> [UInt8] {
        var bytes = whole
        for _ in 0..<Int.random(in: 1...6, using: &chance) {
            damage(&bytes, &chance)
        }
        return bytes
    }

    private static func damage(_ bytes: inout [UInt8], _ chance: inout Chance) {
        guard bytes.count > 64 else { return }
        switch Int.random(in: 0..<8, using: &chance) {
        case 0, 1: setNumber(&bytes, at: header(bytes, &chance), &chance)
        case 2: setNumber(&bytes, at: Int.random(in: 16..<64, using: &chance), &chance)
        case 3:
            // The end is cut off, or something is put behind it.
            let count = Int.random(in: 0..<bytes.count, using: &chance)
            bytes.removeLast(Int.random(in: 0..<8, using: &chance) == 0 ? count : min(count, 64))
        case 4:
            bytes += (0..<Int.random(in: 1...64, using: &chance)).map { _ in
                UInt8.random(in: 0...255, using: &chance)
            }
        case 5: setNumber(&bytes, at: sectionHeader(bytes, &chance), &chance)
        default:
            for _ in 0..<Int.random(in: 1...8, using: &chance) {
                let index = Int.random(in: 0..<bytes.count, using: &chance)
                bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &chance)
            }
        }
    }

    /// A field of a program header.
    private static func header(_ bytes: [UInt8], _ chance: inout Chance) -> Int {
        let count = max(1, Int(bytes[56]))
        return 64 + 56 * Int.random(in: 0..<count, using: &chance)
            + 4 * Int.random(in: 0..<14, using: &chance)
    }

    private static func sectionHeader(_ bytes: [UInt8], _ chance: inout Chance) -> Int {
        let start = (0..<8).reversed().reduce(0) { $0 << 8 & 0xffff_ffff | Int(bytes[40 + $1]) }
        return start + 64 * Int.random(in: 0..<max(1, Int(bytes[60])), using: &chance)
            + 4 * Int.random(in: 0..<16, using: &chance)
    }

    private static func setNumber(_ bytes: inout [UInt8], at offset: Int, _ chance: inout Chance) {
        let values: [UInt64] = [
            0, 1, 2, 3, 7, 56, 64, 4095, 4096, 0xffff, 0x1_0000, 1 << 20, 0x7fff_ffff,
            0xffff_ffff, 1 << 32, 1 << 36 - 4096, 1 << 36, 1 << 47, 1 << 63, .max, .max - 4095,
        ]
        var value = values[Int.random(in: values.indices, using: &chance)]
        value &+= UInt64.random(in: 0...8, using: &chance)
        let width = [1, 2, 4, 8][Int.random(in: 0..<4, using: &chance)]
        for index in 0..<width where offset >= 0 && offset + index < bytes.count {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }
}
