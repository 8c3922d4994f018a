import Basics
import Foundation
import Identity
import Testing

struct SigningRequestTests {
    private let keys: NodeKeys
    private let request: SigningRequest

    init() throws {
        keys = try NodeKeys.generate()
        request = try SigningRequest(name: "node-2.lab", keys: keys)
    }

    @Test func `a request comes back from its bytes`() throws {
        let again = try SigningRequest(der: request.der)
        #expect(again.name == "node-2.lab")
        #expect(again.nodeID == keys.id)
        #expect(again.curvePublicKey == keys.curve.publicKey)
    }

    @Test func `a flipped bit in any byte of a request is noticed`() {
        for index in 0..<request.der.count {
            var flipped = request.der
            flipped[index] ^= 1 << UInt8(index % 8)
            #expect(throws: RequestMistake.self) { try SigningRequest(der: flipped) }
        }
    }

    @Test func `someone else's public key is not enough`() throws {
        // The victim's key in the attacker's request: the signature is by another key.
        let victim = try PrivateKey.generate().publicKey
        let at = try #require(
            (0...request.der.count - 91).first {
                request.der[$0...].starts(with: keys.key.publicKey.der)
            }
        )
        var forged = request.der
        forged.replaceSubrange(at..<at + 91, with: victim.der)
        #expect(throws: RequestMistake.badSignature) { try SigningRequest(der: forged) }
    }

    @Test func `strangers' bytes are measured and must be DER to the last byte`() {
        #expect(throws: RequestMistake.notDER) { try SigningRequest(der: request.der + [0]) }
        #expect(throws: RequestMistake.notDER) { try SigningRequest(der: []) }
        #expect(throws: RequestMistake.tooLong(byteCount: 8_193)) {
            try SigningRequest(der: [UInt8](repeating: 0x30, count: 8_193))
        }
    }

    @Test(arguments: [
        "", "-a", "a-", ".a", "a..b", "a b", "a,DNS:evil", "größe", "a/b", "a\n",
        String(repeating: "a", count: 64),
    ])
    func `what is no node name is refused`(name: String) throws {
        #expect(throws: IdentityError.badNodeName(name)) {
            try SigningRequest(name: name, keys: keys)
        }
        let mesh = try TestMesh()
        #expect(throws: IdentityError.badNodeName(name)) {
            try mesh.founding.authority.issue(request, name: name, at: TestMesh.start)
        }
    }

    @Test func `the authority may choose another name`() throws {
        let mesh = try TestMesh()
        let issued = try mesh.founding.authority.issue(request, name: "edge-9", at: TestMesh.start)
        #expect(issued.commonName == "edge-9")
        #expect(issued.dnsNames == ["edge-9", "localhost"])
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `the openssl program verifies a request`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/request.pem"
        try request.pem.write(toFile: path, atomically: true, encoding: .utf8)
        let judged = try OpenSSLTool.run(["req", "-in", path, "-noout", "-verify", "-text"])
        #expect(judged.status == 0)
        #expect(judged.output.contains("verify OK"))
        #expect(judged.output.contains("URI:swiftlet:curve:" + Hex.encode(keys.curve.publicKey)))
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `what else a request asks for is not granted`() throws {
        let folder = try TestFolder()
        try keys.key.save(to: folder.path + "/key.pem")
        let made = try OpenSSLTool.run([
            "req", "-new", "-key", folder.path + "/key.pem", "-subj", "/O=Bank/CN=greedy",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign",
            "-addext",
            "subjectAltName=DNS:bank.example,URI:swiftlet:node:\(NodeID(1).hex),"
                + "URI:swiftlet:curve:\(Hex.encode(keys.curve.publicKey))",
            "-outform", "DER", "-out", folder.path + "/request.der",
        ])
        #expect(made.status == 0, "\(made.output)")
        let der = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/request.der"))
        let mesh = try TestMesh()
        let issued = try mesh.founding.authority.issue(
            try SigningRequest(der: Array(der)),
            at: TestMesh.start
        )
        #expect(!issued.isAuthority)
        #expect(issued.dnsNames == ["greedy", "localhost"])
        #expect(issued.uris.contains("swiftlet:node:" + keys.id.hex))
        #expect(issued.uris.count == 3)
        let chain = [issued.der, mesh.founding.authority.issuingCertificate.der]
        #expect(mesh.refusal(of: chain) == nil)
    }

    @Test(
        .enabled(if: OpenSSLTool.path != nil),
        arguments: [
            ("DNS:only.example", RequestMistake.noCurveKey),
            ("URI:swiftlet:curve:00", .noCurveKey),
            (
                "URI:swiftlet:curve:\(NodeID(1).hex),URI:swiftlet:curve:\(NodeID(2).hex)",
                .noCurveKey
            ),
        ]
    )
    func `a request without exactly one CURVE key is refused`(
        names: String,
        mistake: RequestMistake
    ) throws {
        let folder = try TestFolder()
        try keys.key.save(to: folder.path + "/key.pem")
        let made = try OpenSSLTool.run([
            "req", "-new", "-key", folder.path + "/key.pem", "-subj", "/CN=a", "-addext",
            "subjectAltName=" + names, "-outform", "DER", "-out", folder.path + "/request.der",
        ])
        #expect(made.status == 0, "\(made.output)")
        let der = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/request.der"))
        #expect(throws: mistake) { try SigningRequest(der: Array(der)) }
    }
}
