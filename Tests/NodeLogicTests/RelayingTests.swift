import Basics
import Election
import Membership
import NodeLogic
import Scheduling
import Testing
import Wire

/// One node that is the whole mesh, and an edge node that has chosen it for its relay.
struct RelayingTests {
    private static let id = NodeID(1)
    private static let edge = NodeID(2)
    /// A worker that is not there.
    private static let other = NodeID(3)
    private static let task = Digest.of("a task")
    private var node: Node
    private var now = Instant.zero
    private var effects: [Node.Effect] = []
    private var sequence: UInt64 = 1 << 32
    private var requestCount: UInt64 = 100

    init() {
        node = Node(
            Node.Boot(
                id: Self.id, profile: Profile(name: "first", role: "worker", coreCount: 2),
                incarnation: 1, hardState: .init(term: 1),
                entries: Beginning.log(
                    of: Self.id,
                    lettingIn: [(Self.edge, "tab", "edge"), (Self.other, "third", "worker")],
                    then: [.edgePolicySet(EdgePolicySet(replayPercent: 100))]),
                introductions: []),
            settings: Node.Settings(), seed: 1, now: .zero)
        run(for: .seconds(2))
    }

    private mutating func run(for duration: Duration) {
        let end = now + duration
        while node.nextDeadline <= end {
            now = max(now, node.nextDeadline)
            node.step(.deadlinePassed, at: now, into: &effects)
        }
        now = end
    }

    private mutating func hear(_ body: Envelope.Body) {
        node.step(.received(body, from: Self.edge), at: now, into: &effects)
    }

    private mutating func report(
        running: [UInt64] = [], appliedIndex: UInt64 = 0, slotCount: UInt32 = 1
    ) {
        sequence += 1
        hear(
            .edgeReport(
                EdgeReport(
                    sequence: sequence, standing: .home, appliedIndex: appliedIndex,
                    slotCount: slotCount, running: running,
                    profile: Profile(
                        name: "tab", role: "edge", coreCount: 1, memoryByteCount: 1 << 20,
                        device: Device()))))
    }

    /// The orders that it was sent last.
    private var orders: EdgeOrders? {
        effects.compactMap { effect in
            if case .send(.edgeOrders(let orders), to: Self.edge) = effect { orders } else { nil }
        }.last
    }

    /// A program that only an edge node may run is leased; what it must answer.
    private mutating func lease() throws -> EdgeResult {
        report()
        let program = NamedArtifact(name: "a", digest: Digest.of("elf"))
        let submitted = TaskSubmitted(
            task: Self.task,
            spec: TaskSpec(
                submitter: Self.id, name: "a", edge: EdgeTerms(use: .only),
                work: .program(ProgramWork(program: program))))
        node.step(
            .propose(request: 1, Command(body: .taskSubmitted(submitted))), at: now, into: &effects)
        run(for: .milliseconds(300))
        let lease = try #require(orders?.leases.first)
        #expect(lease.task == Self.task)
        #expect(lease.spec == submitted.spec)
        report(running: [lease.number], appliedIndex: orders?.appliedIndex ?? 0)
        return EdgeResult(
            task: Self.task,
            end: TaskEnd(
                task: lease.number, attempt: lease.attempt, fence: lease.fence,
                result: TaskResult(outcome: .succeeded, stateDigest: Digest.of("state"))))
    }

    private var replayCount: Int {
        effects.count { if case .replay = $0 { true } else { false } }
    }

    @Test mutating func `what a replay confirms counts, and not before`() throws {
        let result = try lease()
        hear(.edgeResult(result))
        hear(.edgeResult(result))
        #expect(replayCount == 1)
        #expect(node.state.tasks[Self.task]?.completion == nil)
        node.step(.replayed(result, from: Self.edge, isSame: true), at: now, into: &effects)
        run(for: .milliseconds(100))
        #expect(node.state.tasks[Self.task]?.completion?.node == Self.edge)
        #expect(orders?.leases.isEmpty == true)
    }

    @Test mutating func `whoever gave another result than a replay is drained and not believed`()
        throws
    {
        let result = try lease()
        hear(.edgeResult(result))
        node.step(.replayed(result, from: Self.edge, isSame: false), at: now, into: &effects)
        run(for: .milliseconds(300))
        let record = try #require(node.state.node(Self.edge))
        #expect(record.isDrained)
        #expect(record.drainReason.contains(Self.task.short))
        #expect(node.state.tasks[Self.task]?.state == .queued)
        // It insists.
        hear(.edgeResult(result))
        report()
        run(for: .seconds(3))
        #expect(replayCount == 1)
        #expect(node.state.tasks[Self.task]?.completion == nil)
        #expect(node.state.tasks[Self.task]?.lease == nil)
    }

    @Test mutating func `an edge node that says nothing of its state is drained, its lease void`()
        throws
    {
        for outcome in [TaskOutcome.succeeded, .signalled, .outOfFuel] {
            self = RelayingTests()
            var result = try lease()
            result.end.result = TaskResult(outcome: outcome)
            hear(.edgeResult(result))
            run(for: .milliseconds(300))
            #expect(replayCount == 0)
            #expect(node.state.node(Self.edge)?.isDrained == true)
            #expect(node.state.tasks[Self.task]?.state == .queued)
            #expect(node.state.tasks[Self.task]?.completion == nil)
        }
    }

    @Test mutating func `a program that did not run has no state, and its end counts`() throws {
        var result = try lease()
        result.end.result = TaskResult(outcome: .refused, sentence: "nobody has signed it")
        hear(.edgeResult(result))
        run(for: .milliseconds(300))
        #expect(node.state.node(Self.edge)?.isDrained == false)
        #expect(node.state.tasks[Self.task]?.completion?.result.outcome == .refused)
    }

