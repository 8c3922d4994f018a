import Basics
import Wire

extension EdgeNode {
    /// A node that may be a relay.
    struct Contact: Hashable, Sendable {
        var introduction: Introduction
        /// As short as it was of late; nil before the first answer and after it was lost.
        var roundTrip: Duration?
        /// It has no coordinator, as it said last.
        var isCutOff = false
        /// The report that waits for its answer.
        var sequence: UInt64 = 0
        var sentAt = Instant.zero

        var node: NodeID { introduction.node }
        /// Of those that answer the least is the best: one that is cut off only where all are.
        var rank: (Int, Duration) { (isCutOff ? 1 : 0, roundTrip ?? .zero) }
    }

    // MARK: Whom it knows

    /// False where it was known with this address, or there is no room.
    @discardableResult
    mutating func meet(_ introduction: Introduction) -> Bool {
        let profile = introduction.profile
        guard introduction.node != id, !profile.controlEndpoint.isEmpty, profile.role != "edge",
            !introduction.certificates.isEmpty
        else { return false }
        let place = contacts.partitionPoint { $0.node < introduction.node }
        if place < contacts.count, contacts[place].node == introduction.node {
            let known = contacts[place].introduction
            guard known != introduction else { return false }
            contacts[place].introduction = introduction
            return known.profile.controlEndpoint != profile.controlEndpoint
                || known.profile.bulkEndpoint != profile.bulkEndpoint
                || known.certificates != introduction.certificates
        }
        if contacts.count >= Self.contactCountMax {
            // One that does not answer makes room.
            let silent = contacts.firstIndex { $0.roundTrip == nil && $0.node != home }
            guard let silent else { return false }
            contacts.remove(at: silent)
            return meet(introduction)
        }
        contacts.insert(Contact(introduction: introduction), at: place)
        return true
    }

    func contact(_ node: NodeID) -> Contact? { place(of: node).map { contacts[$0] } }

    private func place(of node: NodeID) -> Int? {
        let place = contacts.partitionPoint { $0.node < node }
        return place < contacts.count && contacts[place].node == node ? place : nil
    }

    /// Of those that answer.
    func nearest(but other: NodeID?) -> Contact? {
        contacts.filter { $0.node != other && $0.roundTrip != nil }.min { $0.rank < $1.rank }
    }

    // MARK: What it hears

    mutating func receive(
        _ body: Envelope.Body,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let place = place(of: sender) else { return }
        switch body {
        case .edgeOrders(let orders):
            if orders.sequence != 0, orders.sequence == contacts[place].sequence {
                let sample = now - contacts[place].sentAt
                // As a member's: a longer one counts for a sixteenth.
                contacts[place].roundTrip =
                    contacts[place].roundTrip.map { min(sample, $0 + (sample - $0) / 16) } ?? sample
            }
            // One answer may be lost, and a later one is as good.
            if orders.sequence >= contacts[place].sequence { contacts[place].sequence = 0 }
            // Orders that come by themselves say nothing of it.
            if orders.sequence != 0 { contacts[place].isCutOff = orders.isCutOff }
            if rootNumber < orders.rootNumber {
                rootNumber = orders.rootNumber
                effects.append(.rootIs(rootNumber))
            }
            for relay in orders.relays.prefix(Self.contactCountMax) where meet(relay) {
                effects.append(.relay(relay))
            }
            if home == nil {
                attach(to: sender, at: now, into: &effects)
            } else if sender == home, orders.isHome {
                if isHomeNew { nextReport = now + settings.reportInterval }
                isHomeNew = false
                adopt(orders, at: now, into: &effects)
                if contacts[place].isCutOff { doubt(sender, at: now, into: &effects) }
            } else if sender == home {
                guard !orders.isHome, orders.sequence >= homeSequence else { break }
                // It takes nobody more, or goes.
                lose(sender, at: now, into: &effects)
            } else {
                prefer(sender, at: now, into: &effects)
            }
        case .edgeSleepTaken(let taken): fallAsleep(taken, at: now, into: &effects)
        default: break
        }
    }

    mutating func connected(_ peer: NodeID, at now: Instant, into effects: inout [Effect]) {
        // What was said before may be lost: it is said again.
        if peer == home { nextReport = now }
    }

    // MARK: Home and spare

    private mutating func attach(
        to node: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        if let home { report(to: home, as: .spare, at: now, into: &effects) }
        home = node
        homeSequence = sequence + 1
        isHomeNew = true
        searchCount = 0
        nextReport = now
        // Others have answers on their way: one of them may be nearer.
        nextSurvey = min(nextSurvey, now + settings.surveyInterval)
        effects.append(.homeChanged(node))
        hurryResults(at: now)
    }

    /// Moves to another relay where that is much nearer, or has a coordinator and the home has
    /// none.
    private mutating func prefer(
        _ node: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let home, let own = contact(home), let other = contact(node), !other.isCutOff,
            let distance = other.roundTrip
        else { return }
        if case .asleep = phase { return }
        let isMuchNearer =
            phase == .awake && own.roundTrip.map { distance + .milliseconds(2) < $0 / 2 } ?? false
        if own.isCutOff || isMuchNearer { attach(to: node, at: now, into: &effects) }
    }

    /// The home has no coordinator: the spare may have one, or others, who are asked soon.
    private mutating func doubt(_ home: NodeID, at now: Instant, into effects: inout [Effect]) {
        if let other = nearest(but: home) { prefer(other.node, at: now, into: &effects) }
        if self.home == home { nextSurvey = min(nextSurvey, now + settings.searchIntervalMax) }
    }

