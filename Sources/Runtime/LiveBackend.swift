import API
import Basics
import NodeLogic
import Scheduling
import Store
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

    /// Looks here, and once more when this node knows all that was decided before now: what another
    /// node has just answered with may not have reached this one.
    func find<Found: Sendable>(
        _ look: () async throws -> Found
    ) async throws -> Found {
        do {
            return try await look()
        } catch {
            guard await loop.catchUp(within: .seconds(2)) else { throw error }
            return try await look()
        }
    }

    static func check(_ answer: Node.Answer) throws {
        guard case .refused(let refusal) = answer else { return }
        let (status, code) =
            switch refusal.kind {
            case .conflict: (409, "refused")
            case .quota: (429, "quota_exceeded")
            case .overload: (503, "overloaded")
            case .unavailable: (503, "no_quorum")
            case .tooLarge: (413, "too_large")
            }
        throw APIError(status: status, message: refusal.sentence, code: code)
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

    /// For so long a submission looks for a second node that takes a copy.
    private static let copyLimit = Duration.seconds(30)
    private static let copiesUnderWay = 8
    /// When everybody has said no so often there is no use in asking on.
    private static let refusedRoundCountMax = 3
    private static let refusedPause = Duration.milliseconds(500)

    /// Returns when a second node holds each artifact: this node may die right after it has
    /// promised something about them.
    ///
    /// Where no other node is alive, this one is all of the mesh and holds them alone. Where others
    /// are, and none takes a copy, nothing is promised.
    func keepCopies(of artifacts: [Wire.NamedArtifact]) async throws {
        var seen: Set<Digest> = []
        let missing = artifacts.filter {
            seen.insert($0.digest).inserted && !node.copies.isFresh($0.digest)
        }
        guard !missing.isEmpty else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, artifact) in missing.enumerated() {
                if index >= Self.copiesUnderWay { try await group.next() }
                group.addTask { try await keepCopy(of: artifact) }
            }
            try await group.waitForAll()
        }
    }

    private func keepCopy(of artifact: Wire.NamedArtifact) async throws {
        let deadline = ContinuousClock.now + Self.copyLimit
        var asked: [NodeID] = []
        // How often everybody has said no, and why the last one did.
        var (refusedRoundCount, isSilent, reason) = (0, false, "")
        repeat {
            // Who is alive may have changed while the last one was asked.
            let peers = await loop.peers()
            guard !peers.isEmpty else { return }
            // Each artifact begins with another node, or one would hold them all.
            let first = Int(artifact.digest.bytes[0]) % peers.count
            let candidates = peers[first...] + peers[..<first]
            guard let candidate = candidates.first(where: { !asked.contains($0) }) else {
                if !isSilent { refusedRoundCount += 1 }
                guard refusedRoundCount < Self.refusedRoundCountMax else { break }
                (asked, isSilent) = ([], false)
                try await Task.sleep(for: Self.refusedPause)
                continue
            }
            switch await node.exchange.keepCopy(of: artifact.digest, at: candidate) {
            case .held: return node.copies.note(artifact.digest, at: candidate)
            case .silence: isSilent = true
            case .refused(let sentence, _): reason = ", the last one because \(sentence)"
            }
            asked.append(candidate)
        } while ContinuousClock.now < deadline
        throw APIError(
            status: 503,
            message: "no other node has taken a copy of \(artifact.name)\(reason); it would be "
                + "lost with this node: see that another one has room on its disk, then submit again",
            code: "no_second_holder")
    }

    static func notFound(_ what: String, _ code: String) -> APIError {
        APIError(status: 404, message: what, code: code)
    }

    /// The one item whose id has this prefix.
    ///
    /// - Parameter history: what was among them and is forgotten.
    static func resolve<Item>(
        _ text: String, among items: some Sequence<Item>, before history: History = History(),
        kind: String, id: (Item) -> Digest
    ) throws -> Item {
        let prefix = text.lowercased()
        let found = items.filter { id($0).hex.hasPrefix(prefix) }
        guard !prefix.isEmpty, let first = found.first else {
            if history.hasForgotten(prefix: prefix) { throw forgotten(kind, text) }
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

extension NodeID {
    var json: JSON { .string(hex) }
}

extension Digest {
    var json: JSON { .string(hex) }
}

extension JSON {
    init(_ number: some BinaryInteger) { self = .integer(Int64(clamping: number)) }
}

extension Lane {
    /// As `run`, for a request: where as much waits as may wait, the client comes again.
    ///
    /// - Parameter doing: what this node does, as in "reads many files".
    func serve<Value: Sendable>(
        _ doing: String, _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        do {
            return try await run(work)
        } catch is LaneFull {
            throw APIError(
                status: 503, message: "this node \(doing) already; try again in a moment",
                code: "overloaded")
        }
    }
}
