import Basics
import Scheduling
import Testing
import Wire

struct LeaseChoiceTests {
    private static func table(_ count: Int) -> TaskTable {
        var table = TaskTable()
        for number in 0..<count {
            _ = table.apply(
                TaskSubmitted(
                    task: Digest.of("task \(number)"),
                    spec: TaskSpec(
                        submitter: NodeID(9),
                        name: "\(number)",
                        work: .read(ReadWork(artifact: Digest.of("artifact")))
                    )
                )
            )
        }
        return table
    }

    private static func worker(_ number: UInt64, _ freeSlotCount: Int) -> LeaseChoice.Worker {
        .init(node: NodeID(number), freeSlotCount: freeSlotCount)
    }

    private struct Lease: Equatable {
        var task: UInt64
        var holder: NodeID
    }

    private static func leases(
        of table: TaskTable,
        to workers: [LeaseChoice.Worker],
        wish: @escaping (TaskSpec) -> LeaseChoice.Wish = { _ in .anybody }
    ) -> [Lease] {
        var view = LeaseChoice.View()
        view.total.slotCount = workers.reduce(0) { $0 + $1.idleSlotCount }
        view.wish = wish
        return LeaseChoice.grants(of: table, to: workers, in: view)
            .flatMap { grant in grant.tasks.map { Lease(task: $0, holder: grant.holder) } }
            .sorted { $0.task < $1.task }
    }

    @Test func `the least loaded worker comes first and nobody gets more than it has slots`() {
        let leases = Self.leases(
            of: Self.table(5),
            to: [Self.worker(1, 1), Self.worker(2, 3), Self.worker(3, 0)]
        )
        #expect(leases.map(\.holder) == [NodeID(2), NodeID(2), NodeID(1), NodeID(2)])
        #expect(leases.map(\.task) == [0, 1, 2, 3])
    }

