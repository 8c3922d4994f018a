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
        package var fence: Fence
        /// Which of the table's signed batches holds it, and where; nil where the result names a
        /// statement of its own, or none was signed.
        package var proof: Proof?

        package init(
            result: TaskResult, node: NodeID, attempt: UInt32, fence: Fence, proof: Proof? = nil
        ) {
            self.result = result
            self.node = node
            self.attempt = attempt
            self.fence = fence
            self.proof = proof
        }
    }

    package struct Proof: Hashable, Sendable {
        package var batch: Int
        package var leaf: Int
    }

    /// The sender of a spec without a wish gets four attempts.
    package static let attemptCountDefault: UInt32 = 4
    /// What three workers have died of walks no further through the mesh.
    package static let deathCountMax: UInt32 = 3
    /// The same, of workers that ran other tasks too: each of those may have been the cause.
    package static let sharedDeathCountMax: UInt32 = 8

    package let id: Digest
    package let number: Int
    /// Of its set in the table.
    package let setPosition: Int
    package let spec: TaskSpec
    package internal(set) var state = State.queued
    /// How many leases were granted so far.
    package internal(set) var attemptCount: UInt32 = 0
    /// How many of them count for nothing: given back before the work began, or lost with a worker
    /// that ran other tasks too.
    package internal(set) var returnCount: UInt32 = 0
    /// How many of its workers were lost while they ran nothing else.
    package internal(set) var deathCount: UInt32 = 0
    /// How many were lost while they ran other tasks too.
    package internal(set) var sharedDeathCount: UInt32 = 0
    /// How many attempts ended with the outcome failed.
    package internal(set) var failureCount: UInt32 = 0
    /// Who held the latest lease: the next one rather goes to somebody else.
    package internal(set) var lastHolder: NodeID?
    /// The index of the entry that queued it last.
    package internal(set) var queuedAt: UInt64 = 0

    package var attemptCountMax: UInt32 {
        spec.attemptCountMax == 0 ? Self.attemptCountDefault : spec.attemptCountMax
    }

    /// Queued, and no lease is left for it.
    package var isExhausted: Bool { state == .queued && exhaustion != nil }

    private var exhaustion: String? {
        let usedCount = attemptCount - returnCount
        // Who asks for many attempts expects workers to die.
        let deathCountMax = max(Self.deathCountMax, spec.attemptCountMax)
        let sharedDeathCountMax = max(Self.sharedDeathCountMax, spec.attemptCountMax)
        guard
            deathCount >= deathCountMax || sharedDeathCount >= sharedDeathCountMax
                || usedCount >= attemptCountMax
        else { return nil }
        guard deathCount == usedCount else {
            return "none of its \(attemptCountMax) attempts came to an end"
        }
        let count = deathCount + sharedDeathCount
        return "its worker died \(count == 1 ? "once" : "\(count) times")"
    }

    /// How often it was begun again, whatever the reason.
    package var lossCount: UInt32 { deathCount + sharedDeathCount + failureCount }

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

    /// Ended as its dependants need it: exited with 0.
    package var hasSucceeded: Bool {
        completion.map { $0.result.outcome == .succeeded && $0.result.exitCode == 0 } ?? false
    }

    /// What the coordinator appends for a task that shall not run again.
    package func surrender(_ reason: String? = nil) -> TaskEnd {
        TaskEnd(
            task: UInt64(number),
            attempt: attemptCount,
            fence: Fence(),
            result: TaskResult(
                outcome: .failed,
                sentence: reason ?? exhaustion ?? "it cannot go on"
            )
        )
    }
}
