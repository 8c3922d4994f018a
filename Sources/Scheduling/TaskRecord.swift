package import Basics
package import Wire

/// One task and what has become of it.
package struct TaskRecord: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        case queued
        case leased(Lease)
        case finished(Completion)
        case cancelled
    }

    package struct Lease: Hashable, Sendable {
        package var holder: NodeID
        package var attempt: UInt32
        package var fence: Fence
    }

    package struct Completion: Hashable, Sendable {
        package var result: TaskResult
        package var node: NodeID
        package var attempt: UInt32
    }

    /// The sender of a spec without a wish gets four attempts: three lost workers are bad luck,
    /// four are the task's doing.
    package static let attemptCountDefault: UInt32 = 4

    package let id: Digest
    package let spec: TaskSpec
    package internal(set) var state = State.queued
    /// How many leases were granted so far.
    package internal(set) var attemptCount: UInt32 = 0
    /// Who held the latest lease: the next one rather goes to somebody else.
    package internal(set) var lastHolder: NodeID?

    package var attemptCountMax: UInt32 {
        spec.attemptCountMax == 0 ? Self.attemptCountDefault : spec.attemptCountMax
    }

    /// Queued, and no lease is left for it.
    package var isExhausted: Bool { state == .queued && attemptCountMax <= attemptCount }

    package var lease: Lease? { if case .leased(let lease) = state { lease } else { nil } }

    package var completion: Completion? {
        if case .finished(let completion) = state { completion } else { nil }
    }

    package var isOver: Bool {
        switch state {
        case .queued, .leased: false
        case .finished, .cancelled: true
        }
    }

    /// What the coordinator appends for a task whose workers died one after the other.
    package func surrender(by node: NodeID) -> TaskFinished {
        let count = attemptCount == 1 ? "once" : "\(attemptCount) times"
        return TaskFinished(
            task: id,
            attempt: attemptCount,
            fence: Fence(),
            node: node,
            result: TaskResult(outcome: .failed, sentence: "its worker died \(count)")
        )
    }
}
