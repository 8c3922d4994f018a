// Membership: who is in the mesh and who of them is alive.
//
// The protocol is SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips, Currey 2018).
//
//   overlay    A node pings its successors on ten rings, and gossips with them and with those who
//              ping it: some twenty connections in a mesh of any size (Overlay.swift).
//   probe      Every interval one of these is pinged, in a shuffled round, so that each is reached
//              in bounded time. Without an answer within the timeout three helpers, who watch it
//              too, ping it for us. A helper that got no answer says so (nack): silence of a helper
//              means that the fault may be ours, and raises our local health multiplier, which
//              slows our own accusations.
//   suspicion  A member that answered nobody is suspect, not dead. Everyone runs a timer for it,
//              long for a lone accuser and shorter with each independent one. Only the accused can
//              end it otherwise: it raises its incarnation and says that it is alive.
//   states     alive(n) < suspect(n) < unreachable(n) < dead(n) < left(n) < alive(n + 1)
//              The suspicion timer ends in unreachable: place nothing there, promise nothing yet to
//              others. Dead follows after a longer time. `left` is said by the leaver itself.
//   spreading  Rumors ride on every message and on gossip between them, each a bounded number of
//              times, the least sent first. Whoever we write to and do not hold for alive is told
//              so first (buddy), because it is the one who can object.
//   reunion    A full exchange (sync) at the start; then digests are compared, after a second and
//              more and more seldom, and what differs is exchanged. It never kills: what the other
//              side calls dead is only suspect here. Nodes out of reach are pinged once in a while,
//              and so are seeds, for ever, so that a healed partition reunites by itself.
//   wards      An edge node can be dialled by nobody: it stands on no ring and is never probed. The
//              node that it keeps a connection to, its relay, says for it that it is alive, refutes
//              for it, and says when it fell silent. Asleep, it is missed by nobody until it wants
//              to be back (FailureDetector+Wards.swift).
//   places     Acknowledgements say where their sender is in a space of round trips, and where some
//              others are, in turn; so each node can tell how far it is to all, and how far they
//              are from each other (FailureDetector+Locating.swift).
//   hint       A lost connection is no verdict but a reason to probe at once and to wait less. When
//              three nodes lost theirs and got no answer, the process is gone: no timer runs.
//
// Not every node that speaks is a member: `admitted` and `expelled` say who may be one. What a node
// says of itself before it is admitted is kept aside, within a bound, and counts once it is.
//
//   file                         what
//   FailureDetector              the door: events, effects, queries
//   FailureDetector+Settings     every time and bound, with its reason
//   FailureDetector+Probing      pings, helpers, nacks, local health
//   FailureDetector+Rumors       what is believed, and what follows from it
//   FailureDetector+Spreading    gossip, sync, joining and leaving
//   FailureDetector+Wards        edge nodes, for which others speak
//   FailureDetector+Locating     who is how far from whom
//   Locator                      where this node is
//   Overlay, ViewDigest          whom to watch; what to compare
//   Member, RumorQueue, SortedNodes, Suspicion   the leaves

package import Basics
package import Wire

