import Basics
import NodeLogic
import Scheduling
import Testing
import Wire

struct ReplicatedStateTests {
    private var state = ReplicatedState()
    private let founder = NodeID(1)
    private let token = Digest.of("token")

    init() {
        _ = apply(
            .meshFounded(
                MeshFounded(
                    mesh: Digest.of("mesh"),
                    founder: founder,
                    founderName: "first",
                    root: [1],
                    certificates: [[1]],
                    allowedLicenses: ["MIT"]
                )
            )
        )
    }

    private mutating func apply(_ body: Command.Body) -> Verdict {
        let entry = LogEntry(
            index: state.appliedIndex + 1,
            term: 1,
            command: Command(body: body)
        )
        let judged = state.judge(Command(body: body))
        let verdict = state.apply(entry)
        #expect(judged == verdict)
        return verdict
    }

    private func enrolled(_ number: UInt64, certificate: UInt8 = 9) -> Command.Body {
        .nodeEnrolled(
            NodeEnrolled(
                node: NodeID(number),
                name: "node \(number)",
                role: "worker",
                certificates: [[certificate]],
                token: token
            )
        )
    }

    private func created(uses: UInt32) -> Command.Body {
        .tokenCreated(
            TokenCreated(token: token, publicKey: [7], expiresAt: 5, uses: uses, role: "worker")
        )
    }

    @Test mutating func `a node that renews under another name has that one from then on`() {
        for name in ["first", "second"] {
            let renewed = NodeEnrolled(
                node: founder, name: name, role: "worker", certificates: [Array(name.utf8)])
            #expect(apply(.nodeEnrolled(renewed)) == .fresh)
            #expect(state.node(founder)?.name == name)
            #expect(state.nodes.count == 1)
        }
    }

    @Test mutating func `the founder is the first node and the only voter`() {
        #expect(state.voters == [founder])
        #expect(state.isAdmitted(founder))
        #expect(state.allowedLicenses == ["MIT"])
        #expect(apply(.meshFounded(MeshFounded(mesh: token, founder: founder))) != .fresh)
        #expect(state.mesh?.mesh == Digest.of("mesh"))
    }

    @Test mutating func `a token lets in as many as it has uses`() {
        #expect(apply(enrolled(2)) != .fresh)
        #expect(apply(created(uses: 2)) == .fresh)
        #expect(apply(enrolled(2)) == .fresh)
        // The same node again, even with another certificate, costs nothing and changes nothing.
        #expect(apply(enrolled(2)) == .done)
        #expect(apply(enrolled(2, certificate: 8)) == .done)
        #expect(state.node(NodeID(2))?.certificates == [[9]])
        #expect(apply(enrolled(3)) == .fresh)
        #expect(apply(enrolled(4)) == .refused("the token is unknown, used up or revoked"))
        #expect(state.nodes.map(\.id) == [NodeID(1), NodeID(2), NodeID(3)])
        #expect(state.token(token) == nil)
    }

    @Test mutating func `a revoked token lets nobody in`() {
        _ = apply(created(uses: 9))
        #expect(apply(.tokenRevoked(TokenRevoked(token: token))) == .fresh)
        #expect(apply(.tokenRevoked(TokenRevoked(token: token))) == .done)
        #expect(apply(enrolled(2)) != .fresh)
    }

    @Test mutating func `a revoked node does not come back and its results are not taken`() {
        _ = apply(created(uses: 9))
        _ = apply(enrolled(2))
        let task = Digest.of("task")
        _ = apply(
            .taskSubmitted(
                TaskSubmitted(
                    task: task,
                    spec: TaskSpec(
                        submitter: founder,
                        work: .read(ReadWork(artifact: Digest.of("a")))
                    )
                )
            )
        )
        func leased(_ attempt: UInt32) -> Command.Body {
            let grant = LeaseGrant(holder: NodeID(2), tasks: [0], attempts: [attempt])
            return .tasksLeased(TasksLeased(grants: [grant]))
        }
        #expect(apply(leased(1)) == .fresh)
        let fence = Fence(term: 1, index: state.appliedIndex)
        #expect(apply(.nodeRevoked(NodeRevoked(node: NodeID(2), reason: "stolen"))) == .fresh)
        #expect(!state.isAdmitted(NodeID(2)) && state.isRevoked(NodeID(2)))
        #expect(apply(enrolled(2)) == .refused("the node is revoked"))
        let result = TaskResult(outcome: .succeeded)
        let finished = TasksFinished(
            node: NodeID(2),
            ends: [TaskEnd(attempt: 1, fence: fence, result: result)]
        )
        #expect(apply(.tasksFinished(finished)) == .refused("the node is revoked or unknown"))
        #expect(apply(leased(2)) != .fresh)
    }

