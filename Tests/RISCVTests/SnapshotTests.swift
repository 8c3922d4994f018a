import Basics
import Foundation
import RISCV
import Testing

/// A run that is stopped, kept as a value and gone on with elsewhere is the same run.
struct SnapshotTests {
    /// How many programs; for long runs.
    static let seeds: Range<UInt64> = {
        let count = ProcessInfo.processInfo.environment["SWIFTLET_SNAPSHOT_COUNT"]
        return 0..<(count.flatMap { UInt64($0) } ?? 8)
    }()

    private static func machine(_ seed: UInt64) throws -> Machine {
        try Machine(
            program: InstructionSoup.program(seed: seed),
            arguments: ["soup"],
            settings: Machine.Settings(fuel: 60_000, seed: seed, translationThreshold: 1)
        )
    }

    @Test(arguments: seeds)
    func `a run goes on from a snapshot in a new machine and in another engine`(
        seed: UInt64
    ) throws {
        var whole = try Self.machine(seed)
        let expected = whole.runToEnd()
        var chance = Chance(seed: seed)
        var machine = try Self.machine(seed)
        var output: [UInt8] = [], errors: [UInt8] = []
        while machine.ending == nil {
            _ = machine.run(fuel: UInt64.random(in: 1...9000, using: &chance))
            let engine = Engine.allCases.randomElement(using: &chance) ?? .interpreter
            let snapshot = machine.snapshot()
            #expect(snapshot.retired == machine.retired)
            let taken = machine.takeOutput()
            output += taken.standardOutput
            errors += taken.standardError
            machine = try Machine(resuming: snapshot, engine: engine)
            // The snapshot still holds the output that was just taken.
            _ = machine.takeOutput()
        }
        guard let ending = machine.ending else { return }
        let report = machine.report(ending, standardOutput: output, standardError: errors)
        #expect(report == expected)
    }

    @Test(arguments: seeds)
    func `what was restored passes through the same states again`(seed: UInt64) throws {
        var machine = try Self.machine(seed)
        _ = machine.run(fuel: 5000)
        let snapshot = machine.snapshot()
        var digests: [Digest] = []
        for _ in 0..<5 {
            _ = machine.run(fuel: 2777)
            digests.append(machine.stateDigest())
        }
        for engine in Engine.allCases {
            machine.restore(snapshot)
            machine.engine = engine
            for digest in digests {
                _ = machine.run(fuel: 2777)
                #expect(machine.stateDigest() == digest, "in the \(engine)")
            }
        }
    }
}
