import Basics
import Foundation
import Simulation

/// Plays a scenario with real nodes and real time: processes that are killed, stopped and started,
/// and whose network is cut in two where the machine allows network namespaces.
///
/// The figures are those of the simulator, as far as they can be seen from outside: a node's
/// beliefs are the lines of its log, looked at every 10 ms.
struct NodeScenario {
    private struct Death {
        var victim: String
        var at: ContinuousClock.Instant
        var end: ContinuousClock.Instant?
        /// By observer, when it first found the victim unreachable; looked up, never iterated.
        var noticedAt: [String: ContinuousClock.Instant] = [:]
    }

    private struct Undoing {
        var at: ContinuousClock.Instant
        var action: Scenario.Action
        var names: [String]
    }

    private static let tick = Duration.milliseconds(10)

    private let scenario: Scenario
    private let mesh: BenchMesh
    private let ids: [String: String]
    private var chance: Chance
    private var tally = Tally()
    private var violations: [String] = []
    private var groups: [[String]] = []
    private var undoings: [Undoing] = []
    private var touched: Set<String> = []
    private var troubled: Set<String> = []
    private var gone: Set<String> = []
    private var deaths: [Death] = []
    private var falseDeathCount = 0
    private var suspicionCount = 0
    private var logs: NodeLogs
    private var client: ScenarioTasks
    private var succession: (since: ContinuousClock.Instant, former: String)?
    private var reunionStart: ContinuousClock.Instant?

    /// What of a scenario cannot be done to real nodes here, as sentences.
    static func omissions(_ scenario: Scenario, network: BenchNetwork?) -> [String] {
        var sentences: [String] = []
        func note(_ sentence: String) {
            if !sentences.contains(sentence) { sentences.append(sentence) }
        }
        for cue in scenario.cues {
            switch cue.action {
            case .isolate, .heal, .block:
                if network == nil {
                    note("partitions need network namespaces (root and `ip netns`): left out")
                }
            case .cut, .drift, .disk, .update, .meter, .park, .sleep, .limit:
                note(
                    "one-way cuts, clocks, disks, news, traffic, sleep, limits and what is parked "
                        + "are the simulator's: left out")
            case .loss, .duplicates, .reorder, .delay:
                if network?.canDisturb != true {
                    note("loss and delay need namespaces and the kernel's netem: left out")
                }
            case .vanish, .kill, .crash, .wreck, .restart, .pause, .leave, .submit, .awaited:
                break
            }
        }
        if scenario.settings.edgeCount > 0 {
            note("edge nodes are the simulator's: left out")
        }
        return sentences
    }

    static func play(
        _ scenario: Scenario, seed: UInt64, settings: BenchMesh.Settings,
        bulkByteCount: Int = 0
    ) async throws -> ScenarioRun.Outcome {
        try await BenchMesh.with(settings) { mesh in
            for sentence in omissions(scenario, network: mesh.network) { Terminal.remark(sentence) }
            var run = try await NodeScenario(scenario, seed: seed, mesh: mesh)
            let start = ContinuousClock.now
            let nodes = try mesh.names.map { try mesh.client($0) }
            async let bulk: Void = NodeClient.pass(byteCount: bulkByteCount, among: nodes)
            try await run.play()
            try await bulk
            var outcome = ScenarioRun.Outcome(seed: seed)
            outcome.tally = run.tally
            outcome.violations = run.violations
            outcome.virtualTime = ContinuousClock.now - start
            return outcome
        }
    }

    private init(_ scenario: Scenario, seed: UInt64, mesh: BenchMesh) async throws {
        self.scenario = scenario
        self.mesh = mesh
        chance = Chance(seed: seed)
        ids = try mesh.names.reduce(into: [:]) { $0[$1] = try mesh.node($1).id }
        client = ScenarioTasks(mesh: mesh)
        if scenario.hasTasks { try await client.prepare(scenario.settings) }
        if let network = mesh.network, network.canDisturb {
            try network.disturb(Self.words(scenario.settings.network), mesh.names)
        }
        // Measuring of kernels at the start is over, and with it what it made slow.
        try await Task.sleep(for: .seconds(5))
        try await mesh.settle()
        logs = try NodeLogs(of: mesh)
    }

    private mutating func play() async throws {
        for group in scenario.groups { groups.append(await choose(group.who)) }
        let start = ContinuousClock.now
        let end = start + scenario.end
        var cues = scenario.cues[...]
        while ContinuousClock.now < end {
            let now = ContinuousClock.now
            while let index = undoings.firstIndex(where: { $0.at <= now }) {
                try await undo(undoings.remove(at: index))
            }
            while let cue = cues.first, start + cue.at <= now {
                cues.removeFirst()
                try await perform(cue)
            }
            read()
            await lookForCoordinator()
            await lookForReunion()
            try await Task.sleep(for: Self.tick)
        }
        try await finish()
    }

