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

    @Test func `the least loaded worker comes first and nobody gets more than it has slots`() {
        let leases = LeaseChoice.leases(
            of: Self.table(5),
            to: [Self.worker(1, 1), Self.worker(2, 3), Self.worker(3, 0)]
        ) { _ in .anybody }
        #expect(leases.map(\.holder) == [NodeID(2), NodeID(2), NodeID(1), NodeID(2)])
        #expect(leases.map(\.task) == (0..<4).map { Digest.of("task \($0)") })
        #expect(leases.allSatisfy { $0.attempt == 1 })
    }

    @Test func `a wish goes before load, and waiting tasks are passed by`() {
        let leases = LeaseChoice.leases(
            of: Self.table(3),
            to: [Self.worker(1, 1), Self.worker(2, 9)]
        ) { spec in
            switch spec.name {
            case "0": .wait
            case "1": .rather([NodeID(1)])
            default: .anybody
            }
        }
        #expect(leases.map(\.holder) == [NodeID(1), NodeID(2)])
        #expect(leases.map(\.task) == [Digest.of("task 1"), Digest.of("task 2")])
    }

    @Test func `a task goes to another worker than the one it was lost on`() {
        var table = Self.table(1)
        let task = Digest.of("task 0")
        _ = table.apply(
            TaskLeased(task: task, attempt: 1, holder: NodeID(1)),
            fence: Fence(term: 1, index: 2)
        )
        _ = table.apply(TaskRequeued(task: task, attempt: 1))
        let workers = [Self.worker(1, 9), Self.worker(2, 1)]
        let leases = LeaseChoice.leases(of: table, to: workers) { _ in .anybody }
        #expect(leases == [TaskLeased(task: task, attempt: 2, holder: NodeID(2))])
        let alone = LeaseChoice.leases(of: table, to: [Self.worker(1, 9)]) { _ in .anybody }
        #expect(alone.map(\.holder) == [NodeID(1)])
    }
}
