import API
import Basics
import Identity
import NodeLogic
import Provenance
import Scheduling
import Store
import Wire

extension LiveBackend {
    private static let artifactByteCountMax = 64 << 30

    func heldByteCount(of digest: Digest) async throws -> UInt64? {
        node.exchange.store.byteCount(of: digest).map { UInt64($0) }
    }

    func putArtifact(_ chunks: ByteChunks, byteCountHint: UInt64?) async throws -> JSON {
        do {
            let writer = try node.exchange.store.writer(byteCountMax: Self.artifactByteCountMax)
            if let byteCountHint, byteCountHint <= UInt64(Self.artifactByteCountMax) {
                try await node.exchange.store.afterCounting(by: node.exchange.census) {
                    () throws(ArtifactError) in try writer.reserve(byteCount: Int(byteCountHint))
                }
            }
            for try await chunk in chunks {
                try await node.exchange.store.afterCounting(by: node.exchange.census) {
                    () throws(ArtifactError) in try writer.append(chunk)
                }
            }
            if let byteCountHint, byteCountHint != UInt64(writer.byteCount) {
                throw APIError(
                    status: 400,
                    message: "\(writer.byteCount) bytes came, \(byteCountHint) were announced",
                    code: "wrong_length")
            }
            let ending = UploadEnding(writer: writer)
            // Until the disk has it: seconds, where it has much to write.
            let digest = try await node.uploads.serve("ends many uploads") {
                try ending.writer.finish()
            }
            return ["digest": digest.json, "byte_count": JSON(writer.byteCount)]
        } catch let error as ArtifactError {
            throw APIError(status: 507, message: error.sentence, code: "not_stored")
        }
    }

    func artifact(_ digest: Digest) async throws -> ArtifactContent {
        let store = node.exchange.store
        if !store.contains(digest), let bytes = await shortOutput(digest) {
            return ArtifactContent(
                byteCount: UInt64(bytes.count),
                chunks: ByteChunks(
                    AsyncThrowingStream { continuation in
                        continuation.yield(bytes)
                        continuation.finish()
                    }))
        }
        do {
            try await node.exchange.fetch(digest, byteCountMax: Self.artifactByteCountMax)
        } catch {
            throw Self.notFound(TaskWorker.sentence(of: error), "artifact_not_found")
        }
        let byteCount = store.byteCount(of: digest) ?? 0
        let chunks = AsyncThrowingStream<[UInt8], any Error>(unfolding: {
            [offset = Counter()] in
            let at = offset.value
            guard at < byteCount else { return nil }
            let piece = try store.read(digest, offset: at, count: 1 << 18)
            // Somebody has cut the file off meanwhile.
            guard !piece.isEmpty else { throw ArtifactExchange.Missing(artifact: digest) }
            offset.value += piece.count
            return piece
        })
        return ArtifactContent(byteCount: UInt64(byteCount), chunks: ByteChunks(chunks))
    }

    /// An output that stands in the log and nowhere else.
    private func shortOutput(_ digest: Digest) async -> [UInt8]? {
        if digest == TaskWorker.emptyDigest { return [] }
        return await loop.read { node in
            for record in node.state.tasks.records {
                guard let result = record.completion?.result else { continue }
                if let output = result.standardOutput, output.digest == digest,
                    output.byteCount == UInt64(result.head.count)
                {
                    return result.head
                }
                if let error = result.standardError, error.digest == digest,
                    error.byteCount == UInt64(result.errorHead.count)
                {
                    return result.errorHead
                }
            }
            return nil
        }
    }

    // MARK: statements

    func addStatement(_ request: StatementRequest) async throws -> JSON {
        guard let byteCount = node.exchange.store.byteCount(of: request.digest) else {
            throw Self.notFound(
                "this node does not hold \(request.digest.short): upload it first",
                "artifact_not_found")
        }
        if request.kind == .model { try node.models.checkModel(request.digest) }
        return try await record(request, byteCount: byteCount)
    }

