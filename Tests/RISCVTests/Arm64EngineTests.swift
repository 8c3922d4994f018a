import Basics
import Foundation
import RISCV
import Testing

/// The translator for 64-bit Arm beside the interpreter: its code executed under qemu-aarch64.
@Suite(
    .enabled(
        if: Arm64Host.emulator != nil,
        "qemu-aarch64 is missing: cluster/setup --tests installs it"))
struct Arm64EngineTests {
    /// What a host has executed, at the least: nothing here is right because nothing ran.
    private static func expectCalls(_ host: Arm64Host, _ countMin: Int) {
        #expect(host.callCount >= countMin)
    }

    @Test(arguments: EngineTests.seeds)
    func `random instructions lead to the same states in both engines`(seed: UInt64) throws {
        let host = try Arm64Host()
        try EngineTests.expectSame(seed: seed, host: host)
        Self.expectCalls(host, 100)
    }

    @Test(arguments: [0, 1] as [UInt64])
    func `a float operation gives the bits and the flags of its definition`(
        flagsBefore: UInt64
    ) throws {
        let host = try Arm64Host()
        try FloatVectorTests.expectDefinition(.translator, flagsBefore, host: host)
        Self.expectCalls(host, 1000)
    }

    @Test func `an access anywhere does the same in both engines`() throws {
        let host = try Arm64Host()
        for address in HostileCodeTests.addresses {
            for offset in HostileCodeTests.offsets {
                try HostileCodeTests.expectSameAccess(address, offset, host)
            }
            try HostileCodeTests.expectSameGroups(address, host)
            try HostileCodeTests.expectSameJumps(address, host)
        }
        Self.expectCalls(host, 1000)
    }

    @Test func `fuel is exact to the instruction`() throws {
        let host = try Arm64Host(), program = InstructionSoup.program(seed: 6)
        for fuel in 3000..<3100 as Range<UInt64> {
            let settings = { (engine: Engine) in
                Machine.Settings(fuel: fuel, engine: engine, translationThreshold: 1)
            }
            var interpreted = try Machine(
                program: program, arguments: ["soup"], settings: settings(.interpreter))
            var translated = try Machine(
                program: program, arguments: ["soup"], settings: settings(.translator),
                host: host)
            #expect(interpreted.run(fuel: .max) == .ended(.outOfFuel))
            #expect(translated.run(fuel: .max) == .ended(.outOfFuel))
            #expect(translated.retired == fuel)
            let isSame = interpreted.hasState(of: translated)
            #expect(isSame, "fuel \(fuel)")
        }
        Self.expectCalls(host, 1000)
    }

    /// Built programs for riscv64, for a run by hand: their folder, and how many instructions of
    /// each.
    static let programs: [String] = {
        guard let folder = ProcessInfo.processInfo.environment["SWIFTLET_ARM64_PROGRAMS"],
            let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return [] }
        return names.sorted().map { "\(folder)/\($0)" }
    }()

    @Test(.enabled(if: !programs.isEmpty), arguments: programs)
    func `a program ends alike in both engines`(path: String) throws {
        let bytes = [UInt8](try #require(FileManager.default.contents(atPath: path)))
        let host = try Arm64Host()
        func run(_ engine: Engine, _ host: (any CodeHost)?) throws -> (Report, String) {
            let fuel = ProcessInfo.processInfo.environment["SWIFTLET_SOUP_INSTRUCTIONS"]
            var machine = try Machine(
                program: bytes, arguments: [path],
                settings: Machine.Settings(
                    fuel: fuel.flatMap { UInt64($0) } ?? 1 << 40, engine: engine), host: host)
            return (machine.runToEnd(), "\(machine.stateDigest())")
        }
        let interpreted = try run(.interpreter, nil), translated = try run(.translator, host)
        #expect(translated.0 == interpreted.0)
        #expect(translated.1 == interpreted.1)
        print(path, translated.0.ending, host.callCount)
    }
}
