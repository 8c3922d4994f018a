import Basics
import Foundation
import Identity
import Provenance
import Testing

struct StatementVerificationTests {
    private let mesh: TestMesh
    private let node: NodeIdentity
    private let weights = Digest.of("weights")

    init() throws {
        mesh = try TestMesh()
        node = try mesh.join("second")
    }

    private func artifact(
        by node: NodeIdentity,
        license: String = "Apache-2.0"
    ) throws -> SignedStatement {
        let artifact = ArtifactAdded(
            kind: .model,
            name: "tiny.gguf",
            license: license,
            byteCount: 7,
            digest: weights,
            addedBy: node.id,
            time: Timestamp(seconds: TestMesh.start)
        )
        return try node.sign(artifact.statement)
    }

    private func result() throws -> SignedStatement {
        let empty = Digest.of("")
        let result = TaskResult(
            attempt: .init(
                taskID: "t",
                submitter: node.id,
                number: 1,
                fenceTerm: 1,
                fenceIndex: 1
            ),
            invocation: .init(
                program: Digest.of("elf"),
                arguments: [],
                environment: [],
                inputs: [],
                seed: 1,
                fuel: 1_000
            ),
            outcome: .init(
                ending: .exited,
                exitCode: 0,
                endingDetail: "",
                retiredCount: 10,
                state: Digest.of("state"),
                stdout: Digest.of("42\n"),
                stderr: empty,
                outputs: []
            ),
            node: node.id,
            engineVersion: "1"
        )
        return try node.sign(result.statement)
    }

    private func check(
        _ bytes: [UInt8],
        as kind: Admission.Kind = .artifact,
        digest: Digest? = Digest.of("weights"),
        policy: LicensePolicy = .init(),
        at seconds: Int64 = TestMesh.start,
        revoked: (RevocationSubject) -> Bool = { _ in false }
    ) -> StatementVerification {
        mesh.trust.check(
            bytes,
            as: kind,
            digestFound: digest,
            policy: policy,
            at: seconds,
            revoked: revoked
        )
    }

    private func failed(_ verification: StatementVerification) -> [Check.Name] {
        verification.checks.filter { !$0.ok }.map(\.name)
    }

    private func detail(_ verification: StatementVerification, _ name: Check.Name) -> String {
        verification.checks.first { $0.name == name }?.detail ?? ""
    }

