import Basics
import Foundation
import RISCV

/// What a bench of the simulator has measured: seconds of each runner on each program, and how
/// the engines stand beside the others over all of them.
struct SimulatorBench {
    enum Kind: String, CaseIterable { case integer, float }

    struct Result {
        var program: String
        var kind: Kind
        var retired: UInt64
        /// In the order in which the runners took turns.
        var seconds: [(name: String, median: Double)]

        func median(_ name: String) -> Double? { seconds.first { $0.name == name }?.median }
    }

    /// One engine beside one peer: how many times faster, over the programs of a kind.
    struct Standing {
        var engine: String
        var peer: String
        var kind: Kind
        var programCount: Int
        var geometricMean: Double
        var lowest: (ratio: Double, program: String)
    }

    let rounds: Int
    let results: [Result]

    /// Runs a program in all its runners in turns, several rounds.
    static func measure(
        _ program: String, _ runners: [SimulatorRunner], rounds: Int
    ) async throws -> Result {
        let mix = try await mix(of: program)
        let name = URL(fileURLWithPath: program).lastPathComponent
        let medians = try await OwnThread.run {
            var seconds = [[Double]](repeating: [], count: runners.count)
            for round in 1...rounds {
                for (index, runner) in runners.enumerated() {
                    Terminal.remark("\(name), round \(round) of \(rounds): \(runner.name)")
                    let (time, exitCode) = try runner.run(program)
                    guard exitCode == mix.exitCode else {
                        throw Refusal(
                            "\(name) ends with \(exitCode) under \(runner.name) and with "
                                + "\(mix.exitCode) here: that is no comparison.")
                    }
                    seconds[index].append(time)
                }
            }
            return seconds.map(Median.of)
        }
        return Result(
            program: name, kind: mix.isFloat ? .float : .integer, retired: mix.retired,
            seconds: zip(runners, medians).map { ($0.name, $1) })
    }

    /// How many instructions a program retires, which no engine changes, and of which kind.
    private static func mix(
        of program: String
    ) async throws -> (retired: UInt64, isFloat: Bool, exitCode: Int32) {
        let bytes = try ArtifactFile.bytes(of: program)
        let name = URL(fileURLWithPath: program).lastPathComponent
        return try await OwnThread.run {
            do {
                var settings = Machine.Settings()
                settings.engine = .best
                var machine = try Machine(program: bytes, arguments: [name], settings: settings)
                var sampleCount = 0, floatCount = 0
                // A prime, so that no loop keeps step with the samples.
                let stride: UInt64 = 100_003
                while true {
                    let pause = machine.run(fuel: stride)
                    _ = machine.takeOutput()
                    if case .ended(let ending) = pause {
                        return (machine.retired, floatCount * 20 > sampleCount, ending.exitCode)
                    }
                    sampleCount += 1
                    if machine.isBeforeFloatOperation { floatCount += 1 }
                }
            } catch let error as ELFError {
                throw Refusal("\(program) cannot run here: \(error).")
            }
        }
    }

    /// Engines beside peers, each kind of program by itself.
    var standings: [Standing] {
        var peers: [String] = []
        let engines = Engine.allCases.map(\.rawValue)
        for (name, _) in results.flatMap(\.seconds)
        where !engines.contains(name) && !peers.contains(name) { peers.append(name) }
        var found: [Standing] = []
        for engine in engines {
            for peer in peers {
                for kind in Kind.allCases {
                    let ratios = results.filter { $0.kind == kind }.compactMap { result in
                        result.median(peer).flatMap { time in
                            result.median(engine).map { (time / $0, result.program) }
                        }
                    }
                    guard let lowest = ratios.min(by: { $0.0 < $1.0 }) else { continue }
                    let mean = exp(ratios.reduce(0) { $0 + log($1.0) } / Double(ratios.count))
                    found.append(
                        Standing(
                            engine: engine, peer: peer, kind: kind, programCount: ratios.count,
                            geometricMean: mean, lowest: lowest))
                }
            }
        }
        return found
    }

    // MARK: - Showing

    func show() {
        var table = Table("PROGRAM", "KIND", "RUNNER", "CPU", "MIPS", "TRANSLATOR IS")
        for result in results {
            for (name, time) in result.seconds {
                let own = result.median(Engine.translator.rawValue) ?? time
                table.add(
                    result.program, result.kind.rawValue, name, "\(Text.decimal(time, 3)) s",
                    Text.decimal(Double(result.retired) / time / 1e6, 0),
                    "\(Text.decimal(time / own, 2)) times")
            }
        }
        table.show(orSay: "Nothing was measured.")
        var means = Table("ENGINE", "BESIDE", "KIND", "PROGRAMS", "GEOMETRIC MEAN", "LOWEST")
        for standing in standings {
            means.add(
                standing.engine, standing.peer, standing.kind.rawValue,
                "\(standing.programCount)", Text.decimal(standing.geometricMean, 2),
                "\(Text.decimal(standing.lowest.ratio, 2)) \(standing.lowest.program)")
        }
        means.show(orSay: "There is nothing to compare with.")
        Terminal.line("Medians of \(rounds) rounds in turns; CPU time with start-up.")
    }

    var document: JSON {
        [
            "rounds": .integer(Int64(rounds)),
            "programs": .array(
                results.map { result in
                    [
                        "program": .string(result.program), "kind": .string(result.kind.rawValue),
                        "retired_instructions": .integer(Int64(clamping: result.retired)),
                        "runners": .array(
                            result.seconds.map { name, time in
                                ["name": .string(name), "seconds": .number(time)]
                            }),
                    ]
                }),
            "comparisons": .array(
                standings.map {
                    [
                        "engine": .string($0.engine), "peer": .string($0.peer),
                        "kind": .string($0.kind.rawValue),
                        "program_count": .integer(Int64($0.programCount)),
                        "geometric_mean": .number($0.geometricMean),
                        "lowest": .number($0.lowest.ratio),
                        "lowest_program": .string($0.lowest.program),
                    ]
                }),
        ]
    }
}
