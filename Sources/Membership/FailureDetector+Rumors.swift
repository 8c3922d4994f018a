import Basics
package import Wire

extension FailureDetector {
    /// How far any incarnation may be at the beginning of 1970, and by how much that grows in a
    /// second.
    ///
    /// A node raises its incarnation by one at each start, and by one for what others say of it,
    /// ten times a second at most; the numbers of an edge node are those of its reports, 2^32 for
    /// each start: of these it has four hundred thousand.
    static let incarnationLimit: UInt64 = 1 << 40
    static let incarnationLimitGrowth: UInt64 = 1 << 20
    /// An endpoint or a name is far shorter.
    static let profileByteCountMax = 512
    /// A pebibyte: what all nodes have is summed.
    static let memoryByteCountMax: UInt64 = 1 << 50
    /// ggml has some 40 types of weights.
    static let weightTypeCountMax = 64

    mutating func receive(
        _ message: MembershipMessage,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // Every member is admitted, and most who speak are members.
        let isMember = position(of: sender) != nil
        guard isMember || isAdmitted(sender) else {
            receiveFromStranger(message, sender, into: &effects)
            return
        }
        switch message.body {
        case .ping(let ping):
            hear(ping.rumors, from: sender, at: now, into: &effects)
            answer(ping, from: sender, isMember: isMember, at: now, into: &effects)
        case .pingRequest(let request):
            hear(request.rumors, from: sender, at: now, into: &effects)
            relay(request, from: sender, at: now, into: &effects)
        case .acknowledgement(let answer):
            hear(answer.rumors, from: sender, at: now, into: &effects)
            take(answer, from: sender, at: now, into: &effects)
        case .notAcknowledged(let nack): take(nack, from: sender)
        case .gossip(let gossip): hear(gossip.rumors, from: sender, at: now, into: &effects)
        case .sync(let sync): take(sync, from: sender, at: now, into: &effects)
        case .syncDigest(let digest): take(digest, from: sender, into: &effects)
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
            if isPlausible(rumor) {
                keepWaiting(rumor, into: &effects)
            }
        }
    }

    private mutating func hear(
        _ rumors: [Rumor],
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // A later version may send more in one message, but not without end.
        for rumor in rumors.prefix(settings.rumorCountAtStorm * 2) {
            believe(rumor, from: sender, at: now, into: &effects)
        }
    }

    /// Takes over a rumor if it is newer than what is known; true where something changed by it.
    @discardableResult
    mutating func believe(
        _ rumor: Rumor,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) -> Bool {
        let position = position(of: rumor.node)
        guard isPlausible(rumor) else {
            effects.append(.note(.implausibleRumor(from: sender)))
            return false
        }
        guard rumor.node != id else {
            let before = members[ownPosition].incarnation
            hearOfSelf(rumor, at: now, into: &effects)
            return members[ownPosition].incarnation != before
        }
        guard isAdmitted(rumor.node) else {
            keepWaiting(rumor, into: &effects)
            return false
        }
        guard hasItsRole(rumor, at: position) else {
            effects.append(.note(.implausibleRumor(from: sender)))
            return false
        }
        guard let index = position else {
            let count = members.count
            // That somebody unknown is dead is no news, and would bring back the forgotten.
            if rumor.state.rawValue <= MemberState.unreachable.rawValue {
                add(rumor, at: now, into: &effects)
            }
            return members.count != count
        }
        let before = (members[index].incarnation, members[index].state)
        renew(index, by: rumor, from: sender, at: now, into: &effects)
        return (members[index].incarnation, members[index].state) != before
    }

    /// The same of a member that is known.
    private mutating func renew(
        _ index: Int,
        by rumor: Rumor,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let incarnation = members[index].incarnation
        let state = members[index].state
        if rumor.incarnation < incarnation { return }
        if members[index].isEdge, objects(to: rumor, of: index, at: now) { return }
        if rumor.incarnation == incarnation {
            if rumor.state == .suspect, state == .suspect {
                let accuser = rumor.accuser ?? sender
                confirm(index, by: accuser, isHinted: rumor.hinted)
                judgeHints(index, at: now, into: &effects)
            }
            if rumor.state.rawValue <= state.rawValue { return }
        } else {
            members[index].incarnation = rumor.incarnation
        }
        let hasNewProfile =
            rumor.incarnation > incarnation && rumor.profile != members[index].profile
        if hasNewProfile { members[index].profile = rumor.profile }
        let accuser = rumor.accuser ?? sender
        set(index, to: rumor.state, accuser: accuser, isHinted: rumor.hinted, at: now)
        if state != rumor.state || hasNewProfile {
            effects.append(.changed(rumor.node, rumor.state, members[index].profile))
        }
        if rumor.state == .suspect { judgeHints(index, at: now, into: &effects) }
    }

