import API
import Basics
import Identity
import Inference
import NodeLogic
import Provenance
import Scheduling
import Store
import Wire

/// One line of a verification, as the API shows it.
struct VerificationCheck: Sendable {
    var name: String
    var ok: Bool
    var detail: String

    var document: JSON {
        ["name": .string(name), "ok": .bool(ok), "detail": .string(detail)]
    }
}

extension VerificationCheck {
    init(_ check: Check) {
        self.init(name: check.name.rawValue, ok: check.ok, detail: check.detail)
    }
}

extension LiveBackend {
    func verify(_ request: VerifyRequest) async throws -> JSON {
        var checks: [VerificationCheck] = []
        // Many may have signed one file, which is read once.
        var found: [Digest: Digest] = [:]
        var didReplay = false
        for document in try await documents(for: request.subject) {
            let verification = try await check(document, &found, &checks)
            guard let signed = verification.signed else { continue }
            await checkRecord(of: signed, document, &checks)
            guard request.replay, checks.allSatisfy(\.ok) else { continue }
            let verdict = try await replay(signed.statement, document)
            checks += verdict.checks
            didReplay = didReplay || verdict.didCompute
        }
        let isVerified = !checks.isEmpty && checks.allSatisfy(\.ok)
        return [
            "verified": .bool(isVerified), "replayed": .bool(didReplay),
            "checks": .array(checks.map(\.document)),
        ]
    }

    private func replay(
        _ statement: Statement, _ document: Document
    ) async throws -> Replay.Verdict {
        let replay = Replay(backend: self)
        guard statement.predicateType == TaskResults.predicateType else {
            return try await replay.verdict(on: statement)
        }
        var all = Replay.Verdict(checks: [], didCompute: false)
        for result in await results(in: document) {
            let one = try await replay.verdict(on: result.statement)
            all.checks += one.checks
            all.didCompute = all.didCompute || one.didCompute
        }
        if all.checks.isEmpty {
            return .notComputed(ok: false, "the replicated log remembers none of these tasks")
        }
        return all
    }

    /// A signed document and, where that is said, the artifact that it should be about.
    private struct Document: Sendable {
        var bundle: [UInt8]
        var artifact: Digest?
        /// The task that is asked about, where the document is about many.
        var task: Digest?
    }

    private func documents(for subject: VerifyRequest.Subject) async throws -> [Document] {
        switch subject {
        case .bundle(let bundle, let about): return [Document(bundle: bundle, artifact: about)]
        case .identifier(let text):
            let digest = Digest(hex: text)
            if let digest {
                let recorded = await loop.read { $0.state.statements(about: digest) }
                if !recorded.isEmpty {
                    return recorded.map { Document(bundle: $0.bundle, artifact: digest) }
                }
            }
            if let record = try? await record(of: text) {
                if record.completion?.proof != nil {
                    let bundle = await loop.read { $0.state.tasks.bundle(of: record) }
                    guard let bundle else { throw Self.forgotten("task", record.id.hex) }
                    return [Document(bundle: bundle, task: record.id)]
                }
                guard let statement = record.completion?.result.statement else {
                    throw APIError(
                        status: 409,
                        message: "the task \(record.id.short) is \(record.stateName) and has no "
                            + "signed result", code: "no_statement")
                }
                return [Document(bundle: try await self.statement(statement.digest))]
            }
            if let digest, let bundle = try await taskBundle(with: digest) {
                return [Document(bundle: bundle)]
            }
            guard let digest else {
                throw Self.notFound(
                    "\(text) is no task, artifact or statement that this mesh knows",
                    "not_found")
            }
            do {
                try await node.exchange.fetch(
                    digest, byteCountMax: SignedStatement.byteCountMax, askCount: 2)
                return [Document(bundle: try node.exchange.store.read(digest))]
            } catch {
                throw Self.notFound(
                    "nothing that is signed in this mesh is about \(digest.short): the bytes were "
                        + "changed, or they were never added", "not_signed")
            }
        }
    }

    /// - Parameter found: the digests of files that were hashed already, by their names.
    private func check(
        _ document: Document, _ found: inout [Digest: Digest],
        _ checks: inout [VerificationCheck]
    ) async throws -> StatementVerification {
        let kind = Self.kind(of: document.bundle)
        var digest = document.artifact
        switch kind {
        case .artifact:
            let subjects =
                (try? SignedStatement(parsing: document.bundle))?.statement.subjects ?? []
            // Another file than the signed one is refused as it is: nobody need have it.
            if let subject = digest ?? subjects.first?.digest,
                subjects.contains(where: { $0.digest == subject })
            {
                if found[subject] == nil { found[subject] = try await hash(of: subject) }
                digest = found[subject]
            }
        // Whoever has the output says what its digest is: it need not be here.
        case .taskResult, .generation: break
        // The one subject is the tree's root, which no file has.
        case .taskResults: digest = nil
        }
        let licenses = await loop.read { $0.state.allowedLicenses }
        let verification = node.notary.check(
            document.bundle, as: kind, digestFound: digest,
            licenses: licenses + [Notary.taskInputLicense])
        checks += verification.checks.map { VerificationCheck($0) }
        if kind == .taskResults, let file = document.artifact {
            checks.append(await check(file, in: document))
        }
        return verification
    }

