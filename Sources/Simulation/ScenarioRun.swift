import Basics
import Membership
import NodeLogic
package import Wire

/// Plays one scenario with one seed.
package struct ScenarioRun {
    package struct Outcome: Sendable {
        package var seed: UInt64
        package var tally = Tally()
        package var violations: [String] = []
        package var virtualTime = Duration.zero
        package var eventCount = 0
        /// Equal for equal runs.
        package var transcript: UInt64 = 0

        package init(seed: UInt64) { self.seed = seed }
    }

    /// A death of which the others should learn.
    struct Death {
        var victim: Int
        var at: Instant
        var end = Instant.distantFuture
    }

    /// What undoes a cue, for the nodes that it hit.
    struct Undoing {
        var at: Instant
        var action: Scenario.Action
        var numbers: [Int]
        var others: [Int] = []
        var network: Network.Settings?
    }

    let scenario: Scenario
    var simulator: Simulator
    /// Who is hit; the simulator's own chance is another one.
    var chance: Chance
    var tally = Tally()
    var violations: [String] = []
    var start = Instant.zero

    var groups: [[Int]] = []
    var undoings: [Undoing] = []
    /// Those to whom something was done in this run.
    var touched: [Bool]
    /// Those to whom something is being done.
    var troubled: [Bool]
    var deaths: [Death] = []
    var successionStart: Instant?
    var reunionStart: Instant?
    /// The side without a quorum while the mesh is cut in two.
    var minority: [Int] = []
    var minorityCount = 0
    var splitCount = 0
    var updateCount = 0
    var client = ScenarioClient()
    /// Who sleeps, and until when.
    var sleepers: [(number: Int, until: Instant)] = []

    /// - Parameters:
    ///   - codec: without it nobody takes a snapshot.
    ///   - byteCount: of a message on the wire.
    ///   - trace: gets a line for each event.
    package static func play(
        _ scenario: Scenario,
        seed: UInt64,
        codec: StateCodec? = nil,
        byteCount: @escaping (Envelope.Body) -> Int = { _ in 0 },
        trace: ((String) -> Void)? = nil
    ) -> Outcome {
        var run = ScenarioRun(scenario, seed: seed, codec: codec)
        run.simulator.observations.byteCount = byteCount
        run.simulator.trace = trace
        run.play()
        var outcome = Outcome(seed: seed)
        outcome.tally = run.tally
        outcome.violations = run.simulator.witness.violations + run.violations
        outcome.virtualTime = run.simulator.now.sinceStart
        outcome.eventCount = run.simulator.eventCount
        outcome.transcript = run.simulator.transcript
        return outcome
    }

    private init(_ scenario: Scenario, seed: UInt64, codec: StateCodec?) {
        self.scenario = scenario
        var settings = scenario.settings
        settings.codec = codec
        // With thousands of tasks the digest of the state takes longer than all else.
        settings.digestInterval = 512
        simulator = Simulator(nodeCount: scenario.nodeCount, seed: seed, settings: settings)
        chance = Chance(seed: seed ^ 0x5ce7_a210)
        touched = Array(repeating: false, count: simulator.machines.count)
        troubled = touched
    }

    private mutating func play() {
        guard stand() else {
            violations.append("the mesh did not come to stand")
            return
        }
        start = simulator.now
        simulator.observations.isWatchingBeliefs = true
        for group in scenario.groups { groups.append(choose(group.who)) }
        var cues = scenario.cues[...]
        let end = start + scenario.end
        while true {
            let cueAt = cues.first.map { start + $0.at } ?? .distantFuture
            let undoing = undoings.indices.min { undoings[$0].at < undoings[$1].at }
            let undoAt = undoing.map { undoings[$0].at } ?? .distantFuture
            guard min(cueAt, undoAt) <= end else { break }
            go(to: min(cueAt, undoAt))
            if undoAt <= cueAt, let undoing {
                undo(undoings.remove(at: undoing))
            } else if let cue = cues.popFirst() {
                perform(cue)
            }
        }
        go(to: end)
        finish()
    }

    /// Runs until the mesh is as it should be before anything is done to it.
    private mutating func stand() -> Bool {
        guard scenario.settings.scope == .nodes else { return true }
        let count = scenario.nodeCount
        let voterCount = count >= 5 ? 5 : count >= 3 ? 3 : 1
        return simulator.run(for: .seconds(120)) { simulator in
            simulator.upNumbers.count == count && simulator.isAgreed
                && simulator.edgeNumbers.allSatisfy { simulator.machines[$0].edge?.home != nil }
                && simulator.voters.count == voterCount
        }
    }

    // MARK: Time

    mutating func go(to end: Instant) {
        while simulator.now < end {
            // Without a client and a question there is nothing to look at.
            let isLooking = client.isWaiting || reunionStart != nil || !sleepers.isEmpty
            simulator.run(until: isLooking ? min(simulator.now + .milliseconds(100), end) : end)
            followClient()
            lookForReunion()
            lookForSleepers()
        }
    }

    /// From the end of a sleep until the mesh hears of it, looked at every 100 ms.
    private mutating func lookForSleepers() {
        for (number, until) in sleepers
        where until <= simulator.now && simulator.machines[number].isUp {
            guard !simulator.isAsleep(number) else { continue }
            tally.add("wake", (simulator.now - until).seconds)
            sleepers.removeAll { $0.number == number }
        }
    }

    private mutating func followClient() {
        let accepted = client.follow(&simulator, &chance)
        // Both asked and answered while the mesh is cut in these two.
        minorityCount += accepted.count { $0.split == client.split && minority.contains($0.node) }
    }

    private mutating func lookForReunion() {
        guard let since = reunionStart, simulator.isReunited else { return }
        tally.add("reunion", (simulator.now - since).seconds)
        reunionStart = nil
    }

    // MARK: The end

    private mutating func finish() {
        collectSuccession()
        collectNews()
        collectTraffic()
        collectRoundTrips()
        if reunionStart != nil { violations.append("the mesh did not reunite") }
        collectBeliefs()
        for undoing in undoings { undo(undoing) }
        undoings = []
        restore()
        if scenario.rest > .zero { settle() }
        let recoveries = simulator.observations.recoveries
        tally.add("recovery", recoveries.map(\.seconds))
        tally.add("suspicions", Double(simulator.observations.suspicionCount))
        if scenario.settings.edgeCount > 0 {
            tally.add("edge_tasks", Double(simulator.edgeTaskCount))
            tally.add("sleeps", Double(simulator.sleepCount))
        }
        if client.hasLimit {
            tally.add("limited", Double(client.limitedCount))
            tally.add("refusals", Double(client.refusalCount))
        }
        if simulator.settings.codec != nil {
            tally.add("snapshots", Double(simulator.snapshotCount))
            tally.add("installs", Double(simulator.installCount))
        }
        if scenario.hasTasks {
            tally.add("minority_accepted", Double(minorityCount))
            if minorityCount > 0 { violations.append("a minority accepted proposals") }
        }
    }

    /// Everything that was broken works again.
    private mutating func restore() {
        simulator.heal()
        simulator.setNetwork { $0 = scenario.settings.network }
        for number in simulator.machines.indices {
            simulator.setDiskDelay(.zero, of: number)
            simulator.setDrift(0, of: number)
            simulator.resume(number)
            simulator.unblock(number)
            if !client.gone.contains(number) { simulator.restart(number) }
        }
    }

    private mutating func settle() {
        let since = simulator.now
        let end = since + scenario.rest
        while simulator.now < end {
            simulator.run(for: .milliseconds(100))
            followClient()
            if !client.isWaiting, simulator.isSettled(client.acknowledged, without: client.gone) {
                tally.add("agreement", (simulator.now - since).seconds)
                break
            }
        }
        if simulator.now >= end {
            violations.append("no agreement \(scenario.rest.seconds) s after all was undone")
        }
        simulator.checkTasks(client.acknowledged)
    }

    private mutating func collectBeliefs() {
        let count = simulator.machines.count
        var falseCount = 0
        // By observer and subject; looked up, never iterated.
        var isGone: [Int: Bool] = [:]
        for belief in simulator.observations.beliefs {
            let pair = belief.observer * count + belief.subject
            let isGoneNow = belief.state == .unreachable || belief.state == .dead
            if isGoneNow, isGone[pair] != true, !touched[belief.observer],
                !touched[belief.subject]
            {
                falseCount += 1
            }
            isGone[pair] = isGoneNow
        }
        tally.add("false_deaths", Double(falseCount))
        for death in deaths { collect(death) }
    }

    private mutating func collect(_ death: Death) {
        var firstAt: [Instant?] = Array(repeating: nil, count: simulator.machines.count)
        for belief in simulator.observations.beliefs
        where belief.subject == death.victim && belief.at > death.at && belief.at < death.end {
            guard belief.state == .unreachable || belief.state == .dead else { continue }
            if firstAt[belief.observer] == nil { firstAt[belief.observer] = belief.at }
        }
        let known = firstAt.compactMap { $0 }
        guard let first = known.min(), let last = known.max() else {
            // It may have been back before anybody could notice.
            if death.end == .distantFuture {
                violations.append("nobody noticed that node \(death.victim) was gone")
            }
            return
        }
        tally.add("detection_first", (first - death.at).seconds)
        tally.add("detection_each", known.map { ($0 - death.at).seconds })
        let missing = simulator.upNumbers.count { firstAt[$0] == nil && !touched[$0] }
        if missing == 0 { tally.add("detection_all", (last - first).seconds) }
        if missing > 0, death.end == .distantFuture {
            violations.append("\(missing) nodes never noticed that node \(death.victim) was gone")
        }
    }

    mutating func collectSuccession() {
        guard let since = successionStart else { return }
        successionStart = nil
        if let at = simulator.observations.newCoordinatorAt {
            tally.add("coordinator", (at - since).seconds)
        } else if scenario.expectations.contains(where: { $0.measure == "coordinator" }) {
            // In the midst of other faults the old one may be back before there is a quorum.
            violations.append("no new coordinator accepted work")
        }
    }

    mutating func collectNews() {
        guard let news = simulator.observations.news, news.start >= start else { return }
        simulator.observations.forgetNews()
        let missing = simulator.upNumbers.count - 1 - news.informedCount
        guard missing <= 0 else {
            violations.append("\(missing) nodes never learned what node \(news.subject) said")
            return
        }
        let time = news.lastAt - news.start
        tally.add("news", time.seconds)
        let interval = scenario.settings.node.membership.gossipInterval
        tally.add("news_rounds", time.seconds / interval.seconds)
    }

    private mutating func collectRoundTrips() {
        guard scenario.settings.network.siteCount > 1 else { return }
        let up = simulator.upNumbers
        var errors: [Double] = []
        for one in up {
            for other in up where other != one {
                guard let estimate = simulator.estimatedRoundTrip(from: one, to: other) else {
                    continue
                }
                let truth = simulator.network.meanRoundTrip(from: one, to: other)
                errors.append(abs((estimate - truth).seconds) * 1e6)
            }
        }
        tally.add("rtt_error", errors)
        tally.add("rtt_known", Double(errors.count) / Double(max(up.count * (up.count - 1), 1)))
    }

    private mutating func collectTraffic() {
        guard let traffic = simulator.observations.traffic else { return }
        let seconds = (simulator.now - traffic.start).seconds
        let share = seconds * Double(scenario.nodeCount)
        tally.add("bytes", Double(traffic.byteCount) / share)
        tally.add("messages", Double(traffic.messageCount) / share)
        tally.add("links", traffic.linkCounts.map(Double.init))
        simulator.observations.stopMeter()
    }
}
