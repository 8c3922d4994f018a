import Basics
import Foundation
import RISCV
import Synchronization
import Testing

/// One result, whoever computes it: any run, any number of threads of the host, either engine,
/// stopped and resumed anywhere.
struct DeterminismTests {
    private static func setting(_ name: String, _ usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
    }

    /// How many runs, and at how many instructions they are stopped; for long runs.
    private static let runCount = setting("SWIFTLET_DETERMINISM_RUNS", 3)
    private static let stopCount = setting("SWIFTLET_DETERMINISM_STOPS", 12)

    static let names = [
        "c-threads-O2", "c-signals-O2", "c-pipes-O2", "c-timedwait-O2", "c-nbody-O2",
        "c-float_torture-O2", "c-random-O2", "c-many_files-O2", "cpp-threads-O2", "free-rewrite-O2",
    ]

    private static func machine(_ name: String, _ engine: Engine) throws -> Machine {
        let path = try RISCVProgramTests.built.get().appending(path: name).path
        let program = try #require(FileManager.default.contents(atPath: path))
        return try Machine(
            program: [UInt8](program), arguments: [name],
            settings: Machine.Settings(seed: 7, engine: engine, translationThreshold: 2))
    }

    @Test(arguments: names)
    func `each run in each engine gives the same digest`(name: String) throws {
        var first = try Self.machine(name, .interpreter)
        let expected = first.runToEnd()
        for _ in 0..<Self.runCount {
            for engine in Engine.allCases {
                var machine = try Self.machine(name, engine)
                #expect(machine.runToEnd() == expected, "in the \(engine)")
            }
        }
    }

    @Test(arguments: names, 1...8)
    func `eight runs on any number of threads give the same digest`(
        name: String, threadCount: Int
    ) throws {
        var first = try Self.machine(name, .best)
        let expected = first.runToEnd()
        let next = Mutex(0), reports = Mutex<[Report?]>([])
        let done = DispatchGroup()
        for _ in 0..<threadCount {
            done.enter()
            let thread = Thread {
                while next.withLock({ index in
                    defer { index += 1 }
                    return index < 8
                }) {
                    var machine = try? Self.machine(name, .best)
                    let report = machine?.runToEnd()
                    reports.withLock { $0.append(report) }
                }
                done.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        done.wait()
        let all = reports.withLock { $0 }
        #expect(all.count == 8)
        #expect(all.allSatisfy { $0 == expected })
    }

    @Test(arguments: names)
    func `a run that is stopped and resumed at random instructions is the same run`(
        name: String
    ) throws {
        var whole = try Self.machine(name, .best)
        let expected = whole.runToEnd()
        var chance = Chance(seed: 1)
        let stops = (0..<Self.stopCount).map { _ in
            UInt64.random(in: 0..<expected.retired, using: &chance)
        }.sorted()
        var machine = try Self.machine(name, .best)
        var output: [UInt8] = [], errors: [UInt8] = []
        for stop in stops {
            while machine.retired < stop {
                _ = machine.run(fuel: stop - machine.retired)
                let taken = machine.takeOutput()
                output += taken.standardOutput
                errors += taken.standardError
            }
            #expect(machine.retired == stop)
            let engine = Engine.allCases.randomElement(using: &chance) ?? .interpreter
            machine = try Machine(resuming: machine.snapshot(), engine: engine)
        }
        var report = machine.runToEnd()
        report.standardOutput = output + report.standardOutput
        report.standardError = errors + report.standardError
        #expect(report == expected)
    }
}