    /// A file must be a subject of one of the results whose tree is signed.
    private func check(_ file: Digest, in document: Document) async -> VerificationCheck {
        let isSubject = await results(in: document).contains { result in
            result.statement.subjects.contains { $0.digest == file }
        }
        return VerificationCheck(
            name: Check.Name.digest.rawValue, ok: isSubject,
            detail: isSubject
                ? "the bytes have the digest \(file.short), which one of these results names"
                : "the bytes have the digest \(file.short), which none of these results names")
    }

    private static func kind(of bundle: [UInt8]) -> Admission.Kind {
        switch (try? SignedStatement(parsing: bundle))?.statement.predicateType {
        case Provenance.TaskResult.predicateType: .taskResult
        case TaskResults.predicateType: .taskResults
        case GenerationResult.predicateType: .generation
        default: .artifact
        }
    }

    /// The digest of the bytes that this mesh holds under that name: fetched, read, hashed.
    private func hash(of artifact: Digest) async throws -> Digest {
        let store = node.exchange.store
        do {
            try await node.exchange.fetch(artifact, byteCountMax: ModelShelf.byteCountMax)
            // A large model takes minutes.
            try await node.files.serve("reads many files") { try store.verify(artifact) }
            return artifact
        } catch let error as ArtifactError {
            if case .wrongDigest(_, let found) = error { return found }
            throw APIError(status: 503, message: error.sentence, code: "artifact_not_reachable")
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(
                status: 503, message: TaskWorker.sentence(of: error),
                code: "artifact_not_reachable")
        }
    }

    /// A task's result must be the one that the replicated log accepted: a node of this mesh could
    /// sign another.
    private func checkRecord(
        of signed: SignedStatement, _ document: Document, _ checks: inout [VerificationCheck]
    ) async {
        if let results = try? TaskResults(signed.statement) {
            return checks.append(await check(results, document))
        }
        guard let result = try? Provenance.TaskResult(signed.statement),
            let task = Digest(hex: result.attempt.taskID)
        else { return }
        let recorded = await loop.read { $0.state.tasks[task] }
        let statement: Digest?
        if let recorded {
            statement = await statementDigest(of: recorded)
        } else {
            statement = nil
        }
        let ok = statement == Digest.of(document.bundle)
        checks.append(
            VerificationCheck(
                name: "recorded", ok: ok,
                detail: ok
                    ? "the replicated log holds this result for task \(task.short)"
                    : "the replicated log holds another result, or none, for task \(task.short)"))
    }

    /// Results that the log holds and that this document signs; the one alone that is asked about.
    private func results(in document: Document) async -> [Provenance.TaskResult] {
        await loop.read { node in
            let tasks = node.state.tasks
            guard let batch = tasks.batches.firstNumber(where: {
                $0.statement == document.bundle
            }) else { return [] }
            return tasks.records.compactMap { record in
                guard record.completion?.proof?.batch == batch,
                    document.task.map({ $0 == record.id }) ?? true
                else { return nil }
                return Provenance.TaskResult(record)
            }
        }
    }

    /// The tree's root must be that of the leaves in the log, and each result's own leaf must be
    /// what the log says of the task.
    private func check(_ signed: TaskResults, _ document: Document) async -> VerificationCheck {
        let sentence = await loop.read { node -> String? in
            let tasks = node.state.tasks
            guard let position = tasks.batches.firstNumber(where: {
                $0.statement == document.bundle
            }) else { return "the replicated log holds no such statement" }
            let bytes = tasks.batches[position].leaves
            let leaves = stride(from: 0, to: bytes.count, by: Digest.byteCount).compactMap {
                Digest(bytes: bytes[$0..<min($0 + Digest.byteCount, bytes.count)])
            }
            guard !leaves.isEmpty, leaves.count == signed.count,
                MerkleTree.root(of: leaves) == signed.root
            else { return "the signed root is not that of the leaves in the replicated log" }
            for record in tasks.records {
                guard let proof = record.completion?.proof, proof.batch == position,
                    document.task.map({ $0 == record.id }) ?? true
                else { continue }
                guard let result = Provenance.TaskResult(record),
                    ResultDesk.leaf(of: result.statement) == leaves[proof.leaf]
                else { return "another result of task \(record.id.short) is signed" }
            }
            return nil
        }
        return VerificationCheck(
            name: "recorded", ok: sentence == nil,
            detail: sentence
                ?? "the replicated log holds these results, and their leaves lead to the root")
    }
}
