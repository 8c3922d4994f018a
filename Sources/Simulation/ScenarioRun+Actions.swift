import Basics
import NodeLogic
import Wire

extension ScenarioRun {
    // MARK: Who

    mutating func choose(_ who: Scenario.Who) -> [Int] {
        let up = simulator.upNumbers
        switch who {
        case .coordinator: return simulator.workingCoordinator.map { [$0] } ?? []
        case .voter:
            let coordinator = simulator.workingCoordinator
            let voters = simulator.voters.filter { $0 != coordinator && !troubled[$0] }
            return voters.randomElement(using: &chance).map { [$0] } ?? []
        case .voters: return simulator.voters
        case .all: return up
        case .some(let count):
            return Array(up.filter { !troubled[$0] }.shuffled(using: &chance).prefix(count))
        case .share(let share):
            let count = Int((share * Double(scenario.nodeCount)).rounded())
            return Array(up.filter { !troubled[$0] }.shuffled(using: &chance).prefix(count))
        case .node(let number): return number < scenario.nodeCount ? [number] : []
        case .edge(let number):
            return number < simulator.edgeNumbers.count ? [simulator.nodeCount + number] : []
        case .edges: return Array(simulator.edgeNumbers)
        case .group(let name):
            let index = scenario.groups.firstIndex { $0.name == name }
            return index.map { groups[$0] } ?? []
        }
    }

    private mutating func trouble(_ numbers: [Int]) {
        for number in numbers {
            // What happens to one that sleeps is nobody's business.
            touched[number] = touched[number] || !sleepers.contains { $0.number == number }
            troubled[number] = true
        }
    }

    // MARK: Doing

    mutating func perform(_ cue: Scenario.Cue) {
        let network = simulator.networkSettings
        var numbers: [Int] = []
        var others: [Int] = []
        switch cue.action {
        case .vanish(let who), .kill(let who), .crash(let who), .wreck(let who):
            numbers = choose(who)
            for number in numbers { end(number, by: cue.action) }
        case .pause(let who), .block(let who), .isolate(let who):
            numbers = choose(who)
            stop(numbers, by: cue.action)
        case .restart(let who):
            for number in who == .all ? Array(simulator.machines.indices) : choose(who) {
                simulator.restart(number)
                troubled[number] = false
            }
        case .cut(let sender, let receiver):
            numbers = choose(sender)
            others = choose(receiver)
            trouble(numbers + others)
            for number in numbers {
                for other in others where other != number { simulator.cut(from: other, to: number) }
            }
        case .heal: heal()
        case .leave(let who):
            numbers = choose(who)
            trouble(numbers)
            for number in numbers {
                client.gone.append(number)
                simulator.leave(number)
            }
        case .drift(let who, let millionths):
            numbers = choose(who)
            for number in numbers { simulator.setDrift(millionths, of: number) }
        case .disk(let who, let delay):
            numbers = choose(who)
            for number in numbers {
                touched[number] = true
                simulator.setDiskDelay(delay, of: number)
            }
        case .loss, .duplicates, .reorder, .delay:
            simulator.setNetwork { $0.take(cue.action) }
        case .update(let who): for number in choose(who) { update(number) }
        case .submit(let count): submit(count)
        case .awaited(let count): submit(count, isAwaited: true)
        case .park(let count): submit(count, isEdgeOnly: true)
        case .sleep(let who, let time):
            for number in choose(who) {
                simulator.sleep(number, for: time)
                let until = (simulator.now + time).sinceStart.seconds.rounded(.up)
                sleepers.removeAll { $0.number == number }
                sleepers.append((number, .zero + .seconds(Int64(until))))
            }
        case .limit(let running, let queued):
            client.limit(running: running, queued: queued, &simulator, &chance)
        case .meter: simulator.observations.startMeter(at: simulator.now)
        }
        guard let duration = cue.duration else { return }
        undoings.append(
            Undoing(
                at: simulator.now + duration,
                action: cue.action,
                numbers: numbers,
                others: others,
                network: network
            )
        )
    }

