// NodeLogic: one node of the mesh as a value.
//
// A node is the composition of two protocol machines and one replicated state, and of the rules
// between them:
//
//   Membership   who is alive (SWIM)                   soft, gossiped
//   Raft         what has been decided (the log)       durable, ordered
//   state        the log's entries folded in order     the same on every node
//
//   - any node accepts a proposal; the coordinator (the Raft leader of the current term) judges it
//     against the replicated state and appends it; the asker answers its caller when the entry is
//     applied on the asker's own side                                    (Node+Proposing.swift)
//   - a short task that somebody waits for is done by a peer at once where this node is busy
//                                                                        (Node+Lending.swift)
//   - a read that must not be stale asks the coordinator how far it has to be  (Node+Reading.swift)
//   - a joiner's request goes the same way, and a certificate comes back  (Node+Enrolling.swift);
//     so does each node's own request for its next certificate             (Node+Renewing.swift)
//   - a node acts on its own leases and its own stages as they are applied
//                                              (Node+Working.swift, Node+Staging.swift)
//   - it speaks for the edge nodes that dialled it, whose own machine is EdgeNode.swift
//                                                                        (Node+Relaying.swift)
//   - the state as a whole is written now and then, and taken up from elsewhere
//                                                                        (Node+Snapshots.swift)
//   - where the layers of a model go is planned from what the nodes measured (Node+Placing.swift)
//   - the coordinator, once it holds a quorum and has applied an entry of its own term, requeues
//     lost leases, leases queued tasks, drives plans, moves stages, chooses voters and has the
//     issuing key sealed to them            (Node+Coordinating.swift, Node+Voters.swift)
//
// No clock, no socket, no file, no chance but the seed: `step` takes what happened and when,
// changes the value, and appends what the driver must do, in order. A `.persist` must have reached
// the disk before a later effect of the same step is performed. `Runtime` drives this value with
// the wall clock and ZeroMQ, `Simulation` drives the very same value in virtual time.

package import Basics
import Election
import Membership
import Scheduling
package import Wire