    @Test func `a wish goes before load, and waiting tasks are passed by`() {
        let leases = Self.leases(
            of: Self.table(3),
            to: [Self.worker(1, 1), Self.worker(2, 9)]
        ) { spec in
            switch spec.name {
            case "0": .wait
            case "1": .rather([NodeID(1)])
            default: .anybody
            }
        }
        #expect(
            leases == [Lease(task: 1, holder: NodeID(1)), Lease(task: 2, holder: NodeID(2))])
    }

    @Test func `a task goes to another worker than the one it was lost on`() {
        var table = Self.table(1)
        _ = table.apply(
            TasksLeased(attempt: 1, holder: NodeID(1)),
            fence: Fence(term: 1, index: 2)
        )
        _ = table.apply(TasksRequeued(attempt: 1))
        let workers = [Self.worker(1, 9), Self.worker(2, 1)]
        #expect(Self.leases(of: table, to: workers) == [Lease(task: 0, holder: NodeID(2))])
        let alone = Self.leases(of: table, to: [Self.worker(1, 9)])
        #expect(alone.map(\.holder) == [NodeID(1)])
    }

    private static func edge(_ number: UInt64, isSparing: Bool) -> LeaseChoice.Worker {
        var worker = worker(number, 4)
        worker.edge = .init(memoryByteCount: 1 << 20, isSparing: isSparing)
        return worker
    }

    private static func program(_ use: EdgeUse, memory: UInt64 = 1 << 20) -> TaskTable {
        var table = TaskTable()
        let program = NamedArtifact(name: "a", digest: Digest.of("a"))
        _ = table.apply(
            TaskSubmitted(
                task: Digest.of("a"),
                spec: TaskSpec(
                    submitter: NodeID(9), name: "a", edge: EdgeTerms(use: use),
                    work: .program(
                        ProgramWork(program: program, memoryByteCountMax: memory)))))
        return table
    }

    @Test func `an edge node gets programs that fit, and what it spares only who says so`() {
        let plugged = Self.edge(1, isSparing: false)
        let sparing = Self.edge(2, isSparing: true)
        func holders(_ table: TaskTable, _ workers: [LeaseChoice.Worker]) -> [NodeID] {
            Self.leases(of: table, to: workers).map(\.holder)
        }
        #expect(holders(Self.program(.powered), [plugged]) == [NodeID(1)])
        #expect(holders(Self.program(.powered), [sparing]).isEmpty)
        #expect(holders(Self.program(.any), [sparing]) == [NodeID(2)])
        #expect(holders(Self.program(.never), [plugged]).isEmpty)
        #expect(holders(Self.program(.only), [Self.worker(3, 4), plugged]) == [NodeID(1)])
        #expect(holders(Self.program(.only), [Self.worker(3, 4)]).isEmpty)
        #expect(holders(Self.program(.powered, memory: 2 << 20), [plugged]).isEmpty)
        // What is no program needs more of the mesh than a device has.
        #expect(holders(Self.table(1), [plugged]).isEmpty)
        // Whoever is no edge node comes first.
        #expect(holders(Self.program(.any), [plugged, Self.worker(3, 1)]) == [NodeID(3)])
    }

    // MARK: What hides nothing

    private static func single(
        _ name: String, tenant: String = "", priority: Int32 = 0, slots: UInt32 = 1,
        edge: EdgeTerms? = nil
    ) -> TaskSubmitted {
        TaskSubmitted(
            task: Digest.of(name),
            spec: TaskSpec(
                submitter: NodeID(9), name: name, tenant: tenant, priority: priority,
                slotCount: slots, edge: edge,
                work: .program(ProgramWork(program: NamedArtifact(digest: Digest.of("elf"))))))
    }

    @Test(arguments: [
        (LeaseChoiceTests.single("wide", slots: 9), true),
        (LeaseChoiceTests.single("edge", edge: EdgeTerms(use: .only)), true),
        (LeaseChoiceTests.single("many"), false),
    ])
    func `what cannot run hides nothing behind it, nor does a long queue of others`(
        front: TaskSubmitted, isStuck: Bool
    ) {
        var table = TaskTable()
        let count = LeaseChoice.setCountMax + 76
        for number in 0..<count {
            var task = front
            task.task = Digest.of("front \(number)")
            _ = table.apply(task)
        }
        _ = table.apply(Self.single("urgent", priority: isStuck ? 0 : 100))
        _ = table.apply(Self.single("other", tenant: "b"))
        let leased = Self.leases(of: table, to: [Self.worker(1, 2)]).map(\.task)
        #expect(leased == [UInt64(count), UInt64(count + 1)])
    }

    @Test func `sets that wait for others hide nothing behind them`() {
        var table = TaskTable()
        let spec = Self.single("part").spec
        for number in 0..<5 {
            let sets = (0..<256).map { position in
                TaskSet(
                    name: "\(position)", spec: spec,
                    after: position == 0 ? [] : [UInt32(position - 1)])
            }
            _ = table.apply(
                JobSubmitted(
                    job: Digest.of("chain \(number)"), submitter: NodeID(9), sets: sets))
        }
        _ = table.apply(Self.single("last"))
        let leased = Self.leases(of: table, to: [Self.worker(1, 10)]).map(\.task)
        #expect(leased == [0, 256, 512, 768, 1_024, 1_280])
    }

    @Test func `a gang begins at once, and what would wait behind others counts for nothing`() {
        var table = TaskTable()
        let gang = TaskSet(
            name: "gang", spec: Self.single("gang").spec,
            items: [TaskItem(seed: 1), TaskItem(seed: 2)], isGang: true)
        _ = table.apply(
            JobSubmitted(job: Digest.of("gang"), submitter: NodeID(9), sets: [gang]))
        func leased(idle: Int) -> Int {
            var view = LeaseChoice.View()
            view.total = .init(slotCount: 4, gangSlotCounts: [4])
            let worker = LeaseChoice.Worker(
                node: NodeID(1), freeSlotCount: 4, idleSlotCount: idle)
            return LeaseChoice.grants(of: table, to: [worker], in: view).flatMap(\.tasks).count
        }
        #expect(leased(idle: 1) == 0)
        #expect(leased(idle: 2) == 2)
    }
}
