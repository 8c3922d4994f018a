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
        for ward in report.wards where isEdge(ward.node) && speaks(sender, for: ward.node) {
            let word = WorkerReport(
                appliedIndex: ward.appliedIndex, slotCount: ward.slotCount, running: ward.running)
            coordination?.hear(word, from: ward.node, at: now)
        }
        isUnsettled = true
    }

    /// What the mesh's one decider decides now.
    ///
    /// It acts only with a quorum that answered lately, with all of its earlier terms applied, and
    /// with all of its own earlier decisions applied.
    mutating func coordinate(at now: Instant, into effects: inout [Effect]) {
        guard coordination != nil else { return }
        coordination?.forget(upTo: state.appliedIndex)
        if let nextTurn = coordination?.nextTurn, nextTurn <= now {
            coordination?.nextTurn = now + Self.turnInterval
            coordination?.forgetBackOffs(at: now)
            coordination?.watchGangs(
                state.tasks.open(countMax: LeaseChoice.setCountMax) {
                    $0.isGang && $0.blockerCount == 0
                }, at: now)
            self.coordination?.isTurnOwed = true
        }
        updateLearners(at: now, into: &effects)
        guard let coordination, raft.isLeaderWithQuorum(at: now),
            state.appliedIndex >= coordination.awaitedIndex
        else { return }
        // Under load something is awaited nearly always: a turn that fell into that is made up for.
        let isTurn = coordination.isTurnOwed
        self.coordination?.isTurnOwed = false
        let commands =
            voids(coordination, at: now, into: &effects)
            + endings(isTurn: isTurn, at: now, into: &effects)
            + leases(coordination, at: now, into: &effects)
            + planCommands()
            + moves(at: now, into: &effects)
            + (isTurn ? trims(at: now) : [])
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

    // Leases that hold no more.
    private mutating func voids(
        _ coordination: Coordination,
        at now: Instant,
        into effects: inout [Effect]
    ) -> [Command] {
        var requeued = TasksRequeued()
        // Of ten thousands that were lost at once the others come with the next decision.
        for holder in state.tasks.holders
        where !holder.tasks.isEmpty && requeued.voids.count < LeaseChoice.countMax {
            // What an edge node has parked waits for it.
            let isEdge = isEdge(holder.node)
            if isEdge, isAsleep(holder.node, at: now) { continue }
            let duration = isEdge ? settings.edgeLeaseDuration : settings.leaseDuration
            let word = coordination.word(of: holder.node)
            let heard = max(word?.at ?? coordination.since, coordination.since)
            var reason: String?
            if isLost(holder.node, coordination, at: now) {
                reason = "its worker is out of reach"
            } else if now - heard > duration {
                reason = "its worker is silent"
            }
            var lost: [Int] = []
            if reason != nil {
                lost = holder.tasks
            } else if let word, word.isNew {
                self.coordination?.markRead(holder.node)
                lost = unknown(to: word.report, of: holder)
            }
            guard !lost.isEmpty else { continue }
            let begun = begun(of: holder, slotCount: word?.report.slotCount ?? 1)
            for number in lost.prefix(LeaseChoice.countMax) {
                void(
                    number, reason ?? "its worker does not know of it",
                    isBlameless: !begun.contains(number), &requeued, &effects)
            }
        }
        requeued.voids += gangVoids(beside: requeued)
        return requeued.voids.isEmpty ? [] : [Command(body: .tasksRequeued(requeued))]
    }

    // The others of gangs that lost a member: they begin again together. Each is named once,
    // however many were lost.
    private func gangVoids(beside lost: TasksRequeued) -> [LeaseVoid] {
        let named = Set(lost.voids.map(\.task))
        let gangs = lost.voids.map { state.tasks.records[Int($0.task)].setPosition }
            .filter { state.tasks.sets[$0].isGang }.sorted()
        var voids: [LeaseVoid] = []
        for (place, gang) in gangs.enumerated() where place == 0 || gangs[place - 1] != gang {
            for other in state.tasks.sets[gang].tasks where !named.contains(UInt64(other)) {
                guard let lease = state.tasks.records[other].lease else { continue }
                // Its other leases end with the first that is void; these are named for the notes.
                guard voids.count < LeaseChoice.countMax else { return voids }
                voids.append(
                    LeaseVoid(
                        task: UInt64(other), attempt: lease.attempt,
                        reason: "its gang lost a member", isBlameless: true))
            }
        }
        return voids
    }

    // What a worker may have died of: leases begin in the order in which they were granted, and
    // what still waits for a slot has done nothing.
    private func begun(of holder: TaskTable.Holder, slotCount: UInt32) -> ArraySlice<Int> {
        func index(_ number: Int) -> UInt64 {
            state.tasks.records[number].lease?.fence.index ?? .max
        }
        return holder.tasks.sorted { (index($0), $0) < (index($1), $1) }
            .prefix(max(1, Int(slotCount)))
    }

    private func void(
        _ number: Int,
        _ reason: String,
        isBlameless: Bool,
        _ requeued: inout TasksRequeued,
        _ effects: inout [Effect]
    ) {
        let record = state.tasks.records[number]
        guard let lease = record.lease else { return }
        effects.append(.note(.requeued(record.id, attempt: lease.attempt, reason: reason)))
        requeued.voids.append(
            LeaseVoid(
                task: UInt64(number), attempt: lease.attempt, reason: reason,
                isBlameless: isBlameless))
    }

    // What the report should name and does not; both are ascending.
    private func unknown(to report: WorkerReport, of holder: TaskTable.Holder) -> [Int] {
        var known = report.running[...]
        return holder.tasks.filter { number in
            while let first = known.first, first < UInt64(number) { known.removeFirst() }
            if known.first == UInt64(number) { return false }
            guard let lease = state.tasks.records[number].lease else { return false }
            return lease.fence.index <= report.appliedIndex
        }
    }

    // Tasks that shall not run again: no lease is left for them, or no time.
    private func endings(
        isTurn: Bool,
        at now: Instant,
        into effects: inout [Effect]
    ) -> [Command] {
        var finished = TasksFinished(node: id)
        var requeued = TasksRequeued()
        for record in state.tasks.exhaustedTasks.prefix(LeaseChoice.countMax) {
            finished.ends.append(record.surrender())
        }
        if isTurn {
            for record in state.tasks.overdue(at: second(at: now)).prefix(LeaseChoice.countMax)
            where !record.isExhausted {
                if let lease = record.lease {
                    requeued.voids.append(
                        LeaseVoid(
                            task: UInt64(record.number),
                            attempt: lease.attempt,
                            reason: "its deadline has passed",
                            isBlameless: true
                        )
                    )
                }
                finished.ends.append(record.surrender("its deadline has passed"))
            }
        }
        for end in finished.ends {
            let record = state.tasks.records[Int(end.task)]
            effects.append(.note(.surrendered(record.id, end.result.sentence)))
        }
        var commands: [Command] = []
        if !requeued.voids.isEmpty { commands.append(Command(body: .tasksRequeued(requeued))) }
        if !finished.ends.isEmpty { commands.append(Command(body: .tasksFinished(finished))) }
        return commands
    }

    private func leases(
        _ coordination: Coordination,
        at now: Instant,
        into effects: inout [Effect]
    ) -> [Command] {
        guard state.tasks.queuedCount > 0 else { return [] }
        var view = LeaseChoice.View()
        view.total.slotCount = 0
        let workers = coordination.words.compactMap { word -> LeaseChoice.Worker? in
            guard now - word.at <= settings.leaseDuration,
                let node = state.node(word.node), node.revocation == nil, !node.isDrained,
                word.node == id || detector.member(word.node)?.state == .alive,
                node.asleepUntil == 0,
                word.node != id || leaveDue == nil
            else { return nil }
            let slotCount = Int(word.report.slotCount)
            let usedCount = state.tasks.holder(word.node)?.slotCount ?? 0
            view.total.slotCount += slotCount
            if !node.isEdge { view.total.gangSlotCounts.append(slotCount) }
            let profile = detector.member(word.node)?.profile
            view.total.memoryByteCount += profile?.memoryByteCount ?? 0
            var worker = LeaseChoice.Worker(
                node: word.node,
                freeSlotCount: slotCount + Int(word.report.backlogCount) - usedCount,
                idleSlotCount: slotCount - usedCount
            )
            if node.isEdge { worker.edge = edge(profile) }
            return worker
        }
        guard workers.contains(where: { $0.freeSlotCount > 0 }) else { return [] }
        view.wish = { wish(of: $0) }
        view.isHeldBack = { coordination.isHeldBack($0, at: now) }
        view.isPatient = { coordination.isPatient($0, at: now) }
        let grants = LeaseChoice.grants(of: state.tasks, to: workers, in: view)
        for grant in grants {
            effects.append(.note(.leased(count: grant.tasks.count, holder: grant.holder)))
        }
        return grants.isEmpty ? [] : [Command(body: .tasksLeased(TasksLeased(grants: grants)))]
    }

    private func wish(of spec: TaskSpec) -> LeaseChoice.Wish {
        guard case .generation(let work) = spec.work,
            let deployment = state.deployment(of: work.model), deployment.refusal == nil
        else { return .anybody }
        return deployment.isReady ? .rather(deployment.placement.stages.map(\.node)) : .wait
    }

    // What the plans need next; a step waits while its tenant may have no more tasks.
    private func planCommands() -> [Command] {
        let commands = state.plans.next {
            state.tasks[$0] != nil || state.tasks.hasForgotten($0)
        }
        return commands.filter { state.judge($0).refusal?.kind != .quota }.map { command in
            guard let refusal = command.sizeRefusal, case .taskSubmitted(let task) = command.body,
                let plan = state.plans.plan(ofTask: task.task)
            else { return command }
            // One that stands in no entry would take all others of this turn with it.
            let closed = PlanClosed(plan: plan, succeeded: false, answer: refusal.sentence)
            return Command(body: .planClosed(closed))
        }
    }

    // MARK: What ended long ago

    // A part more than may be kept is kept until it is worth a walk over the rest.
    private static let trimShare = 8
    // Ages are told in so many steps.
    private static let markCount = 16

    /// What has ended and is too much or too old is forgotten; and now and then the log is told
    /// what the time is.
    private func trims(at now: Instant) -> [Command] {
        let (tasks, plans) = (state.tasks.history, state.plans.history)
        let seconds = second(at: now)
        let age = UInt64(max(settings.keptDuration.components.seconds, 0))
        var trimmed = HistoryTrimmed(
            at: seconds, taskCount: tasks.forgottenCount, planCount: plans.forgottenCount)
        for mark in state.marks where mark.at + age <= seconds {
            trimmed.taskCount = max(trimmed.taskCount, mark.taskCount)
            trimmed.planCount = max(trimmed.planCount, mark.planCount)
        }
        let taskCountMax = settings.keptTaskCountMax
        if state.tasks.endedTaskCount > taskCountMax + taskCountMax / Self.trimShare {
            let count = state.tasks.forgottenCount(keeping: taskCountMax)
            trimmed.taskCount = max(trimmed.taskCount, count)
        }
        let planCountMax = settings.keptPlanCountMax
        if plans.kept.count > planCountMax + planCountMax / Self.trimShare {
            let count = plans.endedCount - UInt64(planCountMax)
            trimmed.planCount = max(trimmed.planCount, count)
        }
        let last = state.marks.last
        let isMarkDue =
            seconds >= (last?.at ?? 0) + age / UInt64(Self.markCount)
            && (tasks.endedCount > last?.taskCount ?? 0 || plans.endedCount > last?.planCount ?? 0)
        guard isMarkDue || trimmed.taskCount > tasks.forgottenCount
            || trimmed.planCount > plans.forgottenCount
        else { return [] }
        return [Command(body: .historyTrimmed(trimmed))]
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
