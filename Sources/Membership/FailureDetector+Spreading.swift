import Basics
import Wire

extension FailureDetector {
    /// What to tell a node along with whatever we send it.
    ///
    /// First what it is accused of, because it alone can object (Lifeguard IV.C); then, if asked,
    /// our own state; then what was told least.
    mutating func rumors(for receiver: NodeID, andOfSelf: Bool = false) -> [Rumor] {
        var rumors: [Rumor] = []
        if let member = member(receiver), member.state != .alive { rumors.append(member.rumor) }
        if andOfSelf { rumors.append(members[ownPosition].rumor) }
        let count = max(settings.rumorCountMax - rumors.count, 1)
        for node in queue.take(count, sentCountMax: retransmitCountMax()) {
            if let member = member(node), !rumors.contains(where: { $0.node == node }) {
                rumors.append(member.rumor)
            }
        }
        return rumors
    }

    mutating func gossip(at now: Instant, into effects: inout [Effect]) {
        nextGossip = now + settings.gossipInterval
        let listeners = listeners(at: now)
        // Nobody to tell: whoever comes later asks for everything.
        if listeners.isEmpty { queue = RumorQueue() }
        for listener in choose(settings.fanout, of: listeners) {
            let rumors = rumors(for: listener)
            if rumors.isEmpty { return }
            let gossip = Gossip(rumors: rumors)
            effects.append(.send(MembershipMessage(body: .gossip(gossip)), to: listener))
        }
    }

    /// The dead listen for a while: a rumor of their death may be wrong.
    private func listeners(at now: Instant) -> [NodeID] {
        members.filter { member in
            switch member.state {
            case .alive, .suspect, .unreachable: member.id != id
            case .dead: now - member.since < settings.gossipToTheDeadTime
            case .left: false
            }
        }.map(\.id)
    }

    mutating func change(to profile: Profile) {
        let own = ownPosition
        guard members[own].profile != profile, !isLeaving else { return }
        members[own].profile = profile
        members[own].incarnation += 1
        queue.insert(id, countMax: settings.queueCountMax)
    }

    mutating func leave(at now: Instant, into effects: inout [Effect]) {
        guard !isLeaving else { return }
        isLeaving = true
        isJoining = false
        let own = ownPosition
        members[own].state = .left
        members[own].since = now
        queue.insert(id, countMax: settings.queueCountMax)
        probes = []
        relays = []
        nextProbe = .distantFuture
        nextSync = .distantFuture
        nextRevival = .distantFuture
        // The process may end as soon as these are sent; three rounds of gossip reach most.
        gossip(at: now, into: &effects)
    }
}

// MARK: Sync

extension FailureDetector {
    mutating func join(through seeds: [Seed], at now: Instant) {
        guard !isLeaving else { return }
        for seed in seeds where seed.id != id {
            _ = admitted.insert(seed.id)
            self.seeds.removeAll { $0.id == seed.id }
            self.seeds.append(seed)
        }
        guard !self.seeds.isEmpty else { return }
        isJoining = true
        nextSync = now
    }

    /// Joining, asks one seed after the other; later, any member.
    mutating func syncNext(at now: Instant, into effects: inout [Effect]) {
        if isJoining, !seeds.isEmpty {
            nextSync = now + settings.joinInterval
            let seed = seeds[seedIndex % seeds.count]
            seedIndex += 1
            sendSync(to: seed.id, reply: false, into: &effects)
            return
        }
        nextSync = now + settings.syncInterval * syncScale()
        let alive = members.filter { $0.state == .alive && $0.id != id }
        if let partner = choose(1, of: alive.map(\.id)).first {
            sendSync(to: partner, reply: false, into: &effects)
        }
    }

    /// With the members grows what a sync carries, so they become rarer.
    private func syncScale() -> Int {
        guard members.count > 32 else { return 1 }
        let bits = Int.bitWidth - (members.count - 1).leadingZeroBitCount
        return bits - 5 + 1
    }

    func sendSync(to node: NodeID, reply: Bool, into effects: inout [Effect]) {
        let sync = Sync(reply: reply, members: members.map(\.rumor))
        effects.append(.send(MembershipMessage(body: .sync(sync)), to: node))
    }

    /// Takes over all that the other side knows, but kills nobody on its word: it may have been cut
    /// off.
    ///
    /// Only the leaver itself says that it left, so that holds.
    mutating func take(
        _ sync: Sync,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        for rumor in sync.members.prefix(settings.memberCountMax) {
            var rumor = rumor
            if rumor.state == .unreachable || rumor.state == .dead {
                if rumor.node != id, position(of: rumor.node) == nil { continue }
                rumor.state = .suspect
                rumor.accuser = sender
            }
            believe(rumor, from: sender, at: now, into: &effects)
        }
        if sync.reply {
            if isJoining {
                isJoining = false
                nextSync = now + settings.syncInterval * syncScale()
            }
        } else {
            sendSync(to: sender, reply: true, into: &effects)
        }
    }
}
