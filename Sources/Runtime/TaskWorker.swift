import API
import Basics
import Identity
import NodeLogic
import Provenance
import RISCV
import Scheduling
import Store
import Synchronization
import Wire

/// Does the tasks that are leased to this node, and says what came of them.
///
/// A program is fetched, admitted, run on a lane, and its outputs, its signed statement among them,
/// are kept here and at a second node before the result is reported: the death of this node must
/// not take them along.
final class TaskWorker: Sendable {
    /// Inputs and programs of one task, each.
    static let artifactByteCountMax = 1 << 30
    /// How much of an output stands in the result itself.
    static let headByteCountMax = 4_096

    private let loop: NodeLoop
    private let exchange: ArtifactExchange
    private let notary: Notary
    private let admission: AdmissionDesk
    private let generator: Generator
    private let lanes: LanePool
    // Looked up by task, never iterated but to stop all.
    private let running = Mutex<[Digest: Task<Void, Never>]>([:])

    init(
        loop: NodeLoop, exchange: ArtifactExchange, notary: Notary, admission: AdmissionDesk,
        generator: Generator, lanes: LanePool
    ) {
        self.loop = loop
        self.exchange = exchange
        self.notary = notary
        self.admission = admission
        self.generator = generator
        self.lanes = lanes
    }

    func start(_ task: Digest, attempt: UInt32, fence: Fence, spec: TaskSpec) {
        let work = Task { [self] in
            let lease = Lease(task: task, attempt: attempt, fence: fence, spec: spec)
            let result: Wire.TaskResult
            do {
                result = try await perform(lease)
            } catch is CancellationError {
                return
            } catch is GuestRun.Stopped {
                return
            } catch {
                result = Self.failure(.failed, sentence: Self.sentence(of: error))
            }
            running.withLock { $0[task] = nil }
            guard !Task.isCancelled else { return }
            loop.post(
                event: .taskFinished(task, attempt: attempt, fence: fence, result))
        }
        running.withLock { $0[task] = work }
    }

    func stop(_ task: Digest) {
        running.withLock { $0.removeValue(forKey: task) }?.cancel()
    }

    struct Lease: Sendable {
        var task: Digest
        var attempt: UInt32
        var fence: Fence
        var spec: TaskSpec
    }

    private func perform(_ lease: Lease) async throws -> Wire.TaskResult {
        switch lease.spec.work {
        case .program(let work): try await perform(work, lease)
        case .generation(let work): try await perform(work, lease)
        case .read(let work): try await perform(work)
        }
    }

    // MARK: programs

    private func perform(_ work: ProgramWork, _ lease: Lease) async throws -> Wire.TaskResult {
        var artifacts = [work.program] + work.inputs
        if let input = work.standardInput { artifacts.append(input) }
        for artifact in artifacts {
            try await exchange.fetch(
                artifact.digest, from: [lease.spec.submitter],
                byteCountMax: Self.artifactByteCountMax)
        }
        if let refusal = try await refusal(of: work) {
            return Self.failure(.refused, sentence: refusal)
        }
        let store = exchange.store
        let isStopped = Flag()
        let report = try await withTaskCancellationHandler {
            try await lanes.run {
                try Self.run(work, store: store, isStopped: { isStopped.isRaised })
            }
        } onCancel: {
            isStopped.raise()
        }
        return try await record(report, work, lease)
    }

    /// Nil where the program and each input is signed, untouched and within policy.
    private func refusal(of work: ProgramWork) async throws -> String? {
        let subjects = [work.program] + work.inputs + (work.standardInput.map { [$0] } ?? [])
        for (index, subject) in subjects.enumerated() {
            let isProgram = index == 0
            if let refusal = try await admission.refusal(
                of: subject.digest,
                what: "the \(isProgram ? "program" : "input") \(subject.name)",
                extraLicenses: [Notary.taskInputLicense])
            {
                return refusal
            }
        }
        return nil
    }

    /// Runs the program on the calling thread; also the way in which a result is replayed.
    static func run(
        _ work: ProgramWork, store: ArtifactStore, isStopped: () -> Bool
    ) throws -> GuestRun.Report {
        let files = try work.inputs.map { input in
            InputFile(name: input.name, bytes: try store.read(input.digest))
        }
        var settings = Machine.Settings()
        settings.fuel = work.fuel
        settings.memoryByteCountMax = work.memoryByteCountMax
        settings.outputByteCountMax = GuestRun.outputByteCountMax
        settings.seed = work.seed
        return try GuestRun.run(
            program: store.read(work.program.digest),
            arguments: [work.program.name] + work.arguments,
            environment: work.environment.map { "\($0.name)=\($0.value)" }, files: files,
            standardInput: work.standardInput.map { try store.read($0.digest) } ?? [],
            settings: settings, isStopped: isStopped)
    }

