import Basics
import Wire

extension FailureDetector {
    /// A ping that waits for its answer.
    struct Probe: Hashable, Sendable {
        /// Why it was sent, which decides what its silence means.
        enum Purpose: Hashable, Sendable {
            /// One of the round: silence is an accusation.
            case round
            /// After a lost connection: silence for one timeout is an accusation.
            case hint
            /// To a node out of reach: silence is what we expect.
            case revival
        }

        let target: NodeID
        let sequence: UInt64
        let purpose: Purpose
        let sentAt: Instant
        /// When the helpers are asked; nil once they were.
        var helpDue: Instant?
        let failureDue: Instant
        var helpers: [NodeID] = []
        var nackers: [NodeID] = []
    }

    /// A ping on behalf of another node.
    struct Relay: Hashable, Sendable {
        let origin: NodeID
        let originSequence: UInt64
        let target: NodeID
        let sequence: UInt64
        /// When to say that the target did not answer; nil once it was said.
        var nackDue: Instant?
        /// A late answer is still passed on until then.
        let end: Instant
    }
}

// MARK: Our own probes

extension FailureDetector {
    mutating func probeNext(at now: Instant, into effects: inout [Effect]) {
        nextProbe = now + settings.probeInterval.times(localHealth + 1)
        if round.isEmpty { round = overlay.targets.shuffled(using: &chance) }
        while let target = round.popLast() {
            // It may be a neighbour no more.
            guard overlay.isTarget(target) else { continue }
            probe(target, purpose: .round, at: now, into: &effects)
            return
        }
    }

    /// A new neighbour is visited at a random place of the running round.
    mutating func addToRound(_ node: NodeID) {
        guard overlay.isTarget(node) else { return }
        round.insert(node, at: Int.random(in: 0...round.count, using: &chance))
    }

    mutating func probeAfterLoss(
        of node: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let state = state(of: node), node != id, !isLeaving else { return }
        guard state == .alive || state == .suspect, overlay.contains(node) else { return }
        if probes.contains(where: { $0.target == node && $0.purpose == .hint }) { return }
        probe(node, purpose: .hint, at: now, into: &effects)
    }

    /// Pings one node out of reach: dead, unreachable, or a seed that never answered.
    mutating func revive(at now: Instant, into effects: inout [Effect]) {
        nextRevival = now + settings.revivalInterval
        var candidates: [NodeID] = []
        // Mostly all are there.
        if overlay.otherCount + 1 < members.count {
            for index in members.indices
            where members[index].isGone && !members[index].isEdge {
                candidates.append(members[index].id)
            }
        }
        // By index: else each is copied with its profile.
        for index in seeds.indices where position(of: seeds[index].id) == nil {
            candidates.append(seeds[index].id)
        }
        guard let node = choose(1, of: candidates).first else { return }
        // A seed that nobody here knows any more is asked as when we joined.
        if position(of: node) == nil {
            sendSync(to: node, reply: false, into: &effects)
        } else {
            probe(node, purpose: .revival, at: now, into: &effects)
        }
    }

    private mutating func probe(
        _ target: NodeID,
        purpose: Probe.Purpose,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard probes.count < settings.probeCountMax else {
            effects.append(.note(.full(.probes)))
            return
        }
        sequence += 1
        probes.append(
            Probe(
                target: target,
                sequence: sequence,
                purpose: purpose,
                sentAt: now,
                helpDue: helpDue(for: purpose, of: target, at: now),
                failureDue: now + settings.probeInterval.times(localHealth + 1)
            )
        )
        let ping = Ping(sequence: sequence, rumors: rumors(for: target))
        effects.append(.send(MembershipMessage(body: .ping(ping)), to: target))
    }

    private func helpDue(
        for purpose: Probe.Purpose,
        of target: NodeID,
        at now: Instant
    ) -> Instant? {
        switch purpose {
        case .round: return now + settings.probeTimeout
        case .hint:
            // A new connection takes some round trips, which are long where the node is far.
            let roundTrip = position(of: target).flatMap { members[$0].roundTrip } ?? .zero
            return now + min(max(settings.hintTimeout, roundTrip * 5), settings.probeTimeout)
        case .revival: return nil
        }
    }

    mutating func expireProbes(at now: Instant, into effects: inout [Effect]) {
        var index = 0
        while index < probes.count {
            if let due = probes[index].helpDue, due <= now {
                probes[index].helpDue = nil
                askForHelp(at: index, at: now, into: &effects)
            }
            if probes[index].failureDue <= now {
                let probe = probes.remove(at: index)
                fail(probe, at: now, into: &effects)
            } else {
                index += 1
            }
        }
    }

    private mutating func askForHelp(
        at index: Int,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let probe = probes[index]
        // The accusation comes first, so that the helpers carry it to the accused.
        if probe.purpose == .hint { accuse(probe.target, isHinted: true, at: now, into: &effects) }
        let helpers = helpers(for: probe.target)
        probes[index].helpers = helpers
        for helper in helpers {
            var rumors = rumors(for: helper)
            if let position = position(of: probe.target), members[position].state != .alive,
                !rumors.contains(where: { $0.node == probe.target })
            {
                rumors.insert(members[position].rumor, at: 0)
            }
            let request = PingRequest(
                sequence: probe.sequence,
                target: probe.target,
                rumors: rumors
            )
            effects.append(.send(MembershipMessage(body: .pingRequest(request)), to: helper))
        }
    }

