import Basics
import Scheduling
import Testing
import Wire

/// Random jobs on random workers that die, in rounds: what must hold after each.
struct JobMixTests {
    private struct Mix {
        var chance: Chance
        var table = TaskTable()
        var index: UInt64 = 1
        var workers: [LeaseChoice.Worker] = []
        var slotCounts: [Int] = []
        /// Rounds in which each set had something ready and got nothing, though slots were free.
        var passedBy: [Int: Int] = [:]

        init(seed: UInt64) {
            chance = Chance(seed: seed)
            slotCounts = (0..<Int.random(in: 2...5, using: &chance)).map { _ in
                Int.random(in: 1...4, using: &chance)
            }
        }

        var slotCount: Int { slotCounts.reduce(0, +) }

        mutating func next() -> UInt64 {
            index += 1
            return index
        }

        func isOne(in count: Int, _ chance: inout Chance) -> Bool {
            Int.random(in: 0..<count, using: &chance) == 0
        }

        mutating func submit(_ number: Int) {
            var chance = self.chance
            let tenant = "team \(Int.random(in: 0..<3, using: &chance))"
            let sets = (0..<Int.random(in: 1...4, using: &chance)).map { position -> TaskSet in
                let isGang = Int.random(in: 0..<4, using: &chance) == 0
                let countMax = isGang ? slotCount : 12
                let count = Int.random(in: 1...max(countMax, 1), using: &chance)
                let after = (0..<position).filter { _ in Bool.random(using: &chance) }
                return TaskSet(
                    name: "\(number).\(position)",
                    spec: TaskSpec(
                        submitter: NodeID(9),
                        name: "task",
                        attemptCountMax: 100,
                        tenant: tenant,
                        priority: Int32.random(in: -2...2, using: &chance),
                        work: .program(
                            ProgramWork(
                                program: NamedArtifact(digest: Digest.of("elf")),
                                fuel: 1_000
                            )
                        )
                    ),
                    items: (0..<count).map { TaskItem(arguments: ["\($0)"]) },
                    after: after.map { UInt32($0) },
                    isGang: isGang,
                    gangPatienceSeconds: 5
                )
            }
            self.chance = chance
            let job = JobSubmitted(
                job: Digest.of("job \(number)"),
                name: "\(number)",
                submitter: NodeID(9),
                sets: sets
            )
            #expect(table.apply(job, at: next()) == .fresh)
            #expect(table.apply(job, at: index) == .done)
        }

        /// One tenant may run no more at once than its largest gang needs.
        mutating func limit() {
            let limit = TenantLimit(count: UInt64(slotCount))
            #expect(table.apply(TenantSet(tenant: "team 1", running: limit)) == .fresh)
        }

        mutating func lease() {
            let workers = slotCounts.enumerated().map { number, slotCount in
                let node = NodeID(UInt64(number))
                let free = slotCount - (table.holder(node)?.slotCount ?? 0)
                return LeaseChoice.Worker(node: node, freeSlotCount: free)
            }
            var view = LeaseChoice.View()
            view.total.slotCount = slotCount
            view.total.gangSlotCounts = slotCounts
            let grants = LeaseChoice.grants(of: table, to: workers, in: view)
            guard !grants.isEmpty else { return }
            for grant in grants {
                let worker = workers.first { $0.node == grant.holder }
                #expect(grant.tasks.count <= worker?.freeSlotCount ?? 0)
            }
            let fence = Fence(term: 1, index: next())
            #expect(table.apply(TasksLeased(grants: grants), fence: fence) == .fresh)
        }