    private func record(
        _ report: GuestRun.Report, _ work: ProgramWork, _ lease: Lease
    ) async throws -> Wire.TaskResult {
        let output = try keep(report.standardOutput, as: "stdout")
        let error = try keep(report.standardError, as: "stderr")
        let files = try report.files.map { try keep($0.bytes, as: $0.name) }
        let statement = Provenance.TaskResult(
            report, work, lease, output: output.digest, error: error.digest, files: files,
            node: loop.own
        ).statement
        let bundle = try notary.sign(statement).bytes
        let signed = try keep(bundle, as: "\(lease.task.short).intoto.json")

        var holders = [loop.own]
        let peers = await loop.peers()
        // What is new and not empty; the second holder is the same for all.
        let fresh = [signed, output, error].filter { $0.byteCount > 0 } + files
        if let first = await exchange.keepCopy(of: fresh[0].digest, at: peers) {
            holders.append(first)
            for artifact in fresh.dropFirst() {
                _ = await exchange.keepCopy(of: artifact.digest, at: [first])
            }
        }
        return Wire.TaskResult(
            outcome: report.outcome, exitCode: report.ending.exitCode,
            sentence: report.ending.sentence ?? "", retiredInstructions: report.retired,
            stateDigest: report.digest, standardOutput: output, standardError: error,
            outputs: files, statement: signed,
            head: Array(report.standardOutput.prefix(Self.headByteCountMax)), holders: holders)
    }

    private func keep(_ bytes: [UInt8], as name: String) throws -> Wire.NamedArtifact {
        let digest = try exchange.store.put(bytes)
        return Wire.NamedArtifact(
            name: name, digest: digest, byteCount: UInt64(bytes.count))
    }

    // MARK: generations and reads

    private func perform(_ work: GenerationWork, _ lease: Lease) async throws -> Wire.TaskResult {
        let result = try await generator.generate(GenerationOrder(work)) { _ in }
        let bytes = Array(result.text.utf8)
        let output = try keep(bytes, as: "text")
        var holders = [loop.own]
        if let holder = await exchange.keepCopy(of: result.statement.digest, at: loop.peers()) {
            holders.append(holder)
            _ = await exchange.keepCopy(of: output.digest, at: [holder])
        }
        return Wire.TaskResult(
            outcome: .succeeded, exitCode: 0, sentence: "", retiredInstructions: 0,
            stateDigest: nil, standardOutput: output, standardError: nil, outputs: [],
            statement: result.statement, head: Array(bytes.prefix(Self.headByteCountMax)),
            holders: holders)
    }

    private func perform(_ work: ReadWork) async throws -> Wire.TaskResult {
        try await exchange.fetch(
            work.artifact, byteCountMax: Self.artifactByteCountMax)
        let count = min(Int(work.byteCountMax), Self.headByteCountMax)
        let bytes = try exchange.store.read(
            work.artifact, offset: Int(clamping: work.offset), count: count)
        return Wire.TaskResult(
            outcome: .succeeded, exitCode: 0, sentence: "", retiredInstructions: 0,
            stateDigest: nil, standardOutput: nil, standardError: nil, outputs: [],
            statement: nil, head: bytes, holders: [loop.own])
    }

    private static func failure(_ outcome: TaskOutcome, sentence: String) -> Wire.TaskResult {
        Wire.TaskResult(
            outcome: outcome, exitCode: 126, sentence: sentence, retiredInstructions: 0,
            stateDigest: nil, standardOutput: nil, standardError: nil, outputs: [],
            statement: nil, head: [], holders: [])
    }

    static func sentence(of error: any Error) -> String {
        switch error {
        case let error as ArtifactExchange.Missing:
            "no node that can be reached holds the artifact \(error.artifact.short)"
        case let error as ArtifactError: error.sentence
        default: "\(error)"
        }
    }
}

extension GuestRun.Report {
    var outcome: TaskOutcome {
        switch ending {
        case .exited: .succeeded
        case .signalled: .signalled
        case .outOfFuel: .outOfFuel
        case .limitReached, .deadlocked: .failed
        }
    }
}

extension Provenance.TaskResult {
    /// The signed form of what a run gave: everything that a replay needs and must find again.
    init(
        _ report: GuestRun.Report, _ work: ProgramWork, _ lease: TaskWorker.Lease, output: Digest,
        error: Digest, files: [Wire.NamedArtifact], node: NodeID
    ) {
        var inputs = work.inputs.map { NamedDigest(name: $0.name, digest: $0.digest) }
        if let input = work.standardInput {
            inputs.append(NamedDigest(name: "/dev/stdin", digest: input.digest))
        }
        let ending: Ending =
            switch report.ending {
            case .exited: .exited
            case .signalled: .trapped
            case .outOfFuel: .outOfFuel
            case .limitReached, .deadlocked: .outOfBounds
            }
        self.init(
            attempt: Attempt(
                taskID: lease.task.hex, submitter: lease.spec.submitter,
                number: Int(lease.attempt), fenceTerm: lease.fence.term,
                fenceIndex: lease.fence.index),
            invocation: Invocation(
                program: work.program.digest, arguments: work.arguments,
                environment: work.environment.map { "\($0.name)=\($0.value)" }, inputs: inputs,
                seed: work.seed, fuel: work.fuel),
            outcome: Outcome(
                ending: ending, exitCode: ending == .exited ? Int(report.ending.exitCode) : nil,
                endingDetail: report.ending.sentence ?? "", retiredCount: report.retired,
                state: report.digest, stdout: output, stderr: error,
                outputs: files.map { NamedDigest(name: $0.name, digest: $0.digest) }),
            node: node, engineVersion: GuestRun.engineVersion)
    }
}
