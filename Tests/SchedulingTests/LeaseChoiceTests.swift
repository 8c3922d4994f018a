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
}