    // MARK: who

    private var up: [String] {
        mesh.names.filter { (try? mesh.node($0))?.process.isRunning == true }
    }
    private var well: [String] { up.filter { !troubled.contains($0) } }

    private func status(_ name: String) async -> JSON? {
        try? await mesh.client(name).get("/api/status")
    }

    private func coordinator() async -> String? {
        for name in well where await status(name)?["is_coordinator"]?.asBool == true { return name }
        return nil
    }

    private func voters() async -> [String] {
        guard let name = well.first, let voters = await status(name)?["voters"]?.asArray else {
            return []
        }
        return up.filter { name in voters.contains { $0.asString == ids[name] } }
    }

    private mutating func choose(_ who: Scenario.Who) async -> [String] {
        switch who {
        case .coordinator: return await coordinator().map { [$0] } ?? []
        case .voter:
            let coordinator = await coordinator()
            let voters = await voters().filter { $0 != coordinator && !troubled.contains($0) }
            return voters.randomElement(using: &chance).map { [$0] } ?? []
        case .voters: return await voters()
        case .all: return up
        case .some(let count): return Array(well.shuffled(using: &chance).prefix(count))
        case .share(let share):
            let count = Int((share * Double(mesh.names.count)).rounded())
            return Array(well.shuffled(using: &chance).prefix(count))
        case .node(let number): return number < mesh.names.count ? [mesh.names[number]] : []
        case .edge, .edges: return []
        case .group(let name):
            return scenario.groups.firstIndex { $0.name == name }.map { groups[$0] } ?? []
        }
    }

    // MARK: doing

    private mutating func trouble(_ names: [String]) {
        touched.formUnion(names)
        troubled.formUnion(names)
    }

    private mutating func perform(_ cue: Scenario.Cue) async throws {
        var names: [String] = []
        switch cue.action {
        case .vanish(let who), .wreck(let who):
            names = await choose(who)
            try await end(names, by: SIGSTOP)
        case .kill(let who), .crash(let who):
            names = await choose(who)
            try await end(names, by: SIGKILL)
        case .pause(let who):
            names = await choose(who)
            await watchSuccession(of: names)
            trouble(names)
            for name in names { try mesh.signal(SIGSTOP, to: name) }
        case .isolate(let who):
            guard let network = mesh.network else { return }
            names = await choose(who)
            await watchSuccession(of: names)
            trouble(names)
            let voters = await voters()
            let isMinor = voters.count { names.contains($0) } * 2 < voters.count
            client.split(minority: isMinor ? names : up.filter { !names.contains($0) })
            try network.setIsolated(true, names)
        case .block(let who):
            guard let network = mesh.network, network.canDisturb else { return }
            names = await choose(who)
            trouble(names)
            try network.disturb(["loss", "100%"], names)
        case .heal: try heal()
        case .restart(let who):
            for name in who == .all ? mesh.names : await choose(who) { try await restart(name) }
        case .leave(let who):
            names = await choose(who)
            trouble(names)
            gone.formUnion(names)
            for name in names { _ = try? await mesh.client(name).post("/api/leave", [:]) }
        case .loss, .duplicates, .reorder, .delay:
            guard let network = mesh.network, network.canDisturb else { return }
            var settings = scenario.settings.network
            settings.take(cue.action)
            try network.disturb(Self.words(settings), mesh.names)
        // The nodes themselves see who has a free lane.
        case .submit(let count), .awaited(let count):
            for _ in 0..<count { client.submit(among: well, &chance) }
        case .cut, .drift, .disk, .update, .meter, .park, .sleep, .limit: return
        }
        guard let duration = cue.duration else { return }
        undoings.append(
            Undoing(at: .now + duration, action: cue.action, names: names))
    }

    /// Of one that is stopped the others hear nothing more, as of one whose power is gone.
    private mutating func end(_ names: [String], by signal: Int32) async throws {
        await watchSuccession(of: names)
        trouble(names)
        for name in names {
            deaths.append(Death(victim: name, at: .now))
            try mesh.signal(signal, to: name)
        }
    }

    private mutating func restart(_ name: String) async throws {
        guard !gone.contains(name) else { return }
        if let death = deaths.lastIndex(where: { $0.victim == name }) { deaths[death].end = .now }
        try await mesh.kill9(name)
        try await mesh.start(name)
        troubled.remove(name)
    }

    private mutating func heal() throws {
        guard let network = mesh.network else { return }
        // What waited in the minority may be accepted as soon as the first link is there.
        client.split(minority: [])
        try network.setIsolated(false, mesh.names)
        reunionStart = .now
        troubled = troubled.filter { name in !up.contains(name) }
    }

