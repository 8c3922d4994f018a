import Basics
import Foundation
import RISCV
import Testing

/// The two engines are one: after any number of instructions the same state.
struct EngineTests {
    /// How many programs, from which seed on and how many instructions of each; for long runs.
    private static func setting(_ name: String, _ usual: UInt64) -> UInt64 {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? usual
    }

    static let seeds: Range<UInt64> = {
        let start = setting("SWIFTLET_SOUP_SEED", 0)
        return start..<start + setting("SWIFTLET_SOUP_COUNT", 12)
    }()
    static let instructionCount = setting("SWIFTLET_SOUP_INSTRUCTIONS", 100_000)

    @Test(.enabled(if: Engine.best == .translator), arguments: seeds)
    func `random instructions lead to the same states in both engines`(seed: UInt64) throws {
        try Self.expectSame(seed: seed)
    }

    /// Runs random programs in both engines; a host executes the code of the translator.
    static func expectSame(seed: UInt64, host: (any CodeHost)? = nil) throws {
        var chance = Chance(seed: seed)
        var retired: UInt64 = 0
        while retired < Self.instructionCount {
            let next = chance.next()
            let count = try Self.difference(program: next, &chance, host)
            guard let count else {
                Issue.record("soup of \(next)")
                return
            }
            retired += count
        }
    }

    /// Runs one program in both engines side by side; nil where they differ.
    private static func difference(
        program: UInt64,
        _ chance: inout Chance,
        _ host: (any CodeHost)?
    ) throws -> UInt64? {
        let bytes = InstructionSoup.program(seed: program)
        var interpreted = try machine(bytes, .interpreter)
        // Every third program runs in hardened code; two of five are sampled so often that the
        // registers which the code keeps change under way.
        var translated = try machine(
            bytes, .translator, isHardened: program % 3 == 0,
            sampleStride: program % 5 < 2 ? 30 : 50_000, host: host)
        // By then a program is often caught in a loop that its own stores have made.
        while interpreted.retired < 25_000 {
            // Up to a multiple of 1,000 or somewhere before it.
            let left = 1000 - interpreted.retired % 1000
            let slice = min(UInt64.random(in: 1...2000, using: &chance), left)
            // Every fourth program also changes the engine under way.
            if program % 4 == 0 { translated.engine = slice % 3 == 0 ? .interpreter : .translator }
            let pauses = (interpreted.run(fuel: slice), translated.run(fuel: slice))
            guard pauses.0 == pauses.1, interpreted.hasState(of: translated) else { return nil }
            if interpreted.ending != nil { break }
        }
        guard interpreted.stateDigest() == translated.stateDigest() else { return nil }
        return max(interpreted.retired, 1)
    }

    private static func machine(
        _ program: [UInt8],
        _ engine: Engine,
        isHardened: Bool = false,
        sampleStride: Int64 = 50_000,
        host: (any CodeHost)? = nil
    ) throws -> Machine {
        try Machine(
            program: program,
            arguments: ["soup"],
            // The least memory for code, so that it is full now and then.
            settings: Machine.Settings(
                engine: engine,
                translationThreshold: 1,
                codeByteCountMax: 1 << 17,
                isHardened: isHardened,
                sampleStride: sampleStride
            ),
            host: host
        )
    }
}
