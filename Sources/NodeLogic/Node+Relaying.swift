import Basics
import Election
import Membership
import Scheduling
import Wire

/// An edge node that has chosen this node for its relay.
struct Ward: Sendable {
    let node: NodeID
    /// Of its last report: earlier ones that come later say nothing.
    var sequence: UInt64
    var heardAt: Instant
    /// As it reported.
    var appliedIndex: UInt64 = 0
    var slotCount: UInt32 = 0
    var running: [UInt64] = []
    var relayCount: UInt32 = 0
    /// The leases that it was told of last, by fence.
    var told: [UInt64] = []
}

/// A result that is being computed again before it may count.
struct ReplayPending: Hashable, Sendable {
    var ward: NodeID
    var end: TaskEnd
}

// What this node does for edge nodes: it speaks for them in membership, tells the coordinator what
// they do, and them what is leased to them, and brings their results into the log. It keeps nothing
// that an edge node needs: when it dies, another relay does the same from the same log.
extension Node {
    private static let wardCountMax = 1_024
    private static let wardTaskCountMax = 64
    private static let wardSlotCountMax: UInt32 = 16
    private static let wardRelayCount = 8
    private static let replayCountMax = 16
    /// All that an edge node is told fits into one message, whose limit is a mebibyte: leases up to
    /// here, or one that is larger and alone.
    private static let ordersByteCountMax = 512 << 10
    private static let leaseByteCountMax = 896 << 10
    /// Of each artifact an edge node is shown so many signed statements.
    private static let bundleCountMax = 2
    /// What a submitter brings for its own task passes each policy, as a worker judges it.
    private static let taskInputLicense = "LicenseRef-Task-Input"

    private func place(ofWard node: NodeID) -> Int { wards.partitionPoint { $0.node < node } }

    private func isWard(_ node: NodeID) -> Bool {
        let place = place(ofWard: node)
        return place < wards.count && wards[place].node == node
    }

    /// An edge node that the log has let in; nothing else may speak as one.
    func isEdge(_ node: NodeID) -> Bool { state.isEdge(node) }

    /// Whether one node may say something in another one's name: only a relay may, in its edge
    /// node's.
    func speaks(_ sender: NodeID, for node: NodeID) -> Bool {
        sender == node
            || isEdge(node) && detector.member(node)?.profile.device?.relay == sender
    }

    // MARK: What an edge node says

    mutating func take(
        _ report: EdgeReport,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        // What it said before it slept may come after.
        guard let record = state.node(sender), record.isEdge,
            report.sequence > record.sleepSequence
        else { return }
        let place = place(ofWard: sender)
        let isKnown = place < wards.count && wards[place].node == sender
        if isKnown, report.sequence <= wards[place].sequence { return }
        let isFull = !isKnown && wards.count >= Self.wardCountMax
        guard report.standing == .home, !isFull, leaveDue == nil else {
            if isKnown {
                wards.remove(at: place)
                let isLeaving = report.standing == .leaving
                detect(.wardGone(sender, isLeaving ? .left : nil), at: now, into: &effects)
            }
            guard report.standing != .leaving else { return }
            let orders = EdgeOrders(
                sequence: report.sequence,
                relays: relays(for: report, sender),
                rootNumber: state.rootNumber,
                isCutOff: isCutOff(at: now)
            )
            effects.append(.send(.edgeOrders(orders), to: sender))
            return
        }
        var ward = isKnown ? wards[place] : Ward(node: sender, sequence: 0, heardAt: now)
        ward.sequence = report.sequence
        ward.heardAt = now
        ward.appliedIndex = report.appliedIndex
        ward.slotCount = min(report.slotCount, Self.wardSlotCountMax)
        ward.running = Array(report.running.prefix(Self.wardTaskCountMax))
        ward.relayCount = report.relayCount
        if isKnown { wards[place] = ward } else { wards.insert(ward, at: place) }
        nextWardCheck = min(nextWardCheck, now + settings.wardSilence)
        var profile = report.profile
        profile.role = record.role
        profile.name = record.name
        profile.controlEndpoint = ""
        profile.bulkEndpoint = ""
        profile.device = profile.device ?? Device()
        profile.device?.relay = id
        detect(
            .wardHeard(sender, incarnation: report.sequence, profile), at: now, into: &effects)
        if record.asleepUntil != 0 {
            let awake = NodeSlept(node: sender, until: 0, sequence: report.sequence)
            relay(.nodeSlept(awake), at: now, into: &effects)
        }
        sendOrders(to: sender, report: report, isCutOff: isCutOff(at: now), into: &effects)
        // It may have come with something to do for the coordinator.
        if !isKnown { nextReport = now }
    }

