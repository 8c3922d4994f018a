package import Basics

/// What a node can do for its user: the one door between HTTP and the live node.
///
/// The routes of this module translate HTTP into these calls and back; the runtime implements
/// them. Methods return finished JSON documents, with the stable `snake_case` keys that their
/// comments name, so that a document reaches the user as the node made it.
///
/// Every method may throw ``APIError``; any other error reaches the client as status 500 without
/// its text. `wait` arguments ask for long polling: the call returns as soon as what it waits for
/// has come, and at the latest after that time, with the document as it then is.
///
/// States of a task: `queued`, `running`, and at its end `succeeded` (whatever exit code the
/// program chose), `signalled`, `out_of_fuel`, `refused`, `failed`, `cancelled`.
/// States of a plan: `running`, `succeeded`, `failed`.
/// States of a model: `added`, `deploying`, `deployed`, `refused`.
package protocol Backend: Sendable {
    // MARK: the mesh

    /// `id`, `name`, `role`, `state` ("alive", "removed"), `removed` (a sentence where peers say
    /// so, or null), `mesh`, `address`, `coordinator`, `term`, `commit_index`, `member_count`,
    /// `certificate_expires_at` (seconds since 1970), `certificate_warning` (a sentence, or null),
    /// …; every number in it, at any depth, becomes a metric.
    func status() async throws -> JSON
    /// `members` [`id`, `name`, `address`, `state`, `role`, `drained`, `running_task_count`,
    /// `round_trip_milliseconds` (estimated, or null), …], `coordinator` (id or null), `term`.
    func members() async throws -> JSON
    /// `token`, `command` (the whole join command), `id`, `expires_at`, `uses`, `role`.
    func createToken(timeToLive: Duration, uses: Int, role: String) async throws -> JSON
    /// `tokens` [`id`, `role`, `uses`, `expires_at`].
    func tokens() async throws -> JSON
    /// `id`, `revoked`.
    func revokeToken(_ id: String) async throws -> JSON
    /// `node`, `name`, `revoked`, `reason`. Takes a name that one node has, an id, or a unique
    /// prefix of one with four digits or more.
    func revokeNode(_ idOrName: String, reason: String) async throws -> JSON
    /// `id`, `name`. This node has another name from now on, in its next certificate.
    func rename(to name: String) async throws -> JSON
    /// `id`, `left`. The node gives up its roles and then ends; the answer comes before that.
    func leave() async throws -> JSON
    /// `newest` (the number of the newest root), `roots` [`number`, `name`, `fingerprint`,
    /// `expires_at`, `trusted_until` (null: the newest), `node_count` (whose certificates hang on
    /// it)], `issuing_expires_at`, `has_root_key` (whether this node can make another).
    func keys() async throws -> JSON
    /// Makes a new root and issuing key; the root before opens channels for so long. As `keys`.
    func rotateKeys(grace: Duration) async throws -> JSON
    /// All roots but the newest open no channel any more. As `keys`.
    func distrustOldKeys() async throws -> JSON
    /// `allowed_licenses` [SPDX ids], `edge_replay_percent`.
    func policy() async throws -> JSON
    func setPolicy(allowedLicenses: [String]) async throws -> JSON
    /// The same, of which so many of a hundred results of edge nodes are computed again.
    func setEdgePolicy(replayPercent: Int) async throws -> JSON

    // MARK: artifacts and statements

    /// The size of an artifact that this node itself holds; nil when it does not.
    func heldByteCount(of digest: Digest) async throws -> UInt64?
    /// Stores the bytes under their digest: `digest`, `byte_count`. `byteCountHint` is what the
    /// client announced, nil when it did not; it is a promise to check, never a fact.
    func putArtifact(_ chunks: ByteChunks, byteCountHint: UInt64?) async throws -> JSON
    /// An artifact from this node, or from a peer that holds it.
    func artifact(_ digest: Digest) async throws -> ArtifactContent
    /// Signs who added what under which licence, and records it in the mesh: `digest`, `name`,
    /// `kind`, `license`, `byte_count`, `statement` (the digest of the signed bundle).
    func addStatement(_ request: StatementRequest) async throws -> JSON
    /// `statements` [`name`, `kind`, `digest`, `byte_count`, `license`, `node`, `statement`];
    /// nil asks for every kind.
    func statements(kind: ArtifactKind?) async throws -> JSON
    /// The bundle of a statement, byte for byte.
    func statement(_ digest: Digest) async throws -> [UInt8]
    /// `verified`, `replayed` (whether work was done again: an artifact has nothing to replay),
    /// `checks` [`name`, `ok`, `detail`]. What does not verify is a value with `verified` false,
    /// not an error.
    func verify(_ request: VerifyRequest) async throws -> JSON

    // MARK: models

    /// `models` [`name`, `digest`, `license`, `byte_count`, `layer_count`, `state`, `kind`
    /// (`decoder`, `encoder`, or null where this node has no copy of the file), `added_at`
    /// (seconds since 1970), `stages` [`node`, `first_layer`, `last_layer`, `ready`]].
    func models() async throws -> JSON
    /// Places the layers, and waits until each stage is ready: the model's entry of `models`.
    /// Without a count of stages the mesh plans how many, for so many texts at a time.
    func deploy(
        _ model: String, stageCount: Int?, streamCount: Int, wait: Duration
    ) async throws -> JSON
    /// Where `deploy` would place the layers, and why: `model`, `layer_count`, `byte_count`,
    /// `cache_byte_count`, `streams`, `fits`, `reason`, `stages` [`node`, `name`, `first_layer`,
    /// `last_layer`, `byte_count`, `cache_byte_count`, `free_byte_count`, `ms_per_token`,
    /// `measured`], `hops` [`from`, `to` (null: the head), `ms`, `measured`], `ms_per_token`,
    /// `tokens_per_second`, `tokens_per_second_of_all`, `prefill_tokens_per_second` (these four are
    /// null where nothing fits), `left_out` [`node`, `name`, `reason`], `present` (null, or
    /// `stage_count`, `ms_per_token`, `tokens_per_second`, `worth_moving`).
    func placement(_ model: String, stageCount: Int?, streamCount: Int) async throws -> JSON
    func undeploy(_ model: String) async throws -> JSON
    /// Text from a deployed model. What is wrong with the request is thrown here; what goes wrong
    /// later ends the stream. When the consumer drops the stream, the generation is cancelled.
    func generate(
        _ request: GenerationRequest
    ) async throws -> AsyncThrowingStream<GenerationEvent, any Error>

    /// Vectors of texts, computed on this node; the model is admitted, not deployed.
    func embed(_ request: EmbeddingRequest) async throws -> EmbeddingResult

    // MARK: tasks

    /// `task` (its id). Returning means that the task stands in the replicated log; the whole
    /// document of the task where somebody waits for it and it has ended by then.
    func submitProgram(
        _ request: ProgramRequest, key: String?, isAwaited: Bool
    ) async throws -> JSON
    /// `job` (its id), `task_count`. Returning means that all of it stands in the replicated log.
    /// A second submission under one key is the same job.
    func submitJob(_ request: JobRequest) async throws -> JSON
    /// `jobs` [`job`, `name`, `tenant`, `state`, `task_count`, `succeeded_count`, `failed_count`,
    /// `submitted_at`].
    func jobs() async throws -> JSON
    /// One of `jobs`, with `sets` [`name`, `state`, `task_count`, `queued_count`,
    /// `running_count`, `succeeded_count`, `failed_count`, `after` [names], `gang`, `pending` (why
    /// it does not run, or null), `failure` (why it has failed, or null)].
    /// Waits for the job's end.
    func job(_ id: String, wait: Duration) async throws -> JSON
    /// All tasks of a job, in columns: `job`, `tasks` [ids], `names` (of their sets), `states`,
    /// `exit_codes` (null where nothing ran to its end), `retired_instructions`, `digests` (null
    /// where a task has no result), `nodes`, `attempts`, `messages` (a sentence, or null where
    /// there is nothing to say).
    func jobResults(_ id: String) async throws -> JSON
    /// `job`, `state`.
    func cancelJob(_ id: String) async throws -> JSON
    /// `node`, `name`, `drained`. A drained node ends what it has and gets nothing new.
    func drain(_ idOrName: String, isDrained: Bool) async throws -> JSON
    /// One of `tenants`. What the request leaves out stays as it was.
    func setTenant(_ request: TenantRequest) async throws -> JSON
    /// `tenants` [`tenant`, `weight`, `running_count`, `running_count_max`, `queued_count`,
    /// `queued_count_max`, `fuel` (that its tasks which are not over may burn), `fuel_max`]; a
    /// limit is null where there is none.
    func tenants() async throws -> JSON
    /// `tasks` [`task`, `name`, `kind`, `state`, `node`, `attempt`, `exit_code` (null until it has
    /// one), `job` (null of a task by itself), `submitted_at`]; of one job where one is named.
    func tasks(ofJob job: String?) async throws -> JSON
    /// `task`, `state`, `exit_code` (null where nothing ran to its end, as where the deadline
    /// passed), `stdout`, `stderr`, `stdout_digest`, `stderr_digest`, `retired_instructions`,
    /// `digest`, `node`, `attempt`, `statement`, `message` (one sentence when the state is not
    /// `succeeded`), `outputs` [`name`, `digest`, `byte_count`].
    ///
    /// `stdout` and `stderr` are text, for people and scripts; the artifacts that the two digests
    /// name hold the exact bytes. Takes an id or a unique prefix of one. Waits for a final state.
    func task(_ id: String, wait: Duration) async throws -> JSON
    /// `task`, `state`, `attempt`, `stdout`, `stderr`: of a task that is not over, nothing yet.
    func taskLogs(_ id: String) async throws -> JSON
    /// `task`, `state`.
    func cancelTask(_ id: String) async throws -> JSON

    // MARK: plans

    /// `plan` (its id). Returning means that the plan stands in the replicated log.
    func openPlan(_ request: PlanRequest) async throws -> JSON
    /// `plans` [`plan`, `goal`, `model`, `state`, `step_count`].
    func plans() async throws -> JSON
    /// `plan`, `goal`, `model`, `state`, `answer`, `coordinator`, `steps` [`step`, `tool`,
    /// `arguments`, `state`, `task`, `node`, `observation`]. Waits for a final state.
    func plan(_ id: String, wait: Duration) async throws -> JSON
    /// `tools` [`name`, `description`, `parameters` (a JSON schema)].
    func tools() async throws -> JSON
}

