import API
import Basics
import Identity
import NodeLogic
import Scheduling
import Wire

extension LiveBackend {
    func submitJob(_ request: JobRequest) async throws -> JSON {
        var sets: [TaskSet] = []
        for set in request.sets {
            let spec = try await spec(of: set.program, items: set.items.flatMap(\.inputs))
            sets.append(
                TaskSet(
                    name: set.name, spec: spec,
                    items: try set.items.map { item in
                        TaskItem(
                            arguments: item.arguments, inputs: try item.inputs.map(held),
                            seed: item.seed)
                    },
                    after: try Self.positions(of: set.after, among: sets), isGang: set.isGang,
                    gangPatienceSeconds: UInt32(set.gangPatienceSeconds)))
        }
        let job = request.key.map { Digest.of("job \($0)") } ?? newID()
        try await propose(
            .jobSubmitted(
                JobSubmitted(
                    job: job, name: request.name, submitter: node.identity.id,
                    submittedAt: UInt64(WallClock.seconds), sets: sets)))
        let count = sets.reduce(0) { $0 + max($1.items.count, 1) }
        return ["job": job.json, "task_count": JSON(count)]
    }

    private static func positions(
        of names: [String], among sets: [TaskSet]
    ) throws -> [UInt32] {
        // Several sets may have one name, which is the program's where none is given: all of them
        // are waited for, once each.
        var seen: Set<String> = []
        return try names.filter { seen.insert($0).inserted }.flatMap { name in
            let positions = sets.indices.filter { sets[$0].name == name }
            guard !positions.isEmpty else {
                throw APIError(
                    status: 400,
                    message: "no earlier set of this job is called \(name): a set stands behind "
                        + "those that it waits for", code: "unknown_set", parameter: "after")
            }
            return positions.map { UInt32($0) }
        }
    }

    func jobs() async throws -> JSON {
        await loop.read { node in
            let tasks = node.state.tasks
            return ["jobs": .array(tasks.jobs.map { .object(Self.summary(of: $0, in: tasks)) })]
        }
    }

    func job(_ id: String, wait: Duration) async throws -> JSON {
        let job = try await job(id).id
        if wait > .zero {
            _ = await loop.wait(within: wait) { node in
                let tasks = node.state.tasks
                return tasks.job(job).flatMap { tasks.isOver($0) ? true : nil }
            }
        }
        return await loop.read { node in
            let tasks = node.state.tasks
            guard let job = tasks.job(job) else { return .null }
            let sets = tasks.sets[job.sets]
            let documents = sets.map { set -> JSON in
                let state =
                    set.isOver
                    ? set.hasSucceeded ? "succeeded" : "failed"
                    : set.leasedCount > 0 ? "running" : "queued"
                let reason = tasks.queued(of: set, countMax: 1).first.flatMap { number in
                    node.pendingReason(of: tasks.records[number])
                }
                let failure = Self.failed(in: set, tasks).map { record -> String in
                    let name = "task \(record.id.short)"
                    return Self.sentence(of: record, among: sets).map { "\(name): \($0)" }
                        ?? "\(name) exited with \(record.completion?.result.exitCode ?? 0)"
                }
                return [
                    "name": .string(set.name), "state": .string(state),
                    "task_count": JSON(set.tasks.count), "queued_count": JSON(set.queuedCount),
                    "running_count": JSON(set.leasedCount),
                    "succeeded_count": JSON(set.succeededCount),
                    "failed_count": JSON(set.failedCount),
                    "after": .array(set.after.map { .string(tasks.sets[$0].name) }),
                    "gang": .bool(set.isGang), "pending": reason.map { .string($0) } ?? .null,
                    "failure": failure.map { .string($0) } ?? .null,
                ]
            }
            return .object(Self.summary(of: job, in: tasks) + [.init("sets", .array(documents))])
        }
    }

    func jobResults(_ id: String) async throws -> JSON {
        let job = try await job(id)
        let (records, sets) = await loop.read {
            ($0.state.tasks.records[job.tasks], $0.state.tasks.sets[job.sets])
        }
        func column(_ value: (TaskRecord) -> JSON) -> JSON { .array(records.map(value)) }
        return [
            "job": job.id.json, "tasks": column { $0.id.json },
            "names": column { .string(Self.taskSet(of: $0, among: sets)?.name ?? "") },
            "states": column { .string($0.stateName) },
            "exit_codes": column { $0.completion?.result.exitCodeDocument ?? .null },
            "retired_instructions": column {
                $0.completion.map { JSON($0.result.retiredInstructions) } ?? .null
            },
            "digests": column { $0.completion?.result.stateDigest?.json ?? .null },
            "nodes": column { $0.node?.json ?? .null },
            "attempts": column { JSON($0.attemptCount) },
            "messages": column { record in
                Self.sentence(of: record, among: sets).map { .string($0) } ?? .null
            },
        ]
    }