    @Test mutating func `a revoked node takes the tokens that it knew with it`() {
        _ = apply(created(uses: 9))
        _ = apply(enrolled(2))
        #expect(apply(.nodeRevoked(NodeRevoked(node: NodeID(2), reason: "stolen"))) == .fresh)
        #expect(state.token(token) == nil)
        #expect(apply(enrolled(3)) == .refused("the token is unknown, used up or revoked"))
        let next = Digest.of("next token")
        _ = apply(
            .tokenCreated(
                TokenCreated(token: next, publicKey: [8], expiresAt: 5, uses: 1, role: "worker")))
        let third = NodeEnrolled(
            node: NodeID(3), name: "node 3", role: "worker", certificates: [[9]], token: next)
        #expect(apply(.nodeEnrolled(third)) == .fresh)
    }

    @Test mutating func `the only voter cannot be revoked`() {
        #expect(apply(.nodeRevoked(NodeRevoked(node: founder, reason: "mistake"))) != .fresh)
        #expect(state.isAdmitted(founder))
    }

    private func placed(_ epoch: UInt64, _ stages: [(UInt64, UInt32, UInt32)]) -> Command.Body {
        .modelDeployed(
            ModelDeployed(
                model: "tiny",
                artifact: Digest.of("tiny"),
                epoch: epoch,
                layerCount: 4,
                wantedStageCount: 2,
                stages: stages.map {
                    StagePlacement(node: NodeID($0.0), firstLayer: $0.1, lastLayer: $0.2)
                }
            )
        )
    }

    @Test mutating func `a placement covers the model, and each one has the next epoch`() {
        _ = apply(created(uses: 9))
        _ = apply(enrolled(2))
        #expect(apply(placed(1, [(1, 0, 1)])) != .fresh)
        #expect(apply(placed(1, [(1, 0, 1), (2, 3, 3)])) != .fresh)
        #expect(apply(placed(1, [(1, 0, 1), (2, 2, 4)])) != .fresh)
        #expect(apply(placed(1, [(1, 0, 1), (7, 2, 3)])) != .fresh)
        #expect(apply(placed(2, [(1, 0, 1), (2, 2, 3)])) != .fresh)
        #expect(apply(placed(1, [(1, 0, 1), (2, 2, 3)])) == .fresh)
        #expect(apply(placed(1, [(1, 0, 1), (2, 2, 3)])) == .done)
        #expect(state.nextEpoch(of: "tiny") == 2)
        // Undeployed and deployed again, the epoch goes on.
        #expect(apply(.modelUndeployed(ModelUndeployed(model: "tiny"))) == .fresh)
        #expect(state.deployment(of: "tiny") == nil)
        #expect(apply(placed(1, [(1, 0, 3)])) != .fresh)
        #expect(apply(placed(2, [(1, 0, 3)])) == .fresh)
    }

    @Test mutating func `a deployment is ready when each stage of this epoch is`() {
        _ = apply(created(uses: 9))
        _ = apply(enrolled(2))
        _ = apply(placed(1, [(1, 0, 1), (2, 2, 3)]))
        func ready(_ node: UInt64, _ epoch: UInt64, _ refusal: String = "") -> Command.Body {
            .stageReady(
                StageReady(model: "tiny", epoch: epoch, node: NodeID(node), refusal: refusal)
            )
        }
        #expect(apply(ready(1, 1)) == .fresh)
        #expect(apply(ready(1, 1)) == .done)
        #expect(apply(ready(3, 1)) != .fresh)
        #expect(apply(ready(2, 1, "no statement about this model")) == .fresh)
        #expect(state.deployment(of: "tiny")?.isReady == false)
        #expect(state.deployment(of: "tiny")?.refusal?.node == NodeID(2))
        _ = apply(placed(2, [(1, 0, 1), (2, 2, 3)]))
        #expect(apply(ready(1, 1)) != .fresh)
        _ = apply(ready(1, 2))
        _ = apply(ready(2, 2))
        #expect(state.deployment(of: "tiny")?.isReady == true)
    }