    /// Others who watch the target. An edge node can be dialled by nobody but its relay, so it is
    /// no witness.
    private mutating func helpers(for target: NodeID) -> [NodeID] {
        var helpers: [NodeID] = []
        for node in overlay.monitors(of: target, &chance) where helpers.count < settings.fanout {
            guard let position = position(of: node), members[position].state == .alive,
                !members[position].isEdge
            else { continue }
            helpers.append(node)
        }
        return helpers
    }

    private mutating func fail(
        _ probe: Probe,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard probe.purpose == .round else { return }
        // Lifeguard section IV.A: helpers who said that they got no answer prove that we hear;
        // silent ones say that the fault may be ours. Without helpers nothing speaks for us.
        let missing = probe.helpers.isEmpty ? 1 : probe.helpers.count - probe.nackers.count
        effects.append(.note(.probeFailed(probe.target, missingNackCount: missing)))
        changeLocalHealth(by: missing, into: &effects)
        accuse(probe.target, isHinted: false, at: now, into: &effects)
    }

    mutating func changeLocalHealth(by difference: Int, into effects: inout [Effect]) {
        let health = min(max(localHealth + difference, 0), settings.localHealthMax)
        guard health != localHealth else { return }
        localHealth = health
        effects.append(.note(.localHealthChanged(health)))
    }

    func isProbeAnswer(_ sequence: UInt64, from sender: NodeID) -> Int? {
        probes.firstIndex {
            $0.sequence == sequence && ($0.target == sender || $0.helpers.contains(sender))
        }
    }
}

// MARK: Pings of others

extension FailureDetector {
    mutating func answer(
        _ ping: Ping,
        from sender: NodeID,
        isMember: Bool,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // Whoever accuses us, even of something long refuted, is answered with the truth.
        let isAccused = ping.rumors.contains { $0.node == id && $0.state != .alive }
        let answer = Acknowledgement(
            sequence: ping.sequence,
            rumors: rumors(for: sender, andOfSelf: isAccused),
            sightings: ping.sequence.isMultiple(of: Self.sightingInterval)
                ? sightings(for: sender, at: now) : []
        )
        effects.append(.send(MembershipMessage(body: .acknowledgement(answer)), to: sender))
        // It is admitted, but its word about itself has passed us by.
        if !isMember, position(of: sender) == nil {
            sendSync(to: sender, reply: false, into: &effects)
        }
    }

    mutating func relay(
        _ request: PingRequest,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard position(of: request.target) != nil, request.target != id else { return }
        guard relays.count < settings.relayCountMax else {
            effects.append(.note(.full(.relays)))
            return
        }
        sequence += 1
        relays.append(
            Relay(
                origin: sender,
                originSequence: request.sequence,
                target: request.target,
                sequence: sequence,
                nackDue: now + settings.probeTimeout * settings.nackShare,
                end: now + settings.probeInterval * 2
            )
        )
        let ping = Ping(sequence: sequence, rumors: rumors(for: request.target))
        effects.append(.send(MembershipMessage(body: .ping(ping)), to: request.target))
    }

    mutating func take(
        _ answer: Acknowledgement,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        if !answer.sightings.isEmpty { take(answer.sightings, at: now) }
        if let index = isProbeAnswer(answer.sequence, from: sender) {
            let probe = probes.remove(at: index)
            // What came by way of a helper says nothing about the way between us.
            if sender == probe.target, let position = position(of: sender) {
                members[position].note(roundTrip: now - probe.sentAt)
                locate(by: answer, from: sender, roundTrip: now - probe.sentAt)
            }
            if probe.purpose == .round { changeLocalHealth(by: -1, into: &effects) }
            // It was out of reach, and with it perhaps a whole half of the mesh: compare
            // everything.
            if probe.purpose == .revival {
                sendSync(to: probe.target, reply: false, into: &effects)
            }
            return
        }
        let found = relays.firstIndex { $0.sequence == answer.sequence && $0.target == sender }
        guard let found else { return }
        let relay = relays.remove(at: found)
        let passedOn = Acknowledgement(
            sequence: relay.originSequence,
            rumors: rumors(for: relay.origin)
        )
        effects.append(.send(MembershipMessage(body: .acknowledgement(passedOn)), to: relay.origin))
    }

    mutating func take(_ nack: NotAcknowledged, from sender: NodeID) {
        guard let index = isProbeAnswer(nack.sequence, from: sender) else { return }
        let probe = probes[index]
        guard probe.helpers.contains(sender), !probe.nackers.contains(sender) else { return }
        probes[index].nackers.append(sender)
    }

    mutating func expireRelays(at now: Instant, into effects: inout [Effect]) {
        for index in relays.indices {
            guard let due = relays[index].nackDue, due <= now else { continue }
            relays[index].nackDue = nil
            let nack = NotAcknowledged(sequence: relays[index].originSequence)
            let message = MembershipMessage(body: .notAcknowledged(nack))
            effects.append(.send(message, to: relays[index].origin))
        }
        relays.removeAll { $0.end <= now }
    }
}
