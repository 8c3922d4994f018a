/// What was measured, over many runs: numbers under names.
package struct Tally: Sendable {
    /// The unit of each measure, for people.
    package static let units: [String: String] = [
        "detection_first": "s", "detection_all": "s", "detection_each": "s",
        "false_deaths": "a run",
        "suspicions": "a run", "news": "s", "news_rounds": "rounds", "bytes": "B/s",
        "messages": "1/s", "links": "peers", "coordinator": "s", "reunion": "s",
        "minority_accepted": "a run", "recovery": "s", "agreement": "s",
        "edge_tasks": "a run", "sleeps": "a run", "wake": "s",
        "snapshots": "a run", "installs": "a run",
        "rtt_error": "us", "rtt_known": "of pairs",
        "limited": "a run", "refusals": "a run",
    ]

    package struct Measure: Sendable {
        package let name: String
        package fileprivate(set) var samples: [Double]
        /// For a sweep: the mean of each of its scenarios, added up.
        package fileprivate(set) var sum = 0.0

        /// Nearest rank; nil without samples.
        package func value(_ statistic: Scenario.Statistic) -> Double? {
            guard !samples.isEmpty else { return nil }
            let sorted = samples.sorted()
            switch statistic {
            case .median: return sorted[(sorted.count - 1) / 2]
            case .p99: return sorted[(sorted.count * 99 + 99) / 100 - 1]
            case .max: return sorted[sorted.count - 1]
            case .mean: return samples.reduce(0, +) / Double(samples.count)
            case .sum: return sum
            }
        }
    }

    /// In the order in which they first came.
    package private(set) var measures: [Measure] = []

    package init() {}

    package func measure(_ name: String) -> Measure? { measures.first { $0.name == name } }

    package mutating func add(_ name: String, _ sample: Double) { add(name, [sample]) }

    package mutating func add(_ name: String, _ samples: [Double]) {
        guard !samples.isEmpty else { return }
        measures[index(of: name)].samples += samples
    }

    /// Adds another run of the same scenario.
    package mutating func add(_ other: Tally) {
        for measure in other.measures { add(measure.name, measure.samples) }
    }

    /// Adds all runs of another scenario of a sweep.
    package mutating func add(scenario other: Tally) {
        for measure in other.measures {
            measures[index(of: measure.name)].samples += measure.samples
            measures[index(of: measure.name)].sum += measure.value(.mean) ?? 0
        }
    }

    private mutating func index(of name: String) -> Int {
        if let index = measures.firstIndex(where: { $0.name == name }) { return index }
        measures.append(Measure(name: name, samples: []))
        return measures.count - 1
    }
}
