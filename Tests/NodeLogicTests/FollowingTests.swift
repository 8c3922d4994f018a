import Basics
import Election
import NodeLogic
import Scheduling
import Testing
import Wire

/// A worker without a vote, and what the coordinator sends it.
struct FollowingTests {
    private static let coordinator = NodeID(1)
    private static let id = NodeID(2)
    private var node: Node
    private var now = Instant.zero
    private var effects: [Node.Effect] = []

    init() {
        node = Node(
            Node.Boot(
                id: Self.id, profile: Profile(name: "second", role: "worker", coreCount: 2),
                incarnation: 1, hardState: .init(term: 1),
                entries: Beginning.log(
                    of: Self.coordinator, lettingIn: [(Self.id, "second", "worker")]),
                introductions: []),
            settings: Node.Settings(), seed: 1, now: .zero)
        hear(committing: 3, [])
    }

    private static func append(_ entries: [LogEntry], commitIndex: UInt64) -> Node.Event {
        let previous = (entries.first?.index ?? 4) - 1
        return .received(
            .election(
                ElectionMessage(
                    body: .appendRequest(
                        AppendRequest(
                            term: 1, previousIndex: previous, previousTerm: 1,
                            commitIndex: commitIndex, entries: entries)))), from: coordinator)
    }

    private mutating func hear(committing index: UInt64, _ entries: [LogEntry]) {
        node.step(Self.append(entries, commitIndex: index), at: now, into: &effects)
    }

    /// What the coordinator was told.
    private var told: [Envelope.Body] {
        effects.compactMap { effect in
            if case .send(let body, Self.coordinator) = effect { body } else { nil }
        }
    }

    private var reports: [WorkerReport] {
        told.compactMap { if case .workerReport(let report) = $0 { report } else { nil } }
    }

    @Test mutating func `a report names all that runs of what it says is applied`() {
        let spec = TaskSpec(submitter: Self.id, work: .read(ReadWork(artifact: Digest.of("a"))))
        let submitted = TaskSubmitted(task: Digest.of("task"), spec: spec)
        let leased = TasksLeased(grants: [LeaseGrant(holder: Self.id, tasks: [0], attempts: [1])])
        let entries = [Command.Body.taskSubmitted(submitted), .tasksLeased(leased)].enumerated()
            .map { LogEntry(index: UInt64($0 + 4), term: 1, command: Command(body: $1)) }
        now = now + .seconds(10)
        effects = []
        // Both in one turn of the node.
        node.step(
            [Self.append(entries, commitIndex: 5), .deadlinePassed], at: now, into: &effects)
        #expect(!reports.isEmpty)
        for report in reports where report.appliedIndex >= 5 { #expect(report.running == [0]) }
        #expect(reports.contains { $0.appliedIndex == 5 })
    }

    private var proposals: [Proposal] {
        told.compactMap { if case .proposal(let proposal) = $0 { proposal } else { nil } }
    }

    private mutating func pass(_ time: Duration) {
        now = now + time
        effects = []
        node.step(.deadlinePassed, at: now, into: &effects)
    }

    @Test mutating func `what has a place in the log is not asked for again`() throws {
        let drained = NodeDrained(node: Self.id, isDrained: true)
        node.step(
            .propose(request: 7, Command(body: .nodeDrained(drained))), at: now, into: &effects)
        let proposal = try #require(proposals.first)
        pass(.milliseconds(400))
        #expect(proposals == [proposal])
        // Another node's word about places counts for nothing.
        for (sender, isHeard) in [(NodeID(3), false), (Self.coordinator, true)] {
            node.step(
                .received(
                    .proposalReply(
                        ProposalReply(
                            request: proposal.request, index: 9, refusalKind: .conflict)),
                    from: sender), at: now, into: &effects)
            pass(.milliseconds(400))
            #expect(proposals.isEmpty == isHeard)
        }
        // The place is taken by something else: the command is asked for again.
        let others = (4...9).map {
            LogEntry(index: $0, term: 1, command: Command(body: .policySet(PolicySet())))
        }
        hear(committing: 9, others)
        pass(.milliseconds(400))
        #expect(proposals == [proposal])
    }

    private static func leasing(index: UInt64, term: UInt64) -> [LogEntry] {
        let spec = TaskSpec(submitter: id, work: .read(ReadWork(artifact: Digest.of("a"))))
        let submitted = TaskSubmitted(task: Digest.of("task"), spec: spec)
        let leased = TasksLeased(grants: [LeaseGrant(holder: id, tasks: [0], attempts: [1])])
        return [Command.Body.taskSubmitted(submitted), .tasksLeased(leased)].enumerated().map {
            LogEntry(index: index + UInt64($0), term: term, command: Command(body: $1))
        }
    }

    @Test mutating func `who stops gives back what it has begun, and nobody is to blame`() throws {
        hear(committing: 5, Self.leasing(index: 4, term: 1))
        #expect(node.running == [Digest.of("task")])
        effects = []
        node.step(.leave, at: now, into: &effects)
        let report = try #require(told.firstIndex { body in
            if case .workerReport(let report) = body { report.slotCount == 0 } else { false }
        })
        let proposal = try #require(told.firstIndex { body in
            if case .proposal = body { true } else { false }
        })
        // First that it takes no more: else it would get the same again.
        #expect(report < proposal)
        guard case .tasksRequeued(let requeued) = proposals.first?.command.body else {
            Issue.record("nothing was given back")
            return
        }
        let areBlameless = requeued.voids.map(\.isBlameless)
        #expect(areBlameless == [true])
        #expect(requeued.voids.first?.task == 0)
    }

    @Test mutating func `what never was committed before the start holds up no lease`() {
        let lost = (4...12).map {
            LogEntry(
                index: $0, term: 1,
                command: Command(
                    body: .policySet(PolicySet(allowedLicenses: ["lost \($0)"]))))
        }
        let beginning = Beginning.log(
            of: Self.coordinator, lettingIn: [(Self.id, "second", "worker")])
        node = Node(
            Node.Boot(
                id: Self.id, profile: Profile(name: "second", role: "worker", coreCount: 2),
                incarnation: 2, hardState: .init(term: 1), entries: beginning + lost,
                introductions: []),
            settings: Node.Settings(), seed: 2, now: .zero)
        #expect(!node.isCaughtUp)
        effects = []
        let request = AppendRequest(
            term: 2, previousIndex: 3, previousTerm: 1, commitIndex: 5,
            entries: Self.leasing(index: 4, term: 2))
        node.step(
            .received(
                .election(ElectionMessage(body: .appendRequest(request))), from: Self.coordinator),
            at: now, into: &effects)
        #expect(node.isCaughtUp)
        #expect(node.running == [Digest.of("task")])
    }
}
