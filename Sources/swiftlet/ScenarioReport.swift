import Basics
import Simulation

/// What came of a scenario: figures over all runs, and what was not as it should be.
struct ScenarioReport {
    /// One scenario of a sweep, or the only one.
    struct Cell {
        let scenario: Scenario
        let firstSeed: UInt64
        var runCount = 0
        var tally = Tally()
        var violations: [(seed: UInt64, sentence: String)] = []
        var virtualTime = Duration.zero
        var eventCount = 0
        var transcript: UInt64 = 0
        var cpuTime = Duration.zero

        init(scenario: Scenario, firstSeed: UInt64) {
            self.scenario = scenario
            self.firstSeed = firstSeed
        }

        mutating func add(_ outcome: ScenarioRun.Outcome) {
            runCount += 1
            tally.add(outcome.tally)
            // One run may have a thousand of one kind.
            violations += outcome.violations.prefix(5).map { (outcome.seed, $0) }
            virtualTime += outcome.virtualTime
            eventCount += outcome.eventCount
            transcript = transcript &* 31 &+ outcome.transcript
        }

        mutating func compare(_ first: ScenarioRun.Outcome, with second: ScenarioRun.Outcome) {
            virtualTime += second.virtualTime
            if first.transcript != second.transcript {
                violations.append((first.seed, "played twice, it went two ways"))
            }
        }

        /// Virtual seconds in one second of a core.
        var speed: Double { virtualTime.inSeconds / max(cpuTime.inSeconds, 1e-9) }
    }

    let name: String
    let title: String
    /// Real nodes and real time: no seed gives the same run again.
    var isReal = false
    private(set) var cells: [Cell] = []
    private(set) var tally = Tally()

    init(name: String, title: String) {
        self.name = name
        self.title = title
    }

    mutating func add(_ cell: Cell) {
        cells.append(cell)
        tally.add(scenario: cell.tally)
    }

    private var expectations: [(expectation: Scenario.Expectation, figure: Double?, isMet: Bool)] {
        (cells.first?.scenario.expectations ?? []).map { expectation in
            let figure = tally.measure(expectation.measure)?.value(expectation.statistic)
            let isMet = figure.map {
                expectation.isAtMost ? $0 <= expectation.limit : $0 >= expectation.limit
            }
            return (expectation, figure, isMet ?? false)
        }
    }

    /// Nil where all was as it should be.
    var complaint: String? {
        for cell in cells {
            guard let first = cell.violations.first else { continue }
            let count = cells.reduce(0) { $0 + $1.violations.count }
            guard !isReal else { return "\(count) violations; the first: \(first.sentence)." }
            let label = cell.scenario.label.isEmpty ? "" : " with \(cell.scenario.label)"
            return "\(count) violations; the first: \(first.sentence). Replay it with: swiftlet "
                + "simulate --scenario \(name) --nodes \(cell.scenario.nodeCount) "
                + "--seed \(first.seed) --runs 1\(label)"
        }
        // What only the simulator can see is not held against real nodes.
        let missed = expectations.filter { !$0.isMet && !(isReal && $0.figure == nil) }
        guard let first = missed.first else { return nil }
        let figure = first.figure.map { Text.decimal($0, 2) } ?? "nothing"
        return "\(missed.count) expectations are not met; the first: \(first.expectation.text), "
            + "and it was \(figure)."
    }

    // MARK: - Showing

