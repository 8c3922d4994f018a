import Basics
import Election
import NodeLogic

extension Scenario {
    /// The scenarios of a text: one, or one for each combination of its sweeps.
    ///
    /// - Parameter nodeCount: replaces what the text says.
    package static func read(_ text: String, nodeCount: Int? = nil) throws(Mistake) -> [Scenario] {
        var lines: [Line] = []
        var title = ""
        let rows = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, raw) in rows.enumerated() {
            let parts = raw.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            if title.isEmpty, parts.count == 2 {
                title = String(parts[1].drop { $0 == " " })
            }
            let words = parts[0].split(whereSeparator: \.isWhitespace).map(String.init)
            if !words.isEmpty { lines.append(Line(number: index + 1, words: words)) }
        }
        let sweeps = lines.filter { $0.words[0] == "sweep" }
        lines.removeAll { $0.words[0] == "sweep" }
        var bindings: [[Binding]] = [[]]
        for sweep in sweeps {
            guard sweep.words.count > 2 else {
                throw sweep.mistake("write `sweep NAME VALUE VALUE …`")
            }
            bindings = bindings.flatMap { binding in
                sweep.words[2...].map { binding + [Binding(name: sweep.words[1], value: $0)] }
            }
        }
        var scenarios: [Scenario] = []
        for binding in bindings {
            var scenario = Scenario()
            scenario.title = title
            scenario.label = binding.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
            for line in lines { try scenario.take(line.replacing(binding)) }
            if let nodeCount { scenario.nodeCount = nodeCount }
            scenario.cues.sort { $0.at < $1.at }
            scenarios.append(scenario)
        }
        return scenarios
    }

    struct Binding {
        var name: String
        var value: String
    }

    /// The words of one line, taken from the front.
    struct Line {
        let number: Int
        var words: [String]

        func mistake(_ sentence: String) -> Mistake { Mistake(line: number, sentence: sentence) }

        func replacing(_ bindings: [Binding]) -> Line {
            var line = self
            for binding in bindings {
                line.words = line.words.map { word in
                    word.split(separator: "$\(binding.name)", omittingEmptySubsequences: false)
                        .joined(separator: binding.value)
                }
            }
            return line
        }

        mutating func word(_ what: String) throws(Mistake) -> String {
            guard !words.isEmpty else { throw mistake("here is missing: \(what)") }
            return words.removeFirst()
        }

        mutating func skip(_ expected: String) throws(Mistake) {
            let found = try word(expected)
            guard found == expected else { throw mistake("`\(found)` should be `\(expected)`") }
        }

        mutating func count(_ what: String) throws(Mistake) -> Int {
            let text = try word(what)
            guard let count = Int(text), count >= 0 else {
                throw mistake("`\(text)` is no \(what)")
            }
            return count
        }

        /// `5%`, 0 to 100 of them.
        mutating func share() throws(Mistake) -> Double {
            let text = try word("a share like 5%")
            guard text.last == "%", let value = Double(text.dropLast()), 0...100 ~= value else {
                throw mistake("`\(text)` is no share like 5%")
            }
            return value / 100
        }

        mutating func duration() throws(Mistake) -> Duration {
            let text = try word("a time like 2s")
            var sum = Duration.zero
            for part in text.split(separator: "+", omittingEmptySubsequences: false) {
                guard let duration = Scenario.duration(part) else {
                    throw mistake("`\(text)` is no time like 500ms, 2s, 10min or 24h")
                }
                sum += duration
            }
            return sum
        }
    }

    private static func duration(_ text: Substring) -> Duration? {
        let units = [("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("s", 1.0), ("h", 3_600.0)]
        for (unit, seconds) in units where text.hasSuffix(unit) {
            guard let value = Double(text.dropLast(unit.count)), value >= 0, value < 1e9 else {
                return nil
            }
            return .nanoseconds(Int64(value * seconds * 1e9))
        }
        return nil
    }

    private mutating func take(_ original: Line) throws(Mistake) {
        var line = original
        let keyword = try line.word("a statement")
        switch keyword {
        case "nodes": nodeCount = max(try line.count("number of nodes"), 1)
        case "edges": settings.edgeCount = try line.count("number of edge nodes")
        case "scope":
            let name = try line.word("nodes or detectors")
            guard name == "nodes" || name == "detectors" else {
                throw line.mistake("the scope is nodes or detectors, not `\(name)`")
            }
            settings.scope = name == "nodes" ? .nodes : .detectors
        case "runs": runCount = max(try line.count("number of runs"), 1)
        case "slots": settings.node.slotCount = max(try line.count("number of slots"), 1)
        case "tasks":
            settings.taskDurationMin = try line.duration()
            settings.taskDurationMax = try line.duration()
        case "snapshots":
            settings.node.raft.snapshotEntryCount = max(try line.count("number of entries"), 1)
            settings.node.raft.tailEntryCount = try line.count("number of entries")
            // Of these small ones, several pieces.
            settings.node.raft.pieceByteCount = 2_048
        case "keep": settings.node.keptTaskCountMax = try line.count("number of tasks")
        case "delay", "loss", "duplicates", "reorder":
            settings.network.take(try line.action(keyword))
        case "sites":
            settings.network.siteCount = max(try line.count("number of sites"), 1)
            settings.network.nearRoundTrip = try line.duration()
            settings.network.farRoundTrip = try line.duration()
        case "group":
            let name = try line.word("the group's name")
            groups.append(Group(name: name, who: try line.who()))
        case "at":
            let time = try line.duration()
            cues.append(try line.cue(at: time))
        case "every": try repeatCue(&line)
        case "end": end = try line.duration()
        case "rest": rest = try line.duration()
        case "expect": expectations.append(try line.expectation())
        default: throw line.mistake("`\(keyword)` is no statement")
        }
        guard line.words.isEmpty else { throw line.mistake("what does `\(line.words[0])` mean?") }
    }

    private mutating func repeatCue(_ line: inout Line) throws(Mistake) {
        let interval = try line.duration()
        guard interval >= .milliseconds(1) else { throw line.mistake("that is too often") }
        try line.skip("from")
        var time = try line.duration()
        try line.skip("to")
        let last = try line.duration()
        var cue = try line.cue(at: time)
        while time <= last {
            cue.at = time
            cues.append(cue)
            time += interval
        }
    }
}

// MARK: Actions

extension Scenario.Line {
    mutating func cue(at time: Duration) throws(Scenario.Mistake) -> Scenario.Cue {
        let action = try action(try word("an action"))
        guard words.first == "for" else { return Scenario.Cue(at: time, action: action) }
        try skip("for")
        return Scenario.Cue(at: time, action: action, duration: try duration())
    }

    mutating func who() throws(Scenario.Mistake) -> Scenario.Who {
        let text = try word("who")
        switch text {
        case "coordinator": return .coordinator
        case "voter": return .voter
        case "voters": return .voters
        case "all": return .all
        case "node": return .node(try count("number of a node"))
        case "edge": return .edge(try count("number of an edge node"))
        case "edges": return .edges
        default: break
        }
        if let count = Int(text) { return .some(count) }
        if text.last == "%", let share = Double(text.dropLast()) { return .share(share / 100) }
        return .group(text)
    }

    mutating func action(_ name: String) throws(Scenario.Mistake) -> Scenario.Action {
        switch name {
        case "vanish": return .vanish(try who())
        case "kill": return .kill(try who())
        case "crash": return .crash(try who())
        case "wreck": return .wreck(try who())
        case "restart": return .restart(try who())
        case "pause": return .pause(try who())
        case "block": return .block(try who())
        case "isolate": return .isolate(try who())
        case "cut":
            let sender = try who()
            try skip("from")
            return .cut(sender, from: try who())
        case "heal": return .heal
        case "leave": return .leave(try who())
        case "drift":
            let who = try who()
            return .drift(who, try drift())
        case "disk":
            let who = try who()
            return .disk(who, try duration())
        case "loss": return .loss(try share())
        case "duplicates": return .duplicates(try share())
        case "reorder":
            let share = try share()
            return .reorder(share, try duration())
        case "delay":
            let least = try duration()
            return .delay(least, max(least, try duration()))
        case "update": return .update(try who())
        case "park": return .park(try count("number of tasks"))
        case "sleep":
            let who = try who()
            return .sleep(who, try duration())
        case "submit": return .submit(try count("number of tasks"))
        case "await": return .awaited(try count("number of tasks"))
        case "limit":
            let running = try count("number of tasks that may run")
            return .limit(running: running, queued: try count("number of tasks in the queue"))
        case "meter": return .meter
        default: throw mistake("`\(name)` is no action")
        }
    }

    private mutating func drift() throws(Scenario.Mistake) -> Int64 {
        let text = try word("how much faster, like 5% or -5%")
        guard text.last == "%", let value = Double(text.dropLast()), -50...50 ~= value else {
            throw mistake("`\(text)` is no drift like 5% or -5%")
        }
        return Int64(value * 10_000)
    }

    mutating func expectation() throws(Scenario.Mistake) -> Scenario.Expectation {
        let text = words.joined(separator: " ")
        let measure = try word("a measure")
        guard Tally.units[measure] != nil else { throw mistake("`\(measure)` is no measure") }
        let name = try word("a statistic")
        guard let statistic = Scenario.Statistic(rawValue: name) else {
            throw mistake("`\(name)` is no statistic; there are median, p99, max, mean and sum")
        }
        let comparison = try word("<= or >=")
        guard comparison == "<=" || comparison == ">=" else {
            throw mistake("`\(comparison)` is neither <= nor >=")
        }
        let limit: Double
        if let value = words.first.flatMap({ Double($0) }) {
            words.removeFirst()
            limit = value
        } else {
            limit = try duration().seconds
        }
        return Scenario.Expectation(
            measure: measure,
            statistic: statistic,
            isAtMost: comparison == "<=",
            limit: limit,
            text: text
        )
    }
}

extension Network.Settings {
    /// What an action changes of the network as a whole; any other changes nothing.
    package mutating func take(_ action: Scenario.Action) {
        switch action {
        case .loss(let share): lossShare = share
        case .duplicates(let share): duplicationShare = share
        case .reorder(let share, let delay): (reorderingShare, reorderingDelay) = (share, delay)
        case .delay(let least, let most): (delayMin, delayMax) = (least, most)
        default: break
        }
    }
}
