import Basics
import Scheduling
import Testing
import Wire

struct TaskTableTests {
    private var table = TaskTable()
    private let task = Digest.of("task")
    private let worker = NodeID(1)

    private func submitted(attemptCountMax: UInt32 = 0) -> TaskSubmitted {
        TaskSubmitted(
            task: task,
            spec: TaskSpec(
                submitter: NodeID(9),
                attemptCountMax: attemptCountMax,
                work: .read(ReadWork(artifact: Digest.of("artifact")))
            )
        )
    }

    private func finished(
        attempt: UInt32,
        index: UInt64,
        by node: NodeID? = nil,
        _ text: String = "done"
    ) -> TasksFinished {
        let result = TaskResult(outcome: .succeeded, head: Array(text.utf8))
        return TasksFinished(attempt: attempt, index: index, node: node ?? worker, result)
    }

    private mutating func lease(
        _ attempt: UInt32,
        index: UInt64,
        to node: NodeID? = nil
    ) -> Verdict {
        table.apply(
            TasksLeased(attempt: attempt, holder: node ?? worker),
            fence: Fence(term: 1, index: index)
        )
    }

    @Test mutating func `a task is queued, leased and finished`() {
        #expect(table.apply(submitted()) == .fresh)
        #expect(table[task]?.state == .queued)
        #expect(table.queuedCount == 1)
        #expect(lease(1, index: 2) == .fresh)
        #expect(table[task]?.lease?.fence == Fence(term: 1, index: 2))
        #expect(table.leasedCount == 1)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .fresh)
        #expect(table[task]?.completion?.result.head == Array("done".utf8))
        #expect(table.leasedCount == 0 && table.queuedCount == 0)
    }

    @Test mutating func `saying it again changes nothing`() {
        #expect(table.apply(submitted()) == .fresh)
        #expect(table.apply(submitted()) == .done)
        #expect(lease(1, index: 2) == .fresh)
        #expect(lease(1, index: 3) == .done)
        #expect(table[task]?.lease?.fence.index == 2)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .fresh)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .done)
    }

