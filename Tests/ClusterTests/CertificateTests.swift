import Basics
import Foundation
import Identity
import Testing

extension MeshTests {
    @Test func `a certificate is renewed while its node works, and nothing is cut`() async throws {
        try await TestMesh.with { mesh in
            mesh.kill9("bob")
            // Its last third begins in some seconds.
            let old = try await mesh.age("bob", secondsLeft: 215)
            let http = try TestMesh.freePort()
            try await mesh.start("bob", http: http)
            try await mesh.settled()
            #expect(try await mesh.servedSerial(at: http) == old.serial)
            for name in ["ada", "eve"] { try await mesh.succeed("drain", on: "ada", name) }
            let probe = try await Guest.build("probe", in: mesh.folder)
            let process = try #require(mesh.pid(of: "bob"))
            // One of two that were dialled at a time may still be on its way out.
            let first = try mesh.connections(to: "bob")
            try await Task.sleep(for: .seconds(1))
            let before = try mesh.connections(to: "bob").intersection(first)
            #expect(before.count >= 2)
            try await mesh.wait("the next certificate") {
                let task = try await mesh.json("run", on: "eve", probe, "arguments")
                #expect(task["state"]?.asString == "succeeded")
                #expect(task["attempt"]?.asInteger ?? 9 <= 1)
                for name in ["ada", "eve"] {
                    #expect(try await mesh.state(of: "bob", seenBy: name) == "alive")
                }
                let status = try await mesh.get("/api/status", on: "bob")
                return (status["certificate_expires_at"]?.asInteger ?? 0) > old.notAfter
            }
            #expect(try mesh.log(of: "bob").contains("the certificate is renewed; it ends at"))
            let next = try NodeIdentity.load(from: mesh.data(of: "bob") + "/identity")
            #expect(next.certificate.notAfter > old.notAfter + 86_400)
            #expect(next.certificate.nodeID == old.nodeID)
            // Nobody hung up, and HTTPS shows the new one: in the same process.
            #expect(try mesh.connections(to: "bob").isSuperset(of: before))
            #expect(try await mesh.servedSerial(at: http) == next.certificate.serial)
            #expect(mesh.pid(of: "bob") == process)
            try await expectCertificates(of: ["bob"], in: mesh)
            let run = try await mesh.run("run", on: "eve", [probe, "arguments"])
            #expect(run.status == 0, "\(run.errors)")
            let status = try await mesh.succeed("status", on: "bob")
            #expect(status.contains("certificate expires at: 20"))
        }
    }

    @Test func `nodes whose certificates ended while they were down come back`() async throws {
        try await TestMesh.with { mesh in
            let all = ["ada", "bob", "eve"]
            let probe = try await Guest.build("probe", in: mesh.folder)
            let task = try await mesh.json("run", on: "eve", probe, "arguments")
            let id = try #require(task["task"]?.asString)
            // One of them: at the door of another.
            mesh.kill9("bob")
            var old = try await mesh.age("bob", secondsLeft: 1)
            try await mesh.start("bob")
            try await mesh.settled()
            try await mesh.expectRenewed("bob", after: old)
            // All of them: there is no door, and those that hold the issuing key help themselves.
            for name in all { mesh.kill9(name) }
            for name in all { old = try await mesh.age(name, secondsLeft: 1) }
            for name in all { try await mesh.start(name) }
            try await mesh.settled()
            for name in all { try await mesh.expectRenewed(name, after: old) }
            try await expectCertificates(of: all, in: mesh)
            // What was signed under a certificate that has ended stands.
            try await mesh.succeed("verify", on: "ada", "--replay", id)
            // What is revoked stays out.
            mesh.kill9("eve")
            old = try await mesh.age("eve", secondsLeft: 1)
            try await mesh.succeed("revoke", on: "ada", "eve")
            try await mesh.start("eve")
            try await mesh.wait("the refusal") {
                try mesh.log(of: "eve").contains("no node renews it yet")
            }
            #expect(try await mesh.state(of: "eve", seenBy: "ada") != "alive")
        }
    }
}

extension TestMesh {
    /// Gives a node that is down the certificate that it would have so long before its end.
    func age(_ name: String, secondsLeft: Int64) async throws -> Certificate {
        let folder = data(of: name) + "/identity"
        let identity = try NodeIdentity.load(from: folder)
        let authority = try CertificateAuthority.load(from: data(of: "ada") + "/identity")
        let now = Int64(Date().timeIntervalSince1970)
        let certificate = try authority.issue(
            try identity.renewalRequest(), at: now, lifetimeSeconds: secondsLeft)
        try NodeIdentity(
            keys: identity.keys, certificate: certificate,
            issuingCertificate: identity.issuingCertificate,
            rootCertificate: identity.rootCertificate
        ).saveCertificate(to: folder)
        if secondsLeft == 1 { try await Task.sleep(for: .seconds(3)) }
        return certificate
    }

    fileprivate func expectRenewed(_ name: String, after old: Certificate) async throws {
        let folder = data(of: name) + "/identity"
        // A day is what a node gives itself; soon it has what the mesh gives.
        try await wait("\(name) to have a certificate of the mesh") {
            try NodeIdentity.load(from: folder).certificate.notAfter > old.notAfter + 20 * 86_400
        }
    }

    /// The serial number of the certificate that HTTPS shows.
    fileprivate func servedSerial(at port: Int) async throws -> String {
        let file = "\(folder)/served-\(port)-\(Int.random(in: 0..<1_000_000))"
        let openssl = try ChildProcess(
            "openssl",
            [
                "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile",
                data(of: "ada") + "/identity/root.pem", "-verify_return_error",
            ], output: file, errors: "\(file).err")
        #expect(try await openssl.finished(within: .seconds(20)) == 0)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let certificates = try Certificate.parse(pem: text)
        return try #require(certificates.first).serial
    }

    /// Established TCP connections to a node's control port, by the port at the other end
    /// (proc(5)).
    fileprivate func connections(to name: String) throws -> Set<String> {
        guard let port = port(of: name) else { throw Failure("\(name) never ran") }
        let suffix = ":" + String(format: "%04X", port)
        let text = try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)
        var ends: Set<String> = []
        for line in text.split(separator: "\n").dropFirst() {
            let words = line.split(separator: " ")
            if words.count > 3, words[3] == "01", words[1].hasSuffix(suffix) {
                ends.insert(String(words[2]))
            }
        }
        return ends
    }
}
