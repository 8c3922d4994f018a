import Basics
import Election
import NodeLogic
import Scheduling
import Testing
import Wire

/// One node, driven by hand.
struct NodeTests {
    private var node: Node
    private var now = Instant.zero
    private var effects: [Node.Effect] = []
    private static let id = NodeID(1)

    init() {
        node = Self.founder(entries: Self.founding)
        run(for: .seconds(3))
    }

    private static var founding: [LogEntry] {
        Raft.founding(
            MeshFounded(
                mesh: Digest.of("mesh"),
                founder: id,
                founderName: "first",
                certificates: [[1]]
            )
        )
    }

    private static func founder(entries: [LogEntry], now: Instant = .zero) -> Node {
        let profile = Profile(name: "first", role: "worker", coreCount: 2)
        return Node(
            Node.Boot(
                id: id,
                profile: profile,
                incarnation: 1,
                hardState: .init(term: 1),
                entries: entries,
                introductions: []
            ),
            settings: Node.Settings(),
            seed: 1,
            now: now
        )
    }

    private mutating func run(for duration: Duration) {
        let end = now + duration
        while node.nextDeadline <= end {
            now = max(now, node.nextDeadline)
            node.step(.deadlinePassed, at: now, into: &effects)
        }
        now = end
    }

    private mutating func step(_ event: Node.Event) {
        node.step(event, at: now, into: &effects)
    }

    private mutating func submit(
        _ name: String, request: UInt64 = 1, deadline: UInt64 = 0
    ) -> Digest {
        let task = Digest.of(name)
        step(
            .propose(
                request: request,
                Command(
                    body: .taskSubmitted(
                        TaskSubmitted(
                            task: task,
                            spec: TaskSpec(
                                submitter: Self.id,
                                name: name,
                                deadline: deadline,
                                work: .read(ReadWork(artifact: task))
                            )
                        )
                    )
                )
            )
        )
        return task
    }

    private var answers: [UInt64: Node.Answer] {
        var answers: [UInt64: Node.Answer] = [:]
        for case .answer(let request, let answer) in effects { answers[request] = answer }
        return answers
    }

    private var starts: [(task: Digest, attempt: UInt32, fence: Fence)] {
        effects.compactMap {
            if case .startTask(let task, let attempt, let fence, _) = $0 {
                (task, attempt, fence)
            } else {
                nil
            }
        }
    }

    private var sent: [Envelope.Body] {
        effects.compactMap { if case .send(let body, _) = $0 { body } else { nil } }
    }

    // What the effects put on disk after the founding.
    private var persisted: [LogEntry] {
        var entries = Self.founding
        for case .persist(_, let news) in effects {
            guard let first = news.first else { continue }
            entries.removeSubrange(Int(first.index - 1)...)
            entries += news
        }
        return entries
    }

    @Test func `a founder alone is the coordinator`() {
        #expect(node.isCoordinator)
        #expect(node.coordinator == Self.id)
        #expect(node.state.mesh?.founder == Self.id)
    }