    mutating func take(
        _ result: EdgeResult,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard isWard(sender), result.isBounded, let record = state.tasks.record(result.end.task),
            record.id == result.task
        else { return }
        // The lease is void, or its end is known: the orders say so.
        guard let lease = record.lease, lease.holder == sender, lease.fence == result.end.fence
        else { return sendOrders(to: sender, into: &effects) }
        // Each program that ran has a state. Who keeps it silent, keeps out of every replay.
        guard !isStateWithheld(record, result.end) else {
            return replayed(result, from: sender, isSame: false, at: now, into: &effects)
        }
        let pending = ReplayPending(ward: sender, end: result.end)
        guard !replays.contains(pending) else { return }
        if isReplayDue(of: record, result.end), replays.count < Self.replayCountMax {
            replays.append(pending)
            effects.append(.replay(result, from: sender, record.spec))
        } else if !isReplayDue(of: record, result.end) {
            handIn(result, of: sender, at: now, into: &effects)
        }
    }

    mutating func take(
        _ sleep: EdgeSleep,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let record = state.node(sender), record.isEdge, sleep.until > 0 else { return }
        if record.sleepSequence == sleep.sequence, record.asleepUntil != 0 {
            tuckIn(sender, record, at: now, into: &effects)
        } else if isWard(sender) {
            wards[place(ofWard: sender)].heardAt = now
            let asleep = NodeSlept(node: sender, until: sleep.until, sequence: sleep.sequence)
            relay(.nodeSlept(asleep), at: now, into: &effects)
        }
    }

    // MARK: What was decided about them

    /// Everybody knows of an edge node's sleep, or of its return.
    mutating func slept(
        _ slept: NodeSlept,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let until = slept.until == 0 ? nil : wakeDue(ofSecond: slept.until)
        detect(.asleep(slept.node, until: until), at: now, into: &effects)
        if slept.until == 0 { coordination?.wake(slept.node, at: now) }
        if slept.until != 0, isWard(slept.node), let record = state.node(slept.node) {
            tuckIn(slept.node, record, at: now, into: &effects)
        }
    }

    private mutating func tuckIn(
        _ node: NodeID,
        _ record: NodeRecord,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let taken = EdgeSleepTaken(until: record.asleepUntil, sequence: record.sleepSequence)
        effects.append(.send(.edgeSleepTaken(taken), to: node))
        let place = place(ofWard: node)
        if place < wards.count, wards[place].node == node { wards.remove(at: place) }
        detect(.wardGone(node, nil), at: now, into: &effects)
    }

    /// Whether what is leased to it waits for it, because it sleeps as announced.
    func isAsleep(_ node: NodeID, at now: Instant) -> Bool {
        guard let until = state.node(node)?.asleepUntil, until > 0 else { return false }
        return now < wakeDue(ofSecond: until)
    }

    /// Who sleeps until a second on the wall sleeps for longer now, or shorter.
    mutating func setClock(to second: UInt64, at now: Instant, into effects: inout [Effect]) {
        settings.epochSeconds = Int64(clamping: second) - now.sinceStart.components.seconds
        detector.epochSeconds = settings.epochSeconds
        for sleeper in state.nodes where sleeper.asleepUntil > 0 {
            let until = wakeDue(ofSecond: sleeper.asleepUntil)
            detect(.asleep(sleeper.id, until: until), at: now, into: &effects)
        }
    }

    // When who sleeps until a second on the wall has overslept, by this node's clock; a sleep of a
    // thousand years ends earlier.
    private func wakeDue(ofSecond second: UInt64) -> Instant {
        let most: Int64 = 1 << 32
        let epoch = min(max(settings.epochSeconds, -most), most)
        let seconds = Int64(clamping: min(second, UInt64(2 * most))) - epoch
        return .zero + .seconds(seconds) + settings.wakeGrace
    }

    mutating func touchWards(_ command: Command.Body) {
        guard !wards.isEmpty else { return }
        switch command {
        case .tasksLeased(let leased):
            touchedWards += leased.grants.map(\.holder).filter { isWard($0) }
        case .tasksRequeued, .tasksFinished, .taskCancelled, .jobCancelled:
            touchedWards += wards.filter { !$0.told.isEmpty }.map(\.node)
        default: break
        }
    }

    /// Tells those whose leases are not what they were told.
    mutating func settleWards(into effects: inout [Effect]) {
        guard !touchedWards.isEmpty else { return }
        let touched = touchedWards
        touchedWards.removeAll(keepingCapacity: true)
        for node in touched where isWard(node) {
            let told = wards[place(ofWard: node)].told
            if leases(of: node).map({ $0.fence.index }) != told {
                sendOrders(to: node, into: &effects)
            }
        }
    }

