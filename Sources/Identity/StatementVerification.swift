package import Basics
package import Provenance

/// What checking one signed document found: every check with its reason, passed or not.
package struct StatementVerification: Sendable {
    package let checks: [Check]
    /// Nil where the bytes are no signed document.
    package let signed: SignedStatement?
    /// Nil where the chain is refused.
    package let signer: VerifiedNode?

    /// True where every check passed.
    package var isAdmitted: Bool { Admission.isAdmitted(checks) }
}

extension TrustStore {
    /// Checks a signed document from end to end.
    ///
    /// Form, digest, signature, chain, revocation, subject, signer, license. Nothing of it is to
    /// be used unless `isAdmitted`.
    ///
    /// - Parameters:
    ///   - bytes: the document, a Sigstore bundle.
    ///   - kind: what the caller is about to use it as.
    ///   - digestFound: of the file at hand, computed by the caller; needed for an artifact.
    ///   - policy: the licenses that this mesh takes.
    ///   - seconds: when the chain must have held, since 1970: the time of admission that the
    ///     replicated state recorded, or now for what is new.
    ///   - afterEnd: whether a certificate that has ended is judged as of the last second in which
    ///     it held. Whether its root is trusted is judged as of `seconds` all the same.
    ///   - afterDistrust: as `verify` takes it.
    ///   - revoked: asked for the signer and for each serial of its chain.
    package func check(
        _ bytes: [UInt8],
        as kind: Admission.Kind,
        digestFound: Digest?,
        policy: LicensePolicy,
        at seconds: Int64,
        afterEnd: Bool = false,
        afterDistrust: (NodeID) -> Bool = { _ in false },
        revoked: (RevocationSubject) -> Bool
    ) -> StatementVerification {
        let signed: SignedStatement
        do throws(SignedStatement.Mistake) { signed = try SignedStatement(parsing: bytes) } catch {
            let check = Check(name: .document, ok: false, detail: error.description)
            return StatementVerification(checks: [check], signed: nil, signer: nil)
        }
        let leaf = signed.chain.first.flatMap { try? Certificate(der: $0) }
        let end = afterEnd ? leaf?.notAfter ?? .max : .max
        let verdict = verify(
            chain: signed.chain, at: min(seconds, end), now: seconds,
            afterDistrust: afterDistrust, revoked: revoked)
        let evidence = Admission.Evidence(
            digestFound: digestFound,
            signature: Self.signatureVerdict(of: signed, by: leaf),
            chain: Self.chainVerdict(verdict)
        )
        let checks = Admission.check(
            signed.statement,
            as: kind,
            evidence: evidence,
            policy: policy
        )
        let signer = try? verdict.get()
        return StatementVerification(checks: checks, signed: signed, signer: signer)
    }

    private static func signatureVerdict(
        of signed: SignedStatement,
        by leaf: Certificate?
    ) -> Admission.SignatureVerdict {
        guard let leaf else { return .notChecked }
        return leaf.publicKey.verify(signed.signature, over: signed.pae) ? .valid : .broken
    }

    private static func chainVerdict(
        _ verdict: Result<VerifiedNode, ChainRefusal>
    ) -> Admission.ChainVerdict {
        switch verdict {
        case .success(let node): .trusted(node.id, name: node.name)
        // Revocation is looked at last, so the rest of the chain is good.
        case .failure(let refusal):
            switch refusal {
            case .revokedNode, .revokedSerial: .revoked(refusal.description)
            default: .refused(refusal.description)
            }
        }
    }
}

extension NodeIdentity {
    /// Signs a statement as this node; refuses one that nobody could read again.
    package func sign(_ statement: Statement) throws(IdentityError) -> SignedStatement {
        let payload: [UInt8]
        do throws(Statement.Mistake) { payload = try statement.payload() } catch {
            throw .statement(error)
        }
        return SignedStatement(
            statement,
            payload: payload,
            signature: try sign(Statement.pae(of: payload)),
            keyID: id.hex,
            chain: chain
        )
    }
}