    private mutating func end(_ number: Int, by action: Scenario.Action) {
        watchSuccession(of: number)
        trouble([number])
        // The tasks of an edge node may wait for it.
        if !simulator.machines[number].isEdge {
            deaths.append(Death(victim: number, at: simulator.now))
            simulator.observations.orphan(Machine.id(of: number), at: simulator.now)
        }
        switch action {
        case .vanish: simulator.vanish(number)
        case .kill: simulator.kill(number)
        case .crash: simulator.crash(number)
        case .wreck:
            simulator.vanish(number)
            simulator.loseDisk(number)
            // Whoever voted and does not remember it must not come back as a voter.
            if simulator.voters.contains(number) { client.gone.append(number) }
        default: break
        }
    }

    private mutating func stop(_ numbers: [Int], by action: Scenario.Action) {
        for number in numbers { watchSuccession(of: number) }
        trouble(numbers)
        switch action {
        case .pause: for number in numbers { simulator.pause(number) }
        case .block: for number in numbers { simulator.block(number) }
        case .isolate:
            simulator.isolate(numbers)
            let voters = simulator.voters
            let isMinor = voters.count { numbers.contains($0) } * 2 < voters.count
            minority =
                isMinor ? numbers : simulator.machines.indices.filter { !numbers.contains($0) }
            splitCount += 1
            client.split = splitCount
        default: break
        }
    }

    private mutating func watchSuccession(of number: Int) {
        guard number == simulator.workingCoordinator else { return }
        collectSuccession()
        successionStart = simulator.now
        simulator.observations.awaitCoordinator(otherThan: number)
    }

    private mutating func heal() {
        simulator.heal()
        reunionStart = simulator.now
        minority = []
        client.split = nil
        undoings.removeAll { undoing in
            switch undoing.action {
            case .isolate, .cut: true
            default: false
            }
        }
        for number in simulator.upNumbers { troubled[number] = false }
    }

    private mutating func update(_ number: Int) {
        collectNews()
        updateCount += 1
        let version = "update \(updateCount)"
        simulator.observations.watchNews(of: number, version: version, at: simulator.now)
        simulator.step(
            number,
            .profileChanged(simulator.machines[number].profile(version: version))
        )
    }

    private mutating func submit(
        _ count: Int, isEdgeOnly: Bool = false, isAwaited: Bool = false
    ) {
        for _ in 0..<count {
            client.submit(
                to: &simulator, &chance, isEdgeOnly: isEdgeOnly, isAwaited: isAwaited)
        }
    }

    // MARK: Undoing

    mutating func undo(_ undoing: Undoing) {
        switch undoing.action {
        case .drift, .disk, .loss, .duplicates, .reorder, .delay: break
        default: for number in undoing.numbers { troubled[number] = false }
        }
        switch undoing.action {
        case .vanish, .kill, .crash, .wreck:
            for number in undoing.numbers where !client.gone.contains(number) {
                let death = deaths.lastIndex { $0.victim == number }
                if let death { deaths[death].end = simulator.now }
                simulator.restart(number)
            }
        case .pause: for number in undoing.numbers { simulator.resume(number) }
        case .block: for number in undoing.numbers { simulator.unblock(number) }
        case .isolate:
            for number in undoing.numbers { simulator.reconnect(number) }
            minority = []
            client.split = nil
        case .cut:
            for number in undoing.numbers {
                for other in undoing.others { simulator.join(from: other, to: number) }
            }
        case .drift: for number in undoing.numbers { simulator.setDrift(0, of: number) }
        case .disk: for number in undoing.numbers { simulator.setDiskDelay(.zero, of: number) }
        case .loss, .duplicates, .reorder, .delay:
            if let network = undoing.network { simulator.setNetwork { $0 = network } }
        case .restart, .heal, .leave, .update, .submit, .awaited, .park, .sleep, .limit, .meter:
            break
        }
    }
}
