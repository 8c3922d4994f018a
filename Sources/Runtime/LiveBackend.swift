import API
import Basics
import NodeLogic
import Scheduling
import Store
import Synchronization
import Wire

/// The live node behind the API: turns a request into proposals and questions to the node thread,
/// and the node's values into JSON documents.
struct LiveBackend: Backend {
    let node: LiveNode

    var loop: NodeLoop { node.loop }

    /// Appends a command; a refusal reaches the user as it stands.
    func propose(_ command: Command.Body) async throws { try await propose(command) { _ in } }

    /// As above, and looks at the node that has just applied it.
    func propose<Value: Sendable>(
        _ command: Command.Body, _ body: @escaping @Sendable (Node) -> Value
    ) async throws -> Value {
        let (answer, value) = await loop.propose(command, body)
        try Self.check(answer)
        guard let value else { preconditionFailure("accepted, and nobody has looked") }
        return value
    }

    /// Waits until this node knows all that was decided before now.
    func catchUp() async throws { try Self.check(await loop.catchUp()) }

    private static func check(_ answer: Node.Answer) throws {
        guard case .refused(let sentence) = answer else { return }
        let status = sentence.contains("quorum") ? 503 : 409
        throw APIError(
            status: status, message: sentence, code: status == 503 ? "no_quorum" : "refused")
    }

    /// What a request names, with its size: this node must hold it.
    func held(_ artifact: API.NamedArtifact) throws -> Wire.NamedArtifact {
        guard let byteCount = node.exchange.store.byteCount(of: artifact.digest) else {
            throw Self.notFound(
                "this node does not hold \(artifact.name) (\(artifact.digest.short)): upload it "
                    + "first", "artifact_not_found")
        }
        return Wire.NamedArtifact(
            name: artifact.name, digest: artifact.digest, byteCount: UInt64(byteCount))
    }

    /// Has a second node keep each artifact, before anything is promised about it: this node may
    /// die right after.
    func keepCopies(of artifacts: [Wire.NamedArtifact]) async {
        let missing = artifacts.map(\.digest).filter { !node.copies.isFresh($0) }
        guard !missing.isEmpty else { return }
        let peers = await loop.peers()
        for artifact in missing where !peers.isEmpty {
            if await node.exchange.keepCopy(of: artifact, at: peers) != nil {
                node.copies.note(artifact)
            }
        }
    }

    static func notFound(_ what: String, _ code: String) -> APIError {
        APIError(status: 404, message: what, code: code)
    }

    /// The one item whose id has this prefix.
    static func resolve<Item>(
        _ text: String, among items: some Sequence<Item>, kind: String, id: (Item) -> Digest
    ) throws -> Item {
        let prefix = text.lowercased()
        let found = items.filter { id($0).hex.hasPrefix(prefix) }
        guard !prefix.isEmpty, let first = found.first else {
            throw notFound(
                "there is no \(kind) \(text), or it ended long ago; list them to see the ids",
                "\(kind)_not_found")
        }
        guard found.count == 1 else {
            throw APIError(
                status: 409, message: "\(text) is the start of \(found.count) ids: give more of it",
                code: "ambiguous_id")
        }
        return first
    }

    /// It was there, and has given its place to what came later.
    static func forgotten(_ kind: String, _ text: String) -> APIError {
        APIError(
            status: 410,
            message: "the \(kind) \(text) ended long ago, and the mesh keeps only what ended lately",
            code: "\(kind)_forgotten")
    }
}

/// Which artifacts a second node held when it was asked last.
final class CopyMemo: Sendable {
    private static let duration = Duration.seconds(10)
    private static let countMax = 4_096

    private let known = Mutex<[Digest: ContinuousClock.Instant]>([:])

    func isFresh(_ artifact: Digest) -> Bool {
        let until = known.withLock { $0[artifact] }
        return until.map { ContinuousClock.now < $0 } ?? false
    }

    func note(_ artifact: Digest) {
        known.withLock { known in
            if known.count >= Self.countMax { known = [:] }
            known[artifact] = ContinuousClock.now + Self.duration
        }
    }
}

extension NodeID {
    var json: JSON { .string(hex) }
}

extension Digest {
    var json: JSON { .string(hex) }
}

extension JSON {
    init(_ number: some BinaryInteger) { self = .integer(Int64(clamping: number)) }
}