    @Test mutating func `another task cannot take a key`() {
        _ = table.apply(submitted())
        let verdict = table.apply(submitted(attemptCountMax: 7))
        #expect(
            verdict
                == .refused("another task was submitted under this key: choose another key"))
        #expect(table[task]?.attemptCountMax == 4)
    }

    @Test mutating func `a task that is asked for again later is due when it was to be at first`() {
        func within(_ seconds: UInt64, from now: UInt64, at node: NodeID) -> TaskSubmitted {
            var command = submitted()
            command.spec.submitter = node
            (command.spec.submittedAt, command.spec.deadline) = (now, now + seconds)
            return command
        }
        #expect(table.apply(within(60, from: 1_000, at: NodeID(9))) == .fresh)
        #expect(table.apply(within(60, from: 1_007, at: NodeID(8))) == .done)
        #expect(table[task]?.spec.deadline == 1_060)
        if case .refused = table.apply(within(53, from: 1_007, at: NodeID(9))) {} else {
            Issue.record("seven seconds less make another task")
        }
    }

    @Test mutating func `a job that is asked for again must be the same in every word`() {
        func job(_ change: (inout JobSubmitted) -> Void = { _ in }) -> JobSubmitted {
            let work = ProgramWork(program: NamedArtifact(digest: Digest.of("elf")), fuel: 1_000)
            let spec = TaskSpec(
                submitter: NodeID(9), submittedAt: 1_000, deadline: 1_060, work: .program(work))
            let items = (0..<3).map { TaskItem(arguments: ["\($0)"]) }
            var job = JobSubmitted(
                job: Digest.of("job"), name: "job", submitter: NodeID(9),
                sets: [
                    TaskSet(name: "first", spec: spec, items: items),
                    TaskSet(name: "second", spec: spec, after: [0]),
                ])
            change(&job)
            return job
        }
        // A job before it: positions are not those of its own sets.
        _ = table.apply(submitted())
        #expect(table.apply(job()) == .fresh)
        let later = job {
            for set in $0.sets.indices {
                $0.sets[set].spec.submitter = NodeID(8)
                $0.sets[set].spec.submittedAt = 1_030
                $0.sets[set].spec.deadline = 1_090
            }
        }
        #expect(table.apply(later) == .done)
        let others = [
            job { $0.name = "other" }, job { $0.sets[0].name = "other" },
            job { $0.sets[0].items[2].arguments = ["3"] }, job { $0.sets[1].after = [] },
            job { $0.sets[1].items = [TaskItem(seed: 1)] }, job { $0.sets[0].isGang = true },
            job { $0.sets[0].spec.priority = 1 }, job { $0.sets.removeLast() },
            job { $0.sets[0].items.removeLast() },
        ]
        for other in others {
            #expect(
                table.apply(other)
                    == .refused("another job was submitted under this key: choose another key"))
        }
        #expect(table.records.count == 5)
    }

    @Test mutating func `a statement about many results names each of them`() {
        _ = table.apply(submitted())
        _ = lease(1, index: 2)
        var ends = finished(attempt: 1, index: 2)
        ends.statement = [1]
        ends.ends.insert(ends.ends[0], at: 0)
        ends.ends[0].task = 7
        #expect(table.apply(ends) == .refused("the leaves are not those of the results"))
        ends.ends.removeFirst()
        #expect(table.apply(ends) == .fresh)
    }

    @Test mutating func `a result of a void lease is not taken`() {
        _ = table.apply(submitted())
        _ = lease(1, index: 2)
        #expect(table.apply(TasksRequeued(attempt: 1, reason: "lost")) == .fresh)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .refused("the lease is void"))
        #expect(lease(2, index: 5, to: NodeID(2)) == .fresh)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .refused("the lease is void"))
        let early = finished(attempt: 2, index: 4, by: NodeID(2))
        #expect(table.apply(early) == .refused("the lease is void"))
        let foreign = finished(attempt: 2, index: 5, by: NodeID(3))
        #expect(table.apply(foreign) == .refused("the lease is void"))
        #expect(table.apply(finished(attempt: 2, index: 5, by: NodeID(2), "mine")) == .fresh)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .refused("the task has finished"))
        #expect(table[task]?.completion?.result.head == Array("mine".utf8))
    }

    @Test mutating func `only the current lease can be voided`() {
        _ = table.apply(submitted())
        _ = lease(1, index: 2)
        _ = table.apply(TasksRequeued(attempt: 1))
        #expect(table.apply(TasksRequeued(attempt: 1)) == .done)
        _ = lease(2, index: 4)
        let old = TasksRequeued(attempt: 1)
        #expect(table.apply(old) == .refused("attempt 1 holds no lease"))
        #expect(lease(4, index: 6) == .refused("the task is not queued"))
    }

    @Test mutating func `a task without leases left is given up by the coordinator alone`() throws {
        _ = table.apply(submitted(attemptCountMax: 2))
        for attempt in 1...2 as ClosedRange<UInt32> {
            _ = lease(attempt, index: UInt64(attempt))
            let surrender = TasksFinished(
                node: NodeID(5),
                ends: [try #require(table[task]).surrender()]
            )
            #expect(table.apply(surrender) == .refused("the lease is void"))
            _ = table.apply(TasksRequeued(attempt: attempt))
        }
        #expect(lease(3, index: 9) != .fresh)
        let record = try #require(table[task])
        #expect(record.isExhausted)
        let surrender = TasksFinished(node: NodeID(5), ends: [record.surrender()])
        #expect(table.apply(surrender) == .fresh)
        #expect(table[task]?.completion?.result.sentence == "its worker died 2 times")
    }

    @Test mutating func `a cancelled task takes no result`() {
        _ = table.apply(submitted())
        _ = lease(1, index: 2)
        #expect(table.apply(TaskCancelled(task: task)) == .fresh)
        #expect(table.apply(TaskCancelled(task: task)) == .done)
        #expect(table.apply(finished(attempt: 1, index: 2)) == .refused("the task was cancelled"))
        #expect(table.queuedCount == 0 && table.leasedCount == 0)
    }

    @Test mutating func `a requeued task keeps its place in the queue`() {
        for name in ["task", "second", "third"] {
            var command = submitted()
            command.task = Digest.of(name)
            _ = table.apply(command)
        }
        _ = lease(1, index: 4)
        #expect(table.queued(countMax: 9).map(\.id) == [Digest.of("second"), Digest.of("third")])
        _ = table.apply(TasksRequeued(attempt: 1))
        #expect(table.queued(countMax: 9).first?.id == task)
    }

    @Test mutating func `what was done before it was submitted is finished at once, and once`() {
        var done = submitted()
        (done.node, done.result) = (worker, TaskResult(outcome: .succeeded, head: [7]))
        done.statement = [1]
        #expect(table.apply(done) == .fresh)
        #expect(table.apply(done) == .done)
        #expect(table.apply(submitted()) == .done)
        #expect(table[task]?.completion?.result.head == [7])
        #expect(table[task]?.completion?.fence == Fence())
        #expect(table.queuedCount == 0 && table.leasedCount == 0)
        #expect(lease(1, index: 3) == .refused("the task is not queued"))
    }
}