    /// Someone speaks of us.
    ///
    /// Only we may answer, with an incarnation above the one accused.
    private mutating func hearOfSelf(
        _ rumor: Rumor,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard !isLeaving else { return }
        let own = ownPosition
        if rumor.state != .alive {
            guard rumor.incarnation >= members[own].incarnation else { return }
            accused = max(accused, rumor.incarnation)
            accuser = rumor.accuser
            refutationDue = nextRefutation
            if nextRefutation <= now { refute(at: now, into: &effects) }
            return
        }
        // We started again and the others remember who we were before.
        let incarnation = members[own].incarnation
        guard
            rumor.incarnation > incarnation
                || rumor.incarnation == incarnation && !isOwn(rumor.profile)
        else { return }
        members[own].incarnation = rumor.incarnation + 1
        queue.insert(id, countMax: settings.queueCountMax)
    }

    /// Answers all accusations so far with one new incarnation: whoever accuses without end makes
    /// us talk no more than ten times a second.
    mutating func refute(at now: Instant, into effects: inout [Effect]) {
        refutationDue = .distantFuture
        let own = ownPosition
        guard accused >= members[own].incarnation, !isLeaving else { return }
        nextRefutation = now + settings.refutationInterval
        members[own].incarnation = accused + 1
        queue.insert(id, countMax: settings.queueCountMax)
        guard !isJoining else { return }
        effects.append(.note(.refuted(incarnation: accused + 1, accuser: accuser)))
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

    mutating func add(
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
        set(index, to: rumor.state, accuser: rumor.accuser ?? rumor.node, at: now)
        if rumor.profile.isEdge {
            nextWardCheck = min(nextWardCheck, now + settings.wardCheckInterval)
        } else {
            addToRound(rumor.node)
        }
        effects.append(.changed(rumor.node, rumor.state, rumor.profile))
    }

    /// Whether a node can say this of itself, and outbid it where it did not.
    ///
    /// Else one word about a node would be the last: nothing that it says of itself could ever
    /// replace that. The limit is nearly the same at every node, and a moment later it is higher
    /// than whatever was said before; a limit on steps could be climbed step by step, by one node
    /// in the eyes of another.
    // Inlined, because a call of a method that changes nothing copies the whole detector.
    @inline(__always)
    func isPlausible(_ rumor: Rumor) -> Bool {
        rumor.incarnation <= incarnationMost && Self.isPlausible(rumor.profile)
    }

    /// Once a second: it takes a division of 128 bits.
    mutating func raiseIncarnationLimit(at now: Instant) {
        incarnationLimitDue = now + .seconds(1)
        let second = epochSeconds + now.sinceStart.components.seconds
        let growth = UInt64(min(max(second, 0), 1 << 40)) * Self.incarnationLimitGrowth
        incarnationMost = Self.incarnationLimit + growth
    }

    /// Who is an edge node was decided when it was let in: nobody becomes one by a rumor, or is one
    /// no more.
    @inline(__always)
    private func hasItsRole(_ rumor: Rumor, at position: Int?) -> Bool {
        let isEdge = position.map { members[$0].isEdge } ?? admittedEdges.contains(rumor.node)
        return rumor.profile.isEdge == isEdge
    }

    /// Whether a node can say this of itself: texts and lists are as short as they must be, where
    /// everybody keeps those of everybody.
    package static func isPlausible(_ profile: Profile) -> Bool {
        let texts = [
            profile.name, profile.controlEndpoint, profile.bulkEndpoint, profile.role,
            profile.version,
        ]
        return texts.allSatisfy { $0.utf8.count <= profileByteCountMax }
            && profile.memoryByteCount <= memoryByteCountMax
            && isPlausible(profile.capability)
    }

    private static func isPlausible(_ capability: Capability?) -> Bool {
        guard let capability else { return true }
        let count = capability.weightTypes.count
        return count <= weightTypeCountMax
            && capability.modelMemoryByteCount <= memoryByteCountMax
            && capability.decodeMegabytes.count == count
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
            set(index, to: .suspect, accuser: id, isHinted: isHinted, at: now)
            effects.append(.note(.suspected(node, by: id)))
            effects.append(.changed(node, .suspect, members[index].profile))
        case .suspect: confirm(index, by: id, isHinted: isHinted)
        case .unreachable, .dead, .left: return
        }
        if isHinted {
            if judgeHints(index, at: now, into: &effects) { return }
            let due = now + settings.hintedSuspicion.times(localHealth + 1)
            members[index].changeDue = min(members[index].changeDue, due)
            nextChange = min(nextChange, due)
        }
    }

    /// One more accuser: the timer shortens, and the news of it spreads once.
    private mutating func confirm(_ index: Int, by accuser: NodeID, isHinted: Bool) {
        let isNew = members[index].suspicion?.confirm(by: accuser) == true
        let isNewHint = isHinted && members[index].suspicion?.noteHint(by: accuser) == true
        guard isNew || isNewHint else { return }
        members[index].isHinted = isHinted
        if let end = members[index].suspicion?.end {
            members[index].changeDue = min(members[index].changeDue, end)
            nextChange = min(nextChange, end)
        }
        members[index].accuser = accuser
        queue.insert(members[index].id, countMax: settings.queueCountMax)
    }