        /// Some tasks end, well or badly; now and then a worker dies.
        mutating func work(failing: Bool) {
            for holder in table.holders where !holder.tasks.isEmpty {
                if isOne(in: 12, &chance) {
                    // A gang that lost another member is queued again already.
                    let lost = holder.tasks.filter { table.records[$0].lease != nil }
                    guard !lost.isEmpty else { continue }
                    let voids = lost.map { task in
                        LeaseVoid(
                            task: UInt64(task),
                            attempt: table.records[task].attemptCount,
                            reason: "its worker died"
                        )
                    }
                    #expect(table.apply(TasksRequeued(voids: voids), at: next()) == .fresh)
                    continue
                }
                var ends: [TaskEnd] = []
                for task in holder.tasks where Bool.random(using: &chance) {
                    guard let lease = table.records[task].lease else { continue }
                    let isBad = failing && isOne(in: 40, &chance)
                    ends.append(
                        TaskEnd(
                            task: UInt64(task),
                            attempt: lease.attempt,
                            fence: lease.fence,
                            result: TaskResult(outcome: .succeeded, exitCode: isBad ? 1 : 0)
                        )
                    )
                }
                guard !ends.isEmpty else { continue }
                let finished = TasksFinished(node: holder.node, ends: ends)
                #expect(table.apply(finished, at: next()) == .fresh)
                #expect(table.apply(finished, at: index) == .done)
            }
        }

