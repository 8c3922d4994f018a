import Basics
import Wire

extension FailureDetector {
    /// No correct node gets there; beyond it `incarnation + 1` could overflow.
    static let incarnationMax: UInt64 = 1 << 62
    /// An endpoint or a name is far shorter.
    static let profileByteCountMax = 512
    /// ggml has some 40 types of weights.
    static let weightTypeCountMax = 64

    mutating func receive(
        _ message: MembershipMessage,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard isAdmitted(sender) else {
            receiveFromStranger(message, sender, into: &effects)
            return
        }
        switch message.body {
        case .ping(let ping):
            hear(ping.rumors, from: sender, at: now, into: &effects)
            answer(ping, from: sender, into: &effects)
        case .pingRequest(let request):
            hear(request.rumors, from: sender, at: now, into: &effects)
            relay(request, from: sender, at: now, into: &effects)
        case .acknowledgement(let answer):
            hear(answer.rumors, from: sender, at: now, into: &effects)
            take(answer, from: sender, at: now, into: &effects)
        case .notAcknowledged(let nack): take(nack, from: sender)
        case .gossip(let gossip): hear(gossip.rumors, from: sender, at: now, into: &effects)
        case .sync(let sync): take(sync, from: sender, at: now, into: &effects)
        }
    }

    /// A node that we may not know yet: it is enrolled, and the log that says so has not reached
    /// us.
    ///
    /// It learns that we live, and nothing else; what it says of itself is kept for later.
    private mutating func receiveFromStranger(
        _ message: MembershipMessage,
        _ sender: NodeID,
        into effects: inout [Effect]
    ) {
        let rumors: [Rumor]
        switch message.body {
        case .ping(let ping):
            rumors = ping.rumors
            let answer = Acknowledgement(sequence: ping.sequence)
            effects.append(.send(MembershipMessage(body: .acknowledgement(answer)), to: sender))
        case .gossip(let gossip): rumors = gossip.rumors
        case .sync(let sync): rumors = sync.members
        default: rumors = []
        }
        for rumor in rumors.prefix(settings.memberCountMax) where rumor.node == sender {
            if isPlausible(rumor) { keepWaiting(rumor, into: &effects) }
        }
    }

    private mutating func hear(
        _ rumors: [Rumor],
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // A later version may send more in one message, but not without end.
        for rumor in rumors.prefix(settings.rumorCountMax * 4) {
            believe(rumor, from: sender, at: now, into: &effects)
        }
    }

    /// Takes over a rumor if it is newer than what is known.
    mutating func believe(
        _ rumor: Rumor,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard isPlausible(rumor) else {
            effects.append(.note(.implausibleRumor(from: sender)))
            return
        }
        guard rumor.node != id else {
            hearOfSelf(rumor, into: &effects)
            return
        }
        guard isAdmitted(rumor.node) else {
            keepWaiting(rumor, into: &effects)
            return
        }
        guard let index = position(of: rumor.node) else {
            // That somebody unknown is dead is no news, and would bring back the forgotten.
            if rumor.state.rawValue <= MemberState.unreachable.rawValue {
                add(rumor, at: now, into: &effects)
            }
            return
        }
        let known = members[index]
        if rumor.incarnation < known.incarnation { return }
        if rumor.incarnation == known.incarnation {
            if rumor.state == .suspect, known.state == .suspect {
                confirm(index, by: rumor.accuser ?? sender)
            }
            if rumor.state.rawValue <= known.state.rawValue { return }
        } else {
            members[index].incarnation = rumor.incarnation
        }
        let hasNewProfile =
            rumor.incarnation > known.incarnation && rumor.profile != known.profile
        if hasNewProfile { members[index].profile = rumor.profile }
        set(index, to: rumor.state, accuser: rumor.accuser ?? sender, at: now)
        if known.state != rumor.state || hasNewProfile {
            effects.append(.changed(rumor.node, rumor.state, members[index].profile))
        }
    }

