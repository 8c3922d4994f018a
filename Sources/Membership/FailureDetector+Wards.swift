import Basics
package import Wire

/// An edge node that announced its sleep.
struct Sleeper: Hashable, Sendable {
    let node: NodeID
    let until: Instant
}

extension Profile {
    /// It dials and is dialled by nobody: others speak for it.
    package var isEdge: Bool { role == "edge" }
}

extension FailureDetector {
    /// An edge node said something to this node, its relay: it is alive, whatever others believe.
    ///
    /// The number of its report is the incarnation, so that of two relays the later one is right.
    mutating func hear(
        ward node: NodeID,
        _ incarnation: UInt64,
        _ profile: Profile,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let rumor = Rumor(node: node, state: .alive, incarnation: incarnation, profile: profile)
        guard node != id, isAdmitted(node), !isLeaving, profile.isEdge, isPlausible(rumor) else {
            return
        }
        _ = wards.insert(node)
        guard let index = position(of: node) else {
            return add(rumor, at: now, into: &effects)
        }
        let known = members[index]
        guard known.state != .alive || known.profile != profile else { return }
        members[index].incarnation = max(incarnation, known.incarnation + 1)
        members[index].profile = profile
        set(index, to: .alive, accuser: id, at: now)
        effects.append(.changed(node, .alive, profile))
    }

    /// This node speaks for it no more, and says so where nobody else does.
    mutating func release(
        _ node: NodeID,
        _ state: MemberState?,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard wards.remove(node), let state, !isLeaving, let index = position(of: node),
            members[index].state == .alive, members[index].profile.device?.relay == id
        else { return }
        set(index, to: state, accuser: id, at: now)
        effects.append(.changed(node, state, members[index].profile))
    }

    mutating func setAsleep(_ node: NodeID, until: Instant?, at now: Instant) {
        let place = sleepers.partitionPoint { $0.node < node }
        if place < sleepers.count, sleepers[place].node == node { sleepers.remove(at: place) }
        guard let until else { return }
        sleepers.insert(Sleeper(node: node, until: until), at: place)
        nextWardCheck = min(nextWardCheck, now + settings.wardCheckInterval)
    }

    func end(ofSleepOf node: NodeID) -> Instant? {
        guard !sleepers.isEmpty else { return nil }
        let place = sleepers.partitionPoint { $0.node < node }
        return place < sleepers.count && sleepers[place].node == node ? sleepers[place].until : nil
    }

    /// True where what others say of an edge node does not count: it sleeps, or speaks through us.
    mutating func objects(to rumor: Rumor, of index: Int, at now: Instant) -> Bool {
        let node = rumor.node
        if rumor.state == .alive {
            // It has moved on: the newest word is its relay's.
            if rumor.profile.device?.relay != id { wards.remove(node) }
            return false
        }
        if rumor.state != .left, let until = end(ofSleepOf: node), now < until { return true }
        guard wards.contains(node), !isLeaving else { return false }
        members[index].incarnation = rumor.incarnation + 1
        queue.insert(node, countMax: settings.queueCountMax)
        return true
    }

    /// Edge nodes that overslept, or whose relay is gone, are given up after a while.
    mutating func checkWards(at now: Instant) {
        var isEdgeKnown = false
        for index in members.indices where members[index].isEdge {
            isEdgeKnown = true
            guard members[index].state == .alive else { continue }
            if let until = end(ofSleepOf: members[index].id) {
                members[index].changeDue = max(until, now)
            } else if hasSpeaker(members[index]) {
                members[index].changeDue = .distantFuture
            } else if members[index].changeDue == .distantFuture {
                members[index].changeDue = now + settings.orphanTime
            }
            nextChange = min(nextChange, members[index].changeDue)
        }
        nextWardCheck = isEdgeKnown ? now + settings.wardCheckInterval : .distantFuture
    }

    private func hasSpeaker(_ member: Member) -> Bool {
        guard let relay = member.profile.device?.relay else { return false }
        if relay == id { return wards.contains(member.id) }
        switch state(of: relay) {
        case .alive, .suspect: return true
        case .unreachable, .dead, .left, nil: return false
        }
    }
}
