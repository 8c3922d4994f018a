import Basics
import Foundation
import Identity
import NodeLogic
import Provenance
import RISCV
import Store
import Synchronization
import Wire

/// Does the tasks that an edge node has parked, one at a time for each slot.
///
/// As on a worker a program runs only where its bytes are those that somebody signed whom the mesh
/// trusts, under a licence that the policy allows; the statements come with the lease. What is not
/// here yet is fetched from the relay for as long as it takes: the device may be away.
final class EdgeWorker: Sendable {
    let loop: EdgeLoop
    private let exchange: ArtifactExchange
    private let notary: Notary
    private let lanes: LanePool
    private let state = Mutex(State())

    private struct State {
        var licenses: [String] = []
        // Looked up by task, never iterated.
        var running: [Digest: Work] = [:]
    }
    private struct Work {
        var fence: Fence
        var flag: Flag
        var task: Task<Void, Never>?
    }

    init(loop: EdgeLoop, exchange: ArtifactExchange, notary: Notary, slotCount: Int) {
        self.loop = loop
        self.exchange = exchange
        self.notary = notary
        lanes = LanePool(name: "guest", count: slotCount)
    }

    func close() { lanes.close() }

    func allow(_ licenses: [String]) { state.withLock { $0.licenses = licenses } }

    /// Whether the work can be done without a network.
    func hasAll(of lease: EdgeLease) -> Bool {
        guard case .program(let work) = lease.spec?.work else { return true }
        return work.artifacts.allSatisfy { exchange.store.contains($0) }
    }

    func start(_ lease: EdgeLease) {
        let flag = Flag()
        state.withLock { $0.running[lease.task] = Work(fence: lease.fence, flag: flag) }
        let task = Task { [self] in
            let (result, statement) = await perform(lease, flag)
            forget(lease)
            guard let result, !flag.isRaised else { return }
            let ending = Node.TaskEnding(
                task: lease.task, attempt: lease.attempt, fence: lease.fence, result: result)
            loop.post(event: .taskFinished(ending, statement: statement))
        }
        state.withLock { state in
            if state.running[lease.task]?.fence == lease.fence {
                state.running[lease.task]?.task = task
            }
        }
    }

    /// Its work is over; that of a later lease of the same task may be under way.
    private func forget(_ lease: EdgeLease) {
        state.withLock { state in
            if state.running[lease.task]?.fence == lease.fence { state.running[lease.task] = nil }
        }
    }

    func stop(_ task: Digest) {
        let work = state.withLock { $0.running.removeValue(forKey: task) }
        work?.flag.raise()
        work?.task?.cancel()
    }

    /// Nil where it was stopped.
    private func perform(_ lease: EdgeLease, _ flag: Flag) async -> (Wire.TaskResult?, [UInt8]) {
        guard let spec = lease.spec, case .program(let work) = spec.work else {
            return (TaskWorker.failure(.failed, sentence: "an edge node runs programs alone"), [])
        }
        do {
            do {
                return try await perform(work, lease, spec, flag)
            } catch ArtifactError.wrongDigest {
                // What was damaged on this disk is good elsewhere. A second time it is the disk.
                return try await perform(work, lease, spec, flag)
            }
        } catch is GuestRun.Stopped {
            return (nil, [])
        } catch {
            return (TaskWorker.failure(error, of: work), [])
        }
    }

    private func perform(
        _ work: ProgramWork, _ lease: EdgeLease, _ spec: TaskSpec, _ flag: Flag
    ) async throws -> (Wire.TaskResult?, [UInt8]) {
        guard try await fetchAll(of: work, flag) else { return (nil, []) }
        // As they are now: a fetch may take days.
        let licenses = state.withLock { $0.licenses }
        return try await lanes.run { [self] in
            if let refusal = try refusal(of: work, lease.bundles, licenses) {
                return (TaskWorker.failure(.refused, sentence: refusal), [])
            }
            let report = try TaskWorker.run(work, store: exchange.store) { flag.isRaised }
            return try result(of: report, work, lease, spec)
        }
    }