/// What kind of artifact a statement is about.
package enum ArtifactKind: String, Hashable, Sendable, CaseIterable {
    case model, program, data
}

/// The bytes of an artifact and how many there are.
package struct ArtifactContent: Sendable {
    package var byteCount: UInt64
    package var chunks: ByteChunks

    package init(byteCount: UInt64, chunks: ByteChunks) {
        self.byteCount = byteCount
        self.chunks = chunks
    }
}

/// Asks the node to sign that its owner adds this artifact under this name and licence.
package struct StatementRequest: Hashable, Sendable {
    package var kind: ArtifactKind
    package var digest: Digest
    package var name: String
    /// An SPDX licence identifier.
    package var license: String

    package init(kind: ArtifactKind, digest: Digest, name: String, license: String) {
        self.kind = kind
        self.digest = digest
        self.name = name
        self.license = license
    }
}

/// What to verify, and whether to do the work again.
package struct VerifyRequest: Hashable, Sendable {
    package enum Subject: Hashable, Sendable {
        /// The digest of an artifact or of a statement, or the id of a task.
        case identifier(String)
        /// A bundle from outside; when `about` is given it must be a subject of the statement, or
        /// of one of the results whose tree is signed.
        case bundle([UInt8], about: Digest?)
    }

    package var subject: Subject
    package var replay: Bool

    package init(subject: Subject, replay: Bool) {
        self.subject = subject
        self.replay = replay
    }
}

