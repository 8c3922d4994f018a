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
package struct VerificationCheck: Sendable {
    package var name: String
    package var ok: Bool
    package var detail: String

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
            return try await replay.verdict(on: statement, of: document.record)
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
        /// The task that is asked about: the document must be about it, maybe among others.
        var record: TaskRecord?

        var task: Digest? { record?.id }
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
                    return [Document(bundle: bundle, record: record)]
                }
                guard let statement = record.completion?.result.statement else {
                    throw APIError(
                        status: 409,
                        message: "the task \(record.id.short) is \(record.stateName) and has no "
                            + "signed result", code: "no_statement")
                }
                let bundle = try await self.statement(statement.digest)
                return [Document(bundle: bundle, record: record)]
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

    /// What is signed about a task must be what the replicated log holds of it.
    private func checkRecord(
        of signed: SignedStatement, _ document: Document, _ checks: inout [VerificationCheck]
    ) async {
        let tasks = await loop.read { $0.state.tasks }
        let recorded = tasks.recordCheck(
            of: signed.statement, in: document.bundle, asked: document.task)
        guard let recorded else { return }
        checks.append(recorded)
        guard recorded.ok, let record = document.record, let work = record.generation,
            let completion = record.completion,
            let result = try? GenerationResult(signed.statement)
        else { return }
        let models = await loop.read { node in
            node.state.statements.filter { $0.kind == "model" && $0.name == work.model }
                .map(\.subject)
        }
        checks += work.checks(of: result, by: completion.node, models: models)
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
}