    @Test mutating func `an answer comes after the entry is on disk and applied`() throws {
        effects = []
        let task = submit("task")
        let persist = try #require(
            effects.firstIndex { effect in
                if case .persist(_, let entries) = effect {
                    entries.contains { $0.command?.body.isSubmission(of: task) == true }
                } else {
                    false
                }
            }
        )
        let applied = try #require(
            effects.firstIndex { effect in
                if case .applied(_, let command, nil) = effect {
                    command.body.isSubmission(of: task)
                } else {
                    false
                }
            }
        )
        let answered = try #require(
            effects.firstIndex { if case .answer = $0 { true } else { false } }
        )
        #expect(persist < applied && applied < answered)
    }

    @Test mutating func `a task is leased, started, finished and seen as finished`() throws {
        let task = submit("task")
        run(for: .seconds(1))
        let start = try #require(starts.first)
        #expect(starts.count == 1 && start.task == task)
        #expect(node.running == [task])
        let result = TaskResult(outcome: .succeeded, head: [1, 2])
        step(.taskFinished(task, attempt: start.attempt, fence: start.fence, result))
        #expect(node.state.tasks[task]?.completion?.result == result)
        #expect(node.running.isEmpty)
    }

    @Test mutating func `a result under another fence is dropped`() throws {
        let task = submit("task")
        run(for: .seconds(1))
        let start = try #require(starts.first)
        let stale = Fence(term: start.fence.term, index: start.fence.index - 1)
        step(
            .taskFinished(
                task,
                attempt: start.attempt,
                fence: stale,
                TaskResult(outcome: .succeeded)
            )
        )
        #expect(node.state.tasks[task]?.lease != nil)
    }

    @Test mutating func `one slot runs one task at a time`() throws {
        let first = submit("first", request: 1)
        let second = submit("second", request: 2)
        run(for: .seconds(5))
        #expect(starts.map(\.task) == [first])
        let start = try #require(starts.first)
        step(
            .taskFinished(
                first,
                attempt: start.attempt,
                fence: start.fence,
                TaskResult(outcome: .succeeded)
            )
        )
        run(for: .milliseconds(1))
        #expect(starts.map(\.task) == [first, second])
    }

    @Test mutating func `a lease of an earlier life is not started but granted anew`() throws {
        let task = submit("task")
        run(for: .seconds(1))
        let first = try #require(starts.first)
        node = Self.founder(entries: persisted, now: now)
        effects = []
        run(for: .seconds(10))
        #expect(starts.map(\.task) == [task])
        let second = try #require(starts.first)
        #expect(second.attempt == first.attempt + 1)
        #expect(second.fence.index > first.fence.index)
    }

    @Test mutating func `results that were signed with one that is forgotten are computed anew`()
        throws
    {
        let task = submit("task")
        run(for: .seconds(1))
        let start = try #require(starts.first)
        let endings = [task, Digest.of("forgotten")].map {
            Node.TaskEnding(
                task: $0, attempt: start.attempt, fence: start.fence,
                result: TaskResult(outcome: .succeeded))
        }
        let leaves = endings.flatMap { $0.task.bytes }
        step(.tasksFinished(endings, statement: [1], leaves: leaves))
        run(for: .seconds(1))
        #expect(starts.map(\.attempt) == [1, 2])
        let isTaken = effects.contains { if case .resultsTaken = $0 { true } else { false } }
        #expect(isTaken)
    }

    @Test mutating func `cancelling stops the work`() {
        let task = submit("task")
        run(for: .seconds(1))
        step(
            .propose(
                request: 5,
                Command(body: .taskCancelled(TaskCancelled(task: task)))
            )
        )
        let isStopped = effects.contains { effect in
            if case .stopTask(task) = effect { true } else { false }
        }
        #expect(isStopped)
        #expect(node.running.isEmpty)
    }

    @Test mutating func `leases that go back with a cancelled one are granted anew`() throws {
        // Room for two behind the one that runs.
        step(.capacityChanged(slotCount: 1, backlogCount: 2))
        let tasks = (1...3).map { submit("task \($0)", request: UInt64($0)) }
        run(for: .seconds(1))
        #expect(starts.map(\.task) == tasks)
        // The worker does not know of it yet.
        let cancelled = Command(body: .taskCancelled(TaskCancelled(task: tasks[1])))
        node.step(
            [.propose(request: 9, cancelled), .tasksReturned([tasks[1], tasks[2]])], at: now,
            into: &effects)
        run(for: .seconds(1))
        let anew = starts.filter { $0.attempt == 2 }
        #expect(anew.map(\.task) == [tasks[2]])
    }

    @Test mutating func `what fits into no message is refused`() throws {
        let last = node.state.appliedIndex
        let work = ProgramWork(
            program: NamedArtifact(digest: Digest.of("elf")),
            environment: [
                EnvironmentVariable(
                    name: "A", value: String(repeating: "a", count: Command.byteCountMax))
            ])
        let spec = TaskSpec(submitter: Self.id, work: .program(work))
        let task = TaskSubmitted(task: Digest.of("task"), spec: spec)
        step(.propose(request: 7, Command(body: .taskSubmitted(task))))
        guard case .refused(let refusal) = answers[7] else {
            Issue.record("\(answers)")
            return
        }
        #expect(refusal.kind == .tooLarge)
        #expect(node.state.appliedIndex == last)
    }

    @Test mutating func `what is asked twice is done once`() {
        _ = submit("task", request: 1)
        _ = submit("task", request: 2)
        guard case .accepted = answers[1], case .accepted = answers[2] else {
            Issue.record("\(answers)")
            return
        }
        #expect(node.state.tasks.records.count == 1)
    }

    @Test(arguments: [
        Command.Body.votersChanged(VotersChanged(voters: [NodeID(2)])),
        .tasksLeased(
            TasksLeased(grants: [LeaseGrant(holder: NodeID(1), tasks: [0], attempts: [1])])),
        .nodeEnrolled(NodeEnrolled(node: NodeID(2), role: "worker", certificates: [[1]])),
        .tasksFinished(
            TasksFinished(
                node: NodeID(2),
                ends: [
                    TaskEnd(fence: Fence(term: 1), result: TaskResult(outcome: .succeeded))
                ]
            )
        ),
        .tasksFinished(
            TasksFinished(
                node: NodeID(1),
                ends: [TaskEnd(fence: Fence(), result: TaskResult(outcome: .failed))]
            )
        ),
        .tasksRequeued(TasksRequeued(voids: [LeaseVoid(attempt: 1)])),
        .taskSubmitted(
            TaskSubmitted(
                task: Digest.of("task"),
                spec: TaskSpec(
                    submitter: NodeID(1),
                    work: .read(ReadWork(artifact: Digest.of("artifact")))
                ),
                node: NodeID(2),
                result: TaskResult(outcome: .succeeded)
            )
        ),
    ])
    mutating func `what only the coordinator decides cannot be asked for`(body: Command.Body) {
        let index = node.appliedIndex
        step(.propose(request: 3, Command(body: body)))
        #expect(answers[3] == .refused("only the coordinator decides this"))
        #expect(node.appliedIndex == index)
    }

    @Test mutating func `a joiner gets a certificate and is then a member`() throws {
        let token = Digest.of("token")
        step(
            .propose(
                request: 1,
                Command(
                    body: .tokenCreated(
                        TokenCreated(
                            token: token,
                            publicKey: [1],
                            expiresAt: 9,
                            uses: 1,
                            role: "worker"
                        )
                    )
                )
            )
        )
        let wish = EnrolRequest(token: token, signingRequest: [5], name: "second")
        step(.enrol(request: 2, wish))
        let orders = effects.compactMap { effect -> Node.CertificateOrder? in
            if case .issueCertificate(let order) = effect { order } else { nil }
        }
        let order = try #require(orders.first)
        #expect(order.signingRequest == [5] && order.role == "worker" && order.name == "second")
        step(
            .certificateIssued(
                .init(order: order.order, node: NodeID(2), certificates: [[6]], refusal: "")
            )
        )
        let enrolled = effects.compactMap { effect -> [[UInt8]]? in
            if case .enrolled(2, let certificates, "") = effect { certificates } else { nil }
        }
        #expect(enrolled == [[[6]]])
        #expect(node.state.isAdmitted(NodeID(2)))
        // The token is used up.
        step(.enrol(request: 3, wish))
        let refusals = effects.compactMap { effect -> String? in
            if case .enrolled(3, _, let refusal) = effect { refusal } else { nil }
        }
        #expect(refusals == ["the token is unknown, used up or revoked"])
    }

    @Test mutating func `a refused certificate reaches the joiner`() {
        let token = Digest.of("token")
        let created = TokenCreated(
            token: token,
            publicKey: [1],
            expiresAt: 9,
            uses: 1,
            role: "worker"
        )
        step(.propose(request: 1, Command(body: .tokenCreated(created))))
        step(.enrol(request: 2, EnrolRequest(token: token, signingRequest: [5], name: "x")))
        for case .issueCertificate(let order) in effects {
            step(
                .certificateIssued(
                    .init(
                        order: order.order,
                        node: NodeID(2),
                        certificates: [],
                        refusal: "the token has expired"
                    )
                )
            )
        }
        let refusals = effects.compactMap { effect -> String? in
            if case .enrolled(2, _, let refusal) = effect { refusal } else { nil }
        }
        #expect(refusals == ["the token has expired"])
        #expect(node.state.token(token) != nil)
    }

    @Test mutating func `a read is answered once the state is as new as the question`() {
        run(for: .milliseconds(10))
        let index = node.appliedIndex
        #expect(index > 0)
        effects = []
        step(.read(request: 9))
        #expect(answers[9] == .accepted(index: index))
    }

    @Test mutating func `a node without a coordinator gives up after thirty seconds`() {
        let introduction = Introduction(
            node: Self.id,
            certificates: [[1]],
            profile: Profile(name: "first", controlEndpoint: "somewhere", role: "worker")
        )
        node = Node(
            Node.Boot(
                id: NodeID(2),
                profile: Profile(name: "second", role: "worker"),
                incarnation: 1,
                hardState: .init(),
                entries: [],
                introductions: [introduction]
            ),
            settings: Node.Settings(),
            seed: 2,
            now: now
        )
        effects = []
        run(for: .milliseconds(10))
        // It knows where to go and asks to join.
        let isTold = effects.contains { effect in
            if case .peer(Self.id, _, _) = effect { true } else { false }
        }
        #expect(isTold)
        #expect(sent.contains { if case .membership = $0 { true } else { false } })
        _ = submit("task")
        run(for: .seconds(29))
        #expect(answers[1] == nil)
        run(for: .seconds(2))
        #expect(
            answers[1]
                == .refused(
                    Refusal(
                        "no coordinator: the mesh has no quorum; it may take effect later",
                        .unavailable)
                )
        )
    }

    @Test mutating func `strangers and the revoked are not heard`() {
        let index = node.appliedIndex
        let proposal = Proposal(
            request: 1,
            command: Command(body: .policySet(PolicySet(allowedLicenses: ["anything"])))
        )
        step(.received(.proposal(proposal), from: NodeID(66)))
        #expect(node.appliedIndex == index)
        #expect(!sent.contains { if case .proposalReply = $0 { true } else { false } })
    }

    @Test mutating func `a deployment is placed, loaded and reported`() {
        let wish = ModelDeployed(
            model: "tiny",
            artifact: Digest.of("tiny"),
            layerCount: 30,
            wantedStageCount: 2
        )
        step(.propose(request: 1, Command(body: .modelDeployed(wish))))
        guard case .accepted = answers[1] else {
            Issue.record("\(answers)")
            return
        }
        let loads = effects.compactMap { effect -> StagePlacement? in
            if case .loadStage(_, let placement) = effect { placement } else { nil }
        }
        #expect(loads == [StagePlacement(node: Self.id, firstLayer: 0, lastLayer: 29)])
        #expect(node.state.deployment(of: "tiny")?.isReady == false)
        step(.stageLoaded(model: "tiny", epoch: 1, refusal: ""))
        #expect(node.state.deployment(of: "tiny")?.isReady == true)
        step(
            .propose(request: 2, Command(body: .modelUndeployed(ModelUndeployed(model: "tiny"))))
        )
        let isUnloaded = effects.contains { effect in
            if case .unloadModel("tiny") = effect { true } else { false }
        }
        #expect(isUnloaded)
    }

    @Test mutating func `a node that restarts loads the stages that it still has`() {
        let wish = ModelDeployed(
            model: "tiny",
            artifact: Digest.of("tiny"),
            layerCount: 30,
            wantedStageCount: 1
        )
        step(.propose(request: 1, Command(body: .modelDeployed(wish))))
        step(.stageLoaded(model: "tiny", epoch: 1, refusal: ""))
        step(
            .propose(request: 2, Command(body: .modelUndeployed(ModelUndeployed(model: "tiny"))))
        )
        step(.propose(request: 3, Command(body: .modelDeployed(wish))))
        node = Self.founder(entries: persisted, now: now)
        effects = []
        run(for: .seconds(5))
        let epochs = effects.compactMap { effect -> UInt64? in
            if case .loadStage(let placement, _) = effect { placement.epoch } else { nil }
        }
        #expect(epochs == [2])
    }

    @Test mutating func `a lone node leaves at once`() {
        step(.leave)
        run(for: .seconds(3))
        let hasLeft = effects.contains { if case .left = $0 { true } else { false } }
        #expect(hasLeft)
        #expect(node.nextDeadline == .distantFuture)
    }

    @Test mutating func `a deadline is by the clock on the wall, whoever sets it`() {
        step(.clockSet(second: 1_000_000))
        let task = submit("a", deadline: 1_000_060)
        step(.clockSet(second: 999_000))
        run(for: .seconds(600))
        #expect(node.second(at: now) == 999_600)
        #expect(node.state.tasks[task]?.completion == nil)
        step(.clockSet(second: 1_000_061))
        run(for: .seconds(1))
        #expect(
            node.state.tasks[task]?.completion?.result.sentence == "its deadline has passed")
    }
}

extension Command.Body {
    fileprivate func isSubmission(of task: Digest) -> Bool {
        if case .taskSubmitted(let submitted) = self { submitted.task == task } else { false }
    }
}

extension Node.Event {
    /// The end of one task, which is signed with no others.
    fileprivate static func taskFinished(
        _ task: Digest,
        attempt: UInt32,
        fence: Fence,
        _ result: TaskResult
    ) -> Node.Event {
        let ending = Node.TaskEnding(task: task, attempt: attempt, fence: fence, result: result)
        return .tasksFinished([ending], statement: [], leaves: [])
    }
}
