package import Basics

/// One thing that was looked at before a document or an artifact is used.
package struct Check: Hashable, Sendable {
    package enum Name: String, Hashable, Sendable, CaseIterable {
        case document, digest, signature, chain, revocation, subject, signer, license
    }

    package let name: Name
    package let ok: Bool
    /// One sentence that names the cause.
    package let detail: String

    package init(name: Name, ok: Bool, detail: String) {
        self.name = name
        self.ok = ok
        self.detail = detail
    }
}

extension Check: CustomStringConvertible {
    package var description: String { "\(ok ? "ok" : "FAILED") \(name.rawValue): \(detail)" }

    package var json: JSON {
        ["name": .string(name.rawValue), "ok": .bool(ok), "detail": .string(detail)]
    }
}

/// Whether a signed statement lets something in.
///
/// Every check is made and reported, whatever the others found, so that a person sees all that is
/// wrong at once. A check that could not be made has failed.
package enum Admission {
    /// What the statement is to be used as: a result must not pass for an artifact, which would
    /// go round the license check.
    package enum Kind: Hashable, Sendable { case artifact, taskResult, taskResults, generation }

    package enum SignatureVerdict: Hashable, Sendable { case valid, broken, notChecked }

    package enum ChainVerdict: Hashable, Sendable {
        case trusted(NodeID, name: String)
        /// Good but for a revocation; the text is the reason.
        case revoked(String)
        case refused(String)
    }

    /// What the rim found with its keys and files.
    package struct Evidence: Hashable, Sendable {
        /// Of the bytes at hand: the artifact's file, or one of a result's outputs.
        package var digestFound: Digest?
        package var signature: SignatureVerdict
        package var chain: ChainVerdict

        package init(digestFound: Digest?, signature: SignatureVerdict, chain: ChainVerdict) {
            self.digestFound = digestFound
            self.signature = signature
            self.chain = chain
        }
    }

    /// True where every check that any kind needs is there and passed.
    package static func isAdmitted(_ checks: [Check]) -> Bool {
        let needed: [Check.Name] = [.signature, .chain, .revocation, .subject, .signer]
        return checks.allSatisfy(\.ok)
            && needed.allSatisfy { name in checks.contains { $0.name == name } }
    }

    package static func check(
        _ statement: Statement,
        as kind: Kind,
        evidence: Evidence,
        policy: LicensePolicy
    ) -> [Check] {
        var checks: [Check] = []
        if let check = digestCheck(statement, kind, evidence.digestFound) { checks.append(check) }
        checks.append(signatureCheck(evidence.signature))
        checks += chainChecks(evidence.chain)
        do throws(PredicateMistake) {
            switch kind {
            case .artifact:
                let artifact = try ArtifactAdded(statement)
                checks.append(
                    subjectCheck("The \(artifact.kind.rawValue) \"\(artifact.name)\"")
                )
                checks.append(signerCheck(artifact.addedBy, evidence.chain))
                checks.append(licenseCheck(artifact.license, policy))
            case .taskResult:
                let result = try TaskResult(statement)
                checks.append(subjectCheck("The result of task \(result.attempt.taskID)"))
                checks.append(signerCheck(result.node, evidence.chain))
            case .taskResults:
                let results = try TaskResults(statement)
                checks.append(subjectCheck("A tree of \(results.count) task results"))
                checks.append(signerCheck(results.node, evidence.chain))
            case .generation:
                let result = try GenerationResult(statement)
                checks.append(subjectCheck("The generation \(result.requestID)"))
                checks.append(signerCheck(result.headNode, evidence.chain))
            }
        } catch {
            checks.append(
                Check(
                    name: .subject,
                    ok: false,
                    detail: "The statement is no \(kind.text): \(error)."
                )
            )
        }
        return checks
    }

    private static func digestCheck(
        _ statement: Statement,
        _ kind: Kind,
        _ found: Digest?
    ) -> Check? {
        guard let found else {
            // A result can stand without its outputs at hand, an artifact never.
            guard kind == .artifact else { return nil }
            return Check(name: .digest, ok: false, detail: "The artifact's bytes were not hashed.")
        }
        if let subject = statement.subjects.first(where: { $0.digest == found }) {
            return Check(
                name: .digest,
                ok: true,
                detail: "The bytes have the digest \(found.short) that is signed for "
                    + "\"\(subject.name)\"."
            )
        }
        let signed = statement.subjects.first?.digest.short ?? "none"
        let more = statement.subjects.count > 1 ? " and others" : ""
        return Check(
            name: .digest,
            ok: false,
            detail: "The bytes have the digest \(found.short), but \(signed)\(more) is signed."
        )
    }

    private static func signatureCheck(_ verdict: SignatureVerdict) -> Check {
        switch verdict {
        case .valid:
            Check(name: .signature, ok: true, detail: "The signature covers these very bytes.")
        case .broken:
            Check(
                name: .signature,
                ok: false,
                detail: "The signature is not the signer's over these bytes."
            )
        case .notChecked:
            Check(
                name: .signature,
                ok: false,
                detail: "The signature was not checked, since the certificate is unreadable."
            )
        }
    }

    private static func chainChecks(_ verdict: ChainVerdict) -> [Check] {
        switch verdict {
        case .trusted(let id, let name):
            [
                Check(
                    name: .chain,
                    ok: true,
                    detail: "The signer is the node \(name) (\(id.short)) of this mesh."
                ),
                Check(name: .revocation, ok: true, detail: "The signer is not revoked."),
            ]
        case .revoked(let reason):
            [
                Check(
                    name: .chain,
                    ok: true,
                    detail: "The signer's chain leads to this mesh's root."
                ),
                Check(name: .revocation, ok: false, detail: reason),
            ]
        case .refused(let reason):
            [
                Check(name: .chain, ok: false, detail: reason),
                Check(
                    name: .revocation,
                    ok: false,
                    detail: "Revocation was not looked at, since the chain is refused."
                ),
            ]
        }
    }

    private static func subjectCheck(_ what: String) -> Check {
        Check(name: .subject, ok: true, detail: "\(what) is what the statement speaks of.")
    }

    /// A statement in which one node speaks for another is worth nothing.
    private static func signerCheck(_ named: NodeID, _ verdict: ChainVerdict) -> Check {
        guard case .trusted(let id, _) = verdict else {
            return Check(
                name: .signer,
                ok: false,
                detail: "The signer is not known to be a node."
            )
        }
        guard id == named else {
            return Check(
                name: .signer,
                ok: false,
                detail: "The statement speaks for node \(named.short), but \(id.short) signed it."
            )
        }
        return Check(name: .signer, ok: true, detail: "The signer speaks for itself.")
    }

    private static func licenseCheck(_ text: String, _ policy: LicensePolicy) -> Check {
        switch policy.verdict(on: text) {
        case .allowed:
            Check(name: .license, ok: true, detail: "The policy takes the license \(text).")
        case .notAllowed(let ids):
            Check(
                name: .license,
                ok: false,
                detail: "The policy does not take the license \(ids.joined(separator: ", ")); "
                    + "see `swiftlet policy show`."
            )
        case .malformed(let mistake):
            Check(
                name: .license,
                ok: false,
                detail: "\"\(text)\" is no SPDX license expression: \(mistake)."
            )
        }
    }
}

extension Admission.Kind {
    fileprivate var text: String {
        switch self {
        case .artifact: "artifact statement"
        case .taskResult: "task result"
        case .taskResults: "tree of task results"
        case .generation: "generation result"
        }
    }
}