/// An artifact under the name that a program, or a user, knows it by.
package struct NamedArtifact: Hashable, Sendable {
    package var name: String
    package var digest: Digest

    package init(name: String, digest: Digest) {
        self.name = name
        self.digest = digest
    }
}

/// A riscv64 program to run as a task; the artifacts are held by the node already.
package struct ProgramRequest: Hashable, Sendable {
    /// An environment variable.
    package struct Variable: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package var program: NamedArtifact
    /// The arguments after the program's own name.
    package var arguments: [String]
    /// In the order in which the program sees them.
    package var environment: [Variable]
    package var inputs: [NamedArtifact]
    package var standardInput: Digest?
    /// Instructions that may retire; nil takes the node's default.
    package var fuel: UInt64?
    package var memoryByteCountMax: UInt64?
    package var seed: UInt64
    package var terms = TaskTerms()

    package init(
        program: NamedArtifact, arguments: [String] = [],
        environment: [Variable] = [], inputs: [NamedArtifact] = [],
        standardInput: Digest? = nil, fuel: UInt64? = nil, memoryByteCountMax: UInt64? = nil,
        seed: UInt64 = 0
    ) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.inputs = inputs
        self.standardInput = standardInput
        self.fuel = fuel
        self.memoryByteCountMax = memoryByteCountMax
        self.seed = seed
    }
}