/// Probes the other members in turn, spreads what it learns, and says who is alive.
///
/// A value without clock, socket and chance of its own: the same events at the same instants give
/// the same effects, so a run is replayed from its seed. A step costs O(log n) for most messages
/// and O(n) for a sync, with n members.
package struct FailureDetector: Sendable {
    /// What happened.
    package enum Event: Hashable, Sendable {
        /// Join through these nodes, which count as admitted: the operator named them.
        case joining(through: [Seed])
        /// This node may be a member from now on, and was let in as an edge node or not.
        case admitted(NodeID, isEdge: Bool = false)
        /// This node may not be a member any more and is forgotten at once.
        case expelled(NodeID)
        case received(MembershipMessage, from: NodeID)
        /// The connection to this node broke: a hint, not a verdict.
        case connectionLost(NodeID)
        /// This node has something new to say of itself.
        indirect case profileChanged(Profile)
        /// This node speaks for an edge node from now on; what it says of it counts at once.
        indirect case wardHeard(NodeID, incarnation: UInt64, Profile)
        /// This node speaks for it no more: it fell silent or left, or (nil) another one does.
        case wardGone(NodeID, MemberState?)
        /// An edge node is missed by nobody until then; nil: it is back.
        case asleep(NodeID, until: Instant?)
        /// Say goodbye: the others hold this node for left, and nothing is probed any more.
        case leaving
        /// `nextDeadline` has come.
        case deadlinePassed
    }

    /// What the driver must do, in order.
    package enum Effect: Hashable, Sendable {
        case send(MembershipMessage, to: NodeID)
        /// The state or the profile of another member is a new one.
        indirect case changed(NodeID, MemberState, Profile)
        /// Expelled, or out of the mesh for so long that nothing is kept of it.
        case forgotten(NodeID)
        case note(Fact)
    }

    /// What an operator may want to read in a log; nothing depends on it.
    package enum Fact: Hashable, Sendable {
        /// Neither the target nor a helper answered in time.
        case probeFailed(NodeID, missingNackCount: Int)
        case suspected(NodeID, by: NodeID)
        /// Somebody accused us; this is our new incarnation.
        case refuted(incarnation: UInt64, accuser: NodeID?)
        /// 0 is healthy, 7 is so slow that we hardly trust our own accusations.
        case localHealthChanged(Int)
        /// A rumor that no correct node sends was ignored.
        case implausibleRumor(from: NodeID)
        /// A bound of the settings was reached and something was not kept.
        case full(Bound)
    }

    package enum Bound: Hashable, Sendable { case members, probes, relays, waiting }

    /// A node that we can reach before we know anything of it.
    package struct Seed: Hashable, Sendable {
        package var id: NodeID
        package var profile: Profile

        package init(id: NodeID, profile: Profile) {
            self.id = id
            self.profile = profile
        }
    }

    package let id: NodeID
    package let settings: Settings
    /// When to call `step(.deadlinePassed)` next.
    package internal(set) var nextDeadline: Instant
    /// All that is known, this node included, sorted by id: alive, suspect, unreachable, dead,
    /// left.
    package internal(set) var members: [Member]
    /// The local health multiplier, 0 (healthy) to 7: how often our own probes went wrong of late.
    package internal(set) var localHealth = 0
    /// True from `leaving` on.
    package internal(set) var isLeaving = false

    var chance: Chance
    var locator = Locator()
    // Its own, so that what it draws moves nothing else.
    var locatorChance: Chance
    /// Where members said that they are, sorted by id.
    var places: [Place] = []
    /// The latest of whom others were told.
    var sightingIndex = 0
    var admitted: SortedNodes
    /// Of these the edge nodes, which others speak for.
    var admittedEdges: SortedNodes
    /// Of the clock on the wall, at the beginning of this node's time: since 1970.
    package var epochSeconds: Int64 = 0 {
        didSet { incarnationLimitDue = .zero }
    }
    /// No word about anybody may go beyond it; of `raiseIncarnationLimit`.
    var incarnationMost = incarnationLimit
    var incarnationLimitDue = Instant.zero
    var overlay: Overlay
    /// How many members are not alive: mostly none, and then nobody need be looked up.
    var doubtfulCount = 0
    /// Neighbours that fell silent: they hear our rumors for a while, so that they can object.
    var departed: [NodeID] = []
    var seeds: [Seed] = []
    var seedIndex = 0
    /// True from `joining` until somebody told us all that it knows.
    package internal(set) var isJoining = false
    /// Rumors of nodes about themselves that are not admitted yet, the oldest first.
    var waiting: [Rumor] = []
    var queue = RumorQueue()

    // The rest of this round of probes, taken from the end.
    var round: [NodeID] = []
    var probes: [Probe] = []
    var relays: [Relay] = []
    var sequence: UInt64 = 0

    /// The highest incarnation in which somebody accused us, and who.
    var accused: UInt64 = 0
    var accuser: NodeID?
    var nextRefutation = Instant.zero
    var refutationDue = Instant.distantFuture

    var nextProbe: Instant
    var nextGossip = Instant.distantFuture
    var nextSync: Instant
    /// Until the next comparison; the more lately something was found missing, the sooner.
    var syncPause: Duration
    var nextRevival: Instant
    var revivalCount = 0
    /// The edge nodes that this node speaks for.
    var wards = SortedNodes([])
    /// Edge nodes that announced their sleep, sorted by id, and when they are missed.
    var sleepers: [Sleeper] = []
    /// When to look for edge nodes for which nobody speaks; never where there is none.
    var nextWardCheck = Instant.distantFuture
    /// The earliest `changeDue` of the members.
    var nextChange = Instant.distantFuture

    /// A node that knows nobody.
    ///
    /// - Parameters:
    ///   - incarnation: 1 is right for a node that keeps nothing: it learns from the others what it
    ///     was before and goes above that.
    ///   - acquainted: members that it knows from the start, of whom nothing is news.
    ///   - seed: of all chance in this value.
    package init(
        id: NodeID,
        profile: Profile,
        incarnation: UInt64 = 1,
        acquainted: [Rumor] = [],
        settings: Settings = Settings(),
        seed: UInt64,
        now: Instant
    ) {
        precondition(settings.mistakes().isEmpty, "\(settings.mistakes())")
        self.id = id
        self.settings = settings
        members = [
            Member(id: id, state: .alive, incarnation: incarnation, profile: profile, since: now)
        ]
        var isEdgeKnown = false
        for rumor in acquainted where rumor.node != id {
            if rumor.profile.isEdge { isEdgeKnown = true }
            members.append(
                Member(
                    id: rumor.node,
                    state: .alive,
                    incarnation: rumor.incarnation,
                    profile: rumor.profile,
                    since: now
                )
            )
        }
        members.sort { $0.id < $1.id }
        let ids = members.map(\.id)
        admitted = SortedNodes(ids)
        let edges = SortedNodes(members.filter(\.isEdge).map(\.id))
        admittedEdges = edges
        overlay = Overlay(own: id, others: ids.filter { $0 != id && !edges.contains($0) })
        chance = Chance(seed: seed)
        locatorChance = Chance(seed: Chance.mix(seed ^ Chance.increment))
        // Nodes that start together shall not probe together.
        nextProbe = now + settings.probeInterval * Double.random(in: 0..<1, using: &chance)
        nextSync = now + settings.syncInterval * Double.random(in: 0.5..<1, using: &chance)
        syncPause = settings.syncInterval
        nextRevival = now + settings.revivalInterval * Double.random(in: 0..<1, using: &chance)
        if isEdgeKnown { nextWardCheck = now + settings.wardCheckInterval }
        nextDeadline = min(nextProbe, min(nextSync, nextRevival))
    }

    /// Takes what happened and appends what to do; never fails, whatever the others send. Returns
    /// the next deadline.
    @discardableResult
    package mutating func step(
        _ event: Event,
        at now: Instant,
        into effects: inout [Effect]
    ) -> Instant {
        if incarnationLimitDue <= now { raiseIncarnationLimit(at: now) }
        switch event {
        case .joining(let seeds): join(through: seeds, at: now)
        case .admitted(let node, let isEdge):
            admit(node, isEdge: isEdge, at: now, into: &effects)
        case .expelled(let node): expel(node, into: &effects)
        case .received(let message, let sender):
            if sender != id { receive(message, from: sender, at: now, into: &effects) }
        case .connectionLost(let node): probeAfterLoss(of: node, at: now, into: &effects)
        case .profileChanged(let profile): change(to: profile)
        case .wardHeard(let node, let incarnation, let profile):
            hear(ward: node, incarnation, profile, at: now, into: &effects)
        case .wardGone(let node, let state): release(node, state, at: now, into: &effects)
        case .asleep(let node, let until): setAsleep(node, until: until, at: now)
        case .leaving: leave(at: now, into: &effects)
        case .deadlinePassed: act(at: now, into: &effects)
        }
        if queue.isEmpty {
            nextGossip = .distantFuture
        } else if nextGossip == .distantFuture {
            // Not at once: what comes with the next messages can go along, and those who learn the
            // same thing together shall not all speak together.
            let share = Double.random(in: 0..<1, using: &chance)
            nextGossip = now + settings.gossipInterval * share
        }
        nextDeadline = earliestDeadline()
        return nextDeadline
    }

    /// What is known of this node; nil where it is no member.
    package func member(_ id: NodeID) -> Member? { position(of: id).map { members[$0] } }

    /// Whether this node keeps a connection to the other one.
    package func isLinked(with node: NodeID) -> Bool { overlay.isLink(node) }

    /// Whom this node pings in turn; sorted by id.
    package var targets: [NodeID] { overlay.targets }

    /// The queues that hold more than they may: none, ever.
    // Changes nothing; but else the whole detector would be copied for the call.
    package mutating func overfullQueues() -> [String] {
        let queues = [
            ("rumors", queue.count, settings.queueCountMax),
            ("members", members.count, settings.memberCountMax),
            ("waiting", waiting.count, settings.waitingCountMax),
            ("probes", probes.count, settings.probeCountMax),
            ("relays", relays.count, settings.relayCountMax),
        ]
        return queues.filter { $0.1 > $0.2 }.map(\.0)
    }

    /// What is believed of this node; nil where it is no member.
    package func state(of node: NodeID) -> MemberState? {
        position(of: node).map { members[$0].state }
    }

    /// Whether these are exactly those whom this node holds for alive; sorted by id.
    package func holdsAlive(_ nodes: [NodeID]) -> Bool {
        var count = 0
        for index in members.indices where members[index].state == .alive {
            guard count < nodes.count, members[index].id == nodes[count] else { return false }
            count += 1
        }
        return count == nodes.count
    }

    /// True when the farewell was said as often as it needs to be.
    package var isGone: Bool { isLeaving && queue.isEmpty }

    private mutating func act(at now: Instant, into effects: inout [Effect]) {
        expireRelays(at: now, into: &effects)
        expireProbes(at: now, into: &effects)
        if nextChange <= now { expireStates(at: now, into: &effects) }
        if refutationDue <= now { refute(at: now, into: &effects) }
        if nextProbe <= now { probeNext(at: now, into: &effects) }
        if nextRevival <= now { revive(at: now, into: &effects) }
        if nextWardCheck <= now { checkWards(at: now) }
        if nextSync <= now { syncNext(at: now, into: &effects) }
        if nextGossip <= now { gossip(at: now, into: &effects) }
    }

    /// Changes nothing; but else the whole detector would be copied for the call.
    private mutating func earliestDeadline() -> Instant {
        var earliest = min(
            min(nextProbe, nextGossip),
            min(nextSync, nextRevival),
            min(nextChange, min(refutationDue, nextWardCheck))
        )
        for probe in probes {
            earliest = min(earliest, probe.helpDue ?? probe.failureDue, probe.failureDue)
        }
        for relay in relays { earliest = min(earliest, relay.nackDue ?? relay.end, relay.end) }
        return earliest
    }

    // MARK: Looking up
    //
    // Inlined, because a call of a method that changes nothing copies the whole detector.

    /// Where this node stands among the members, or would stand.
    @inline(__always)
    func insertionPosition(of node: NodeID) -> Int { members.insertionPosition(of: node) }

    @inline(__always)
    func position(of node: NodeID) -> Int? { members.position(of: node) }

    /// This node always knows itself.
    var ownPosition: Int {
        guard let position = position(of: id) else { preconditionFailure("\(id) lost itself") }
        return position
    }

    @inline(__always)
    func isAdmitted(_ node: NodeID) -> Bool { admitted.contains(node) }

    /// At most `count` of the nodes, each with the same chance.
    mutating func choose(_ count: Int, of nodes: [NodeID]) -> [NodeID] {
        var nodes = nodes
        let count = min(count, nodes.count)
        for index in 0..<count {
            nodes.swapAt(index, Int.random(in: index..<nodes.count, using: &chance))
        }
        return Array(nodes.prefix(count))
    }
}
