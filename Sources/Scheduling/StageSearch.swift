/// The search for borders: which of some candidates in a row serve, and where their layers meet.
///
/// Exact for the order in which the candidates stand: a dynamic programme over (how many stages,
/// the last candidate among them, the layers placed so far). With n stages, k candidates and l
/// layers it takes n·k²·l steps to choose the node and n·k·l² to choose the border. Scores are
/// compared with `<` alone, so that of equal ones the first stays: fewer stages, then candidates
/// that stand earlier, then borders further left.
struct StageSearch {
    enum Objective: Hashable, Sendable {
        /// The least time for one token: all stages and all hops.
        case latency
        /// The least time of the slowest stage, which is what a full pipeline waits for.
        case bottleneck
    }

    /// Some of the candidates, by their indices, and the borders between their layers.
    struct Path: Hashable, Sendable {
        var candidates: [Int]
        /// One more than candidates: from 0 to the count of layers.
        var borders: [Int]

        func layers(_ stage: Int) -> Range<Int> { borders[stage]..<borders[stage + 1] }
    }

    /// Where the layers of a large model may meet: each is one step of the search.
    let cuts: [Int]
    /// One for each candidate.
    let times: [StageTimes]
    let memory: StageMemory
    let freeByteCounts: [Int]
    /// Candidates that must be part of the path.
    let required: [Bool]
    /// From the head to a candidate, and back.
    let headHops: [Double]
    /// From one candidate to another.
    let hop: (Int, Int) -> Double
    let objective: Objective

    private struct Score {
        var bottleneck = Double.infinity
        var total = Double.infinity

        static let zero = Score(bottleneck: 0, total: 0)
        static let impossible = Score()

        func then(stage seconds: Double) -> Score {
            Score(bottleneck: max(bottleneck, seconds), total: total + seconds)
        }

        func then(hop seconds: Double) -> Score {
            Score(bottleneck: bottleneck, total: total + seconds)
        }

        func isBelow(_ other: Score, _ objective: Objective) -> Bool {
            switch objective {
            case .latency: (total, bottleneck) < (other.total, other.bottleneck)
            case .bottleneck: (bottleneck, total) < (other.bottleneck, other.total)
            }
        }
    }

    /// What the search knows after some stages; each list has a place for (candidate, cut).
    private struct Round {
        /// The best score of stages up to the cut, of which this candidate serves the last.
        var reached: [Score]
        /// Where that last stage begins.
        var start: [Int]
        /// Who serves the stage before one that begins at this cut on this candidate; -1: nobody.
        var before: [Int]
    }

    private var candidateCount: Int { times.count }

    /// The best path with 1, 2, … stages; nil where there is none.
    func paths(stageCountMax: Int) -> [Path?] {
        var rounds: [Round] = []
        let countMax = min(stageCountMax, candidateCount, cuts.count - 1)
        return (0..<max(countMax, 0)).map { _ in
            rounds.append(next(after: rounds.last))
            return path(through: rounds)
        }
    }

    private func next(after previous: Round?) -> Round {
        let count = candidateCount * cuts.count
        var round = Round(
            reached: Array(repeating: .impossible, count: count),
            start: Array(repeating: 0, count: count), before: Array(repeating: -1, count: count))
        for candidate in 0..<candidateCount {
            var entries = Array(repeating: Score.impossible, count: cuts.count)
            for cut in 0..<cuts.count - 1 {
                let (entry, before) = entry(of: candidate, at: cut, after: previous)
                entries[cut] = entry
                round.before[candidate * cuts.count + cut] = before
            }
            fill(&round, candidate, entries)
        }
        return round
    }

    /// The best score with which this candidate can begin a stage at this cut.
    private func entry(
        of candidate: Int, at cut: Int, after previous: Round?
    ) -> (Score, before: Int) {
        // Whom a path must have, it cannot pass by.
        let firstAllowed = required[..<candidate].lastIndex(of: true) ?? 0
        guard let previous else {
            let isStart = cut == 0 && !required[..<candidate].contains(true)
            return (isStart ? .zero.then(hop: headHops[candidate]) : .impossible, -1)
        }
        var best = Score.impossible
        var before = -1
        for other in firstAllowed..<max(candidate, firstAllowed) {
            let reached = previous.reached[other * cuts.count + cut]
            guard reached.total < .infinity else { continue }
            let score = reached.then(hop: hop(other, candidate))
            if score.isBelow(best, objective) { (best, before) = (score, other) }
        }
        return (best, before)
    }

    /// The best begin for each end of this candidate's stage.
    private func fill(_ round: inout Round, _ candidate: Int, _ entries: [Score]) {
        for start in 0..<cuts.count - 1 where entries[start].total < .infinity {
            for end in start + 1..<cuts.count {
                let layers = cuts[start]..<cuts[end]
                guard memory.byteCount(of: layers) <= freeByteCounts[candidate] else { break }
                let score = entries[start].then(stage: times[candidate].seconds(for: layers))
                let place = candidate * cuts.count + end
                if score.isBelow(round.reached[place], objective) {
                    round.reached[place] = score
                    round.start[place] = start
                }
            }
        }
    }

    private func path(through rounds: [Round]) -> Path? {
        guard let last = rounds.last else { return nil }
        let end = cuts.count - 1
        var best = Score.impossible
        var candidate = -1
        for other in 0..<candidateCount where !required[(other + 1)...].contains(true) {
            let reached = last.reached[other * cuts.count + end]
            guard reached.total < .infinity else { continue }
            let score = reached.then(hop: headHops[other])
            if score.isBelow(best, objective) { (best, candidate) = (score, other) }
        }
        guard candidate >= 0 else { return nil }
        var path = Path(candidates: [], borders: [cuts[end]])
        var cut = end
        for round in rounds.reversed() {
            path.candidates.insert(candidate, at: 0)
            cut = round.start[candidate * cuts.count + cut]
            path.borders.insert(cuts[cut], at: 0)
            candidate = round.before[candidate * cuts.count + cut]
        }
        return path
    }
}
