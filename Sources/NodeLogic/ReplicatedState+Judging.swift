import Basics
import Planning
package import Scheduling
package import Wire

extension ReplicatedState {
    /// What the command would do, applied now.
    package func judge(_ command: Command) -> Verdict {
        switch command.body {
        case .meshFounded: mesh == nil ? .fresh : .refused("the mesh is founded")
        case .nodeEnrolled(let enrolled): judge(enrolled)
        case .nodeRevoked(let revoked): judge(revoked)
        case .tokenCreated(let created): judge(created)
        case .tokenRevoked(let revoked):
            if let token = tokens.first(where: { $0.created.token == revoked.token }) {
                token.isRevoked ? .done : .fresh
            } else {
                .refused("no such token")
            }
        // Raft has taken it when it was appended: the state can only follow.
        case .votersChanged(let change): change.voters.sorted() == voters ? .done : .fresh
        case .issuingKeySealed(let key):
            if !isAdmitted(key.voter) {
                .refused("no such node")
            } else if key.rootNumber != rootNumber {
                .refused("the issuing key is another one now")
            } else {
                sealedIssuingKey(of: key.voter) == key.sealed ? .done : .fresh
            }
        case .rootRotated(let rotated): judge(rotated)
        case .rootsDistrusted(let distrusted):
            if distrusted.newestNumber != rootNumber {
                .refused("the newest root is another one now")
            } else {
                rotations.allSatisfy { $0.trustedUntil <= distrusted.since } ? .done : .fresh
            }
        case .policySet(let policy): policy.allowedLicenses == allowedLicenses ? .done : .fresh
        case .statementRecorded(let statement): judge(statement)
        case .nodeDrained(let drained): judge(drained)
        case .nodeSlept(let slept): judge(slept)
        case .edgePolicySet(let policy):
            if policy.replayPercent > 100 {
                .refused("a share is 0 to 100 percent")
            } else {
                policy.replayPercent == edgeReplayPercent ? .done : .fresh
            }
        case .taskSubmitted, .taskCancelled, .tasksLeased, .tasksRequeued, .tasksFinished,
            .jobSubmitted, .jobCancelled, .tenantSet:
            judgeTask(command.body)
        case .modelDeployed(let placement): judge(placement)
        case .stageReady(let ready): judge(ready)
        case .modelUndeployed(let undeployed):
            if let deployment = deployments.first(where: { $0.model == undeployed.model }) {
                deployment.isActive ? .fresh : .done
            } else {
                .refused("model \(undeployed.model) is not deployed")
            }
        case .planOpened(let opened): Verdict(plans.judge(opened))
        case .planAdvanced(let advanced): Verdict(plans.judge(advanced))
        case .planClosed(let closed): Verdict(plans.judge(closed))
        case .historyTrimmed(let trimmed): judge(trimmed)
        }
    }

    private func judge(_ trimmed: HistoryTrimmed) -> Verdict {
        guard trimmed.taskCount <= tasks.history.endedCount,
            trimmed.planCount <= plans.history.endedCount
        else { return .refused("nothing is forgotten before it has ended") }
        let isNews =
            trimmed.taskCount > tasks.history.forgottenCount
            || trimmed.planCount > plans.history.forgottenCount
            || trimmed.at > (marks.last?.at ?? 0)
        return isNews ? .fresh : .done
    }

    private func judge(_ enrolled: NodeEnrolled) -> Verdict {
        if let node = node(enrolled.node) {
            guard node.revocation == nil else { return .refused("the node is revoked") }
            // Without a token it is a renewal by the node itself; with one, an old request again.
            let isRenewal = enrolled.token == nil && node.certificates != enrolled.certificates
            guard isRenewal else { return .done }
            return enrolled.rootNumber == rootNumber ? .fresh : .refused(Self.otherKey)
        }
        guard let id = enrolled.token, let token = token(id) else {
            return .refused("the token is unknown, used up or revoked")
        }
        guard token.role == enrolled.role else {
            return .refused("the token is for the role \(token.role)")
        }
        guard enrolled.rootNumber == rootNumber else { return .refused(Self.otherKey) }
        return enrolled.certificates.isEmpty ? .refused("no certificate") : .fresh
    }

    private static let otherKey: Refusal = "the issuing key was changed meanwhile: try again"
    // As the certificates that a mesh takes in.
    private static let certificateByteCountMax = 16 << 10

    // Whether the root before vouches for it is for those to look at who trust a root.
    private func judge(_ rotated: RootRotated) -> Verdict {
        if let last = rotations.last, last.number == rotated.number {
            return last.certificates == rotated.certificates
                ? .done : .refused("another root was made meanwhile")
        }
        guard rotated.number == rootNumber + 1, rotations.count < Self.rotationCountMax else {
            return .refused("root \(rotated.number) is not the next one")
        }
        guard rotated.certificates.count == 4,
            rotated.certificates.allSatisfy({ 1...Self.certificateByteCountMax ~= $0.count })
        else { return .refused("a rotation has four certificates") }
        guard voters.allSatisfy({ voter in rotated.keys.contains { $0.voter == voter } }),
            rotated.keys.allSatisfy({ isAdmitted($0.voter) && $0.rootNumber == rotated.number })
        else { return .refused("the voters have changed meanwhile: rotate again") }
        return .fresh
    }

    private func judge(_ revoked: NodeRevoked) -> Verdict {
        guard let node = node(revoked.node) else { return .refused("no such node") }
        guard node.revocation == nil else { return .done }
        return voters == [revoked.node]
            ? .refused("the only voter cannot be revoked: nobody could decide anything") : .fresh
    }

