import Basics
import Foundation
import Identity
import Testing

struct TrustStoreTests {
    private let mesh: TestMesh
    private let node: NodeIdentity

    init() throws {
        mesh = try TestMesh()
        node = try mesh.join("second")
    }

    @Test func `a node of the mesh is believed`() throws {
        let verified = try mesh.trust.verify(chain: node.chain, at: TestMesh.start) { _ in false }
            .get()
        #expect(verified.id == node.id)
        #expect(verified.name == "second")
        #expect(verified.curvePublicKey == node.keys.curve.publicKey)
        #expect(verified.publicKey == node.keys.key.publicKey)
        #expect(mesh.refusal(of: node.chain + [node.rootCertificate.der]) == nil)
    }

    @Test func `a node of another mesh is not`() throws {
        let stranger = try TestMesh().node
        let issuer = stranger.rootCertificate.commonName
        #expect(mesh.refusal(of: stranger.chain) == .unknownMesh(issuer: issuer))
        #expect(
            mesh.refusal(of: stranger.chain + [stranger.rootCertificate.der]) != nil
        )
    }

    @Test func `a stranger's leaf does not pass under our issuing certificate`() throws {
        let stranger = try TestMesh().node
        #expect(
            mesh.refusal(of: [stranger.certificate.der, node.issuingCertificate.der])
                == .unknownMesh(issuer: stranger.issuingCertificate.commonName)
        )
        #expect(mesh.refusal(of: [stranger.certificate.der]) != nil)
    }

    @Test func `a root of the same name with another key is another mesh`() throws {
        // Everything but the keys is the same; only the pinned certificate tells them apart.
        let name = mesh.node.rootCertificate.commonName
        let folder = try TestFolder()
        guard OpenSSLTool.path != nil else { return }
        let key = try PrivateKey.generate()
        try key.save(to: folder.path + "/key.pem")
        let made = try OpenSSLTool.run([
            "req", "-x509", "-new", "-key", folder.path + "/key.pem", "-subj", "/CN=\(name)",
            "-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out",
            folder.path + "/root.pem",
        ])
        #expect(made.status == 0, "\(made.output)")
        let text = try String(contentsOfFile: folder.path + "/root.pem", encoding: .utf8)
        let root = try Certificate.parse(pem: text)[0]
        let issuing = try CertificateAuthority.makeIssuing(
            for: key.publicKey,
            name: "Issuing",
            rootKey: key,
            rootCertificate: root,
            at: TestMesh.start
        )
        let authority = try CertificateAuthority(
            issuingKey: key,
            issuingCertificate: issuing,
            rootCertificate: root
        )
        let forged = try authority.issue(
            try SigningRequest(name: "second", keys: node.keys),
            at: TestMesh.start
        )
        #expect(mesh.refusal(of: [forged.der, issuing.der]) == .unknownMesh(issuer: name))
    }

    @Test func `a certificate ends with its last second, and the refusal says when`() {
        let end = node.certificate.notAfter
        #expect(mesh.refusal(of: node.chain, at: end) == nil)
        let refusal = mesh.refusal(of: node.chain, at: end + 1)
        #expect(refusal == .expired(name: "second", notAfter: end))
        #expect(
            refusal?.description == "The certificate of second expired at 2026-07-01T00:00:00Z."
        )
        let start = node.certificate.notBefore
        #expect(mesh.refusal(of: node.chain, at: start) == nil)
        #expect(
            mesh.refusal(of: node.chain, at: start - 1)
                == .notYetValid(name: "second", notBefore: start)
        )
    }

    @Test func `a revoked node and a revoked serial are told apart`() {
        #expect(
            mesh.refusal(of: node.chain) { $0 == .node(node.id) } == .revokedNode(node.id)
        )
        let serial = node.certificate.serial
        #expect(mesh.refusal(of: node.chain) { $0 == .serial(serial) } == .revokedSerial(serial))
        let issuing = node.issuingCertificate.serial
        #expect(
            mesh.refusal(of: node.chain) { $0 == .serial(issuing) } == .revokedSerial(issuing)
        )
        #expect(mesh.refusal(of: node.chain) { $0 == .node(NodeID(1)) } == nil)
    }

    @Test func `authorities are no nodes`() {
        let issuing = node.issuingCertificate.der, root = node.rootCertificate.der
        #expect(mesh.refusal(of: [issuing]) == .notNodeCertificate(.isAuthority))
        #expect(mesh.refusal(of: [issuing, root]) == .notNodeCertificate(.isAuthority))
        #expect(mesh.refusal(of: [root]) != nil)
    }

    @Test func `a chain has its order and its length`() throws {
        #expect(mesh.refusal(of: []) == .noCertificate)
        #expect(mesh.refusal(of: [node.certificate.der]) != nil)
        #expect(mesh.refusal(of: node.chain.reversed()) != nil)
        let issuing = node.issuingCertificate.der
        #expect(
            mesh.refusal(of: [node.certificate.der, issuing, issuing])
                == .tooLong(certificateCount: 3)
        )
        #expect(
            mesh.refusal(of: [[UInt8]](repeating: issuing, count: 5))
                == .tooLong(certificateCount: 5)
        )
    }

    @Test func `a node cannot enrol another`() throws {
        // The node's own key signs a certificate as if it were an authority.
        let keys = try NodeKeys.generate()
        let forged = try CertificateAuthority.makeIssuing(
            for: keys.key.publicKey,
            name: "third",
            rootKey: node.keys.key,
            rootCertificate: node.certificate,
            at: TestMesh.start
        )
        #expect(mesh.refusal(of: [forged.der, node.certificate.der]) != nil)
        #expect(
            mesh.refusal(of: [forged.der, node.certificate.der, node.issuingCertificate.der])
                == .tooLong(certificateCount: 3)
        )
        #expect(throws: IdentityError.self) {
            try CertificateAuthority(
                issuingKey: node.keys.key,
                issuingCertificate: node.certificate,
                rootCertificate: node.rootCertificate
            )
        }
    }

    @Test func `an authority below the issuing one is refused`() throws {
        let key = try PrivateKey.generate()
        let lower = try CertificateAuthority.makeIssuing(
            for: key.publicKey,
            name: "lower",
            rootKey: mesh.founding.authority.issuingKey,
            rootCertificate: mesh.founding.authority.issuingCertificate,
            at: TestMesh.start
        )
        #expect(throws: IdentityError.self) {
            try CertificateAuthority(
                issuingKey: key,
                issuingCertificate: lower,
                rootCertificate: node.rootCertificate
            )
        }
    }

    @Test func `a flipped bit in any byte of a certificate is noticed`() {
        let der = node.certificate.der
        for index in 0..<der.count {
            var flipped = der
            flipped[index] ^= 1 << UInt8(index % 8)
            #expect(mesh.refusal(of: [flipped, node.issuingCertificate.der]) != nil)
        }
    }

    @Test func `a changed name breaks the signature`() throws {
        let der = node.certificate.der
        let pattern = Array("second".utf8)
        let at = try #require((0..<der.count - 6).first { der[$0...].starts(with: pattern) })
        var changed = der
        changed.replaceSubrange(at..<at + 6, with: "zecond".utf8)
        #expect(
            mesh.refusal(of: [changed, node.issuingCertificate.der]) == .brokenSignature
        )
    }

    /// A leaf under the mesh's issuing key, made by the openssl program.
    private func leaf(
        in folder: TestFolder,
        names: [String],
        usage: String = "serverAuth,clientAuth,codeSigning",
        subject: String = "web"
    ) throws -> Certificate {
        let path = folder.path
        let made = try OpenSSLTool.run([
            "req", "-new", "-x509", "-CA", path + "/issuing.pem", "-CAkey", path + "/issuing.key",
            "-key", path + "/key.pem", "-subj", "/CN=" + subject, "-days", "30",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "keyUsage=critical,digitalSignature",
            "-addext", "extendedKeyUsage=" + usage,
            "-addext", "subjectAltName=" + (["DNS:web"] + names).joined(separator: ","),
            "-out", path + "/web.pem",
        ])
        #expect(made.status == 0, "\(made.output)")
        let text = try String(contentsOfFile: path + "/web.pem", encoding: .utf8)
        return try Certificate.parse(pem: text)[0]
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `a certificate of the mesh that lacks a part of a node's is refused`() throws {
        let folder = try TestFolder()
        try mesh.founding.save(to: folder.path)
        func refusal(of leaf: Certificate) -> ChainRefusal? {
            mesh.refusal(of: [leaf.der, node.issuingCertificate.der], at: leaf.notBefore)
        }
        let curve = "URI:swiftlet:curve:" + NodeID(5).hex
        let meshName = "URI:swiftlet:mesh:" + mesh.node.meshID.hex
        let nodeName = "URI:swiftlet:node:" + mesh.node.id.hex
        let otherMesh = "URI:swiftlet:mesh:" + Digest.of("other").hex
        let otherNode = "URI:swiftlet:node:" + node.id.hex
        let cases: [([String], NodeCertificateMistake)] = [
            ([], .noCurveKey), ([meshName, nodeName], .noCurveKey),
            ([curve, curve, meshName, nodeName], .noCurveKey), ([curve, nodeName], .noMesh),
            ([curve, otherMesh, nodeName], .noMesh),
            ([curve, meshName, otherMesh, nodeName], .noMesh), ([curve, meshName], .wrongNode),
            ([curve, meshName, otherNode], .wrongNode),
        ]
        for (names, mistake) in cases {
            let made = try leaf(in: folder, names: names)
            #expect(refusal(of: made) == .notNodeCertificate(mistake), "\(names)")
        }
        let all = [curve, meshName, nodeName]
        for usage in ["serverAuth,clientAuth", "codeSigning"] {
            let made = try leaf(in: folder, names: all, usage: usage)
            #expect(refusal(of: made) == .notNodeCertificate(.wrongUsage))
        }
        let unnamed = try leaf(in: folder, names: all, subject: "no name")
        #expect(refusal(of: unnamed) == .notNodeCertificate(.badName))
        // With everything in place the same recipe is believed.
        #expect(try refusal(of: leaf(in: folder, names: all)) == nil)
    }

    @Test func `every refusal is one sentence`() {
        let refusals: [ChainRefusal] = [
            .noCertificate, .tooLong(certificateCount: 9), .malformed(index: 0, .notDER),
            .unknownMesh(issuer: "x"), .brokenSignature, .expired(name: "a", notAfter: 0),
            .notYetValid(name: "a", notBefore: 0), .notNodeCertificate(.noCurveKey),
            .revokedNode(NodeID(1)), .revokedSerial("01"), .brokenRule(code: 24),
        ]
        for refusal in refusals {
            let text = refusal.description
            #expect(text.hasSuffix("."))
            #expect(!text.dropLast().contains(". "))
            #expect(!text.contains("\n"))
        }
        #expect(Set(refusals.map(\.description)).count == refusals.count)
    }
}