    func show() {
        Terminal.line("\(name): \(title)")
        var table = Table("MEASURE", "UNIT", "COUNT", "MEDIAN", "P99", "MAX", "MEAN")
        for measure in tally.measures {
            let cells = [Scenario.Statistic.median, .p99, .max, .mean].map { statistic in
                Self.figure(measure.value(statistic))
            }
            table.add(
                measure.name, Tally.units[measure.name] ?? "", "\(measure.samples.count)",
                cells[0], cells[1], cells[2], cells[3])
        }
        table.show(orSay: "Nothing was measured.")
        if cells.count > 1 { showSweep() }
        for (expectation, figure, isMet) in expectations {
            let verdict = isMet ? "met" : isReal && figure == nil ? "not measured" : "MISSED"
            Terminal.line(
                "\(verdict): \(expectation.text) (\(Self.figure(figure)))")
        }
        for cell in cells where isReal {
            Terminal.line(
                "\(cell.scenario.nodeCount) nodes, \(cell.runCount) runs, "
                    + "\(Text.decimal(cell.virtualTime.inSeconds, 0)) s of real time, violations: "
                    + "\(cell.violations.count)")
        }
        for cell in cells where !isReal {
            Terminal.line(
                "\(cell.scenario.label.isEmpty ? "" : cell.scenario.label + ": ")"
                    + "\(cell.scenario.nodeCount) nodes, \(cell.runCount) runs from seed "
                    + "\(cell.firstSeed), \(cell.eventCount) events in "
                    + "\(Text.decimal(cell.virtualTime.inSeconds, 0)) virtual seconds, "
                    + "\(Text.decimal(cell.speed, 0)) times real time, violations: "
                    + "\(cell.violations.count), transcript "
                    + String(cell.transcript, radix: 16))
        }
        for cell in cells {
            for (seed, sentence) in cell.violations.prefix(20) {
                Terminal.remark("\(cell.scenario.label) seed \(seed): \(sentence)")
            }
        }
    }

    private func showSweep() {
        guard let expected = expectations.first?.expectation.measure else { return }
        var table = Table("SWEEP", "MEASURE", "MEAN", "MAX")
        for cell in cells {
            let measure = cell.tally.measure(expected)
            table.add(
                cell.scenario.label, expected, Self.figure(measure?.value(.mean)),
                Self.figure(measure?.value(.max)))
        }
        table.show(orSay: "")
    }

    private static func figure(_ value: Double?) -> String {
        guard let value else { return "-" }
        return Text.decimal(value, value >= 1_000 ? 0 : 2)
    }

    var document: JSON {
        [
            "scenario": .string(name), "title": .string(title),
            "measures": .array(tally.measures.map(Self.document)),
            "expectations": .array(
                expectations.map { expectation, figure, isMet in
                    [
                        "text": .string(expectation.text), "met": .bool(isMet),
                        "figure": figure.map { .number($0) } ?? .null,
                    ]
                }),
            "cells": .array(cells.map(Self.document)),
            "violations": .array(
                cells.flatMap { cell in
                    cell.violations.map { seed, sentence -> JSON in
                        [
                            "sweep": .string(cell.scenario.label), "seed": .string(String(seed)),
                            "sentence": .string(sentence),
                        ]
                    }
                }),
        ]
    }

    private static func document(_ measure: Tally.Measure) -> JSON {
        func number(_ statistic: Scenario.Statistic) -> JSON {
            measure.value(statistic).map { .number($0) } ?? .null
        }
        return [
            "name": .string(measure.name), "unit": .string(Tally.units[measure.name] ?? ""),
            "count": .integer(Int64(measure.samples.count)), "median": number(.median),
            "p99": number(.p99), "max": number(.max), "mean": number(.mean), "sum": number(.sum),
        ]
    }

    private static func document(_ cell: Cell) -> JSON {
        [
            "sweep": .string(cell.scenario.label),
            "nodes": .integer(Int64(cell.scenario.nodeCount)),
            "runs": .integer(Int64(cell.runCount)), "first_seed": .string(String(cell.firstSeed)),
            "events": .integer(Int64(cell.eventCount)),
            "virtual_seconds": .number(cell.virtualTime.inSeconds),
            "cpu_seconds": .number(cell.cpuTime.inSeconds), "speed": .number(cell.speed),
            "transcript": .string(String(cell.transcript, radix: 16)),
            "measures": .array(cell.tally.measures.map(document)),
        ]
    }
}
