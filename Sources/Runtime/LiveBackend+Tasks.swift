import API
import Basics
import Identity
import NodeLogic
import RISCV
import Scheduling
import Store
import Synchronization
import Wire

extension LiveBackend {
    private static let shownByteCountMax = 4 << 20

    func submitProgram(
        _ request: ProgramRequest, key: String?, isAwaited: Bool
    ) async throws -> JSON {
        let spec = try await spec(of: request, items: [])
        let task = key.map { Digest.of("task \($0)") } ?? newID()
        let signed = OwnSignature()
        let (answer, ended) = await submit(task, spec, isAwaited: isAwaited, signed) {
            node -> EndedTask? in
            let tasks = node.state.tasks
            guard isAwaited, let record = tasks[task], record.isOver else { return nil }
            let proof = record.completion?.proof
            return EndedTask(record: record, batch: proof.map { tasks.batches[$0.batch] })
        }
        try Self.check(answer)
        guard let ended else { return ["task": task.json] }
        return try await document(
            ended.record,
            statement: ended.record.completion?.result.statement?.digest
                ?? ended.batch.flatMap { batch in
                    signed.digest(in: batch)
                        ?? batch.bundle(of: ended.record).map { Digest.of($0) }
                })
    }

    /// Whoever waits for a short task has it at once where a lane is free, here or at a peer: the
    /// entry of the log that makes it known then holds its result.
    private func submit<Value: Sendable>(
        _ task: Digest, _ spec: TaskSpec, isAwaited: Bool, _ signed: OwnSignature,
        _ body: @escaping @Sendable (Node) -> Value?
    ) async -> (Node.Answer, Value?) {
        let submitted = TaskSubmitted(task: task, spec: spec)
        let waiterCount = node.worker.waiterCount.add(1, ordering: .relaxed).newValue
        defer { node.worker.waiterCount.subtract(1, ordering: .relaxed) }
        return await withCheckedContinuation { continuation in
            let take = { @Sendable (answer: Node.Answer, node: Node?) in
                continuation.resume(returning: (answer, node.flatMap(body)))
            }
            guard isAwaited else { return loop.propose(.taskSubmitted(submitted), take) }
            // From the lane straight to the node: each change of threads takes some 50 µs.
            node.worker.tryNow(task, spec, isAlone: waiterCount == 1) {
                [loop, own = node.identity.id] attempt in
                switch attempt {
                case .done(let done):
                    loop.propose(.taskSubmitted(done.end(submitted, at: own)), take)
                    // While the others write: putting the document together takes its time.
                    signed.note(done)
                case .noLane: loop.borrow(submitted, take)
                case .unfit: loop.propose(.taskSubmitted(submitted), take)
                }
            }
        }
    }

    private struct EndedTask: Sendable {
        var record: TaskRecord
        /// In which its result is signed.
        var batch: TaskTable.Batch?
    }

    /// What this node signed, while the log is asked to hold it.
    private final class OwnSignature: Sendable {
        private let own = Mutex<(signature: [UInt8], digest: Digest)?>(nil)

        func note(_ done: TaskWorker.Done) {
            let digest = done.digest
            own.withLock { $0 = (done.signature, digest) }
        }

        /// Of the bundle; nil where the log holds another signature, as under a key that was used
        /// before.
        func digest(in batch: TaskTable.Batch) -> Digest? {
            own.withLock { $0.flatMap { $0.signature == batch.signature ? $0.digest : nil } }
        }
    }