        func check() {
            #expect(table.queuedCount == table.records.count { $0.state == .queued })
            #expect(table.leasedCount == table.records.count { $0.lease != nil })
            #expect(table.holders.reduce(0) { $0 + $1.tasks.count } == table.leasedCount)
            for (number, slotCount) in slotCounts.enumerated() {
                let used = table.holder(NodeID(UInt64(number)))?.slotCount ?? 0
                #expect(0...slotCount ~= used)
            }
            for tenant in table.tenants {
                let own = table.records.filter { $0.spec.tenant == tenant.name }
                let leasedCount = own.count { $0.lease != nil }
                #expect(tenant.leasedCount == leasedCount)
                #expect(tenant.usage.slotCount == leasedCount)
                #expect(tenant.queuedCount == own.count { $0.state == .queued })
                #expect(tenant.promisedFuel == UInt128(own.count { !$0.isOver } * 1_000))
                let limit = tenant.quota.runningCountMax
                #expect(limit == 0 || UInt64(leasedCount) <= limit)
            }
            for set in table.sets {
                let records = table.records[set.tasks]
                let leasedCount = records.count { $0.lease != nil }
                let queuedCount = records.count { $0.state == .queued }
                #expect(set.leasedCount == leasedCount && set.queuedCount == queuedCount)
                #expect(!set.isGang || leasedCount == 0 || queuedCount == 0, "half a gang")
                let isBegun = records.contains { $0.attemptCount > 0 }
                let isFree = set.after.allSatisfy { table.sets[$0].hasSucceeded }
                #expect(!isBegun || isFree, "\(set.name) began too soon")
            }
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `every job of a mix ends, gangs are whole, and nothing starts before its time`(
        seed: UInt64
    ) {
        var mix = Mix(seed: seed)
        if seed.isMultiple(of: 2) { mix.limit() }
        for number in 0..<12 {
            mix.submit(number)
            mix.lease()
            mix.check()
            mix.work(failing: seed.isMultiple(of: 3))
        }
        var round = 0
        while mix.table.queuedCount + mix.table.leasedCount > 0, round < 2_000 {
            round += 1
            mix.lease()
            mix.check()
            mix.work(failing: seed.isMultiple(of: 3))
        }
        let table = mix.table
        let isOver = table.jobs.allSatisfy { table.isOver($0) }
        #expect(isOver, "seed \(seed)")
        guard !seed.isMultiple(of: 3) else { return }
        let haveSucceeded = table.records.allSatisfy { $0.hasSucceeded }
        #expect(haveSucceeded, "seed \(seed)")
    }

    private static func job(
        _ name: String, tenant: String, count: Int, priority: Int32 = 0, gang: Bool = false
    ) -> JobSubmitted {
        let work = ProgramWork(program: NamedArtifact(digest: Digest.of("elf")), fuel: 1_000)
        let spec = TaskSpec(
            submitter: NodeID(9), tenant: tenant, priority: priority, work: .program(work))
        let items = (0..<count).map { TaskItem(arguments: ["\($0)"]) }
        let set = TaskSet(name: name, spec: spec, items: items, isGang: gang)
        return JobSubmitted(
            job: Digest.of(name), name: name, submitter: NodeID(9), sets: [set])
    }

    private static func grant(_ table: inout TaskTable, slots: Int, of total: Int) -> [Int] {
        var view = LeaseChoice.View()
        view.total.slotCount = total
        view.total.gangSlotCounts = [total]
        let worker = LeaseChoice.Worker(node: NodeID(1), freeSlotCount: slots)
        let grants = LeaseChoice.grants(of: table, to: [worker], in: view)
        guard !grants.isEmpty else { return [] }
        _ = table.apply(TasksLeased(grants: grants), fence: Fence(term: 1, index: 7))
        return grants.flatMap(\.tasks).map { Int($0) }
    }

    @Test func `tenants share by their weights whoever came first`() {
        var table = TaskTable()
        _ = table.apply(Self.job("first", tenant: "a", count: 1_000))
        _ = table.apply(Self.job("second", tenant: "b", count: 1_000))
        _ = table.apply(TenantSet(tenant: "b", weight: 3))
        #expect(table.apply(TenantSet(tenant: "b", weight: 3)) == .done)
        let leased = Self.grant(&table, slots: 400, of: 400)
        let counts = ["a", "b"].map { table.tenant($0)?.usage.slotCount ?? 0 }
        #expect(leased.count == 400)
        // A lease is never divided: each is within one of its share.
        #expect(abs(counts[0] - 100) <= 1 && abs(counts[1] - 300) <= 1, "\(counts)")
    }

    @Test func `a low priority waits, but not for ever`() {
        var table = TaskTable()
        _ = table.apply(Self.job("humble", tenant: "", count: 1, priority: -3))
        var hasRun = false
        for round in 0..<200 where !hasRun {
            _ = table.apply(Self.job("loud \(round)", tenant: "", count: 100, priority: 3))
            let leased = Self.grant(&table, slots: 100, of: 100)
            hasRun = leased.contains(0)
            let ends = leased.compactMap { task in
                table.records[task].lease.map {
                    TaskEnd(
                        task: UInt64(task), attempt: $0.attempt, fence: $0.fence,
                        result: TaskResult(outcome: .succeeded))
                }
            }
            _ = table.apply(TasksFinished(node: NodeID(1), ends: ends))
            #expect(!hasRun || round >= 10, "priority counts for something")
        }
        #expect(hasRun)
    }

    @Test func `a gang that does not fit keeps free slots from newcomers`() {
        var table = TaskTable()
        _ = table.apply(Self.job("busy", tenant: "", count: 3))
        #expect(Self.grant(&table, slots: 4, of: 4) == [0, 1, 2])
        _ = table.apply(Self.job("gang", tenant: "", count: 4, gang: true))
        _ = table.apply(Self.job("newcomer", tenant: "", count: 1))
        #expect(Self.grant(&table, slots: 1, of: 4) == [])
        let ends = (0..<3 as Range<UInt64>).map {
            TaskEnd(
                task: $0, attempt: 1, fence: Fence(term: 1, index: 7),
                result: TaskResult(outcome: .succeeded))
        }
        _ = table.apply(TasksFinished(node: NodeID(1), ends: ends))
        #expect(Self.grant(&table, slots: 4, of: 4) == [3, 4, 5, 6])
        // One of them is lost: all begin again.
        _ = table.apply(TasksRequeued(4, attempt: 1))
        #expect(table.leasedCount == 0)
        #expect(table.records[3].deathCount == 0 && table.records[4].deathCount == 1)
    }

    @Test func `a gang for which no nodes are large enough keeps nothing from others`() {
        var table = TaskTable()
        var gang = Self.job("gang", tenant: "", count: 2, gang: true)
        gang.sets[0].spec.slotCount = 3
        _ = table.apply(gang)
        _ = table.apply(Self.job("newcomer", tenant: "", count: 1))
        let workers = (1...3).map { LeaseChoice.Worker(node: NodeID($0), freeSlotCount: 2) }
        func tasks(of slotCounts: [Int]) -> [UInt64] {
            var view = LeaseChoice.View()
            view.total = .init(slotCount: 6, gangSlotCounts: slotCounts)
            return LeaseChoice.grants(of: table, to: workers, in: view).flatMap(\.tasks)
        }
        #expect(tasks(of: [2, 2, 2]) == [2])
        // Two that have three slots are busy: the gang waits for them, and others behind it.
        #expect(tasks(of: [3, 3]).isEmpty)
    }

    @Test func `a gang out of patience lets others go first`() {
        var table = TaskTable()
        _ = table.apply(Self.job("gang", tenant: "", count: 4, gang: true))
        _ = table.apply(Self.job("newcomer", tenant: "", count: 1))
        var view = LeaseChoice.View()
        view.total = .init(slotCount: 4, gangSlotCounts: [4])
        view.isPatient = { _ in false }
        let worker = LeaseChoice.Worker(node: NodeID(1), freeSlotCount: 3)
        let grants = LeaseChoice.grants(of: table, to: [worker], in: view)
        #expect(grants.flatMap(\.tasks) == [4])
    }

    @Test func `what waits for a failed task is cancelled, and all that waits for that`() {
        var table = TaskTable()
        var job = Self.job("graph", tenant: "", count: 2)
        job.sets += ["second", "third"].enumerated().map { position, name in
            TaskSet(name: name, spec: job.sets[0].spec, after: [UInt32(position)])
        }
        _ = table.apply(job)
        #expect(Self.grant(&table, slots: 9, of: 9) == [0, 1])
        let bad = TaskResult(outcome: .succeeded, exitCode: 3)
        _ = table.apply(TasksFinished(1, attempt: 1, index: 7, node: NodeID(1), bad))
        #expect(table.records[2].state == .cancelled && table.records[3].state == .cancelled)
        #expect(table.records[0].lease != nil)
    }

    @Test func `a failure is tried again where attempts are asked for`() {
        for attemptCountMax in [0, 2] as [UInt32] {
            var table = TaskTable()
            var job = Self.job("flaky", tenant: "", count: 1)
            job.sets[0].spec.attemptCountMax = attemptCountMax
            _ = table.apply(job)
            let failed = TaskResult(outcome: .failed, sentence: "no artifact")
            _ = Self.grant(&table, slots: 1, of: 1)
            _ = table.apply(TasksFinished(attempt: 1, index: 7, node: NodeID(1), failed))
            #expect((table.records[0].state == .queued) == (attemptCountMax == 2))
            _ = Self.grant(&table, slots: 1, of: 1)
            _ = table.apply(TasksFinished(attempt: 2, index: 7, node: NodeID(1), failed))
            #expect(table.records[0].completion?.result.outcome == .failed)
        }
    }

    @Test func `a lease that was given back counts for nothing`() {
        var table = TaskTable()
        _ = table.apply(Self.job("patient", tenant: "", count: 1))
        for attempt in 1...20 as ClosedRange<UInt32> {
            #expect(Self.grant(&table, slots: 1, of: 1) == [0])
            _ = table.apply(TasksRequeued(attempt: attempt, blameless: true))
        }
        #expect(!table.records[0].isExhausted && table.records[0].deathCount == 0)
    }

    @Test func `a death counts little for tasks that did not run alone`() {
        var table = TaskTable()
        _ = table.apply(Self.job("suspects", tenant: "", count: 2))
        for attempt in 1...8 as ClosedRange<UInt32> {
            #expect(!table.records[0].isExhausted)
            #expect(Self.grant(&table, slots: 2, of: 2) == [0, 1])
            let voids = [0, 1].map {
                LeaseVoid(task: $0, attempt: attempt, reason: "its worker died")
            }
            _ = table.apply(TasksRequeued(voids: voids))
        }
        #expect(table.records[0].isExhausted && table.records[0].deathCount == 0)
        #expect(table.records[1].surrender().result.sentence == "its worker died 8 times")
    }

    @Test func `cancelling a job cancels what has not ended`() {
        var table = TaskTable()
        _ = table.apply(Self.job("long", tenant: "", count: 10))
        _ = Self.grant(&table, slots: 4, of: 4)
        _ = table.apply(TasksFinished(attempt: 1, index: 7, node: NodeID(1)))
        let cancelled = JobCancelled(job: Digest.of("long"))
        #expect(table.apply(cancelled) == .fresh)
        #expect(table.apply(cancelled) == .done)
        #expect(table.queuedCount == 0 && table.leasedCount == 0)
        #expect(table.records[0].hasSucceeded)
        #expect(table.records.count { $0.state == .cancelled } == 9)
    }
}
