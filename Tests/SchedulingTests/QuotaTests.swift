import Basics
import Scheduling
import Testing
import Wire

struct QuotaTests {
    private static let fuel: UInt64 = 1_000

    private static func job(
        _ name: String, tenant: String = "a", count: Int, gang: Bool = false
    ) -> JobSubmitted {
        let work = ProgramWork(program: NamedArtifact(digest: Digest.of("elf")), fuel: fuel)
        let spec = TaskSpec(submitter: NodeID(9), tenant: tenant, work: .program(work))
        let items = (0..<count).map { TaskItem(arguments: ["\($0)"]) }
        let set = TaskSet(name: name, spec: spec, items: items, isGang: gang)
        return JobSubmitted(
            job: Digest.of(name), name: name, submitter: NodeID(9), sets: [set])
    }

    private static func limit(
        _ tenant: String = "a", running: UInt64? = nil, queued: UInt64? = nil, fuel: UInt64? = nil
    ) -> TenantSet {
        func limit(_ count: UInt64?) -> TenantLimit? { count.map { TenantLimit(count: $0) } }
        return TenantSet(
            tenant: tenant, running: limit(running), queued: limit(queued), fuel: limit(fuel))
    }

    private static func choose(_ table: TaskTable, slots: Int = 100) -> [LeaseGrant] {
        var view = LeaseChoice.View()
        view.total = .init(slotCount: 100, gangSlotCounts: [100])
        let worker = LeaseChoice.Worker(node: NodeID(1), freeSlotCount: slots)
        return LeaseChoice.grants(of: table, to: [worker], in: view)
    }

