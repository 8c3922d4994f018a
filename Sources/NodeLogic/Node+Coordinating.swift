import Basics
import Election
import Membership
import Planning
import Scheduling
import Wire

extension Node {
    // Five decisions a second are enough where nothing happens; what happens is looked at at once.
    private static let turnInterval: Duration = .milliseconds(200)
    // A new coordinator may not have heard of a node yet that is well.
    private static let strangerDuration: Duration = .seconds(10)

    mutating func take(_ report: WorkerReport, from sender: NodeID, at now: Instant) {
        guard coordination != nil else { return }
        coordination?.hear(report, from: sender, at: now)
        isUnsettled = true
    }

    /// What the mesh's one decider decides now.
    ///
    /// It acts only with a quorum that answered lately, with all of its earlier terms applied, and
    /// with all of its own earlier decisions applied.
    mutating func coordinate(at now: Instant, into effects: inout [Effect]) {
        guard coordination != nil else { return }
        coordination?.forget(upTo: state.appliedIndex)
        var isTurn = false
        if let nextTurn = coordination?.nextTurn, nextTurn <= now {
            coordination?.nextTurn = now + Self.turnInterval
            isTurn = true
        }
        updateLearners(at: now, into: &effects)
        guard let coordination, raft.isLeaderWithQuorum(at: now),
            state.appliedIndex >= coordination.awaitedIndex
        else { return }
        let commands =
            voids(coordination, at: now, into: &effects)
            + leases(coordination, at: now, into: &effects)
            + state.plans.next { state.tasks[$0] != nil }
            + moves(at: now, into: &effects)
        if !commands.isEmpty, let indices = append(commands, at: now, into: &effects) {
            self.coordination?.awaitedIndex = indices.upperBound
        }
        // These look at every node, and have time.
        guard isTurn else { return }
        chooseVoters(at: now, into: &effects)
        sealIssuingKeys(at: now, into: &effects)
    }

    /// A node that is out of reach for the mesh: nothing is placed on it.
    func isLost(_ node: NodeID, _ coordination: Coordination, at now: Instant) -> Bool {
        guard state.isAdmitted(node) else { return true }
        switch detector.member(node)?.state {
        case .alive, .suspect: return false
        case .unreachable, .dead, .left: return true
        case nil: return now - coordination.since > Self.strangerDuration
        }
    }

    // MARK: Leases

    // Leases that hold no more, and tasks that have no lease left.
    private func voids(
        _ coordination: Coordination,
        at now: Instant,
        into effects: inout [Effect]
    ) -> [Command] {
        var commands: [Command] = []
        for record in state.tasks.leased {
            guard let lease = record.lease,
                let reason = lossReason(of: lease, record.id, coordination, at: now)
            else { continue }
            effects.append(
                .note(.requeued(record.id, attempt: lease.attempt, reason: reason))
            )
            commands.append(
                Command(
                    body: .taskRequeued(
                        TaskRequeued(task: record.id, attempt: lease.attempt, reason: reason)
                    )
                )
            )
        }
        for record in state.tasks.queued(countMax: LeaseChoice.countMax) where record.isExhausted {
            commands.append(Command(body: .taskFinished(record.surrender(by: id))))
        }
        return commands
    }

    private func lossReason(
        of lease: TaskRecord.Lease,
        _ task: Digest,
        _ coordination: Coordination,
        at now: Instant
    ) -> String? {
        if isLost(lease.holder, coordination, at: now) { return "its worker is out of reach" }
        let word = coordination.word(of: lease.holder)
        if let report = word?.report, report.appliedIndex >= lease.fence.index,
            !report.running.contains(task)
        {
            return "its worker does not know of it"
        }
        let heard = max(word?.at ?? coordination.since, coordination.since)
        return now - heard > settings.leaseDuration ? "its worker is silent" : nil
    }

    private func leases(
        _ coordination: Coordination,
        at now: Instant,
        into effects: inout [Effect]
    ) -> [Command] {
        guard state.tasks.queuedCount > 0 else { return [] }
        let workers = coordination.words.compactMap { word -> LeaseChoice.Worker? in
            guard now - word.at <= settings.leaseDuration, state.isAdmitted(word.node),
                word.node == id || detector.member(word.node)?.state == .alive,
                word.node != id || leaveDue == nil
            else { return nil }
            // Leases that the report could not know of yet.
            let newCount = state.tasks.leased.count { record in
                record.lease.map {
                    $0.holder == word.node && $0.fence.index > word.report.appliedIndex
                } ?? false
            }
            return LeaseChoice.Worker(
                node: word.node,
                freeSlotCount: Int(word.report.freeSlotCount) - newCount
            )
        }
        let leases = LeaseChoice.leases(of: state.tasks, to: workers) { wish(of: $0) }
        for lease in leases {
            effects.append(
                .note(.leased(lease.task, attempt: lease.attempt, holder: lease.holder))
            )
        }
        return leases.map { Command(body: .taskLeased($0)) }
    }

    private func wish(of spec: TaskSpec) -> LeaseChoice.Wish {
        guard case .generation(let work) = spec.work,
            let deployment = state.deployment(of: work.model), deployment.refusal == nil
        else { return .anybody }
        return deployment.isReady ? .rather(deployment.placement.stages.map(\.node)) : .wait
    }

    // MARK: Stages

    private mutating func moves(
        at now: Instant,
        into effects: inout [Effect]
    ) -> [Command] {
        let moves = stageMoves(at: now)
        for case .modelDeployed(let placement) in moves.map(\.body) {
            effects.append(
                .note(.stagesMoved(model: placement.model, epoch: placement.epoch))
            )
        }
        return moves
    }
}