    private func leases(of node: NodeID) -> [(number: Int, fence: Fence)] {
        (state.tasks.holder(node)?.tasks ?? []).prefix(Self.wardTaskCountMax).compactMap { number in
            state.tasks.records[number].lease.map { (number, $0.fence) }
        }
    }

    private mutating func sendOrders(
        to node: NodeID,
        report: EdgeReport? = nil,
        isCutOff: Bool = false,
        into effects: inout [Effect]
    ) {
        let place = place(ofWard: node)
        guard place < wards.count, wards[place].node == node else { return }
        var orders = EdgeOrders(
            sequence: report?.sequence ?? 0,
            isHome: true,
            appliedIndex: state.appliedIndex,
            allowedLicenses: state.allowedLicenses,
            rootNumber: state.rootNumber,
            isCutOff: isCutOff
        )
        if let report { orders.relays = relays(for: report, node) }
        var told: [UInt64] = []
        var byteCount = 0
        for (number, fence) in leases(of: node) {
            let record = state.tasks.records[number]
            var lease = EdgeLease(
                number: UInt64(number),
                task: record.id,
                attempt: record.lease?.attempt ?? 0,
                fence: fence
            )
            if !wards[place].running.contains(UInt64(number)) {
                var bundles: [[UInt8]] = []
                var count = Self.byteCount(of: record)
                if case .program(let work) = record.spec.work {
                    let room = Self.leaseByteCountMax - count
                    bundles = self.bundles(about: work.artifactDigests, byteCountMax: room)
                    effects.append(.fetch(work.artifactDigests, from: record.spec.submitter))
                }
                count += bundles.reduce(0) { $0 + $1.count }
                // What does not fit comes with the answer to the next report, and the first of
                // those that are news comes always: else nothing would ever come.
                if byteCount == 0 || byteCount + count <= Self.ordersByteCountMax {
                    (lease.spec, lease.bundles) = (record.spec, bundles)
                    byteCount += count
                }
            }
            orders.leases.append(lease)
            told.append(fence.index)
        }
        wards[place].told = told
        effects.append(.send(.edgeOrders(orders), to: node))
    }

    /// The signed statements by which an edge node judges what a program needs, the best of each
    /// artifact first. Those that would make the message too long stay here: the program is then
    /// refused in a sentence, which is better than a device that waits for ever.
    private func bundles(about artifacts: [Digest], byteCountMax: Int) -> [[UInt8]] {
        let chosen = artifacts.map { statements(toShow: $0) }
        var room = byteCountMax
        let all = (0..<Self.bundleCountMax).flatMap { place in
            chosen.compactMap { place < $0.count ? $0[place].bundle : nil }
        }
        return Array(
            all.prefix { bundle in
                room -= bundle.count
                return room >= 0
            })
    }

    /// Those that may let an artifact in come first. What a revoked node has signed lets in
    /// nothing, and the edge node does not know who is revoked.
    private func statements(toShow artifact: Digest) -> [StatementRecorded] {
        let believed = state.statements(about: artifact).filter { !state.isRevoked($0.node) }
        guard believed.count > Self.bundleCountMax else { return believed }
        let allowed = (state.allowedLicenses + [Self.taskInputLicense]).map { $0.lowercased() }
        // 0: one that is allowed; 1: an expression with one in it, such as "MIT OR GPL-3.0-only".
        let ranks = believed.map { statement -> Int in
            let license = statement.license.lowercased()
            if allowed.contains(license) { return 0 }
            return license.split { " ()".contains($0) }.contains { allowed.contains(String($0)) }
                ? 1 : 2
        }
        let ordered = (0..<3).flatMap { rank in
            zip(believed, ranks).filter { $0.1 == rank }.map { $0.0 }
        }
        return Array(ordered.prefix(Self.bundleCountMax))
    }

    /// About as many as its spec has in a message: as many as in the log.
    private static func byteCount(of record: TaskRecord) -> Int {
        let submitted = TaskSubmitted(task: record.id, spec: record.spec)
        return Command(body: .taskSubmitted(submitted)).wireByteCount
    }

    /// What its wards hand in cannot come into the log, perhaps for long.
    private func isCutOff(at now: Instant) -> Bool {
        raft.isWithoutLeader(for: settings.cutOffSilence, at: now)
    }