    /// The spec of a program with all that it needs signed, and held by a second node.
    ///
    /// - Parameter items: other inputs of tasks of this spec.
    func spec(of request: ProgramRequest, items: [API.NamedArtifact]) async throws -> TaskSpec {
        let program = try held(request.program)
        let inputs = try request.inputs.map(held)
        let standardInput = try request.standardInput.map {
            try held(API.NamedArtifact(name: "stdin", digest: $0))
        }
        let data = try inputs + (standardInput.map { [$0] } ?? []) + items.map(held)
        // Nothing unsigned gets in: the submitter signs its inputs for this use.
        for input in data {
            _ = try await record(
                StatementRequest(
                    kind: .data, digest: input.digest, name: input.name,
                    license: Notary.taskInputLicense), byteCount: Int(input.byteCount))
        }
        try await keepCopies(of: [program] + data)
        let work = ProgramWork(
            program: program, arguments: request.arguments,
            environment: request.environment.map {
                Wire.EnvironmentVariable(name: $0.name, value: $0.value)
            }, inputs: inputs, standardInput: standardInput,
            fuel: request.fuel ?? GuestRun.defaultFuel,
            memoryByteCountMax: request.memoryByteCountMax ?? GuestRun.defaultMemoryByteCountMax,
            seed: request.seed)
        let now = UInt64(WallClock.seconds)
        return TaskSpec(
            submitter: node.identity.id, name: program.name, submittedAt: now,
            attemptCountMax: UInt32(request.terms.attemptCountMax ?? 0),
            tenant: request.terms.tenant, priority: Int32(request.terms.priority),
            deadline: request.terms.deadlineSeconds.map { now + UInt64($0) } ?? 0,
            slotCount: UInt32(request.terms.slotCount), edge: Self.edge(request.terms.edgeUse),
            work: .program(work))
    }

    private static func edge(_ use: API.EdgeUse) -> EdgeTerms? {
        switch use {
        case .powered: nil
        case .any: EdgeTerms(use: .any)
        case .never: EdgeTerms(use: .never)
        case .only: EdgeTerms(use: .only)
        }
    }

    /// An id that nobody else has.
    func newID() -> Digest { Digest.of(node.identity.id.bytes + Random.bytes(count: 32)) }

    func tasks(ofJob id: String?) async throws -> JSON {
        let wanted: Range<Int>? = if let id { try await job(id).tasks } else { nil }
        return await loop.read { node in
            let tasks = node.state.tasks
            let records: [TaskRecord] =
                if let wanted { tasks.records[wanted] } else { Array(tasks.records) }
            return ["tasks": .array(records.map { Self.entry(of: $0, in: tasks) })]
        }
    }

    /// A task as lists show it.
    private static func entry(of record: TaskRecord, in tasks: TaskTable) -> JSON {
        let job = tasks.sets.element(record.setPosition)?.job
        return [
            "task": record.id.json, "name": .string(record.spec.name),
            "kind": .string(record.kindName), "state": .string(record.stateName),
            "node": record.node?.json ?? .null, "attempt": JSON(record.attemptCount),
            "exit_code": record.completion?.result.exitCodeDocument ?? .null,
            "job": job.flatMap { tasks.jobs.element($0) }?.id.json ?? .null,
            "submitted_at": JSON(record.spec.submittedAt),
        ]
    }

    func record(of id: String) async throws -> TaskRecord {
        try await find { try await knownRecord(of: id) }
    }

    private func knownRecord(of id: String) async throws -> TaskRecord {
        if let digest = Digest(hex: id), let record = await loop.read({ $0.state.tasks[digest] }) {
            return record
        }
        let (records, history) = await loop.read {
            ($0.state.tasks.records, $0.state.tasks.history)
        }
        return try Self.resolve(id, among: records, before: history, kind: "task") { $0.id }
    }

    func task(_ id: String, wait: Duration) async throws -> JSON {
        let task = try await record(of: id).id
        if wait > .zero {
            _ = await loop.wait(within: wait) { node in
                node.state.tasks[task].flatMap { $0.isOver ? true : nil }
            }
        }
        let record = try await record(of: task.hex)
        var document = try await document(record)
        if let reason = await loop.read({ node in node.pendingReason(of: record) }),
            case .object(var members) = document
        {
            members.append(.init("pending", .string(reason)))
            document = .object(members)
        }
        return document
    }

    func document(_ record: TaskRecord) async throws -> JSON {
        try await document(record, statement: await statementDigest(of: record))
    }