    private func judge(_ drained: NodeDrained) -> Verdict {
        guard let node = node(drained.node), node.revocation == nil else {
            return .refused("no such node")
        }
        return node.isDrained == drained.isDrained ? .done : .fresh
    }

    private func judge(_ slept: NodeSlept) -> Verdict {
        guard let node = node(slept.node), node.revocation == nil, node.isEdge else {
            return .refused("only edge nodes announce their sleep")
        }
        return slept.sequence <= node.sleepSequence ? .done : .fresh
    }

    private func judge(_ created: TokenCreated) -> Verdict {
        if let token = tokens.first(where: { $0.created.token == created.token }) {
            return token.created == created ? .done : .refused("another token has this id")
        }
        guard ["worker", "edge"].contains(created.role) else {
            return .refused("a role is worker or edge")
        }
        return created.uses == 0 ? .refused("a token has at least one use") : .fresh
    }

    private func judge(_ statement: StatementRecorded) -> Verdict {
        if statements(about: statement.subject).contains(where: {
            $0.statement == statement.statement
        }) {
            return .done
        }
        guard !statement.kind.isEmpty, !statement.name.isEmpty else {
            return .refused("a statement has a kind and a name")
        }
        guard statement.bundle.count <= Self.bundleByteCountMax else {
            return .refused("a bundle has at most \(Self.bundleByteCountMax) bytes")
        }
        return .fresh
    }

    // What was done before it was submitted.
    private func refusal(of submitted: TaskSubmitted) -> Refusal? {
        guard let id = submitted.node else { return nil }
        guard isAdmitted(id), let node = node(id) else {
            return Refusal("the node is revoked or unknown")
        }
        if let certificate = submitted.certificate, node.chain(of: certificate) == nil {
            return Refusal("the node has another certificate by now: ask again", .unavailable)
        }
        return nil
    }

    private func judgeTask(_ body: Command.Body) -> Verdict {
        switch body {
        case .taskSubmitted(let submitted):
            refusal(of: submitted).map { .refused($0) } ?? tasks.judge(submitted)
        case .jobSubmitted(let submitted): tasks.judge(submitted)
        case .jobCancelled(let cancelled): tasks.judge(cancelled)
        case .tasksLeased(let leased):
            leased.grants.allSatisfy { isAdmitted($0.holder) }
                ? tasks.judge(leased) : .refused("no such node")
        case .tasksRequeued(let requeued): tasks.judge(requeued)
        case .tasksFinished(let finished):
            isAdmitted(finished.node)
                ? tasks.judge(finished) : .refused("the node is revoked or unknown")
        case .taskCancelled(let cancelled): tasks.judge(cancelled)
        case .tenantSet(let tenant): tasks.judge(tenant)
        default: preconditionFailure("not a command about a task")
        }
    }

    // A placement of epoch 0 is a wish: the coordinator chooses the stages and the epoch.
    private func judge(_ placement: ModelDeployed) -> Verdict {
        guard !placement.model.isEmpty else { return .refused("a deployment names its model") }
        guard 1...Self.layerCountMax ~= placement.layerCount else {
            return .refused("a model has 1 to \(Self.layerCountMax) layers")
        }
        if let shape = placement.shape, !shape.isBounded {
            return .refused("the shape of the model is none")
        }
        let current = deployment(of: placement.model)
        if placement.epoch == 0 {
            guard let current = current?.placement else { return .fresh }
            let isSame =
                current.artifact == placement.artifact
                && current.layerCount == placement.layerCount
                && current.wantedStageCount == placement.wantedStageCount
                && current.streamCount == placement.streamCount
                && current.shape == placement.shape
            // Asked again with fewer stages than wanted, it is spread anew.
            let isWhole =
                current.wantedStageCount == 0
                || current.stages.count == Int(current.wantedStageCount)
            return isSame && isWhole ? .done : .fresh
        }
        if current?.placement == placement { return .done }
        guard placement.epoch == nextEpoch(of: placement.model) else {
            return .refused("epoch \(placement.epoch) is not the next one")
        }
        var next: UInt32 = 0
        for stage in placement.stages {
            guard stage.firstLayer == next, stage.firstLayer <= stage.lastLayer,
                stage.lastLayer < placement.layerCount, isAdmitted(stage.node)
            else { return .refused("the stages do not cover the model in order") }
            next = stage.lastLayer + 1
        }
        guard next == placement.layerCount else {
            return .refused("the stages do not cover the model in order")
        }
        return .fresh
    }

    private func judge(_ ready: StageReady) -> Verdict {
        guard let deployment = deployment(of: ready.model),
            deployment.placement.epoch == ready.epoch, deployment.placement(of: ready.node) != nil
        else { return .refused("the placement is not the current one") }
        return deployment.reports.contains(ready) ? .done : .fresh
    }
}

extension ModelShape {
    // Every node keeps it for ever: a run for each layer and a type or two in it are the rule.
    fileprivate var isBounded: Bool {
        layers.count <= Int(ReplicatedState.layerCountMax)
            && (layers.map(\.parts) + [embedding, output]).allSatisfy {
                $0.count <= StageDemand.partCountMax
            }
    }
}

extension Verdict {
    init(_ verdict: PlanTable.Verdict) {
        switch verdict {
        case .fresh: self = .fresh
        case .done: self = .done
        case .refused(let sentence): self = .refused(Refusal(sentence))
        }
    }

    /// Why an entry of the log is void; nil where its effect is there.
    var refusal: Refusal? { if case .refused(let refusal) = self { refusal } else { nil } }
}
