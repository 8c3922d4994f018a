package import Basics
package import Planning
package import Scheduling
package import Wire

/// What must not be lost: the fold of the log's committed entries, the same on every node.
///
/// `judge` says what a command would do, `apply` does it. A command that is not `.fresh` stands in
/// the log without effect; every node sees that alike, because nothing but the state and the
/// command is asked. Repeating a command is therefore harmless, and askers repeat themselves.
package struct ReplicatedState: Sendable {
    package internal(set) var appliedIndex: UInt64 = 0
    package internal(set) var appliedTerm: UInt64 = 0
    package internal(set) var mesh: MeshFounded?
    /// Sorted by id.
    package internal(set) var nodes: [NodeRecord] = []
    // Asked for each message that comes; mostly nobody is.
    var isAnybodyRevoked = false
    var isAnybodyEdge = false
    /// In the order of creation.
    package internal(set) var tokens: [TokenRecord] = []
    /// Sorted by id.
    package internal(set) var voters: [NodeID] = []
    /// How the mesh came from its founding root to the newest one, without the keys.
    package internal(set) var rotations: [RootRotated] = []
    /// The issuing key of the newest root, sealed to each of these; sorted by id.
    package internal(set) var issuingKeys: [IssuingKeySealed] = []
    package internal(set) var allowedLicenses: [String] = []
    /// Of a hundred results of edge nodes so many are computed again before they count.
    package internal(set) var edgeReplayPercent: UInt32 = 10
    /// In the order of the log.
    package internal(set) var statements: [StatementRecorded] = []
    package internal(set) var tasks = TaskTable()
    /// In the order of the first deployment.
    package internal(set) var deployments: [Deployment] = []
    package internal(set) var plans = PlanTable()
    /// How much had ended when, by the coordinator's clock, the oldest first.
    package internal(set) var marks: [HistoryMark] = []

    // Looked up, never iterated.
    var statementsBySubject: [Digest: [Int]] = [:]

    // A Sigstore bundle with a chain of three certificates has some 6 KB.
    package static let bundleByteCountMax = 64 << 10
    package static let layerCountMax: UInt32 = 4_096
    static let markCountMax = 64
    package static let rotationCountMax = 64

    package init() {}

    // MARK: Looking up

    package func node(_ id: NodeID) -> NodeRecord? {
        guard let position = nodes.position(of: id) else { return nil }
        return nodes[position]
    }

    /// Enrolled and not revoked.
    package func isAdmitted(_ id: NodeID) -> Bool {
        guard let position = nodes.position(of: id) else { return false }
        return nodes[position].revocation == nil
    }

    package func isRevoked(_ id: NodeID) -> Bool {
        guard isAnybodyRevoked, let position = nodes.position(of: id) else { return false }
        return nodes[position].revocation != nil
    }

    /// Enrolled as an edge node.
    package func isEdge(_ id: NodeID) -> Bool {
        guard isAnybodyEdge, let position = nodes.position(of: id) else { return false }
        return nodes[position].isEdge
    }

    /// A token that can still be used, whatever the time is.
    package func token(_ id: Digest) -> TokenCreated? {
        tokens.first { $0.created.token == id && $0.isUsable }?.created
    }

    package func sealedIssuingKey(of voter: NodeID) -> [UInt8]? {
        issuingKeys.first { $0.voter == voter }?.sealed
    }

    /// The statements about an artifact, in the order of the log.
    package func statements(about subject: Digest) -> [StatementRecorded] {
        (statementsBySubject[subject] ?? []).map { statements[$0] }
    }

    /// The latest statement of that kind ("model", "program", "data") under that name.
    package func statement(kind: String, name: String) -> StatementRecorded? {
        statements.last { $0.kind == kind && $0.name == name }
    }

    package func deployment(of model: String) -> Deployment? {
        deployments.first { $0.model == model && $0.isActive }
    }

    /// The epoch that the next placement of this model must have.
    package func nextEpoch(of model: String) -> UInt64 {
        (deployments.first { $0.model == model }?.placement.epoch ?? 0) + 1
    }

    /// Of the newest root; the founding one is 0.
    package var rootNumber: UInt32 { UInt32(rotations.count) }

    // MARK: Applying

    /// Takes the next entry of the log; one out of turn is a fault of the driver.
    package mutating func apply(_ entry: LogEntry) -> Verdict {
        precondition(
            entry.index == appliedIndex + 1,
            "entry \(entry.index) after \(appliedIndex)"
        )
        appliedIndex = entry.index
        appliedTerm = entry.term
        guard let command = entry.command else { return .done }
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        switch command.body {
        case .taskSubmitted, .taskCancelled, .tasksLeased, .tasksRequeued, .tasksFinished,
            .jobSubmitted, .jobCancelled, .tenantSet:
            return applyTask(command.body, fence: Fence(term: entry.term, index: entry.index))
        case .modelDeployed, .stageReady, .modelUndeployed:
            applyDeployment(command.body)
        case .planOpened(let opened): _ = plans.apply(opened)
        case .planAdvanced(let advanced): _ = plans.apply(advanced)
        case .planClosed(let closed): _ = plans.apply(closed)
        case .historyTrimmed(let trimmed): trim(trimmed)
        default: applyMesh(command.body, at: entry.index)
        }
        return verdict
    }

    // Marks whose age says no more than that of the next one are forgotten with what they marked.
    private mutating func trim(_ trimmed: HistoryTrimmed) {
        tasks.forget(through: trimmed.taskCount)
        plans.forget(through: trimmed.planCount)
        marks.removeAll {
            $0.taskCount <= tasks.history.forgottenCount
                && $0.planCount <= plans.history.forgottenCount
        }
        if marks.count == Self.markCountMax { marks.removeFirst() }
        marks.append(
            HistoryMark(
                at: trimmed.at, taskCount: tasks.history.endedCount,
                planCount: plans.history.endedCount))
    }

    private mutating func applyMesh(_ body: Command.Body, at index: UInt64) {
        switch body {
        case .meshFounded(let founded):
            mesh = founded
            allowedLicenses = founded.allowedLicenses
            voters = [founded.founder]
            nodes = [
                NodeRecord(
                    id: founded.founder,
                    name: founded.founderName,
                    role: "worker",
                    certificates: founded.certificates,
                    enrolledAt: index
                )
            ]
        case .nodeEnrolled(let enrolled): enrol(enrolled, at: index)
        case .nodeRevoked(let revoked):
            nodes[nodes.insertionPosition(of: revoked.node)].revocation = revoked.reason
            isAnybodyRevoked = true
            // Whoever made a token knows its secret, and the log does not say who did.
            for position in tokens.indices { tokens[position].isRevoked = true }
        case .tokenCreated(let created):
            tokens.append(TokenRecord(created: created, usesLeft: created.uses))
        case .tokenRevoked(let revoked):
            for position in tokens.indices where tokens[position].created.token == revoked.token {
                tokens[position].isRevoked = true
            }
        case .votersChanged(let change): voters = change.voters.sorted()
        case .issuingKeySealed(let key):
            issuingKeys.removeAll { $0.voter == key.voter }
            let position = issuingKeys.firstIndex { key.voter < $0.voter } ?? issuingKeys.count
            issuingKeys.insert(key, at: position)
        case .rootRotated(let rotated): rotate(rotated)
        case .rootsDistrusted(let distrusted):
            for index in rotations.indices {
                rotations[index].trustedUntil = min(
                    rotations[index].trustedUntil, distrusted.since)
            }
        case .nodeDrained(let drained):
            let position = nodes.insertionPosition(of: drained.node)
            nodes[position].isDrained = drained.isDrained
            nodes[position].drainReason = drained.isDrained ? drained.reason : ""
        case .nodeSlept(let slept):
            let position = nodes.insertionPosition(of: slept.node)
            nodes[position].asleepUntil = slept.until
            nodes[position].sleepSequence = slept.sequence
        case .edgePolicySet(let policy): edgeReplayPercent = policy.replayPercent
        case .policySet(let policy): allowedLicenses = policy.allowedLicenses
        case .statementRecorded(let statement): append(statement)
        default: preconditionFailure("not a command about the mesh")
        }
    }

    mutating func append(_ statement: StatementRecorded) {
        statementsBySubject[statement.subject, default: []].append(statements.count)
        statements.append(statement)
    }

    private mutating func rotate(_ rotated: RootRotated) {
        var rotation = rotated
        rotation.keys = []
        rotations.append(rotation)
        // What was sealed before is of no use any more.
        issuingKeys = rotated.keys.sorted { $0.voter < $1.voter }
    }

    private mutating func enrol(_ enrolled: NodeEnrolled, at index: UInt64) {
        let position = nodes.insertionPosition(of: enrolled.node)
        if position < nodes.count, nodes[position].id == enrolled.node {
            nodes[position].name = enrolled.name
            nodes[position].formerCertificates = nodes[position].certificates
            nodes[position].certificates = enrolled.certificates
            nodes[position].rootNumber = enrolled.rootNumber
            return
        }
        nodes.insert(
            NodeRecord(
                id: enrolled.node,
                name: enrolled.name,
                role: enrolled.role,
                certificates: enrolled.certificates,
                rootNumber: enrolled.rootNumber,
                enrolledAt: index
            ),
            at: position
        )
        if nodes[position].isEdge { isAnybodyEdge = true }
        for position in tokens.indices where tokens[position].created.token == enrolled.token {
            tokens[position].usesLeft -= 1
        }
    }

    private mutating func applyTask(_ body: Command.Body, fence: Fence) -> Verdict {
        switch body {
        case .taskSubmitted(let submitted):
            let signer = submitted.certificate.flatMap { certificate in
                submitted.node.flatMap { node($0)?.chain(of: certificate) }
            }
            let verdict = tasks.apply(submitted, signer: signer ?? [], at: fence.index)
            if let result = submitted.result { plans.taskEnded(submitted.task, .result(result)) }
            return verdict
        case .jobSubmitted(let submitted): return tasks.apply(submitted, at: fence.index)
        case .jobCancelled(let cancelled): return tasks.apply(cancelled)
        case .tasksLeased(let leased): return tasks.apply(leased, fence: fence)
        case .tasksRequeued(let requeued): return tasks.apply(requeued, at: fence.index)
        case .tasksFinished(let finished):
            let verdict = tasks.apply(finished, at: fence.index)
            guard plans.isWaiting else { return verdict }
            for end in finished.ends {
                guard let record = tasks.record(end.task), let completion = record.completion
                else { continue }
                plans.taskEnded(record.id, .result(completion.result))
            }
            return verdict
        case .taskCancelled(let cancelled):
            let verdict = tasks.apply(cancelled)
            plans.taskEnded(cancelled.task, .cancelled)
            return verdict
        case .tenantSet(let tenant): return tasks.apply(tenant)
        default: preconditionFailure("not a command about a task")
        }
    }

    private mutating func applyDeployment(_ body: Command.Body) {
        switch body {
        case .modelDeployed(let placement):
            let deployment = Deployment(placement: placement)
            if let position = deployments.firstIndex(where: { $0.model == placement.model }) {
                deployments[position] = deployment
            } else {
                deployments.append(deployment)
            }
        case .stageReady(let ready):
            for position in deployments.indices where deployments[position].model == ready.model {
                deployments[position].reports.removeAll { $0.node == ready.node }
                deployments[position].reports.append(ready)
            }
        case .modelUndeployed(let undeployed):
            for position in deployments.indices
            where deployments[position].model == undeployed.model {
                deployments[position].isActive = false
            }
        default: preconditionFailure("not a command about a deployment")
        }
    }
}
