import Basics
import NodeLogic
import Store
import Synchronization
import Wire

/// Decides whether an artifact may be mapped, run or served here: untouched, signed by somebody
/// whom the mesh trusts, and under a licence that the policy allows.
///
/// Signatures and policy are judged each time, since a revocation may come between. The bytes are
/// hashed once for each state of the file (its inode, size and time of last change): a model of
/// many gigabytes is not read again before every generation, and a file that anybody has written
/// to is. Hashing has a thread of its own; on the cooperative pool it would hold up every request.
final class AdmissionDesk: Sendable {
    private let loop: NodeLoop
    private let store: ArtifactStore
    private let notary: Notary
    private let lane = Lane(name: "admission")
    private let verified = Mutex<[Digest: ArtifactStore.FileState]>([:])
    // What was admitted for tasks, and when; forgotten when anything changes that it hangs on.
    private let admitted = Mutex(Memory())

    private struct Memory {
        var artifacts: [Digest: Admitted] = [:]
        /// How often everything was forgotten.
        var age = 0
    }
    private struct Admitted {
        var file: ArtifactStore.FileState
        var lookedAt: ContinuousClock.Instant
        var until: ContinuousClock.Instant
    }
    // Certificates end by themselves: so long an admission stands at most.
    private static let admittedCountMax = 4_096
    private static let admissionDuration = Duration.seconds(5)
    // Thousands of tasks a second need not look at the same file each.
    private static let lookDuration = Duration.milliseconds(10)
    // A hundred bytes each.
    private static let verifiedCountMax = 1 << 16
    // Hashed in some milliseconds.
    private static let soonByteCountMax = 4 << 20

    init(loop: NodeLoop, store: ArtifactStore, notary: Notary) {
        self.loop = loop
        self.store = store
        self.notary = notary
    }

    func close() { lane.close() }

    /// Statements, policy or revocations have changed: everything is judged anew.
    func forget() {
        admitted.withLock {
            $0.artifacts = [:]
            $0.age += 1
        }
    }

    /// True where all of these were admitted for tasks a moment ago and nothing has changed since.
    func wereAdmitted(_ artifacts: [Digest]) -> Bool {
        let now = ContinuousClock.now
        return artifacts.allSatisfy { artifact in
            let known = admitted.withLock { $0.artifacts[artifact] }
            guard let known, now < known.until else { return false }
            if now - known.lookedAt < Self.lookDuration { return true }
            guard store.fileState(of: artifact) == known.file else { return false }
            admitted.withLock { $0.artifacts[artifact]?.lookedAt = now }
            return true
        }
    }

    /// Whether these are here and can be judged in a moment: nothing large need be hashed for it.
    func canJudgeSoon(_ artifacts: [Digest]) -> Bool {
        var byteCount = 0
        return artifacts.allSatisfy { artifact in
            guard let count = store.byteCount(of: artifact) else { return false }
            if verified.withLock({ $0[artifact] }) == store.fileState(of: artifact) { return true }
            byteCount += count
            return byteCount <= Self.soonByteCountMax
        }
    }

    /// Nil where the artifact, a program or an input of a task, is admitted.
    func taskRefusal(of artifact: Digest, what: String) async throws -> String? {
        let file = store.fileState(of: artifact)
        let age = admitted.withLock { $0.age }
        let refusal = try await refusal(
            of: artifact, what: what, extraLicenses: [Notary.taskInputLicense])
        if refusal == nil, let file {
            let now = ContinuousClock.now
            admitted.withLock {
                // A change in between may not have been looked at.
                guard $0.age == age else { return }
                if $0.artifacts.count >= Self.admittedCountMax { $0.artifacts = [:] }
                $0.artifacts[artifact] = Admitted(
                    file: file, lookedAt: now, until: now + Self.admissionDuration)
            }
        }
        return refusal
    }

    /// Nil where the artifact is admitted under the mesh's statements and policy, and the licences
    /// in `extraLicenses` beside it; else one sentence that says why not.
    func refusal(
        of artifact: Digest, what: String, extraLicenses: [String] = []
    ) async throws -> String? {
        let (bundles, licenses) = await loop.read { node in
            (
                node.state.statements(about: artifact).map(\.bundle), node.state.allowedLicenses
            )
        }
        return try await refusal(
            of: artifact, what: what, bundles: bundles, licenses: licenses + extraLicenses)
    }

    /// As above, under these statements and this policy.
    func refusal(
        of artifact: Digest, what: String, bundles: [[UInt8]], licenses: [String]
    ) async throws -> String? {
        if let damage = try await damage(of: artifact) { return "\(what) is refused: \(damage)" }
        let reason = notary.objection(to: artifact, bundles: bundles, licenses: licenses)
        return reason.map { "\(what) is refused: \($0)" }
    }

    /// Has the artifact here and whole: one that is damaged is fetched anew, once.
    ///
    /// - Returns: nil, or what is wrong with it.
    func bring(
        _ artifact: Digest, through exchange: ArtifactExchange, from holders: [NodeID] = [],
        byteCountMax: Int
    ) async throws -> String? {
        try await exchange.fetch(artifact, from: holders, byteCountMax: byteCountMax)
        guard let damage = try await damage(of: artifact) else { return nil }
        do {
            try await exchange.fetch(artifact, from: holders, byteCountMax: byteCountMax)
        } catch is ArtifactExchange.Missing {
            return damage
        }
        return try await self.damage(of: artifact)
    }

    /// Nil where the file has the digest that it is kept under. One that has not is removed: what
    /// is here is neither fetched nor uploaded again, and would be refused for ever.
    func damage(of artifact: Digest) async throws -> String? {
        // Taken before the file is read: a write in between makes the next look hash again.
        let state = store.fileState(of: artifact)
        if let state, verified.withLock({ $0[artifact] }) == state { return nil }
        let found = try await lane.run { [store] () -> String? in
            do throws(ArtifactError) {
                try store.verify(artifact)
                return nil
            } catch {
                // Unless another has taken its place meanwhile.
                if case .wrongDigest = error, store.fileState(of: artifact) == state {
                    store.remove(artifact)
                }
                return error.sentence
            }
        }
        verified.withLock {
            if $0.count >= Self.verifiedCountMax { $0 = [:] }
            $0[artifact] = found == nil ? state : nil
        }
        return found
    }
}