/// On which terms a task runs.
package struct TaskTerms: Hashable, Sendable {
    package static let priorities: ClosedRange<Int64> = -100...100
    package static let attemptCounts: ClosedRange<Int64> = 1...100
    /// In seconds, as the next: a year at most.
    package static let deadlines: ClosedRange<Int64> = 1...31_536_000
    package static let gangPatience: ClosedRange<Int64> = 1...86_400
    package static let slotCounts: ClosedRange<Int64> = 1...1_024

    /// Who shares the mesh by weights; "" is a tenant too.
    package var tenant = ""
    /// -100 to 100, the higher first.
    package var priority = 0
    /// nil: workers that die are bad luck up to a point; what fails is not tried again.
    package var attemptCountMax: Int?
    /// After the submission.
    package var deadlineSeconds: Int?
    package var slotCount = 1
    package var edgeUse = EdgeUse.powered

    package init() {}
}

/// Which edge nodes a task may run on: those with power and an unmetered link; any; none; or those
/// of the first kind and no workers.
package enum EdgeUse: String, Hashable, Sendable, CaseIterable { case powered, any, never, only }

/// What a tenant gets; nil leaves it as it was.
package struct TenantRequest: Hashable, Sendable {
    static let nameByteCountMax = 64

    package var tenant: String
    package var weight: Int?
    /// Tasks that run at once; 0 takes the limit away, here and below.
    package var runningCountMax: UInt64?
    package var queuedCountMax: UInt64?
    /// That its tasks which are not over may burn in sum.
    package var fuelMax: UInt64?

    package init(
        tenant: String, weight: Int? = nil, runningCountMax: UInt64? = nil,
        queuedCountMax: UInt64? = nil, fuelMax: UInt64? = nil
    ) {
        self.tenant = tenant
        self.weight = weight
        self.runningCountMax = runningCountMax
        self.queuedCountMax = queuedCountMax
        self.fuelMax = fuelMax
    }
}

/// A graph of tasks.
package struct JobRequest: Hashable, Sendable {
    /// One task of a set: what it has beside the others.
    package struct Item: Hashable, Sendable {
        package var arguments: [String]
        package var inputs: [NamedArtifact]
        package var seed: UInt64

        package init(arguments: [String] = [], inputs: [NamedArtifact] = [], seed: UInt64 = 0) {
            self.arguments = arguments
            self.inputs = inputs
            self.seed = seed
        }
    }

    /// Tasks of one program.
    package struct Set: Hashable, Sendable {
        package var name: String
        package var program: ProgramRequest
        /// Empty: one task.
        package var items: [Item]
        /// Names of earlier sets, whose tasks must all have succeeded.
        package var after: [String]
        package var isGang: Bool
        package var gangPatienceSeconds: Int

        package init(
            name: String, program: ProgramRequest, items: [Item] = [], after: [String] = [],
            isGang: Bool = false, gangPatienceSeconds: Int = 60
        ) {
            self.name = name
            self.program = program
            self.items = items
            self.after = after
            self.isGang = isGang
            self.gangPatienceSeconds = gangPatienceSeconds
        }
    }

    /// Chosen by the client, so that it may ask again; nil makes each submission a new job.
    package var key: String?
    package var name: String
    package var sets: [Set]

    package init(key: String? = nil, name: String, sets: [Set]) {
        self.key = key
        self.name = name
        self.sets = sets
    }
}

/// A goal for the agent, and what its tools may touch.
package struct PlanRequest: Hashable, Sendable {
    package struct Program: Hashable, Sendable {
        package var artifact: NamedArtifact
        /// One sentence for the planner: what the program is good for.
        package var purpose: String

        package init(artifact: NamedArtifact, purpose: String) {
            self.artifact = artifact
            self.purpose = purpose
        }
    }

    package var goal: String
    package var model: String
    package var stepCountMax: Int
    package var programs: [Program]
    package var data: [NamedArtifact]

    package init(
        goal: String, model: String, stepCountMax: Int, programs: [Program],
        data: [NamedArtifact]
    ) {
        self.goal = goal
        self.model = model
        self.stepCountMax = stepCountMax
        self.programs = programs
        self.data = data
    }
}