    /// Someone speaks of us.
    ///
    /// Only we may answer, with an incarnation above the one accused.
    private mutating func hearOfSelf(_ rumor: Rumor, into effects: inout [Effect]) {
        guard !isLeaving else { return }
        let own = ownPosition
        let isAccusation = rumor.state != .alive
        if isAccusation {
            guard rumor.incarnation >= members[own].incarnation else { return }
        } else {
            // We started again and the others remember who we were before.
            guard
                rumor.incarnation > members[own].incarnation
                    || rumor.incarnation == members[own].incarnation
                        && !isOwn(rumor.profile)
            else { return }
        }
        members[own].incarnation = rumor.incarnation + 1
        queue.insert(id, countMax: settings.queueCountMax)
        guard isAccusation, !isJoining else { return }
        effects.append(
            .note(.refuted(incarnation: rumor.incarnation + 1, accuser: rumor.accuser))
        )
        // That we had to say so means that we were too slow to answer (Lifeguard IV.A).
        changeLocalHealth(by: 1, into: &effects)
    }

    /// Whether this is what we say of ourselves, perhaps without what we measured: a node of an
    /// earlier version passes on what it understands, and need not be told again and again.
    private func isOwn(_ profile: Profile) -> Bool {
        var own = members[ownPosition].profile
        if profile == own { return true }
        own.capability = nil
        return profile == own
    }

    private mutating func add(
        _ rumor: Rumor,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard members.count < settings.memberCountMax else {
            effects.append(.note(.full(.members)))
            return
        }
        let index = insertionPosition(of: rumor.node)
        members.insert(
            Member(
                id: rumor.node,
                state: .alive,
                incarnation: rumor.incarnation,
                profile: rumor.profile,
                since: now
            ),
            at: index
        )
        addToRound(rumor.node)
        set(index, to: rumor.state, accuser: rumor.accuser ?? rumor.node, at: now)
        effects.append(.changed(rumor.node, rumor.state, rumor.profile))
    }

    private func isPlausible(_ rumor: Rumor) -> Bool {
        let profile = rumor.profile
        let texts = [
            profile.name, profile.controlEndpoint, profile.bulkEndpoint, profile.role,
            profile.version,
        ]
        return rumor.incarnation < Self.incarnationMax
            && texts.allSatisfy { $0.utf8.count <= Self.profileByteCountMax }
            && isPlausible(profile.capability)
    }

    private func isPlausible(_ capability: Capability?) -> Bool {
        guard let capability else { return true }
        let count = capability.weightTypes.count
        return count <= Self.weightTypeCountMax && capability.decodeMegabytes.count == count
            && capability.prefillMegaoperations.count == count
    }
}

// MARK: States

extension FailureDetector {
    /// Our own accusation: the member answered neither us nor our helpers.
    mutating func accuse(
        _ node: NodeID,
        isHinted: Bool,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let index = position(of: node) else { return }
        switch members[index].state {
        case .alive:
            set(index, to: .suspect, accuser: id, at: now)
            effects.append(.note(.suspected(node, by: id)))
            effects.append(.changed(node, .suspect, members[index].profile))
        case .suspect: confirm(index, by: id)
        case .unreachable, .dead, .left: return
        }
        if isHinted {
            let due = now + settings.hintedSuspicion * (localHealth + 1)
            members[index].changeDue = min(members[index].changeDue, due)
            nextChange = min(nextChange, due)
        }
    }

    /// One more accuser: the timer shortens, and the news of it spreads once.
    private mutating func confirm(_ index: Int, by accuser: NodeID) {
        guard members[index].suspicion?.confirm(by: accuser) == true else { return }
        if let end = members[index].suspicion?.end {
            members[index].changeDue = min(members[index].changeDue, end)
            nextChange = min(nextChange, end)
        }
        members[index].accuser = accuser
        queue.insert(members[index].id, countMax: settings.queueCountMax)
    }

