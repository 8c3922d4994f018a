import Basics
import Foundation
import Identity
import Testing

struct CertificateTests {
    private let mesh: TestMesh

    init() throws { mesh = try TestMesh() }

    @Test func `a node's certificate says who it is`() throws {
        let certificate = mesh.node.certificate
        #expect(certificate.commonName == "first")
        #expect(certificate.nodeID == mesh.node.id)
        #expect(certificate.curvePublicKey == mesh.node.keys.curve.publicKey)
        #expect(
            certificate.uris == [
                "swiftlet:curve:" + Hex.encode(mesh.node.keys.curve.publicKey),
                "swiftlet:mesh:" + mesh.node.meshID.hex, "swiftlet:node:" + mesh.node.id.hex,
            ]
        )
        #expect(certificate.dnsNames == ["first", "localhost"])
        #expect(certificate.notBefore == TestMesh.start - 300)
        #expect(certificate.notAfter == TestMesh.start + 30 * 86_400)
        #expect(!certificate.isAuthority)
        #expect(certificate.serial.count == 32)
    }

    @Test func `authorities are authorities for ten and two years`() {
        let root = mesh.founding.authority.rootCertificate
        let issuing = mesh.founding.authority.issuingCertificate
        #expect(root.isAuthority && issuing.isAuthority)
        #expect(root.issuerName == root.commonName)
        #expect(issuing.issuerName == root.commonName)
        #expect((3_650...3_654).contains((root.notAfter - TestMesh.start) / 86_400))
        #expect((issuing.notAfter - TestMesh.start) / 86_400 == 730)
        #expect(mesh.founding.meshID == Digest.of(root.der))
    }

    @Test func `serials and mesh names differ`() throws {
        let others = try (0..<20).map { try mesh.join("node-\($0)").certificate.serial }
        #expect(Set(others).count == 20)
        let names = try [mesh, TestMesh()].map { $0.node.rootCertificate.commonName }
        #expect(names[0] != names[1])
    }

    @Test func `a certificate comes back from DER and from PEM`() throws {
        let certificate = mesh.node.certificate
        #expect(try Certificate(der: certificate.der) == certificate)
        let chain = try Certificate.parse(
            pem: "a comment\n" + certificate.pem + mesh.node.issuingCertificate.pem
        )
        #expect(chain == [certificate, mesh.node.issuingCertificate])
    }

    @Test func `damaged PEM is refused`() {
        let pem = mesh.node.certificate.pem
        let damaged = [
            "", "hello", String(pem.dropLast(10)), pem.replacingOccurrences(of: "END", with: "AND"),
            String(pem.dropFirst(3)), String(repeating: pem, count: 5),
            pem.replacingOccurrences(of: "M", with: "*"),
        ]
        for text in damaged {
            #expect(throws: IdentityError.malformedPEM(path: "the text")) {
                try Certificate.parse(pem: text)
            }
        }
    }

    @Test func `strangers' bytes are measured and must be DER to the last byte`() {
        let der = mesh.node.certificate.der
        #expect(throws: CertificateMistake.notDER) { try Certificate(der: der + [0]) }
        #expect(throws: CertificateMistake.notDER) { try Certificate(der: []) }
        for count in stride(from: 0, to: der.count, by: 7) {
            #expect(throws: CertificateMistake.notDER) {
                try Certificate(der: Array(der[..<count]))
            }
        }
        let long = [UInt8](repeating: 0x30, count: 16 * 1024 + 1)
        #expect(throws: CertificateMistake.tooLong(byteCount: long.count)) {
            try Certificate(der: long)
        }
    }

    @Test func `a second encoding of the same certificate is refused`() {
        // The outer length in one byte more than DER allows: BER readers take it.
        let der = mesh.node.certificate.der
        #expect(der[1] == 0x82)
        let padded = [der[0], 0x83, 0] + der[2...]
        #expect(throws: CertificateMistake.notDER) { try Certificate(der: padded) }
    }

    @Test func `lifetimes are an argument and end with the issuing certificate`() throws {
        let short = try mesh.join("short", lifetimeSeconds: 60)
        #expect(short.certificate.notAfter == TestMesh.start + 60)
        let request = try SigningRequest(name: "late", keys: .generate())
        let issuingEnd = mesh.founding.authority.issuingCertificate.notAfter
        let late = try mesh.founding.authority.issue(request, at: issuingEnd - 100)
        #expect(late.notAfter == issuingEnd)
        for lifetime in [0, -1, 731 * 86_400] as [Int64] {
            #expect(throws: IdentityError.badLifetime(seconds: lifetime)) {
                try mesh.founding.authority.issue(
                    request,
                    at: TestMesh.start,
                    lifetimeSeconds: lifetime
                )
            }
        }
        #expect(throws: IdentityError.self) {
            try mesh.founding.authority.issue(request, at: issuingEnd)
        }
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `the openssl program accepts the chain for each use`() throws {
        let folder = try TestFolder()
        for (name, certificate) in [
            ("root", mesh.node.rootCertificate), ("issuing", mesh.node.issuingCertificate),
            ("node", mesh.node.certificate),
        ] {
            let path = folder.path + "/\(name).pem"
            try certificate.pem.write(toFile: path, atomically: true, encoding: .utf8)
        }
        for purpose in ["sslserver", "sslclient", "any"] {
            let verified = try OpenSSLTool.run([
                "verify", "-x509_strict", "-attime", "\(TestMesh.start)", "-purpose", purpose,
                "-CAfile", folder.path + "/root.pem", "-untrusted", folder.path + "/issuing.pem",
                "-verify_hostname", "localhost", folder.path + "/node.pem",
            ])
            #expect(verified.status == 0, "\(purpose): \(verified.output)")
            #expect(verified.output.contains("node.pem: OK"))
        }
        let address = try OpenSSLTool.run([
            "verify", "-attime", "\(TestMesh.start)", "-CAfile", folder.path + "/root.pem",
            "-untrusted", folder.path + "/issuing.pem", "-verify_ip", "127.0.0.1",
            folder.path + "/node.pem",
        ])
        #expect(address.status == 0, "\(address.output)")
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `the openssl program shows every part of a node's certificate`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/node.pem"
        try mesh.node.certificate.pem.write(toFile: path, atomically: true, encoding: .utf8)
        let shown = try OpenSSLTool.run(["x509", "-in", path, "-noout", "-text"])
        #expect(shown.status == 0)
        for part in [
            "Version: 3", "Subject: CN = first", "ASN1 OID: prime256v1",
            "X509v3 Basic Constraints: critical", "CA:FALSE", "Digital Signature",
            "TLS Web Server Authentication, TLS Web Client Authentication, Code Signing",
            "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier",
            "URI:swiftlet:node:" + mesh.node.id.hex, "URI:swiftlet:mesh:" + mesh.node.meshID.hex,
            "DNS:first", "DNS:localhost", "IP Address:127.0.0.1", "ecdsa-with-SHA256",
        ] {
            #expect(shown.output.contains(part), "\(part) is missing in \(shown.output)")
        }
        let serial = try OpenSSLTool.run(["x509", "-in", path, "-noout", "-serial"])
        #expect(serial.output.lowercased() == "serial=\(mesh.node.certificate.serial)\n")
    }
}