    /// Signs and records; what this node has recorded already in the same words stays as it is.
    func record(_ request: StatementRequest, byteCount: Int) async throws -> JSON {
        let kind = ArtifactAdded.Kind(rawValue: request.kind.rawValue) ?? .data
        let known = await loop.read { node in
            node.state.statements(about: request.digest).first {
                $0.kind == kind.rawValue && $0.name == request.name
                    && $0.license == request.license && !node.state.isRevoked($0.node)
            }
        }
        if let known { return Self.document(known) }
        let added = ArtifactAdded(
            kind: kind, name: request.name, license: request.license,
            byteCount: UInt64(byteCount), digest: request.digest, addedBy: node.identity.id,
            time: Timestamp(seconds: WallClock.seconds))
        let bundle = try node.notary.sign(added.statement).bytes
        let statement = try node.exchange.store.put(bytes: bundle)
        let recorded = StatementRecorded(
            subject: request.digest, statement: statement, kind: kind.rawValue,
            name: request.name, license: request.license, byteCount: UInt64(byteCount),
            node: node.identity.id, bundle: bundle)
        let licenses = await loop.read { $0.state.allowedLicenses }
        let own = node.notary.check(
            bundle, as: .artifact, digestFound: request.digest,
            licenses: licenses + (kind == .model ? [] : [Notary.taskInputLicense]))
        if let failed = own.checks.first(where: { !$0.ok }) {
            throw APIError(status: 403, message: failed.detail, code: "policy")
        }
        try await propose(.statementRecorded(recorded))
        return Self.document(recorded)
    }

    static func document(_ recorded: StatementRecorded) -> JSON {
        [
            "name": .string(recorded.name), "kind": .string(recorded.kind),
            "digest": recorded.subject.json, "byte_count": JSON(recorded.byteCount),
            "license": .string(recorded.license), "node": recorded.node.json,
            "statement": recorded.statement.json,
        ]
    }

    func statements(kind: ArtifactKind?) async throws -> JSON {
        await loop.read { node in
            let all = node.state.statements.filter { statement in
                kind.map { $0.rawValue == statement.kind } ?? true
            }
            return ["statements": .array(all.map { Self.document($0) })]
        }
    }

    func statement(_ digest: Digest) async throws -> [UInt8] {
        if let known = try await knownStatement(digest) { return known }
        // The entry with it may not have reached this node.
        if await loop.catchUp(within: .seconds(2)), let known = try await knownStatement(digest) {
            return known
        }
        do {
            try await node.exchange.fetch(digest, byteCountMax: SignedStatement.byteCountMax)
            return try node.exchange.store.read(digest)
        } catch {
            throw Self.notFound(TaskWorker.sentence(of: error), "statement_not_found")
        }
    }

    private func knownStatement(_ digest: Digest) async throws -> [UInt8]? {
        let recorded = await loop.read { node in
            node.state.statements.first { $0.statement == digest }?.bundle
        }
        if let recorded { return recorded }
        return try await taskBundle(with: digest)
    }

    /// The signed statement of a task's result with this digest; nil where none has it, which is
    /// known after half a second where 20,000 tasks are remembered.
    func taskBundle(with digest: Digest) async throws -> [UInt8]? {
        let tasks = await loop.read { $0.state.tasks }
        return try await node.lookups.serve("looks for many statements") {
            tasks.bundle(with: digest)
        }
    }
}

/// A writer on its way to the lane that finishes it.
private struct UploadEnding: @unchecked Sendable {
    // Unchecked: whoever has given it to the lane waits for it, so one thread at a time uses it.
    let writer: ArtifactWriter
}

/// A position that the closure of a stream moves on; one task at a time pulls.
private final class Counter: @unchecked Sendable {
    // Unchecked: an AsyncThrowingStream calls its unfolding closure from one task at a time.
    var value = 0
}

extension ArtifactStore {
    func put(bytes: [UInt8]) throws -> Digest { try put(bytes) }
}
