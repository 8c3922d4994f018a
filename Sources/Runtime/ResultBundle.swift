package import Basics
package import Provenance
package import Scheduling
package import Wire

// A result that was signed by itself stands in the log without its statement, which follows from
// the task, and without the signer's chain, which the log holds already. Here the whole of it is
// put together again, to the byte.
extension TaskTable {
    /// The signed statement in which the result of a task is, alone or with others: a Sigstore
    /// bundle. Nil where none was signed, or it is an artifact.
    package func bundle(of record: TaskRecord) -> [UInt8]? {
        guard let proof = record.completion?.proof, let batch = batches.element(proof.batch) else {
            return nil
        }
        return batch.bundle(of: record)
    }

    /// The signed statement with this digest. What was signed alone is put together for it, some
    /// 30 µs each: not on a thread that others wait for.
    package func bundle(with digest: Digest) -> [UInt8]? {
        if let batch = batches.first(where: { Digest.of($0.statement) == digest }) {
            return batch.statement
        }
        for record in records {
            guard let proof = record.completion?.proof, let batch = batches.element(proof.batch),
                batch.certificate != nil, let bundle = batch.bundle(of: record),
                Digest.of(bundle) == digest
            else { continue }
            return bundle
        }
        return nil
    }
}

extension TaskTable.Batch {
    package func bundle(of record: TaskRecord) -> [UInt8]? {
        guard statement.isEmpty else { return statement }
        guard !signature.isEmpty, let result = Provenance.TaskResult(record) else { return nil }
        return SignedStatement(
            result.statement, signature: signature, keyID: node.hex, chain: signer
        ).bytes
    }
}

extension Provenance.TaskResult {
    /// The same from what the replicated log holds of a task; nil where that is no program's end.
    init?(_ record: TaskRecord) {
        guard let completion = record.completion else { return nil }
        self.init(record.id, record.spec, completion)
    }

    package init?(_ task: Digest, _ spec: TaskSpec, _ completion: TaskRecord.Completion) {
        guard case .program(let work) = spec.work, let state = completion.result.stateDigest
        else { return nil }
        let lease = TaskWorker.Lease(
            task: task, attempt: completion.attempt, fence: completion.fence, spec: spec)
        self.init(completion.result, state: state, of: work, lease, node: completion.node)
    }

    /// The signed form of what a run gave, from what others will read in the log: everything that
    /// a replay needs and must find again.
    init(
        _ result: Wire.TaskResult, state: Digest, of work: ProgramWork, _ lease: TaskWorker.Lease,
        node: NodeID
    ) {
        self.init(
            attempt: Attempt(
                taskID: lease.task.hex, submitter: lease.spec.submitter,
                number: Int(lease.attempt), fenceTerm: lease.fence.term,
                fenceIndex: lease.fence.index),
            invocation: Invocation(
                program: work.program.digest, arguments: work.arguments,
                environment: work.environment.map { "\($0.name)=\($0.value)" },
                inputs: work.namedInputs, seed: work.seed, fuel: work.fuel),
            outcome: Outcome(
                ending: Ending(result),
                exitCode: result.outcome == .succeeded ? Int(result.exitCode) : nil,
                endingDetail: result.sentence, retiredCount: result.retiredInstructions,
                state: state, stdout: result.standardOutput?.digest ?? TaskWorker.emptyDigest,
                stderr: result.standardError?.digest ?? TaskWorker.emptyDigest,
                outputs: result.outputs.map { NamedDigest(name: $0.name, digest: $0.digest) }),
            node: node, engineVersion: GuestRun.engineVersion(result.engine))
    }
}

extension Provenance.TaskResult.Ending {
    /// As the outcome in the log tells it.
    fileprivate init(_ result: Wire.TaskResult) {
        switch result.outcome {
        case .succeeded: self = .exited
        case .signalled: self = .trapped
        case .outOfFuel: self = .outOfFuel
        case .refused, .failed, .cancelled: self = .outOfBounds
        }
    }
}
