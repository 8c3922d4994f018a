import Basics
import NodeLogic
import Planning
import Scheduling
import Testing
import Wire

/// A mesh in one state and no time: random commands of every kind, most of which take effect.
struct StateMix {
    var chance: Chance
    var state = ReplicatedState()
    /// Gets the same entries from when it is set.
    var twin: ReplicatedState?
    private(set) var freshCounts: [String: Int] = [:]
    private var number = 0

    init(seed: UInt64) {
        chance = Chance(seed: seed)
        apply(
            .meshFounded(
                MeshFounded(
                    mesh: .of("mesh"), founder: NodeID(1), founderName: "first", root: [1, 2],
                    certificates: [[3]], allowedLicenses: ["MIT"])))
        for (name, role) in [("worker", "worker"), ("edge", "edge")] {
            apply(
                .tokenCreated(
                    TokenCreated(
                        token: .of(name), publicKey: [7], expiresAt: 5, uses: 20, role: role)))
        }
    }

    mutating func apply(_ body: Command.Body) {
        let entry = LogEntry(
            index: state.appliedIndex + 1, term: 1 + state.appliedIndex / 100,
            command: Command(body: body))
        let verdict = state.apply(entry)
        if let other = twin?.apply(entry) { #expect(other == verdict) }
        guard verdict == .fresh else { return }
        let name = String("\(body)".prefix { $0 != "(" })
        freshCounts[name, default: 0] += 1
    }

    private mutating func int(_ range: Range<Int>) -> Int { Int.random(in: range, using: &chance) }
    private mutating func isOne(in count: Int) -> Bool { int(0..<count) == 0 }
    private mutating func node() -> NodeID {
        state.nodes.filter { $0.revocation == nil }.map(\.id).randomElement(using: &chance)
            ?? NodeID(1)
    }

    mutating func step() {
        number += 1
        switch int(0..<24) {
        case 0...2: submit()
        case 3: submitJob()
        case 4...7: lease()
        case 8...13: finish()
        case 14: requeue()
        case 15: cancel()
        case 16, 17: mesh()
        case 18: deploy()
        case 19...21: plan()
        case 22: trim()
        default:
            var tenant = TenantSet(tenant: "team \(int(0..<4))", weight: UInt32(int(0..<9)))
            if isOne(in: 3) { tenant.running = TenantLimit(count: UInt64(int(0..<4))) }
            if isOne(in: 3) { tenant.queued = TenantLimit(count: UInt64(int(0..<4) * 10)) }
            if isOne(in: 3) { tenant.fuel = TenantLimit(count: UInt64(int(0..<4) * 70)) }
            apply(.tenantSet(tenant))
        }
    }

    private mutating func spec() -> TaskSpec {
        var spec = TaskSpec(
            submitter: node(), name: "task \(number)", submittedAt: UInt64(number),
            attemptCountMax: UInt32(int(0..<4)), tenant: "team \(int(0..<4))",
            priority: Int32(int(-3..<4)), deadline: isOne(in: 4) ? UInt64(number + 50) : 0,
            slotCount: UInt32(int(0..<3)), edge: isOne(in: 5) ? EdgeTerms(use: .only) : nil,
            work: .read(ReadWork(artifact: .of("data"), offset: 3, byteCountMax: 9)))
        switch int(0..<4) {
        case 0: break
        case 1:
            spec.work = .generation(
                GenerationWork(
                    model: "tiny", prompt: "zero\u{0}inside", maxTokens: 5,
                    sampling: Sampling(temperature: 0.25)))
        default:
            spec.work = .program(
                ProgramWork(
                    program: NamedArtifact(name: "elf", digest: .of("elf")),
                    arguments: ["a"], fuel: 7, memoryByteCountMax: 11, seed: UInt64(number)))
        }
        return spec
    }

    private mutating func submit() {
        var task = TaskSubmitted(task: .of("task \(number)"), spec: spec())
        if isOne(in: 5) {
            let node = node()
            task.node = node
            task.result = result()
            if let leaf = state.node(node)?.certificates.first, Bool.random(using: &chance) {
                task.signature = [4, 5, 6]
                task.certificate = .of(leaf)
            } else {
                task.statement = [1, 2, 3]
            }
        }
        apply(.taskSubmitted(task))
    }

    private mutating func submitJob() {
        let sets = (0..<int(1..<4)).map { position in
            TaskSet(
                name: "set \(position)", spec: spec(),
                items: (0..<int(0..<5)).map { item in
                    TaskItem(
                        arguments: item == 1 ? [] : ["\(item)"],
                        inputs: item == 2 ? [NamedArtifact(name: "in", digest: .of("in"))] : [],
                        seed: UInt64(item))
                },
                after: (0..<position).filter { _ in Bool.random(using: &chance) }.map(UInt32.init),
                isGang: isOne(in: 4), gangPatienceSeconds: UInt32(int(0..<9)))
        }
        apply(
            .jobSubmitted(
                JobSubmitted(
                    job: .of("job \(number)"), name: "job", submitter: node(),
                    submittedAt: UInt64(number), sets: sets)))
        if isOne(in: 9) { apply(.jobCancelled(JobCancelled(job: .of("job \(number)")))) }
    }

    private mutating func lease() {
        var grant = LeaseGrant(holder: node())
        for record in state.tasks.queued(countMax: 6) where Bool.random(using: &chance) {
            grant.tasks.append(UInt64(record.number))
            grant.attempts.append(record.attemptCount + 1)
        }
        apply(.tasksLeased(TasksLeased(grants: [grant])))
    }

    private mutating func result() -> TaskResult {
        TaskResult(
            outcome: isOne(in: 6) ? .failed : .succeeded, exitCode: isOne(in: 9) ? 1 : 0,
            sentence: "so", retiredInstructions: 9, stateDigest: .of("state"),
            outputs: [NamedArtifact(name: "out", digest: .of("out"))], head: [1, 2],
            holders: [node()], errorHead: [3])
    }

    private mutating func finish() {
        guard let holder = state.tasks.holders.randomElement(using: &chance) else { return }
        var ends: [TaskEnd] = []
        for number in holder.tasks where Bool.random(using: &chance) {
            guard let lease = state.tasks.records[number].lease else { continue }
            ends.append(
                TaskEnd(
                    task: UInt64(number), attempt: lease.attempt, fence: lease.fence,
                    result: result()))
        }
        guard !ends.isEmpty else { return }
        let isSigned = Bool.random(using: &chance)
        apply(
            .tasksFinished(
                TasksFinished(
                    node: holder.node, ends: ends, statement: isSigned ? [UInt8(ends.count)] : [],
                    leaves: isSigned ? Array(repeating: 5, count: ends.count * 32) : [])))
        let surrendered = state.tasks.exhaustedTasks.map { $0.surrender() }
        if !surrendered.isEmpty {
            apply(.tasksFinished(TasksFinished(node: NodeID(1), ends: surrendered)))
        }
    }

    private mutating func requeue() {
        guard let holder = state.tasks.holders.randomElement(using: &chance) else { return }
        let voids = holder.tasks.compactMap { number in
            state.tasks.records[number].lease.map {
                LeaseVoid(
                    task: UInt64(number), attempt: $0.attempt, reason: "lost",
                    isBlameless: isOne(in: 2))
            }
        }
        apply(.tasksRequeued(TasksRequeued(voids: voids)))
    }

    private mutating func cancel() {
        let open = state.tasks.queued(countMax: 20) + state.tasks.records.filter { $0.lease != nil }
        guard let record = open.randomElement(using: &chance) else { return }
        apply(.taskCancelled(TaskCancelled(task: record.id)))
    }

    private mutating func mesh() {
        let id = NodeID(UInt64(int(2..<40)))
        switch int(0..<9) {
        case 0...2:
            let role = Bool.random(using: &chance) ? "worker" : "edge"
            apply(
                .nodeEnrolled(
                    NodeEnrolled(
                        node: id, name: "node", role: role, certificates: [[4], [5]],
                        token: .of(role))))
        case 3: apply(.nodeEnrolled(NodeEnrolled(node: id, certificates: [[UInt8(int(0..<99))]])))
        case 4: if isOne(in: 3) { apply(.nodeRevoked(NodeRevoked(node: id, reason: "lost"))) }
        case 5:
            apply(.nodeDrained(NodeDrained(node: id, isDrained: isOne(in: 2), reason: "why")))
        case 6:
            apply(.nodeSlept(NodeSlept(node: id, until: UInt64(number), sequence: UInt64(number))))
        case 7:
            apply(.issuingKeySealed(IssuingKeySealed(voter: id, sealed: [UInt8(int(0..<99))])))
            apply(.votersChanged(VotersChanged(voters: [NodeID(1), id])))
        default:
            apply(
                .statementRecorded(
                    StatementRecorded(
                        subject: .of("artifact \(int(0..<4))"), statement: .of("\(number)"),
                        kind: "data", name: "name", license: "MIT", byteCount: 5, node: node(),
                        bundle: [1])))
            apply(.edgePolicySet(EdgePolicySet(replayPercent: UInt32(int(0..<101)))))
            apply(.policySet(PolicySet(allowedLicenses: ["MIT", "\(int(0..<9))"])))
        }
    }

    private mutating func deploy() {
        let model = "model \(int(0..<3))"
        let worker = node()
        let epoch = state.nextEpoch(of: model)
        apply(
            .modelDeployed(
                ModelDeployed(
                    model: model, artifact: .of("model"), epoch: epoch, layerCount: 2,
                    stages: [StagePlacement(node: worker, firstLayer: 0, lastLayer: 1)],
                    shape: isOne(in: 2)
                        ? ModelShape(layers: [LayerRun(layerCount: 2, parts: [])]) : nil)))
        if isOne(in: 2) {
            apply(.stageReady(StageReady(model: model, epoch: epoch, node: worker, refusal: "no")))
        }
        if isOne(in: 3) { apply(.modelUndeployed(ModelUndeployed(model: model))) }
    }

    private mutating func plan() {
        if isOne(in: 3) {
            apply(
                .planOpened(
                    PlanOpened(
                        plan: .of("plan \(number)"), goal: "Why?", model: "tiny",
                        submitter: NodeID(1), stepCountMax: 3, submittedAt: 1,
                        data: [NamedArtifact(name: "notes", digest: .of("notes"))])))
        }
        let tasks = state.tasks
        for command in state.plans.next(isKnown: { tasks[$0] != nil }) { apply(command.body) }
        // Its tasks end at once, one way or another.
        for record in state.tasks.records where record.spec.name.hasPrefix("plan ") {
            guard !record.isOver, isOne(in: 2) else { continue }
            if isOne(in: 6) {
                apply(.taskCancelled(TaskCancelled(task: record.id)))
                continue
            }
            let grant = LeaseGrant(
                holder: NodeID(1), tasks: [UInt64(record.number)],
                attempts: [record.attemptCount + 1])
            apply(.tasksLeased(TasksLeased(grants: [grant])))
            guard let lease = state.tasks[record.id]?.lease else { continue }
            let calls = [
                #"{"tool":"read","arguments":{"name":"notes"}}"#,
                #"{"tool":"finish","arguments":{"answer":"so"}}"#, "nonsense",
            ]
            var ending = result()
            ending.outcome = .succeeded
            ending.head = Array(calls[int(0..<3)].utf8)
            apply(
                .tasksFinished(
                    TasksFinished(
                        node: lease.holder,
                        ends: [
                            TaskEnd(
                                task: UInt64(record.number), attempt: lease.attempt,
                                fence: lease.fence, result: ending)
                        ])))
        }
        if isOne(in: 9), let open = state.plans.open.first {
            apply(.planClosed(PlanClosed(plan: open.id, succeeded: false, answer: "no more")))
        }
    }

    private mutating func trim() {
        let (tasks, plans) = (state.tasks, state.plans.history)
        apply(
            .historyTrimmed(
                HistoryTrimmed(
                    at: UInt64(number), taskCount: tasks.forgottenCount(keeping: int(5..<60)),
                    planCount: plans.endedCount - UInt64(plans.kept.count / 2))))
    }
}