    private mutating func propose(_ body: Command.Body) {
        requestCount += 1
        node.step(.propose(request: requestCount, Command(body: body)), at: now, into: &effects)
        run(for: .milliseconds(10))
    }

    /// The bundle begins with the length of the name.
    private mutating func sign(
        _ name: String, license: String, by signer: NodeID = Self.id
    ) {
        propose(
            .statementRecorded(
                StatementRecorded(
                    subject: Digest.of("elf"), statement: Digest.of(name), kind: "program",
                    name: name, license: license, node: signer,
                    bundle: [UInt8(name.utf8.count), 0])))
    }

    @Test mutating func `an edge node is shown two statements, the best, and none of the revoked`()
        throws
    {
        propose(.policySet(PolicySet(allowedLicenses: ["MIT"])))
        sign("1", license: "MIT", by: Self.other)
        for name in ["22", "333"] { sign(name, license: "GPL-3.0-only") }
        sign("4444", license: "GPL-3.0-only OR MIT")
        sign("55555", license: "LicenseRef-Task-Input")
        propose(.nodeRevoked(NodeRevoked(node: Self.other, reason: "stolen")))
        _ = try lease()
        let first = effects.compactMap { effect -> [UInt8]? in
            guard case .send(.edgeOrders(let orders), to: Self.edge) = effect,
                let lease = orders.leases.first, lease.spec != nil
            else { return nil }
            return lease.bundles.compactMap(\.first)
        }.first
        #expect(first == [5, 4])
    }

    @Test mutating func `what does not fit into the orders comes with the next ones`() throws {
        let text = String(repeating: "a", count: 400 << 10)
        for name in ["first", "second"] {
            let program = NamedArtifact(name: name, digest: Digest.of("elf"))
            propose(
                .taskSubmitted(
                    TaskSubmitted(
                        task: Digest.of(name),
                        spec: TaskSpec(
                            submitter: Self.id, name: name, edge: EdgeTerms(use: .only),
                            work: .program(ProgramWork(program: program, arguments: [text]))))))
        }
        report(slotCount: 2)
        run(for: .milliseconds(300))
        let leases = try #require(orders?.leases)
        let areWhole = leases.map { $0.spec != nil }
        #expect(areWhole == [true, false])
        // As soon as it has the first.
        report(running: leases.prefix(1).map(\.number), slotCount: 2)
        let areWholeNext = orders?.leases.map { $0.spec != nil }
        #expect(areWholeNext == [false, true])
    }

    @Test mutating func `a sleeper keeps its lease until it oversleeps`() throws {
        _ = try lease()
        sequence += 1
        hear(.edgeSleep(EdgeSleep(until: 600, sequence: sequence)))
        run(for: .milliseconds(100))
        let isTold = effects.contains { effect in
            if case .send(.edgeSleepTaken(let taken), to: Self.edge) = effect {
                taken.until == 600 && taken.sequence == sequence
            } else {
                false
            }
        }
        #expect(isTold)
        run(for: .seconds(650))
        #expect(node.state(of: Self.edge) == .alive)
        #expect(node.state.tasks[Self.task]?.lease?.holder == Self.edge)
        // A minute of grace is over, and it has not come.
        run(for: .seconds(20))
        #expect(node.state(of: Self.edge) == .unreachable)
        #expect(node.state.tasks[Self.task]?.state == .queued)
        report()
        run(for: .seconds(1))
        #expect(node.state(of: Self.edge) == .alive)
        #expect(node.state.node(Self.edge)?.asleepUntil == 0)
        #expect(node.state.tasks[Self.task]?.lease?.holder == Self.edge)
    }

    @Test mutating func `a silent edge node loses its lease`() throws {
        _ = try lease()
        run(for: .seconds(12))
        #expect(node.state(of: Self.edge) == .unreachable)
        #expect(node.state.tasks[Self.task]?.state == .queued)
    }

    @Test mutating func `an edge node is heard as an edge node alone`() {
        report()
        let ping = Ping(
            sequence: 1,
            rumors: [Rumor(node: Self.id, state: .suspect, incarnation: 1, profile: Profile())])
        let term = node.term
        effects = []
        let bodies: [Envelope.Body] = [
            .membership(MembershipMessage(body: .ping(ping))),
            .membership(MembershipMessage(body: .sync(Sync(members: ping.rumors)))),
            .proposal(Proposal(request: 1, command: Command(body: .policySet(PolicySet())))),
            .workerReport(WorkerReport(slotCount: 100)),
            .readRequest(ReadRequest(request: 1)),
        ]
        for body in bodies { hear(body) }
        #expect(effects.isEmpty)
        #expect(node.term == term)
        #expect(!node.state.voters.contains(Self.edge))
    }

    @Test mutating func `what another node says of an edge node counts for nothing`() throws {
        _ = try lease()
        let report = WorkerReport(
            appliedIndex: .max,
            wards: [WardReport(node: Self.edge, appliedIndex: .max, slotCount: 1, running: [])])
        node.step(.received(.workerReport(report), from: Self.other), at: now, into: &effects)
        run(for: .seconds(1))
        #expect(node.state.tasks[Self.task]?.lease?.holder == Self.edge)
        #expect(node.state.tasks[Self.task]?.attemptCount == 1)
    }

    @Test mutating func `a sleep ends by the clock on the wall, whoever sets it`() throws {
        _ = try lease()
        sequence += 1
        hear(.edgeSleep(EdgeSleep(until: 600, sequence: sequence)))
        run(for: .milliseconds(100))
        // An hour was missing: it has overslept.
        node.step(.clockSet(second: 3_600), at: now, into: &effects)
        run(for: .seconds(5))
        #expect(node.state(of: Self.edge) != .alive)
    }
}
