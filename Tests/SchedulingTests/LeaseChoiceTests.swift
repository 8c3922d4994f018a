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
}