    /// False where it was stopped. Throws where what is needed cannot be kept here: somebody else
    /// may have the room.
    private func fetchAll(of work: ProgramWork, _ flag: Flag) async throws -> Bool {
        for artifact in work.artifacts {
            while !exchange.store.contains(artifact) {
                if flag.isRaised { return false }
                do {
                    try await exchange.fetch(
                        artifact, byteCountMax: TaskWorker.artifactByteCountMax, askCount: 1)
                } catch is ArtifactExchange.Missing {
                    // The device may be away. The fetch has waited a second.
                    continue
                }
            }
        }
        return true
    }

    /// Throws `.wrongDigest` where a file is not what it is called; it is gone then.
    private func refusal(
        of work: ProgramWork, _ bundles: [[UInt8]], _ licenses: [String]
    ) throws(ArtifactError) -> String? {
        for (what, digest) in work.partsInWords {
            do throws(ArtifactError) {
                try exchange.store.verify(digest)
            } catch {
                if case .wrongDigest = error {
                    exchange.store.remove(digest)
                    throw error
                }
                return "\(what) is refused: \(error.sentence)"
            }
            let objection = notary.objection(
                to: digest, bundles: bundles,
                licenses: licenses + [Notary.taskInputLicense])
            if let objection { return "\(what) is refused: \(objection)" }
        }
        return nil
    }

    /// On a lane. Short outputs stand in the result; long ones are kept, until the relay has them.
    private func result(
        of report: GuestRun.Report, _ work: ProgramWork, _ lease: EdgeLease, _ spec: TaskSpec
    ) throws -> (Wire.TaskResult?, [UInt8]) {
        // A relay takes no result that names more, and it would be offered to it for ever.
        if let sentence = TaskWorker.tooManyFiles(report) {
            return (TaskWorker.failure(.failed, sentence: sentence), [])
        }
        let output = try keep(report.standardOutput, as: "stdout", isShort: report.isShort)
        let error = try keep(report.standardError, as: "stderr", isShort: report.isShort)
        let files = try report.files.map { file in
            Wire.NamedArtifact(
                name: file.name, digest: try exchange.store.put(file.bytes),
                byteCount: UInt64(file.bytes.count))
        }
        let result = Wire.TaskResult(
            outcome: report.outcome, exitCode: report.ending.exitCode,
            sentence: report.ending.sentence ?? "", retiredInstructions: report.retired,
            stateDigest: report.digest, standardOutput: output, standardError: error,
            outputs: files, statement: nil,
            head: Array(report.standardOutput.prefix(TaskWorker.headByteCountMax)), holders: [],
            errorHead: report.isShort ? report.standardError : [], engine: GuestRun.engine)
        let order = TaskWorker.Lease(
            task: lease.task, attempt: lease.attempt, fence: lease.fence, spec: spec)
        let statement = Provenance.TaskResult(
            result, state: report.digest, of: work, order, node: loop.own
        ).statement
        let bundle = try notary.sign(statement).bytes
        let byteCountMax = ReplicatedState.bundleByteCountMax
        // It is to stand in the log, and a relay drops one that is longer.
        guard bundle.count <= byteCountMax else {
            let sentence =
                "the signed statement about the result has \(bundle.count) bytes where an edge "
                + "node's may have \(byteCountMax): leave fewer files, or pack them into one, and "
                + "give shorter arguments"
            return (TaskWorker.failure(.failed, sentence: sentence), [])
        }
        return (result, bundle)
    }

    private func keep(
        _ bytes: [UInt8], as name: String, isShort: Bool
    ) throws -> Wire.NamedArtifact? {
        guard !bytes.isEmpty else { return nil }
        let digest = isShort ? Digest.of(bytes) : try exchange.store.put(bytes)
        return Wire.NamedArtifact(name: name, digest: digest, byteCount: UInt64(bytes.count))
    }
}