    @Test func `an artifact that a node signed is admitted`() throws {
        let signed = try artifact(by: node)
        let verification = check(signed.bytes)
        #expect(verification.isAdmitted, "\(verification.checks)")
        #expect(verification.signer?.id == node.id)
        #expect(verification.signed == signed)
        #expect(verification.checks.count == 7)
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `the openssl program verifies a document's signature with its certificate`() throws {
        let folder = try TestFolder()
        let json = try JSON(parsing: try artifact(by: node).bytes)
        let envelope = try #require(json["dsseEnvelope"])
        let chain = json["verificationMaterial"]?["x509CertificateChain"]?["certificates"]
        func field(_ value: JSON?) throws -> [UInt8] {
            try #require(Base64.decode(value?.asString ?? "*"))
        }
        // The encoding of DSSE once more, by hand, as an outside verifier would write it.
        let payload = try field(envelope["payload"])
        let signed = Array("DSSEv1 28 application/vnd.in-toto+json \(payload.count) ".utf8)
        for (name, bytes) in [
            ("leaf.der", try field(chain?.asArray?.first?["rawBytes"])),
            ("signature", try field(envelope["signatures"]?.asArray?.first?["sig"])),
            ("bytes", signed + payload),
        ] {
            try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/" + name))
        }
        let key = try OpenSSLTool.run([
            "x509", "-inform", "DER", "-in", folder.path + "/leaf.der", "-noout", "-pubkey",
            "-out", folder.path + "/key.pem",
        ])
        #expect(key.status == 0, "\(key.output)")
        let judged = try OpenSSLTool.run([
            "dgst", "-sha256", "-verify", folder.path + "/key.pem", "-signature",
            folder.path + "/signature", folder.path + "/bytes",
        ])
        #expect(judged.output.contains("Verified OK"))
    }

    @Test func `the signer of another mesh is refused`() throws {
        let stranger = try TestMesh().node
        let verification = check(try artifact(by: stranger).bytes)
        #expect(failed(verification) == [.chain, .revocation, .signer])
        #expect(detail(verification, .chain).contains("not the root of this mesh"))
        #expect(verification.signer == nil)
    }

    @Test func `a revoked signer is refused`() throws {
        let bytes = try artifact(by: node).bytes
        let verification = check(bytes) { $0 == .node(node.id) }
        #expect(failed(verification) == [.revocation, .signer])
        #expect(detail(verification, .revocation) == "The node \(node.id.short) is revoked.")
        let serial = node.certificate.serial
        #expect(!check(bytes) { $0 == .serial(serial) }.isAdmitted)
        #expect(check(bytes) { $0 == .node(mesh.node.id) }.isAdmitted)
    }

    @Test func `an expired certificate is refused, and the check says when it ended`() throws {
        let bytes = try artifact(by: node).bytes
        let verification = check(bytes, at: node.certificate.notAfter + 1)
        #expect(failed(verification) == [.chain, .revocation, .signer])
        #expect(detail(verification, .chain).contains("expired at 2026-07-01T00:00:00Z"))
        #expect(!check(bytes, at: node.certificate.notBefore - 1).isAdmitted)
    }

    @Test func `a license outside the policy is refused`() throws {
        let verification = check(try artifact(by: node, license: "CC-BY-NC-4.0").bytes)
        #expect(failed(verification) == [.license])
        #expect(detail(verification, .license).contains("CC-BY-NC-4.0"))
        let choice = check(try artifact(by: node, license: "CC-BY-NC-4.0 OR MIT").bytes)
        #expect(choice.isAdmitted)
    }

    @Test func `changed weights are refused`() throws {
        let verification = check(try artifact(by: node).bytes, digest: Digest.of("Weights"))
        #expect(failed(verification) == [.digest])
        #expect(failed(check(try artifact(by: node).bytes, digest: nil)) == [.digest])
    }

    @Test func `a forged result is refused`() throws {
        let signed = try result()
        #expect(check(signed.bytes, as: .taskResult, digest: Digest.of("42\n")).isAdmitted)
        // The forger changes the output in predicate and subject, and keeps the signature.
        var forged = try TaskResult(signed.statement)
        forged.outcome.stdout = Digest.of("43\n")
        let document = SignedStatement(
            forged.statement,
            signature: signed.signature,
            keyID: signed.keyID,
            chain: signed.chain
        )
        let verification = check(
            document.bytes,
            as: .taskResult,
            digest: Digest.of("43\n")
        )
        #expect(failed(verification) == [.signature])
    }

    @Test func `a node cannot sign in another's name`() throws {
        let other = try mesh.join("third")
        var forged = try TaskResult(try result().statement)
        forged.node = other.id
        let verification = check(
            try node.sign(forged.statement).bytes,
            as: .taskResult,
            digest: nil
        )
        #expect(failed(verification) == [.signer])
    }

    @Test func `one's own chain under another's statement is refused`() throws {
        let signed = try artifact(by: node)
        let other = try mesh.join("third")
        let document = SignedStatement(
            signed.statement,
            signature: signed.signature,
            keyID: signed.keyID,
            chain: other.chain
        )
        #expect(failed(check(document.bytes)) == [.signature, .signer])
    }

    @Test func `a result is not admitted as an artifact`() throws {
        let verification = check(try result().bytes, digest: Digest.of("42\n"))
        #expect(failed(verification) == [.subject])
        #expect(!verification.isAdmitted)
    }

    @Test func `no flipped bit of a document is admitted with another meaning`() throws {
        // The key id is a hint that nothing covers, and Base64 has two alphabets: a flip there may
        // leave the document as good as it was, but never with another statement or signer.
        let signed = try artifact(by: node)
        let bytes = signed.bytes
        var admittedCount = 0
        for index in stride(from: 0, to: bytes.count, by: 3) {
            var flipped = bytes
            flipped[index] ^= 1 << UInt8(index % 7)
            let verification = check(flipped)
            guard verification.isAdmitted else { continue }
            admittedCount += 1
            #expect(verification.signed?.payload == signed.payload)
            #expect(verification.signed?.signature == signed.signature)
            #expect(verification.signer?.id == node.id)
        }
        #expect(admittedCount < bytes.count / 30)
    }

    @Test func `trailing bytes, duplicate fields and oversized documents are refused`() throws {
        let bytes = try artifact(by: node).bytes
        let text = String(decoding: bytes, as: UTF8.self)
        let duplicate = #"{"dsseEnvelope":{},"# + text.dropFirst()
        let documents = [
            bytes + [0x7d], Array(duplicate.utf8), [],
            [UInt8](repeating: 0x20, count: SignedStatement.byteCountMax + 1),
        ]
        for document in documents {
            let verification = check(document)
            #expect(failed(verification) == [.document])
            #expect(!verification.isAdmitted)
            #expect(verification.signed == nil)
        }
    }

    @Test func `garbage for certificates is refused with every check made`() throws {
        let signed = try artifact(by: node)
        let document = SignedStatement(
            signed.statement,
            signature: signed.signature,
            keyID: "",
            chain: [[1, 2, 3]]
        )
        let verification = check(document.bytes)
        #expect(failed(verification) == [.signature, .chain, .revocation, .signer])
    }

    @Test func `a statement that nobody could read is not signed`() {
        let statement = Statement(subjects: [], predicateType: "t", predicate: [:])
        #expect(throws: IdentityError.statement(.noSubject)) { try node.sign(statement) }
    }
}