    /// A relay that is gone; its spare takes its place at once.
    mutating func lose(_ node: NodeID, at now: Instant, into effects: inout [Effect]) {
        guard let place = place(of: node) else { return }
        contacts[place].roundTrip = nil
        contacts[place].sequence = 0
        guard node == home, phase != .gone else { return }
        home = nil
        effects.append(.note(.homeLost(node)))
        if case .asleep = phase { return }
        if let spare = nearest(but: node) {
            attach(to: spare.node, at: now, into: &effects)
            nextSurvey = now + settings.searchInterval
        } else {
            effects.append(.homeChanged(nil))
            nextReport = .distantFuture
            nextSurvey = now
        }
    }

    /// When its home has owed an answer for too long.
    var homeDue: Instant {
        guard let home, let place = place(of: home), contacts[place].sequence != 0 else {
            return .distantFuture
        }
        return contacts[place].sentAt + settings.relaySilence
    }

    // MARK: What it says

    mutating func speak(at now: Instant, into effects: inout [Effect]) {
        if homeDue <= now, let home { lose(home, at: now, into: &effects) }
        if nextSurvey <= now, phase == .awake || home == nil { survey(at: now, into: &effects) }
        // Whoever is about to sleep says nothing that would wake it, but to a new home who it is.
        let isAwake = phase == .awake
        if nextReport <= now, let home, isAwake || isHomeNew {
            report(to: home, as: .home, at: now, into: &effects)
        }
        announce(at: now, into: &effects)
    }

    /// Asks the spare and some others, so that their distance is known and the way is open.
    private mutating func survey(at now: Instant, into effects: inout [Effect]) {
        let others = contacts.map(\.node).filter { $0 != home }
        var asked: [NodeID] = []
        if let spare { asked.append(spare) }
        for node in others.shuffled(using: &chance)
        where asked.count < settings.surveyCount && !asked.contains(node) {
            asked.append(node)
        }
        for node in asked { report(to: node, as: .spare, at: now, into: &effects) }
        if home == nil {
            // Without a network nobody answers for long.
            let pause = settings.searchInterval * Double(1 << min(searchCount, 8))
            searchCount += 1
            nextSurvey = now + min(pause, settings.searchIntervalMax)
        } else {
            nextSurvey = now + settings.surveyInterval
        }
    }

    private mutating func report(
        to node: NodeID,
        as standing: EdgeStanding,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        sequence += 1
        if let place = place(of: node) {
            // The oldest question that waits says how long it takes to be answered.
            if contacts[place].sequence == 0 || standing == .spare {
                contacts[place].sentAt = now
                contacts[place].sequence = sequence
            }
        }
        if standing == .home {
            nextReport = now + (isHomeNew ? settings.attachInterval : settings.reportInterval)
        }
        report(to: node, as: standing, into: &effects)
    }

    func report(to node: NodeID, as standing: EdgeStanding, into effects: inout [Effect]) {
        let report = EdgeReport(
            sequence: sequence,
            standing: standing,
            appliedIndex: appliedIndex,
            slotCount: UInt32(settings.slotCount),
            running: parked.map(\.lease.number),
            relayCount: UInt32(contacts.count),
            profile: profile
        )
        effects.append(.send(.edgeReport(report), to: node))
    }

    // MARK: Sleep

    mutating func sleep(
        until: UInt64,
        lasting duration: Duration,
        for request: UInt64,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard case .awake = phase else {
            effects.append(.answer(request: request, refusal: "it is about to sleep already"))
            return
        }
        guard home != nil else {
            let refusal = "no relay is in reach, so nobody could be told"
            effects.append(.answer(request: request, refusal: refusal))
            return
        }
        sequence += 1
        phase = .announcing(
            Announcement(
                request: request, until: until, wakeAt: now + max(duration, .zero),
                sequence: sequence, due: now, end: now + settings.sleepDuration))
    }

    private mutating func announce(at now: Instant, into effects: inout [Effect]) {
        guard case .announcing(var announcement) = phase else { return }
        if announcement.end <= now {
            phase = .awake
            nextReport = now
            let refusal = "the mesh did not answer; it may have no coordinator just now"
            effects.append(.answer(request: announcement.request, refusal: refusal))
            return
        }
        guard announcement.due <= now else { return }
        // A report in between has said that it is awake.
        if announcement.sequence < sequence {
            sequence += 1
            announcement.sequence = sequence
        }
        announcement.due = now + settings.sleepInterval
        phase = .announcing(announcement)
        let sleep = EdgeSleep(until: announcement.until, sequence: announcement.sequence)
        if let home { effects.append(.send(.edgeSleep(sleep), to: home)) }
    }

    private mutating func fallAsleep(
        _ taken: EdgeSleepTaken,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard case .announcing(let announcement) = phase, taken.sequence == announcement.sequence,
            taken.sequence == sequence
        else { return }
        phase = .asleep(until: announcement.wakeAt)
        for place in contacts.indices { contacts[place].sequence = 0 }
        effects.append(.note(.asleep))
        effects.append(.answer(request: announcement.request, refusal: nil))
    }

    /// Says at once, to its home and to some others, that it is back.
    mutating func wake(at now: Instant, into effects: inout [Effect]) {
        phase = .awake
        effects.append(.note(.awake))
        isHomeNew = true
        nextReport = home == nil ? .distantFuture : now
        nextSurvey = now
        hurryResults(at: now)
    }
}