    @Test mutating func `a result is signed with a certificate that the log has of its node`() {
        func ended(_ name: String, _ leaf: [UInt8]) -> Command.Body {
            let work = ProgramWork(program: named("program"))
            return .taskSubmitted(
                TaskSubmitted(
                    task: Digest.of(name), spec: TaskSpec(submitter: founder, work: .program(work)),
                    node: founder, result: TaskResult(outcome: .succeeded), signature: [1],
                    certificate: Digest.of(leaf)))
        }
        func renew(_ leaf: [UInt8]) {
            let enrolled = NodeEnrolled(
                node: founder, name: "first", role: "worker", certificates: [leaf, [9]])
            #expect(apply(.nodeEnrolled(enrolled)) == .fresh)
        }
        renew([1])
        #expect(apply(ended("first", [1])) == .fresh)
        guard case .refused(let refusal) = apply(ended("other", [2])) else {
            Issue.record("a certificate of nobody was taken")
            return
        }
        #expect(refusal.kind == .unavailable)
        // It has not heard of its next certificate yet.
        renew([2])
        #expect(apply(ended("second", [1])) == .fresh)
        #expect(apply(ended("third", [2])) == .fresh)
        renew([3])
        #expect(apply(ended("fourth", [1])) != .fresh)
        // What was signed keeps its signer.
        let signers = state.tasks.batches.map(\.signer)
        #expect(signers == [[[1], [9]], [[1], [9]], [[2], [9]]])
    }

    private func referred(at node: UInt64 = 1) -> Set<Digest> {
        ArtifactReferences(state).artifacts(at: NodeID(node))
    }

    private func named(_ text: String) -> NamedArtifact {
        NamedArtifact(name: text, digest: Digest.of(text), byteCount: 1)
    }

    @Test mutating func `a task's artifacts are referred to until it is forgotten`() {
        let work = ProgramWork(
            program: named("program"), inputs: [named("input")], standardInput: named("stdin"))
        let spec = TaskSpec(submitter: founder, work: .program(work))
        let task = Digest.of("task")
        #expect(apply(.taskSubmitted(TaskSubmitted(task: task, spec: spec))) == .fresh)
        let needed = Set(["program", "input", "stdin"].map { Digest.of($0) })
        #expect(referred() == needed && referred(at: 2) == needed)
        let grant = LeaseGrant(holder: founder, tasks: [0], attempts: [1])
        #expect(apply(.tasksLeased(TasksLeased(grants: [grant]))) == .fresh)
        let fence = Fence(term: 1, index: state.appliedIndex)
        let result = TaskResult(
            outcome: .succeeded, standardOutput: named("stdout"), standardError: named("stderr"),
            outputs: [named("file")], statement: named("statement"))
        let end = TaskEnd(attempt: 1, fence: fence, result: result)
        #expect(apply(.tasksFinished(TasksFinished(node: founder, ends: [end]))) == .fresh)
        let made = Set(["stdout", "stderr", "file", "statement"].map { Digest.of($0) })
        #expect(referred() == needed.union(made))
        #expect(apply(.historyTrimmed(HistoryTrimmed(at: 9, taskCount: 1))) == .fresh)
        #expect(referred() == [])
    }

    @Test mutating func `all refer to a deployed model, and each to what it has signed itself`() {
        #expect(apply(placed(1, [(1, 0, 3)])) == .fresh)
        #expect(referred() == [Digest.of("tiny")])
        let recorded = StatementRecorded(
            subject: Digest.of("data"), statement: Digest.of("bundle"), kind: "data",
            name: "data", license: "MIT", node: founder, bundle: [1])
        #expect(apply(.statementRecorded(recorded)) == .fresh)
        #expect(referred(at: 2) == [Digest.of("tiny")])
        #expect(apply(.modelUndeployed(ModelUndeployed(model: "tiny"))) == .fresh)
        #expect(referred(at: 1) == [Digest.of("data"), Digest.of("bundle")])
        #expect(referred(at: 2) == [])
    }

    @Test mutating func `statements are found by subject and by name`() {
        func recorded(_ text: String, byteCount: Int = 10) -> Command.Body {
            .statementRecorded(
                StatementRecorded(
                    subject: Digest.of("model \(text)"),
                    statement: Digest.of(text),
                    kind: "model",
                    name: "tiny",
                    license: "MIT",
                    node: founder,
                    bundle: Array(repeating: 1, count: byteCount)
                )
            )
        }
        #expect(apply(recorded("one")) == .fresh)
        #expect(apply(recorded("one")) == .done)
        #expect(apply(recorded("two")) == .fresh)
        #expect(apply(recorded("large", byteCount: 1 << 20)) != .fresh)
        #expect(state.statements(about: Digest.of("model one")).count == 1)
        #expect(state.statement(kind: "model", name: "tiny")?.statement == Digest.of("two"))
        #expect(state.statement(kind: "program", name: "tiny") == nil)
    }

    @Test mutating func `the digest tells states apart and nothing else`() {
        var other = ReplicatedStateTests()
        #expect(state.digest == other.state.digest)
        _ = apply(.policySet(PolicySet(allowedLicenses: ["Apache-2.0"])))
        #expect(state.digest != other.state.digest)
        _ = other.apply(.policySet(PolicySet(allowedLicenses: ["Apache-2.0"])))
        #expect(state.digest == other.state.digest)
    }
}