    /// Enters a state with its timer, and spreads it.
    private mutating func set(
        _ index: Int,
        to state: MemberState,
        accuser: NodeID,
        at now: Instant
    ) {
        if members[index].state != state { members[index].since = now }
        members[index].state = state
        members[index].accuser = state == .alive || state == .left ? nil : accuser
        members[index].suspicion = nil
        switch state {
        case .alive: members[index].changeDue = .distantFuture
        case .suspect:
            let suspicion = suspicion(by: accuser, at: now)
            members[index].suspicion = suspicion
            members[index].changeDue = suspicion.end
        case .unreachable: members[index].changeDue = now + settings.unreachableTime
        case .dead, .left: members[index].changeDue = now + settings.forgettingTime
        }
        queue.insert(members[index].id, countMax: settings.queueCountMax)
        findNextChange()
    }

    private func suspicion(by accuser: NodeID, at now: Instant) -> Suspicion {
        let count = members.count { $0.state == .alive || $0.state == .suspect }
        let scale = max(1, Suspicion.logarithm(count) / Suspicion.logarithm(10))
        let shortest = settings.probeInterval * (Double(settings.suspicionFactor) * scale)
        // Beside the accuser and the accused there must be enough to confirm.
        let isLargeEnough = count - 2 >= settings.confirmationCount
        return Suspicion(
            start: now,
            shortest: shortest,
            longest: shortest * settings.suspicionFactorMax,
            confirmationCountMax: isLargeEnough ? settings.confirmationCount : 0,
            accuser: accuser
        )
    }

    mutating func expireStates(at now: Instant, into effects: inout [Effect]) {
        for node in members.filter({ $0.changeDue <= now }).map(\.id) {
            guard let index = position(of: node) else { continue }
            switch members[index].state {
            case .alive: continue
            case .suspect:
                set(index, to: .unreachable, accuser: id, at: now)
                effects.append(.changed(node, .unreachable, members[index].profile))
            case .unreachable:
                set(index, to: .dead, accuser: id, at: now)
                effects.append(.changed(node, .dead, members[index].profile))
            case .dead, .left: forget(node, into: &effects)
            }
        }
        findNextChange()
    }

    func retransmitCountMax() -> Int {
        var digits = 1
        var power = 10
        while power < members.count + 1 {
            digits += 1
            power *= 10
        }
        return settings.retransmitFactor * digits
    }

    private mutating func findNextChange() {
        nextChange = members.lazy.map(\.changeDue).min() ?? .distantFuture
    }
}

// MARK: Who may be a member

extension FailureDetector {
    mutating func admit(_ node: NodeID, at now: Instant, into effects: inout [Effect]) {
        guard admitted.insert(node) else { return }
        guard let index = waiting.firstIndex(where: { $0.node == node }) else { return }
        let rumor = waiting.remove(at: index)
        believe(rumor, from: node, at: now, into: &effects)
    }

    mutating func expel(_ node: NodeID, into effects: inout [Effect]) {
        guard node != id else { return }
        admitted.remove(node)
        seeds.removeAll { $0.id == node }
        waiting.removeAll { $0.node == node }
        relays.removeAll { $0.origin == node || $0.target == node }
        forget(node, into: &effects)
        findNextChange()
    }

    private mutating func forget(_ node: NodeID, into effects: inout [Effect]) {
        guard let index = position(of: node) else { return }
        members.remove(at: index)
        queue.remove(node)
        probes.removeAll { $0.target == node }
        round.removeAll { $0 == node }
        effects.append(.forgotten(node))
    }

    /// One rumor a node, the newest; the longest waiting makes room.
    private mutating func keepWaiting(_ rumor: Rumor, into effects: inout [Effect]) {
        if let index = waiting.firstIndex(where: { $0.node == rumor.node }) {
            guard rumor.incarnation >= waiting[index].incarnation else { return }
            waiting.remove(at: index)
        } else if waiting.count >= settings.waitingCountMax {
            guard !waiting.isEmpty else { return }
            waiting.removeFirst()
            effects.append(.note(.full(.waiting)))
        }
        waiting.append(rumor)
    }
}