    /// The first task of a set that has ended otherwise than its dependants need it.
    private static func failed(in set: TaskSetRecord, _ tasks: TaskTable) -> TaskRecord? {
        guard set.failedCount > 0 else { return nil }
        return set.tasks.lazy.compactMap { tasks.records.element($0) }
            .first { $0.isOver && !$0.hasSucceeded }
    }

    /// - Parameter sets: ascending by position; there may be as many as tasks.
    private static func taskSet(
        of record: TaskRecord, among sets: [TaskSetRecord]
    ) -> TaskSetRecord? {
        let place = sets.partitionPoint { $0.position < record.setPosition }
        guard place < sets.count, sets[place].position == record.setPosition else { return nil }
        return sets[place]
    }

    /// Why a task has not succeeded, where its exit code does not say it.
    ///
    /// - Parameter sets: those of its job.
    private static func sentence(
        of record: TaskRecord, among sets: [TaskSetRecord]
    ) -> String? {
        if let sentence = record.completion?.result.sentence {
            return sentence.isEmpty ? nil : sentence
        }
        guard record.state == .cancelled else { return nil }
        let before = taskSet(of: record, among: sets)?.after ?? []
        let cause = sets.first { $0.failedCount > 0 && before.contains($0.position) }
        return cause.map { "it waited for \($0.name), which has not succeeded" }
            ?? "it was cancelled"
    }

    func cancelJob(_ id: String) async throws -> JSON {
        let job = try await job(id)
        try await propose(.jobCancelled(JobCancelled(job: job.id)))
        return ["job": job.id.json, "state": "cancelled"]
    }

    func job(_ id: String) async throws -> JobRecord {
        try await find { try await knownJob(id) }
    }

    private func knownJob(_ id: String) async throws -> JobRecord {
        if let digest = Digest(hex: id),
            let job = await loop.read({ $0.state.tasks.job(digest) })
        {
            return job
        }
        let (jobs, history) = await loop.read { ($0.state.tasks.jobs, $0.state.tasks.history) }
        return try Self.resolve(id, among: jobs, before: history, kind: "job") { $0.id }
    }

    private static func summary(of job: JobRecord, in tasks: TaskTable) -> [JSON.Member] {
        let sets = tasks.sets[job.sets]
        func sum(_ count: (TaskSetRecord) -> Int) -> JSON {
            JSON(sets.reduce(0) { $0 + count($1) })
        }
        let state =
            if job.isCancelled {
                "cancelled"
            } else if tasks.isOver(job) {
                sets.allSatisfy(\.hasSucceeded) ? "succeeded" : "failed"
            } else {
                sets.contains { $0.leasedCount + $0.succeededCount > 0 } ? "running" : "queued"
            }
        return [
            .init("job", job.id.json), .init("name", .string(job.name)),
            .init("tenant", .string(sets.first?.tenant ?? "")), .init("state", .string(state)),
            .init("task_count", JSON(job.tasks.count)),
            .init("succeeded_count", sum(\.succeededCount)),
            .init("failed_count", sum(\.failedCount)),
            .init("submitted_at", JSON(job.submittedAt)),
        ]
    }

    // MARK: nodes and tenants

    func drain(_ idOrName: String, isDrained: Bool) async throws -> JSON {
        let found = try await nodeRecord(idOrName)
        try await propose(.nodeDrained(NodeDrained(node: found.id, isDrained: isDrained)))
        return [
            "node": found.id.json, "name": .string(found.name), "drained": .bool(isDrained),
        ]
    }

    func setTenant(_ request: TenantRequest) async throws -> JSON {
        func limit(_ count: UInt64?) -> TenantLimit? { count.map { TenantLimit(count: $0) } }
        let command = TenantSet(
            tenant: request.tenant, weight: UInt32(request.weight ?? 0),
            running: limit(request.runningCountMax), queued: limit(request.queuedCountMax),
            fuel: limit(request.fuelMax))
        return try await propose(.tenantSet(command)) { node in
            let known = node.state.tasks.tenant(request.tenant)
            return Self.document(known ?? TaskTable.Tenant(request.tenant))
        }
    }

    func tenants() async throws -> JSON {
        await loop.read { node in
            ["tenants": .array(node.state.tasks.tenants.map(Self.document))]
        }
    }

    private static func document(_ tenant: TaskTable.Tenant) -> JSON {
        func limit(_ count: UInt64) -> JSON { count == 0 ? .null : JSON(count) }
        return [
            "tenant": .string(tenant.name), "weight": JSON(tenant.weight),
            "running_count": JSON(tenant.leasedCount),
            "running_count_max": limit(tenant.quota.runningCountMax),
            "queued_count": JSON(tenant.queuedCount),
            "queued_count_max": limit(tenant.quota.queuedCountMax),
            "fuel": JSON(UInt64(clamping: tenant.promisedFuel)),
            "fuel_max": limit(tenant.quota.fuelMax),
        ]
    }
}
