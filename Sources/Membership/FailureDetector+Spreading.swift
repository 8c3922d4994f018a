import Basics
import Wire

extension FailureDetector {
    /// What to tell a node along with whatever we send it.
    ///
    /// First what it is accused of, because it alone can object (Lifeguard IV.C); then, if asked,
    /// our own state; then what was told least.
    mutating func rumors(for receiver: NodeID, andOfSelf: Bool = false) -> [Rumor] {
        var rumors: [Rumor] = []
        if doubtfulCount > 0, let position = position(of: receiver),
            members[position].state != .alive
        {
            rumors.append(members[position].rumor)
        }
        if andOfSelf { rumors.append(members[ownPosition].rumor) }
        if queue.isEmpty { return rumors }
        let isStorm = queue.count > settings.rumorCountMax
        let limit = isStorm ? settings.rumorCountAtStorm : settings.rumorCountMax
        let count = max(limit - rumors.count, 1)
        let told = rumors.map(\.node)
        for node in queue.take(count, sentCountMax: retransmitCountMax()) {
            if let position = position(of: node), !told.contains(node) {
                rumors.append(members[position].rumor)
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

    /// The neighbours; and those who fell silent, for a while: a rumor of their death may be wrong.
    private mutating func listeners(at now: Instant) -> [NodeID] {
        if !departed.isEmpty {
            let time = settings.gossipToTheDeadTime
            departed = departed.filter { node in
                guard let position = position(of: node) else { return false }
                switch members[position].state {
                case .unreachable: return true
                case .dead: return now - members[position].since < time
                case .alive, .suspect, .left: return false
                }
            }
        }
        return overlay.links + departed
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

    /// Joining, asks one seed, then several at a time, since many may be gone where a whole mesh
    /// starts; later, any member.
    mutating func syncNext(at now: Instant, into effects: inout [Effect]) {
        if isJoining, !seeds.isEmpty {
            nextSync = now + settings.joinInterval
            for _ in 0..<(seedIndex == 0 ? 1 : min(settings.fanout, seeds.count)) {
                let seed = seeds[seedIndex % seeds.count]
                seedIndex += 1
                sendSync(to: seed.id, reply: false, into: &effects)
            }
            return
        }
        nextSync = now + syncPause
        syncPause = min(syncPause * 2, settings.syncInterval)
        if let partner = choose(1, of: overlay.links).first {
            let digest = SyncDigest(buckets: ViewDigest.buckets(of: members))
            effects.append(.send(MembershipMessage(body: .syncDigest(digest)), to: partner))
        }
    }

    /// Compares with a neighbour in a second or so, and then more and more seldom.
    mutating func compareSoon(at now: Instant) {
        guard syncPause > settings.syncIntervalMin, !isLeaving else { return }
        syncPause = settings.syncIntervalMin
        let share = Double.random(in: 0.5..<1.5, using: &chance)
        nextSync = min(nextSync, now + syncPause * share)
    }

    /// - Parameter buckets: of the view; empty means all.
    func sendSync(
        to node: NodeID,
        reply: Bool,
        buckets: [UInt32] = [],
        into effects: inout [Effect]
    ) {
        let isWanted = (0..<ViewDigest.bucketCount).map {
            buckets.isEmpty || buckets.contains(UInt32($0))
        }
        var rumors: [Rumor] = []
        for index in members.indices where isWanted[ViewDigest.bucket(of: members[index].id)] {
            rumors.append(members[index].rumor)
        }
        let sync = Sync(reply: reply, members: rumors, buckets: buckets)
        effects.append(.send(MembershipMessage(body: .sync(sync)), to: node))
    }

    /// Tells what differs here from what the other side knows; says nothing where nothing does.
    mutating func take(
        _ digest: SyncDigest,
        from sender: NodeID,
        into effects: inout [Effect]
    ) {
        let own = ViewDigest.buckets(of: members)
        guard digest.buckets.count == own.count else { return }
        let differing = own.indices.filter { own[$0] != digest.buckets[$0] }.map(UInt32.init)
        if differing.isEmpty { return }
        sendSync(to: sender, reply: false, buckets: differing, into: &effects)
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
        var isNews = false
        for rumor in sync.members.prefix(settings.memberCountMax) {
            var rumor = rumor
            if rumor.state == .unreachable || rumor.state == .dead {
                if rumor.node != id, position(of: rumor.node) == nil { continue }
                rumor.state = .suspect
                // Who was cut off has no evidence of its own: a thousand syncs after a partition
                // count as one accuser, or the accused had no time to object.
                rumor.accuser = rumor.node
            }
            if believe(rumor, from: sender, at: now, into: &effects) { isNews = true }
        }
        // Where something was missing, more may be.
        if isNews { compareSoon(at: now) }
        if sync.reply {
            if isJoining {
                isJoining = false
                nextSync = now + syncPause
            }
        } else {
            let buckets = Array(sync.buckets.prefix(ViewDigest.bucketCount))
            sendSync(to: sender, reply: true, buckets: buckets, into: &effects)
        }
    }
}