    // Others that it may turn to: some of those that are alive, from a place of its own on, now and
    // then.
    private func relays(for report: EdgeReport, _ node: NodeID) -> [Introduction] {
        guard report.relayCount < 3 || report.sequence.isMultiple(of: 16) else { return [] }
        let candidates = detector.members.filter {
            $0.state == .alive && $0.id != id && !$0.profile.controlEndpoint.isEmpty
                && state.isAdmitted($0.id) && !isEdge($0.id)
        }
        guard !candidates.isEmpty else { return [] }
        let start = Int(node.leadingWord % UInt64(candidates.count))
        return (0..<min(Self.wardRelayCount, candidates.count)).compactMap { offset in
            let member = candidates[(start + offset) % candidates.count]
            return state.node(member.id).map {
                Introduction(
                    node: member.id, certificates: $0.certificates, profile: member.profile)
            }
        }
    }

    // MARK: Silence

    /// Says of those that are not heard any more that they cannot be reached.
    mutating func missWards(at now: Instant, into effects: inout [Effect]) {
        nextWardCheck = .distantFuture
        for ward in wards {
            let due = ward.heardAt + settings.wardSilence
            if due <= now {
                wards.removeAll { $0.node == ward.node }
                detect(.wardGone(ward.node, .unreachable), at: now, into: &effects)
            } else {
                nextWardCheck = min(nextWardCheck, due)
            }
        }
    }

    /// For the coordinator, with this node's own report.
    var wardReports: [WardReport] {
        wards.map {
            WardReport(
                node: $0.node, appliedIndex: $0.appliedIndex, slotCount: $0.slotCount,
                running: $0.running)
        }
    }

    // MARK: Results

    private func isReplayDue(of record: TaskRecord, _ end: TaskEnd) -> Bool {
        guard case .program = record.spec.work, end.result.stateDigest != nil else { return false }
        let draw = Chance.mix(replaySeed ^ record.id.leadingWord ^ end.fence.index) % 100
        return draw < UInt64(state.edgeReplayPercent)
    }

    /// What ended by itself, in whatever way, ended in a state. An honest device leaves it out only
    /// where the program did not run.
    private func isStateWithheld(_ record: TaskRecord, _ end: TaskEnd) -> Bool {
        guard case .program = record.spec.work, end.result.stateDigest == nil else { return false }
        return switch end.result.outcome {
        case .succeeded, .signalled, .outOfFuel: true
        case .refused, .failed, .cancelled: false
        }
    }

    /// A result was computed again here. Nil: that was not possible, and it counts unseen, as most
    /// do.
    mutating func replayed(
        _ result: EdgeResult,
        from ward: NodeID,
        isSame: Bool?,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        replays.removeAll { $0.ward == ward && $0.end == result.end }
        guard isSame == false else { return handIn(result, of: ward, at: now, into: &effects) }
        effects.append(.note(.resultForged(result.task, by: ward)))
        let reason = "the result of task \(result.task.short) is not what a replay gives"
        relay(
            .nodeDrained(NodeDrained(node: ward, isDrained: true, reason: reason)), at: now,
            into: &effects)
        var requeued = TasksRequeued()
        for (number, _) in leases(of: ward) {
            guard let lease = state.tasks.records[number].lease else { continue }
            requeued.voids.append(
                LeaseVoid(
                    task: UInt64(number), attempt: lease.attempt,
                    reason: "its worker is not to be believed", isBlameless: true))
        }
        if !requeued.voids.isEmpty { relay(.tasksRequeued(requeued), at: now, into: &effects) }
    }

    private mutating func handIn(
        _ result: EdgeResult,
        of ward: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let finished = TasksFinished(node: ward, ends: [result.end], statement: result.statement)
        relay(.tasksFinished(finished), at: now, into: &effects)
    }

    /// Asks for something that no caller waits for, once at a time: it repeats itself.
    mutating func relay(
        _ body: Command.Body,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let command = Command(body: body)
        guard !requests.contains(where: { $0.origin == .relayed && $0.command == command }) else {
            return
        }
        ask(command, for: .relayed, at: now, into: &effects)
    }
}

extension EdgeResult {
    // It is to stand in the log for ever: two heads of 4,096 bytes and a bundle are the most that a
    // device makes.
    fileprivate var isBounded: Bool {
        let result = end.result
        return statement.count <= ReplicatedState.bundleByteCountMax
            && result.head.count <= 4_096 && result.errorHead.count <= 4_096
            && result.sentence.utf8.count <= 4_096 && result.outputs.count <= 1_024
            && result.outputs.allSatisfy { $0.name.utf8.count <= 4_096 }
    }
}

extension ProgramWork {
    /// All that must be there before it can run, the program first.
    var artifactDigests: [Digest] {
        [program.digest] + inputs.map(\.digest) + [standardInput?.digest].compactMap { $0 }
    }
}