    private mutating func undo(_ undoing: Undoing) async throws {
        switch undoing.action {
        case .vanish, .kill, .crash, .wreck: for name in undoing.names { try await restart(name) }
        case .pause:
            for name in undoing.names { try mesh.signal(SIGCONT, to: name) }
        case .isolate:
            client.split(minority: [])
            try mesh.network?.setIsolated(false, undoing.names)
        case .block, .loss, .duplicates, .reorder, .delay:
            try mesh.network?.disturb(Self.words(scenario.settings.network), mesh.names)
        case .cut, .drift, .disk, .restart, .heal, .leave, .update, .submit, .awaited, .park,
            .sleep, .meter, .limit:
            break
        }
        troubled.subtract(undoing.names)
    }

    /// In the words of tc-netem(8).
    private static func words(_ network: Network.Settings) -> [String] {
        let mean = (network.delayMin + network.delayMax) / 2
        let spread = (network.delayMax - network.delayMin) / 2
        func microseconds(_ time: Duration) -> String { "\(Int(time.inMilliseconds * 1_000))us" }
        return [
            "delay", microseconds(mean), microseconds(spread), "loss",
            "\(network.lossShare * 100)%", "duplicate", "\(network.duplicationShare * 100)%",
        ]
    }

    // MARK: looking

    private mutating func read() {
        let now = ContinuousClock.now
        for line in logs.take() {
            guard let subject = ids.first(where: { $0.value.hasPrefix(line.subject) })?.key else {
                continue
            }
            let areWell = !touched.contains(subject) && !touched.contains(line.observer)
            if line.state == "suspect" { suspicionCount += areWell ? 1 : 0 }
            guard line.state == "unreachable" || line.state == "dead" else { continue }
            if areWell, line.state == "unreachable" { falseDeathCount += 1 }
            for index in deaths.indices where deaths[index].victim == subject {
                guard deaths[index].end == nil, !troubled.contains(line.observer),
                    deaths[index].noticedAt[line.observer] == nil
                else { continue }
                deaths[index].noticedAt[line.observer] = now
            }
        }
    }

    private mutating func watchSuccession(of names: [String]) async {
        guard succession == nil, let coordinator = await coordinator(), names.contains(coordinator)
        else { return }
        succession = (.now, coordinator)
    }

    /// Asks a node for something small; it is done when another coordinator has decided it.
    private mutating func lookForCoordinator() async {
        guard let (since, former) = succession,
            let name = well.filter({ $0 != former }).randomElement(using: &chance),
            let client = try? mesh.client(name)
        else { return }
        if await client.decides(within: .milliseconds(100)) {
            tally.add("coordinator", (ContinuousClock.now - since).inSeconds)
            succession = nil
        } else if ContinuousClock.now - since > .seconds(30) {
            violations.append("no new coordinator accepted work within 30 s")
            succession = nil
        }
    }

    private mutating func lookForReunion() async {
        guard let since = reunionStart else { return }
        for name in up where await mesh.aliveCount(seenBy: name) != up.count { return }
        tally.add("reunion", (ContinuousClock.now - since).inSeconds)
        reunionStart = nil
    }

    private mutating func finish() async throws {
        read()
        if reunionStart != nil { violations.append("the mesh did not reunite") }
        for death in deaths { collect(death) }
        tally.add("false_deaths", Double(falseDeathCount))
        tally.add("suspicions", Double(suspicionCount))
        try mesh.network?.setIsolated(false, mesh.names)
        for undoing in undoings { try await undo(undoing) }
        for name in mesh.names where troubled.contains(name) { try await restart(name) }
        guard client.hasSubmitted else { return }
        let since = ContinuousClock.now
        let mistakes = await client.finish(
            among: mesh.names.filter { !gone.contains($0) },
            within: max(scenario.rest, .seconds(30)))
        violations += mistakes
        if mistakes.isEmpty { tally.add("agreement", (ContinuousClock.now - since).inSeconds) }
        tally.add("minority_accepted", Double(client.minorityCount))
        if client.minorityCount > 0 { violations.append("a minority accepted proposals") }
    }

    private mutating func collect(_ death: Death) {
        let times = death.noticedAt.values.sorted()
        guard let first = times.first, let last = times.last else {
            if death.end == nil {
                violations.append("nobody noticed that \(death.victim) was gone")
            }
            return
        }
        tally.add("detection_first", (first - death.at).inSeconds)
        tally.add("detection_each", times.map { ($0 - death.at).inSeconds })
        let missing = up.count { death.noticedAt[$0] == nil && !touched.contains($0) }
        if missing == 0 { tally.add("detection_all", (last - first).inSeconds) }
        if missing > 0, death.end == nil {
            violations.append("\(missing) nodes never noticed that \(death.victim) was gone")
        }
    }
}