    private static func grant(_ table: inout TaskTable, slots: Int = 100) -> [Int] {
        let grants = choose(table, slots: slots)
        guard !grants.isEmpty else { return [] }
        #expect(
            table.apply(TasksLeased(grants: grants), fence: Fence(term: 1, index: 7)) == .fresh)
        return grants.flatMap(\.tasks).map { Int($0) }
    }

    private static func finish(_ tasks: [Int], _ table: inout TaskTable) {
        let ends = tasks.map {
            TaskEnd(
                task: UInt64($0), attempt: table.records[$0].attemptCount,
                fence: Fence(term: 1, index: 7), result: TaskResult(outcome: .succeeded))
        }
        #expect(table.apply(TasksFinished(node: NodeID(1), ends: ends)) == .fresh)
    }

    @Test func `a tenant without limits has none, and what is not named stays as it was`() {
        var table = TaskTable()
        #expect(table.apply(Self.limit()) == .done)
        #expect(table.apply(TenantSet(tenant: "a", weight: 3)) == .fresh)
        #expect(table.tenant("a")?.quota.isNone == true)
        #expect(table.apply(Self.limit(running: 2)) == .fresh)
        #expect(table.apply(Self.limit(queued: 5)) == .fresh)
        #expect(table.apply(Self.limit(running: 2, queued: 5)) == .done)
        let tenant = table.tenant("a")
        #expect(tenant?.weight == 3)
        #expect(tenant?.quota.runningCountMax == 2 && tenant?.quota.queuedCountMax == 5)
        #expect(table.apply(Self.limit(running: 0, queued: 0)) == .fresh)
        #expect(table.tenant("a")?.quota.isNone == true)
        #expect(
            table.apply(TenantSet(tenant: "a", weight: 1_001)) == .refused("a weight is 1 to 1,000")
        )
    }

    @Test func `a tenant runs no more than it may, and others go on`() {
        var table = TaskTable()
        _ = table.apply(Self.limit(running: 3))
        _ = table.apply(Self.job("limited", count: 10))
        _ = table.apply(Self.job("free", tenant: "b", count: 10))
        #expect(Self.grant(&table).sorted() == [0, 1, 2] + Array(10..<20))
        #expect(Self.grant(&table) == [])
        let reason = table.tenant("a")?.waitReason(ofCount: 1)
        #expect(reason == "the tenant a runs 3 of the 3 tasks that it may run at once")
        #expect(table.tenant("b")?.waitReason(ofCount: 1) == nil)
        Self.finish([1], &table)
        #expect(Self.grant(&table) == [3])
        // The log takes no lease above it either, whoever appends one.
        let lease = LeaseGrant(holder: NodeID(2), tasks: [4], attempts: [1])
        let verdict = table.apply(TasksLeased(grants: [lease]), fence: Fence(term: 1, index: 8))
        #expect(verdict == .refused("the task's tenant runs as much as it may"))
        // A lower limit ends nothing, a higher one is used at once.
        _ = table.apply(Self.limit(running: 1))
        #expect(table.tenant("a")?.leasedCount == 3)
        Self.finish([0, 2], &table)
        #expect(Self.grant(&table) == [])
        _ = table.apply(Self.limit(running: 0))
        #expect(Self.grant(&table) == Array(4..<10))
    }

    @Test func `thousands of tasks of a tenant that may run no more hide nobody's`() {
        var table = TaskTable()
        _ = table.apply(Self.limit(running: 1))
        for number in 0..<(2 * LeaseChoice.setCountMax) {
            _ = table.apply(Self.job("\(number)", count: 1))
        }
        _ = table.apply(Self.job("other", tenant: "b", count: 1))
        #expect(Self.grant(&table) == [0, 2 * LeaseChoice.setCountMax])
        #expect(Self.grant(&table) == [])
    }

    @Test func `a gang waits for its tenant's quota as a whole and holds back that tenant alone`() {
        var table = TaskTable()
        _ = table.apply(Self.limit(running: 4))
        _ = table.apply(Self.job("first", count: 2))
        #expect(Self.grant(&table) == [0, 1])
        _ = table.apply(Self.job("gang", count: 4, gang: true))
        _ = table.apply(Self.job("later", count: 4))
        _ = table.apply(Self.job("other", tenant: "b", count: 1))
        #expect(Self.grant(&table) == [10])
        Self.finish([0, 1], &table)
        #expect(Self.grant(&table) == [2, 3, 4, 5])
        #expect(table.tenant("a")?.leasedCount == 4)
        Self.finish([2, 3, 4, 5], &table)
        #expect(Self.grant(&table) == [6, 7, 8, 9])
        // One that is too large for ever stops nobody, and says so.
        _ = table.apply(Self.job("giant", count: 5, gang: true))
        _ = table.apply(Self.job("small", count: 1))
        Self.finish([6], &table)
        #expect(Self.grant(&table) == [16])
        #expect(
            table.tenant("a")?.waitReason(ofCount: 5)
                == "its gang of 5 is more than the 4 tasks that the tenant a may run at once")
    }

    @Test func `a gang that was chosen before the limit fell gets all of its leases or none`() {
        var table = TaskTable()
        _ = table.apply(Self.limit(running: 4))
        _ = table.apply(Self.job("gang", count: 4, gang: true))
        let grants = Self.choose(table)
        #expect(grants.flatMap(\.tasks).count == 4)
        _ = table.apply(Self.limit(running: 3))
        let leased = TasksLeased(grants: grants)
        #expect(
            table.apply(leased, fence: Fence(term: 1, index: 7))
                == .refused("the task's tenant runs as much as it may"))
        #expect(table.leasedCount == 0)
        _ = table.apply(Self.limit(running: 4))
        #expect(table.apply(leased, fence: Fence(term: 1, index: 8)) == .fresh)
        #expect(table.leasedCount == 4)
    }

    @Test func `what is submitted above the queue's limit is refused in one sentence`() {
        var table = TaskTable()
        _ = table.apply(Self.limit(queued: 10))
        #expect(table.apply(Self.job("seven", count: 7)) == .fresh)
        let refusal = table.apply(Self.job("four", count: 4))
        let sentence = """
            the quota of the tenant a is 10 queued tasks, and 7 are queued, so that 4 more are \
            too many: wait until some have begun, submit fewer, or have it raised with `swiftlet \
            tenant set a --max-queued N`
            """
        #expect(refusal == .refused(Refusal(sentence, .quota)))
        #expect(table.records.count == 7)
        #expect(table.apply(Self.job("three", count: 3)) == .fresh)
        // The same job again is no more of it, and others are not concerned.
        #expect(table.apply(Self.job("three", count: 3)) == .done)
        #expect(table.apply(Self.job("many", tenant: "b", count: 1_000)) == .fresh)
        #expect(Self.grant(&table, slots: 4).count == 4)
        let before = table.tenant("a")?.queuedCount ?? 0
        #expect(table.apply(Self.job("more", count: 10 - before)) == .fresh)
        #expect(table.tenant("a")?.queuedCount == 10)
    }

    @Test func `a tenant of whom nothing is left to say is forgotten with its last task`() {
        var table = TaskTable()
        _ = table.apply(Self.limit("limited", queued: 50))
        #expect(table.apply(TenantSet(tenant: "heavy", weight: 3)) == .fresh)
        for name in ["gone", "heavy", "limited"] {
            #expect(table.apply(Self.job(name, tenant: name, count: 2)) == .fresh)
        }
        Self.finish(Self.grant(&table), &table)
        #expect(table.apply(Self.job("more", tenant: "busy", count: 1)) == .fresh)
        #expect(table.tenants.map(\.name) == ["busy", "gone", "heavy", "limited"])
        table.forget(through: 3)
        #expect(table.tenants.map(\.name) == ["busy", "heavy", "limited"])
        #expect(table.tenant("heavy")?.weight == 3)
        // It may come again.
        #expect(table.apply(Self.job("again", tenant: "gone", count: 1)) == .fresh)
        #expect(table.tenant("gone")?.queuedCount == 1)
    }

    @Test func `fuel is promised until a task is over, however much is asked for`() {
        var table = TaskTable()
        _ = table.apply(Self.limit(fuel: 10 * Self.fuel))
        #expect(table.apply(Self.job("ten", count: 10)) == .fresh)
        guard case .refused(let refusal) = table.apply(Self.job("one", count: 1)) else {
            Issue.record("more fuel than the quota")
            return
        }
        #expect(refusal.kind == .quota && refusal.sentence.contains("10000 fuel"))
        #expect(Self.grant(&table).count == 10)
        #expect(table.judge(Self.job("one", count: 1)) != .fresh)
        Self.finish([4], &table)
        #expect(table.apply(Self.job("one", count: 1)) == .fresh)
        _ = table.apply(JobCancelled(job: Digest.of("ten")))
        #expect(table.tenant("a")?.promisedFuel == UInt128(Self.fuel))
        // A sum that 64 bits cannot hold.
        var endless = Self.job("endless", tenant: "b", count: 3)
        endless.sets[0].spec.work = .program(
            ProgramWork(program: NamedArtifact(digest: Digest.of("elf")), fuel: .max))
        #expect(table.apply(endless) == .fresh)
        _ = table.apply(Self.limit("b", fuel: .max))
        #expect(table.judge(Self.job("one more", tenant: "b", count: 1)) != .fresh)
        _ = table.apply(JobCancelled(job: endless.job))
        #expect(table.tenant("b")?.promisedFuel == 0)
        #expect(table.apply(Self.job("one more", tenant: "b", count: 1)) == .fresh)
    }
}