    private func document(_ record: TaskRecord, statement: Digest?) async throws -> JSON {
        var members: [JSON.Member] = [
            .init("task", record.id.json), .init("name", .string(record.spec.name)),
            .init("kind", .string(record.kindName)), .init("state", .string(record.stateName)),
            .init("attempt", JSON(record.attemptCount)),
            .init("node", record.node?.json ?? .null),
        ]
        guard let result = record.completion?.result else { return .object(members) }
        members += [
            .init("exit_code", result.exitCodeDocument),
            .init("stdout", .string(try await text(of: result.standardOutput, result))),
            .init("stderr", .string(try await text(of: result.standardError, result))),
            .init("stdout_digest", digest(of: result.standardOutput, record)),
            .init("stderr_digest", digest(of: result.standardError, record)),
            .init("retired_instructions", JSON(result.retiredInstructions)),
            .init("digest", result.stateDigest?.json ?? .null),
            .init("statement", statement?.json ?? .null),
            .init(
                "outputs",
                .array(
                    result.outputs.map {
                        [
                            "name": .string($0.name), "digest": $0.digest.json,
                            "byte_count": JSON($0.byteCount),
                        ]
                    })),
        ]
        if !result.sentence.isEmpty { members.append(.init("message", .string(result.sentence))) }
        return .object(members)
    }

    // A program that wrote nothing has an empty output.
    private func digest(of output: Wire.NamedArtifact?, _ record: TaskRecord) -> JSON {
        if let output { return output.digest.json }
        guard case .program = record.spec.work,
            record.completion?.result.stateDigest != nil
        else { return .null }
        return TaskWorker.emptyDigest.json
    }

    /// The statement that its result is signed in, alone or with others.
    func statementDigest(of record: TaskRecord) async -> Digest? {
        if let statement = record.completion?.result.statement { return statement.digest }
        return await loop.read { $0.state.tasks.bundle(of: record) }.map { Digest.of($0) }
    }

    private func text(
        of artifact: Wire.NamedArtifact?, _ result: TaskResult
    ) async throws -> String {
        guard let artifact, artifact.byteCount > 0 else { return "" }
        // Short outputs stand in the log itself, and need no holder.
        if artifact.name == result.standardError?.name,
            artifact.byteCount == UInt64(result.errorHead.count)
        {
            return String(decoding: result.errorHead, as: UTF8.self)
        }
        if artifact.digest == result.standardOutput?.digest,
            artifact.byteCount == UInt64(result.head.count)
        {
            return String(decoding: result.head, as: UTF8.self)
        }
        do {
            try await node.exchange.fetch(
                artifact.digest, from: result.holders,
                byteCountMax: TaskWorker.artifactByteCountMax)
            let bytes = try node.exchange.store.read(
                artifact.digest, count: Self.shownByteCountMax)
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            throw APIError(
                status: 503, message: TaskWorker.sentence(of: error), code: "output_not_reachable")
        }
    }

    func taskLogs(_ id: String) async throws -> JSON {
        let record = try await record(of: id)
        let document = try await document(record)
        return [
            "task": record.id.json, "state": .string(record.stateName),
            "attempt": JSON(record.attemptCount), "stdout": document["stdout"] ?? "",
            "stderr": document["stderr"] ?? "",
        ]
    }

    func cancelTask(_ id: String) async throws -> JSON {
        let task = try await record(of: id).id
        try await propose(.taskCancelled(TaskCancelled(task: task)))
        let record = try await record(of: task.hex)
        return ["task": task.json, "state": .string(record.stateName)]
    }
}

extension TaskRecord {
    var kindName: String {
        switch spec.work {
        case .program: "program"
        case .generation: "generation"
        case .read: "read"
        }
    }

    var stateName: String {
        switch state {
        case .queued: "queued"
        case .leased: "running"
        case .cancelled: "cancelled"
        case .finished(let completion):
            switch completion.result.outcome {
            case .succeeded: "succeeded"
            case .signalled: "signalled"
            case .outOfFuel: "out_of_fuel"
            case .refused: "refused"
            case .failed: "failed"
            case .cancelled: "cancelled"
            }
        }
    }

    var node: NodeID? { lease?.holder ?? completion?.node }
}

extension Wire.TaskResult {
    /// Null where no work came to an end that could have a code, as where the deadline passed.
    var exitCodeDocument: JSON {
        outcome == .succeeded || stateDigest != nil ? JSON(exitCode) : .null
    }
}
