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

    init(loop: NodeLoop, store: ArtifactStore, notary: Notary) {
        self.loop = loop
        self.store = store
        self.notary = notary
    }

    func close() { lane.close() }

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

    /// Nil where the file has the digest that it is kept under.
    func damage(of artifact: Digest) async throws -> String? {
        // Taken before the file is read: a write in between makes the next look hash again.
        let state = store.fileState(of: artifact)
        if let state, verified.withLock({ $0[artifact] }) == state { return nil }
        let found = try await lane.run { [store] () -> String? in
            do throws(ArtifactError) {
                try store.verify(artifact)
                return nil
            } catch {
                return error.sentence
            }
        }
        verified.withLock { $0[artifact] = found == nil ? state : nil }
        return found
    }
}