    /// Where enough nodes lost their connection and got no answer, no timer is waited for.
    @discardableResult
    private mutating func judgeHints(
        _ index: Int,
        at now: Instant,
        into effects: inout [Effect]
    ) -> Bool {
        guard let hinters = members[index].suspicion?.hinters,
            hinters.count >= min(settings.hintQuorum, max(overlay.otherCount, 1))
        else { return false }
        set(index, to: .unreachable, accuser: id, at: now)
        effects.append(.changed(members[index].id, .unreachable, members[index].profile))
        return true
    }

    /// Enters a state with its timer, and spreads it.
    mutating func set(
        _ index: Int,
        to state: MemberState,
        accuser: NodeID,
        isHinted: Bool = false,
        at now: Instant
    ) {
        let node = members[index].id
        if members[index].state != state { members[index].since = now }
        // Where somebody goes or returns, news is lost with him that others have.
        if members[index].isGone || state == .unreachable || state == .dead { compareSoon(at: now) }
        doubtfulCount += (state == .alive ? 0 : 1) - (members[index].state == .alive ? 0 : 1)
        members[index].state = state
        members[index].accuser = state == .alive || state == .left ? nil : accuser
        members[index].isHinted = isHinted && state == .suspect
        members[index].suspicion = nil
        switch state {
        case .alive:
            members[index].changeDue = .distantFuture
            if !members[index].isEdge { overlay.insert(node) }
        case .suspect:
            if !members[index].isEdge { overlay.insert(node) }
            var suspicion = suspicion(by: accuser, at: now)
            if isHinted { _ = suspicion.noteHint(by: accuser) }
            members[index].suspicion = suspicion
            members[index].changeDue = suspicion.end
        case .unreachable, .dead:
            if overlay.isLink(node), !departed.contains(node) { departed.append(node) }
            overlay.remove(node)
            let time = state == .dead ? settings.forgettingTime : settings.unreachableTime
            members[index].changeDue = now + time
        case .left:
            overlay.remove(node)
            members[index].changeDue = now + settings.forgettingTime
        }
        queue.insert(node, countMax: settings.queueCountMax)
        // It may be too early where a timer was taken away; then it is found anew.
        nextChange = min(nextChange, members[index].changeDue)
    }

    private func suspicion(by accuser: NodeID, at now: Instant) -> Suspicion {
        let count = overlay.otherCount + 1
        let scale = max(1, Suspicion.logarithm(count) / Suspicion.logarithm(10))
        let shortest = settings.probeInterval * (Double(settings.suspicionFactor) * scale)
        // Beside the accuser and the accused there must be enough to confirm.
        let isLargeEnough = count - 2 >= settings.confirmationCount
        return Suspicion(
            start: now,
            shortest: shortest,
            longest: shortest * settings.suspicionFactorMax,
            confirmationCountMax: isLargeEnough ? settings.confirmationCount : 0,
            verdictCount: overlay.isRinged ? settings.verdictCount : .max,
            accuser: accuser
        )
    }

    mutating func expireStates(at now: Instant, into effects: inout [Effect]) {
        let due = members.indices.filter { members[$0].changeDue <= now }.map { members[$0].id }
        for node in due {
            guard let index = position(of: node) else { continue }
            if let until = end(ofSleepOf: node), now < until {
                members[index].changeDue = until
                continue
            }
            switch members[index].state {
            // Only of edge nodes: nobody speaks for it.
            case .alive, .suspect:
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
        nextChange = .distantFuture
        for index in members.indices { nextChange = min(nextChange, members[index].changeDue) }
    }
}

// MARK: Who may be a member

extension FailureDetector {
    mutating func admit(
        _ node: NodeID, isEdge: Bool, at now: Instant, into effects: inout [Effect]
    ) {
        if isEdge { _ = admittedEdges.insert(node) }
        guard admitted.insert(node) else { return }
        guard let index = waiting.firstIndex(where: { $0.node == node }) else { return }
        let rumor = waiting.remove(at: index)
        believe(rumor, from: node, at: now, into: &effects)
    }

    mutating func expel(_ node: NodeID, into effects: inout [Effect]) {
        guard node != id else { return }
        admitted.remove(node)
        admittedEdges.remove(node)
        seeds.removeAll { $0.id == node }
        waiting.removeAll { $0.node == node }
        relays.removeAll { $0.origin == node || $0.target == node }
        wards.remove(node)
        setAsleep(node, until: nil, at: nextChange)
        forget(node, into: &effects)
        findNextChange()
    }

    private mutating func forget(_ node: NodeID, into effects: inout [Effect]) {
        guard let index = position(of: node) else { return }
        if members[index].state != .alive { doubtfulCount -= 1 }
        members.remove(at: index)
        forgetPlace(of: node)
        queue.remove(node)
        overlay.remove(node)
        departed.removeAll { $0 == node }
        probes.removeAll { $0.target == node }
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
