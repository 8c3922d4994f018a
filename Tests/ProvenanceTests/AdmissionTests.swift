import Basics
import Provenance
import Testing

struct AdmissionTests {
    private func check(
        _ statement: Statement = Examples.artifact.statement,
        as kind: Admission.Kind = .artifact,
        evidence: Admission.Evidence = Examples.goodEvidence,
        policy: LicensePolicy = .init()
    ) -> [Check] {
        Admission.check(statement, as: kind, evidence: evidence, policy: policy)
    }

    private func failed(_ checks: [Check]) -> [Check.Name] {
        checks.filter { !$0.ok }.map(\.name)
    }

    @Test func `a good artifact passes every check`() {
        let checks = check()
        #expect(
            checks.map(\.name) == [
                .digest, .signature, .chain, .revocation, .subject, .signer, .license,
            ]
        )
        #expect(failed(checks).isEmpty)
        #expect(Admission.isAdmitted(checks))
    }

    @Test func `nothing is admitted without checks`() {
        #expect(!Admission.isAdmitted([]))
        #expect(!Admission.isAdmitted(Array(check().dropFirst(2))))
    }

    @Test func `each cause fails its own check and says so`() {
        var evidence = Examples.goodEvidence
        evidence.digestFound = Digest.of("other weights")
        var checks = check(evidence: evidence)
        #expect(failed(checks) == [.digest])
        #expect(checks[0].detail.contains(Digest.of("other weights").short))

        evidence.digestFound = nil
        #expect(failed(check(evidence: evidence)) == [.digest])

        evidence = Examples.goodEvidence
        evidence.signature = .broken
        #expect(failed(check(evidence: evidence)) == [.signature])
        evidence.signature = .notChecked
        #expect(failed(check(evidence: evidence)) == [.signature])

        evidence = Examples.goodEvidence
        evidence.chain = .revoked("The node abc is revoked.")
        checks = check(evidence: evidence)
        #expect(failed(checks) == [.revocation, .signer])
        #expect(checks.contains { $0.detail == "The node abc is revoked." })

        evidence.chain = .refused("The certificate expired.")
        checks = check(evidence: evidence)
        #expect(failed(checks) == [.chain, .revocation, .signer])
        #expect(checks.contains { $0.detail == "The certificate expired." })
    }

    @Test func `a license outside the policy is named`() {
        let checks = check(policy: LicensePolicy(allowed: ["MIT"]))
        #expect(failed(checks) == [.license])
        let detail =
            "The policy does not take the license Apache-2.0; see `swiftlet policy show`."
        #expect(checks.last?.detail == detail)
    }

    @Test func `a node cannot sign for another`() {
        var evidence = Examples.goodEvidence
        evidence.chain = .trusted(NodeID(8), name: "eight")
        #expect(failed(check(evidence: evidence)) == [.signer])
        evidence.digestFound = nil
        #expect(
            failed(check(Examples.task.statement, as: .taskResult, evidence: evidence)) == [.signer]
        )
        #expect(
            failed(check(Examples.generation.statement, as: .generation, evidence: evidence))
                == [.signer]
        )
    }

    @Test func `a result does not pass for an artifact`() {
        var evidence = Examples.goodEvidence
        evidence.digestFound = Digest.of("result")
        let checks = check(Examples.task.statement, evidence: evidence)
        #expect(failed(checks) == [.subject])
        #expect(!Admission.isAdmitted(checks))
    }

    @Test func `results are admitted with an output at hand or without`() {
        var evidence = Examples.goodEvidence
        for digest in [nil, Digest.of("out"), Digest.of("result")] {
            evidence.digestFound = digest
            #expect(
                Admission.isAdmitted(
                    check(Examples.task.statement, as: .taskResult, evidence: evidence)
                )
            )
        }
        evidence.digestFound = Digest.of("never written")
        #expect(
            failed(check(Examples.task.statement, as: .taskResult, evidence: evidence)) == [.digest]
        )
        evidence.digestFound = GenerationResult.digest(ofTokens: Examples.generation.tokens)
        #expect(
            Admission.isAdmitted(
                check(Examples.generation.statement, as: .generation, evidence: evidence)
            )
        )
    }

    @Test func `every detail is one sentence`() {
        var evidence = Examples.goodEvidence
        evidence.digestFound = nil
        evidence.signature = .broken
        for check in check() + check(evidence: evidence, policy: .init(allowed: [])) {
            #expect(check.detail.hasSuffix("."))
            #expect(!check.detail.contains("\n"))
        }
    }
}