package struct Node: Sendable {
    package let id: NodeID
    package internal(set) var settings: Settings
    /// When to call `step(.deadlinePassed)` next.
    package private(set) var nextDeadline: Instant
    package internal(set) var state = ReplicatedState()

    var detector: FailureDetector
    var raft: Raft
    // The last entry that was on disk at the start, and its term: leases up to here were
    // another life's. What never was committed may be replaced by what comes later and is shorter.
    let bootIndex: UInt64
    let bootTerm: UInt64
    // Of whom was enrolled or introduced before the log says so; looked up, never iterated.
    var introduced: [NodeID: [[UInt8]]] = [:]
    private var isBegun = false
    // Until it has begun.
    private var boot: [Introduction]

    // Node+Snapshots.
    var isSnapshotDue = false
    /// What was read of a snapshot that Raft is asked to adopt: one at most, and mostly none. An
    /// array, because a state in the node's own memory would be copied with it.
    var arrived: [ReplicatedState] = []

    // What the driver was told last of each node; sorted by id.
    var told: [Told] = []

    // Node+Proposing, Node+Enrolling.
    var requests: [Request] = []
    var enrolments: [Enrolment] = []
    var requestNumber: UInt64
    // Node+Renewing.
    var renewal: Renewal
    // On the coordinator: judged, and appended at the end of the step.
    var proposals: [(command: Command, request: UInt64, sender: NodeID)] = []

    // Node+Reading.
    var readings: [Reading] = []
    var readTickets: [ReadTicket] = []

    // Node+Lending.
    var busyLenders: [BusyLender] = []
    var lendingChance: Chance

    // Node+Working, Node+Staging.
    // Sorted by the number of the task.
    var runs: [Run] = []
    var slotCount: Int
    var backlogCount = 0
    var stages: [Stage] = []
    var touchedTasks: [Int] = []
    var areRunsTouched = false
    var areStagesTouched = false
    var nextReport: Instant

    // On the coordinator only.
    var coordination: Coordination?

    // Node+Relaying; sorted by node.
    var wards: [Ward] = []
    var touchedWards: [NodeID] = []
    var nextWardCheck = Instant.distantFuture
    var replays: [ReplayPending] = []
    let replaySeed: UInt64

    // Node+Leaving.
    var leaveDue: Instant?
    var leaveDeadline: Instant?
    var hasLeft = false

    // Buffers of the two machines' steps.
    private var detectorEffects: [FailureDetector.Effect] = []
    private var raftEffects: [Raft.Effect] = []

    // Something happened that the rules must look at before this step ends.
    var isUnsettled = false
    // A few rounds are the rule; what is left then waits for the next deadline.
    private static let roundCountMax = 100

    package init(_ boot: Boot, settings: Settings, seed: UInt64, now: Instant) {
        var chance = Chance(seed: seed)
        id = boot.id
        self.settings = settings
        slotCount = settings.slotCount
        self.boot = boot.introductions.filter { $0.node != boot.id }
        detector = FailureDetector(
            id: boot.id,
            profile: boot.profile,
            incarnation: boot.incarnation,
            settings: settings.membership,
            seed: chance.next(),
            now: now
        )
        detector.epochSeconds = settings.epochSeconds
        raft = Raft(
            id: boot.id,
            settings: settings.raft,
            seed: chance.next(),
            hardState: boot.hardState,
            entries: boot.entries,
            snapshot: boot.snapshot?.head,
            base: boot.snapshot?.base ?? LogPosition(),
            now: now
        )
        if let snapshot = boot.snapshot {
            state = snapshot.state
            appliedIndex = state.appliedIndex
        }
        bootIndex = raft.lastIndex
        bootTerm = raft.lastTerm
        // Numbers of an earlier life must not meet ours at the coordinator.
        requestNumber = chance.next() >> 1
        replaySeed = chance.next()
        renewal = Renewal(seed: chance.next())
        lendingChance = Chance(seed: chance.next())
        nextReport = now
        nextDeadline = now
        for (node, certificates) in Self.enrolments(in: boot.entries) {
            introduced[node] = certificates
        }
        for introduction in self.boot {
            introduced[introduction.node] = introduction.certificates
        }
    }

    // Entries on disk may not be known to be committed yet, but who stands in them was certified.
    private static func enrolments(
        in entries: [LogEntry]
    ) -> [(node: NodeID, certificates: [[UInt8]])] {
        entries.compactMap { entry in
            switch entry.command?.body {
            case .meshFounded(let founded): (founded.founder, founded.certificates)
            case .nodeEnrolled(let enrolled): (enrolled.node, enrolled.certificates)
            default: nil
            }
        }
    }

    /// All that was on the disk at the start, and still counts, has been applied.
    package var isCaughtUp: Bool {
        state.appliedIndex >= bootIndex || state.appliedTerm > bootTerm
    }

    /// The clock on the wall: seconds since 1970.
    package func second(at now: Instant) -> UInt64 {
        UInt64(clamping: settings.epochSeconds + now.sinceStart.components.seconds)
    }

    package var coordinator: NodeID? { raft.leader }
    package var term: UInt64 { raft.term }
    /// Leads, though perhaps without a quorum at this moment.
    package var isCoordinator: Bool { coordination != nil }
    /// The state's, but read without looking into it.
    package internal(set) var appliedIndex: UInt64 = 0
    /// Whether a proposal would be judged and appended here now.
    package func acceptsWork(at now: Instant) -> Bool {
        coordination != nil && raft.isLeaderWithQuorum(at: now)
    }
    /// All that this node has heard of, itself included, sorted by id.
    package var members: [(node: NodeID, state: MemberState, profile: Profile)] {
        detector.members.map { ($0.id, $0.state, $0.profile) }
    }
    /// What this node believes of another; nil where it knows nothing of it.
    package func state(of node: NodeID) -> MemberState? { detector.state(of: node) }
    /// Whether these are exactly those whom this node holds for alive; sorted by id.
    package func holdsAlive(_ nodes: [NodeID]) -> Bool { detector.holdsAlive(nodes) }
    /// What this node says of itself.
    package var profile: Profile { detector.member(id)?.profile ?? Profile() }
    /// The tasks that this node works on or whose results it has not yet seen in the log.
    package var running: [Digest] { runs.map(\.task) }

    /// What drivers ask after each step; with many nodes, looking into each again takes as long as
    /// the step.
    package struct Standing: Sendable {
        package let nextDeadline: Instant
        package let appliedIndex: UInt64
    }

    /// Takes what happened, changes the node, and appends what the driver must do, in order.
    @discardableResult
    package mutating func step(
        _ event: Event,
        at now: Instant,
        into effects: inout [Effect]
    ) -> Standing {
        if isAwake(at: now, into: &effects) {
            take(event, at: now, into: &effects)
            endStep(at: now, into: &effects)
        }
        return Standing(nextDeadline: nextDeadline, appliedIndex: appliedIndex)
    }

    /// The same of events that came together: what they want appended is appended together, which
    /// costs one write to the disk and one round of the voters.
    @discardableResult
    package mutating func step(
        _ events: [Event],
        at now: Instant,
        into effects: inout [Effect]
    ) -> Standing {
        if isAwake(at: now, into: &effects) {
            for event in events { take(event, at: now, into: &effects) }
            endStep(at: now, into: &effects)
        }
        return Standing(nextDeadline: nextDeadline, appliedIndex: appliedIndex)
    }

    /// False once it has left; begins where it has not begun.
    private mutating func isAwake(at now: Instant, into effects: inout [Effect]) -> Bool {
        guard !hasLeft else {
            nextDeadline = .distantFuture
            return false
        }
        if !isBegun { begin(at: now, into: &effects) }
        return true
    }

    private mutating func endStep(at now: Instant, into effects: inout [Effect]) {
        appendProposals(at: now, into: &effects)
        settle(at: now, into: &effects)
        takeSnapshot(into: &effects)
        nextDeadline = hasLeft ? .distantFuture : isUnsettled ? now : earliestDeadline()
    }

    private mutating func take(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        switch event {
        case .received(let body, let sender): receive(body, from: sender, at: now, into: &effects)
        case .connected: break
        case .disconnected(let peer):
            detect(.connectionLost(peer), at: now, into: &effects)
            elect(.peerUnreachable(peer), at: now, into: &effects)
        case .silent(let peer): detect(.connectionLost(peer), at: now, into: &effects)
        case .deadlinePassed: act(at: now, into: &effects)
        case .propose(let request, let command):
            ask(command, for: .caller(request), at: now, into: &effects)
        case .borrow(let request, let command):
            borrow(command, for: request, at: now, into: &effects)
        case .read(let request): read(for: request, at: now, into: &effects)
        case .enrol(let request, let wish): enrol(wish, for: request, at: now, into: &effects)
        case .certificateHolds(let rest, let lifetime, let rootNumber, let isNew):
            renewal.holds(until: now + rest, lifetime: lifetime, below: rootNumber, isNew: isNew)
            followRoot(at: now)
        case .renew(let request, let name):
            renew(request, name: name, at: now, into: &effects)
        case .tasksFinished(let endings, let statement, let leaves):
            finish(endings, statement: statement, leaves: leaves, at: now, into: &effects)
        case .tasksReturned(let tasks): giveBack(tasks, at: now, into: &effects)
        case .capacityChanged(let slotCount, let backlogCount):
            (self.slotCount, self.backlogCount) = (slotCount, backlogCount)
            report(at: now, into: &effects)
        case .stageLoaded(let model, let epoch, let refusal):
            stageLoaded(model, epoch: epoch, refusal: refusal, at: now, into: &effects)
        case .certificateIssued(let issued): take(issued, at: now, into: &effects)
        case .issuingKeySealed(let voter, let sealed, let rootNumber):
            let key = IssuingKeySealed(voter: voter, sealed: sealed, rootNumber: rootNumber)
            take(key, at: now, into: &effects)
        case .replayed(let result, let ward, let isSame):
            replayed(result, from: ward, isSame: isSame, at: now, into: &effects)
        case .clockSet(let second):
            setClock(to: second, at: now, into: &effects)
        case .profileChanged(let profile):
            detect(.profileChanged(profile), at: now, into: &effects)
        case .snapshotTaken(let head): elect(.snapshotTaken(head), at: now, into: &effects)
        case .snapshotRead(let head, let image):
            snapshotRead(head, image, at: now, into: &effects)
        case .leave: leave(at: now, into: &effects)
        }
    }

    private mutating func begin(at now: Instant, into effects: inout [Effect]) {
        isBegun = true
        for introduction in boot {
            tell(introduction, into: &effects)
        }
        // An edge node can be asked for nothing.
        let seeds = boot.filter { !$0.profile.isEdge }
            .map { FailureDetector.Seed(id: $0.node, profile: $0.profile) }
        boot = []
        if !seeds.isEmpty { detect(.joining(through: seeds), at: now, into: &effects) }
        if state.appliedIndex > 0 { takeUp(since: ReplicatedState(), at: now, into: &effects) }
    }

    private mutating func act(at now: Instant, into effects: inout [Effect]) {
        if detector.nextDeadline <= now { detect(.deadlinePassed, at: now, into: &effects) }
        if raft.nextDeadline <= now { elect(.deadlinePassed, at: now, into: &effects) }
        repeatRequests(at: now, into: &effects)
        repeatEnrolments(at: now, into: &effects)
        repeatRenewal(at: now, into: &effects)
        if !readings.isEmpty { repeatReads(at: now, into: &effects) }
        if nextReport <= now { report(at: now, into: &effects) }
        if nextWardCheck <= now { missWards(at: now, into: &effects) }
        if let coordination, coordination.nextTurn <= now { isUnsettled = true }
        if let leaveDue, leaveDue <= now { isUnsettled = true }
    }

    /// Follows up until nothing is left to do: what is applied makes work, and with a single voter
    /// work is committed and applied at once.
    private mutating func settle(at now: Instant, into effects: inout [Effect]) {
        for _ in 0..<Self.roundCountMax {
            guard isUnsettled, !hasLeft else { return }
            isUnsettled = false
            settleTasks(at: now, into: &effects)
            appendProposals(at: now, into: &effects)
            settleStages(at: now, into: &effects)
            settleWards(into: &effects)
            coordinate(at: now, into: &effects)
            goOnLeaving(at: now, into: &effects)
        }
    }

    /// Changes nothing; but else the whole node, some kilobytes, would be copied for the call.
    private mutating func earliestDeadline() -> Instant {
        var earliest = min(detector.nextDeadline, raft.nextDeadline)
        for request in requests { earliest = min(earliest, request.due, request.end) }
        for enrolment in enrolments { earliest = min(earliest, enrolment.due, enrolment.end) }
        for reading in readings {
            earliest = min(earliest, reading.index == nil ? reading.due : reading.end, reading.end)
        }
        if raft.leader != nil { earliest = min(earliest, nextReport) }
        if let coordination { earliest = min(earliest, coordination.nextTurn) }
        if let leaveDue { earliest = min(earliest, leaveDue) }
        return min(earliest, nextWardCheck, renewal.due)
    }

    private mutating func receive(
        _ body: Envelope.Body,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // The transport has checked the sender's certificate, but not whether it still holds.
        guard !state.isRevoked(sender) else {
            effects.append(.note(.refusedMessage(from: sender, "it is revoked")))
            return
        }
        // An edge node has its relay speak for it, and says nothing else to anybody.
        if isEdge(sender) { return hear(body, fromEdge: sender, at: now, into: &effects) }
        switch body {
        // A node that was away may hear from members that were enrolled since.
        case .membership(let message):
            detect(.received(message, from: sender), at: now, into: &effects)
        case .election(let message):
            elect(.received(message, from: sender), at: now, into: &effects)
        case .proposalReply(let reply): take(reply, from: sender, at: now, into: &effects)
        case .enrolReply(let reply): take(reply, from: sender, into: &effects)
        case .readReply(let reply): take(reply, into: &effects)
        case .readRequest(let request):
            guard state.isAdmitted(sender) else { break }
            take(request, from: sender, at: now, into: &effects)
        case .proposal(let proposal):
            guard state.isAdmitted(sender) else { break }
            take(proposal, from: sender, at: now, into: &effects)
        case .leaseWanted(let wanted):
            guard state.isAdmitted(sender) else { break }
            take(wanted, from: sender, into: &effects)
        case .leaseDeclined(let declined):
            take(declined, from: sender, at: now, into: &effects)
        case .workerReport(let report):
            guard state.isAdmitted(sender) else { break }
            take(report, from: sender, at: now)
        case .enrolRequest(let request):
            guard state.isAdmitted(sender) else { break }
            take(request, from: sender, into: &effects)
        default: break
        }
    }

    private mutating func hear(
        _ body: Envelope.Body,
        fromEdge sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        switch body {
        case .edgeReport(let report): take(report, from: sender, at: now, into: &effects)
        case .edgeResult(let result): take(result, from: sender, at: now, into: &effects)
        case .edgeSleep(let sleep): take(sleep, from: sender, at: now, into: &effects)
        default: break
        }
    }

    // MARK: The two machines

    mutating func detect(
        _ event: FailureDetector.Event,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // The buffer is kept for the next time.
        var consequences: [FailureDetector.Effect] = []
        swap(&consequences, &detectorEffects)
        defer { swap(&consequences, &detectorEffects) }
        consequences.removeAll(keepingCapacity: true)
        detector.step(event, at: now, into: &consequences)
        for consequence in consequences {
            switch consequence {
            case .send(let message, let peer):
                effects.append(.send(.membership(message), to: peer))
            case .changed(let member, let state, let profile):
                isUnsettled = true
                coordination?.areLearnersStale = true
                tell(member, profile, into: &effects)
                tell(member, state, into: &effects)
            case .forgotten(let member):
                isUnsettled = true
                coordination?.areLearnersStale = true
                if let index = told.position(of: member) { told[index].state = nil }
            case .note(let fact): effects.append(.note(.membership(fact)))
            }
        }
    }

    /// Returns the indices of a `.propose` that was appended.
    @discardableResult
    mutating func elect(
        _ event: Raft.Event,
        at now: Instant,
        into effects: inout [Effect]
    ) -> ClosedRange<UInt64>? {
        var consequences: [Raft.Effect] = []
        swap(&consequences, &raftEffects)
        defer { swap(&consequences, &raftEffects) }
        consequences.removeAll(keepingCapacity: true)
        var accepted: ClosedRange<UInt64>?
        raft.step(event, at: now, into: &consequences)
        for consequence in consequences {
            switch consequence {
            case .persist(let hardState, let entries):
                effects.append(.persist(hardState: hardState, entries: entries))
            case .send(let message, let peer):
                effects.append(.send(.election(message), to: peer))
            case .committed(let entries):
                for entry in entries { apply(entry, at: now, into: &effects) }
            case .accepted(let indices, _): accepted = indices
            case .refused(let refusal): effects.append(.note(.notAppended(refusal)))
            case .readReady(let ticket, let index):
                conclude(ticket, index: index, into: &effects)
            case .readRefused(let ticket): conclude(ticket, index: nil, into: &effects)
            case .snapshotDue: isSnapshotDue = true
            case .sendSnapshot(let chunk, let peer):
                effects.append(.sendSnapshot(chunk, to: peer))
            case .snapshotArrived(let head, let bytes):
                effects.append(.readSnapshot(head, bytes))
            case .adopt(let head, let base, let isLogKept):
                adopt(head, base: base, isLogKept: isLogKept, at: now, into: &effects)
            case .becameLeader(let term):
                coordination = Coordination(term: term, since: now)
                isUnsettled = true
            case .steppedDown: coordination = nil
            case .leaderChanged(let leader, let term):
                effects.append(.coordinatorChanged(leader, term: term))
                hurry(at: now)
                if leader != nil { renewal.retry(within: renewalSpread, at: now) }
            case .note(let fact): effects.append(.note(.election(fact)))
            }
        }
        return accepted
    }

    // Whoever waits for a coordinator asks the new one at once, after the step that made it known.
    private mutating func hurry(at now: Instant) {
        for position in requests.indices {
            // The place that another coordinator gave it may be taken by something else.
            requests[position].awaitedIndex = 0
            requests[position].due = now
        }
        for position in enrolments.indices { enrolments[position].due = now }
        for position in readings.indices { readings[position].due = now }
        nextReport = now
    }

    // MARK: What was decided

    private mutating func apply(
        _ entry: LogEntry,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let verdict = state.apply(entry)
        appliedIndex = entry.index
        isUnsettled = true
        defer { settleReads(into: &effects) }
        guard let command = entry.command else { return }
        effects.append(
            .applied(index: entry.index, command, refusal: verdict.refusal?.sentence)
        )
        if verdict == .fresh {
            react(to: command, at: now, into: &effects)
        } else if case .nodeEnrolled(let enrolled) = command.body, let refusal = verdict.refusal {
            refuseOrders(for: enrolled.node, refusal.sentence, into: &effects)
        }
        settleRequests(with: command, verdict, at: entry.index, now, into: &effects)
    }

    private mutating func react(
        to command: Command,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        coordination?.areLearnersStale = true
        touchWards(command.body)
        switch command.body {
        case .nodeSlept(let news): slept(news, at: now, into: &effects)
        case .rootRotated: followRoot(at: now)
        case .meshFounded(let founded): admit(founded.founder, at: now, into: &effects)
        case .nodeEnrolled(let enrolled):
            admit(enrolled.node, at: now, into: &effects)
            settleEnrolments(into: &effects)
        case .nodeRevoked(let revoked): expel(revoked.node, at: now, into: &effects)
        case .tasksLeased(let leased):
            for grant in leased.grants where grant.holder == id {
                touchedTasks += grant.tasks.map { Int($0) }
            }
        case .tasksRequeued(let requeued):
            areRunsTouched = true
            coordination?.holdBack(requeued, state.tasks, at: now)
        case .tasksFinished(let finished):
            areRunsTouched = true
            coordination?.holdBack(finished, state.tasks, at: now)
        case .taskCancelled, .jobCancelled: areRunsTouched = true
        case .modelDeployed, .modelUndeployed: areStagesTouched = true
        default: break
        }
    }

    mutating func expel(_ node: NodeID, at now: Instant, into effects: inout [Effect]) {
        guard node != id else { return beRevoked(at: now, into: &effects) }
        detect(.expelled(node), at: now, into: &effects)
        wards.removeAll { $0.node == node }
        introduced[node] = nil
        told.removeElement(of: node)
        effects.append(.expel(node))
    }

    mutating func admit(_ node: NodeID, at now: Instant, into effects: inout [Effect]) {
        introduced[node] = nil
        guard node != id else { return }
        detect(.admitted(node, isEdge: isEdge(node)), at: now, into: &effects)
        tell(node, into: &effects)
    }

    mutating func tell(_ node: NodeID, into effects: inout [Effect]) {
        if let member = detector.member(node) { tell(node, member.profile, into: &effects) }
    }
}
