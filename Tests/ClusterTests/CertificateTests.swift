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
            // What was on its way when it died may still cost an attempt.
            try await mesh.succeed("run", on: "eve", probe, "arguments")
            let before = try mesh.suspicionCount(of: old.nodeID)
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
            // A connection that ends is a reason for suspicion at once.
            #expect(try mesh.suspicionCount(of: old.nodeID) == before)
            #expect(try await mesh.servedSerial(at: http) == next.certificate.serial)
            #expect(mesh.pid(of: "bob") == process)
            try await expectCertificates(of: ["bob"], in: mesh)
            let run = try await mesh.run("run", on: "eve", [probe, "arguments"])
            #expect(run.status == 0, "\(run.errors)")
            let status = try await mesh.succeed("status", on: "bob")
            #expect(status.contains("certificate expires at: 20"))
        }
    }

    @Test func `a node and a device get other names and stay who they are`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let ids = [try await mesh.id(of: "bob"), try await mesh.id(of: "tab")]
            let process = try #require(mesh.pid(of: "bob"))
            let refusal = try await mesh.refusal("rename", on: "bob", "no good")
            #expect(refusal.contains("\"no good\" is no node name"))
            try await mesh.succeed("rename", on: "bob", "shed-2")
            try await mesh.succeed("rename", on: "tab", "tablet")
            for name in ["ada", "bob", "eve"] {
                try await mesh.wait("\(name) to know the new names") {
                    let answer = try await mesh.get("/api/members", on: name)
                    let renamed = (answer["members"]?.asArray ?? []).filter { member in
                        ids.contains { $0 == member["id"]?.asString }
                    }
                    return renamed.compactMap { $0["name"]?.asString }.sorted()
                        == ["shed-2", "tablet"]
                }
            }
            #expect(mesh.pid(of: "bob") == process)
            try await expectCertificates(of: ["bob"], in: mesh)
            // What it signs is verified, and the name is its own after a restart, too.
            for name in ["ada", "eve"] { try await mesh.succeed("drain", on: "ada", name) }
            let probe = try await Guest.build("probe", in: mesh.folder)
            let task = try await mesh.json("run", on: "bob", "--edge", "never", probe, "arguments")
            let verified = try await mesh.run(
                "verify", on: "eve", ["--replay", task["task"]?.asString ?? ""])
            #expect(verified.status == 0, "\(verified.errors)")
            mesh.kill9("bob")
            try await mesh.start("bob")
            try await mesh.wait("bob to be there again") {
                try await mesh.get("/api/status", on: "bob")["name"]?.asString == "shed-2"
            }
            #expect(try await mesh.id(of: "bob") == ids[0])
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

    /// How often the others have said of a node that it is suspect.
    fileprivate func suspicionCount(of node: NodeID) throws -> Int {
        try ["ada", "eve"].map { name in
            try log(of: name).components(separatedBy: "node \(node.short) is suspect").count - 1
        }.reduce(0, +)
    }
}

extension MeshTests {
    @Test func `a root is changed while a node is down and a device sleeps, and both come back`()
        async throws
    {
        try await TestMesh.with(["ada", "bob", "eve", "kim"]) { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let probe = try await Guest.build("probe", in: mesh.folder)
            let task = try await mesh.json("run", on: "bob", probe, "arguments")
            let old = try #require(task["task"]?.asString)
            let bundle = mesh.folder + "/old.bundle.json"
            try Data(try await mesh.bundle(of: probe, on: "bob")).write(to: URL(filePath: bundle))
            try await mesh.succeed("sleep", on: "tab", "--for", "10m")
            tab.end()
            mesh.kill9("kim")
            let oldRoot = mesh.folder + "/root-before.pem"
            try FileManager.default.copyItem(
                atPath: mesh.data(of: "ada") + "/identity/root.pem", toPath: oldRoot)

            // Only where the root key is.
            let refusal = try await mesh.refusal("key rotate", on: "bob")
            #expect(refusal.contains("root key"))
            let keys = try await mesh.json("key rotate", on: "ada", "--grace", "1h")
            #expect(keys["newest"]?.asInteger == 1 && keys["has_root_key"] == true)
            try await mesh.expectRoot(1, of: ["ada", "bob", "eve"])
            // With the old root, which a client may have, and with what the node has now.
            for root in [oldRoot, mesh.data(of: "bob") + "/identity/root.pem"] {
                try await mesh.expectOpenSSL("eve", believedWith: root)
            }
            try await mesh.settled()

            // Both were away, and come back without anybody's help.
            try await mesh.start("kim")
            try tab.start(mesh)
            try await mesh.expectRoot(1, of: ["kim", "tab"])
            try await mesh.expectAlive(["kim", "tab"])
            let run = try await mesh.run("run", on: "kim", ["--edge", "only", probe, "arguments"])
            #expect(run.status == 0, "\(run.errors)")

            // Nobody is let in under the old root any more; old statements stand, newcomers join.
            try await mesh.succeed("key distrust", on: "bob")
            try await mesh.enrol("zoe", through: "eve")
            try await mesh.expectRoot(1, of: ["zoe"])
            try await mesh.wait("zoe to have the log") {
                (try? await mesh.get("/api/tasks/\(old)", on: "zoe")) != nil
            }
            for name in ["ada", "zoe"] {
                try await mesh.succeed("verify", on: name, "--replay", old)
                try await mesh.succeed("verify", on: name, bundle, "--about", probe)
            }
            try await mesh.wait("the old root to be shown no more") {
                let text = try String(
                    contentsOfFile: mesh.data(of: "eve") + "/identity/root.pem", encoding: .utf8)
                return try Certificate.parse(pem: text).count == 1
            }
            try await mesh.expectOpenSSL(
                "zoe", believedWith: mesh.data(of: "eve") + "/identity/root.pem")
            let list = try await mesh.succeed("key list", on: "zoe")
            #expect(list.contains("newest"))
        }
    }

    @Test func `who slept until its root was trusted no more comes back by its own key`()
        async throws
    {
        try await TestMesh.with(["ada", "bob", "eve", "kim"]) { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            try await mesh.succeed("sleep", on: "tab", "--for", "10m")
            tab.end()
            let id = try await mesh.id(of: "kim")
            mesh.kill9("kim")
            // Twice, and at once: what the sleepers know leads to nothing that is trusted.
            for number in 1...2 {
                try await mesh.succeed("key rotate", on: "ada", "--grace", "0s")
                try await mesh.expectRoot(number, of: ["ada", "bob", "eve"])
            }
            try await mesh.settled()
            try await mesh.wait("the others to vote") {
                let voters = try await mesh.get("/api/status", on: "bob")["voters"]?.asArray
                return voters?.count == 3 && voters?.contains(.string(id)) == false
            }
            // Whoever made the roots may be gone.
            let authority = mesh.data(of: "ada") + "/identity"
            mesh.kill9("ada")
            try await mesh.start("kim")
            try tab.start(mesh)
            try await mesh.expectRoot(2, of: ["kim", "tab"])
            try await mesh.expectAlive(["kim", "tab"])
            #expect(!FileManager.default.fileExists(atPath: authority + "/root.key.next"))
            try await mesh.start("ada")
            try await mesh.expectAlive(["ada"])
            let probe = try await Guest.build("probe", in: mesh.folder)
            for name in ["ada", "kim"] {
                let run = try await mesh.run("run", on: name, [probe, "arguments"])
                #expect(run.status == 0, "\(run.errors)")
            }
        }
    }
}

extension TestMesh {
    /// Waits until these have certificates below that root.
    fileprivate func expectRoot(_ number: Int, of names: [String]) async throws {
        for name in names {
            let file = data(of: name) + "/identity/cert.pem"
            try await wait("\(name) to have a certificate below root \(number)") {
                let text = try String(contentsOfFile: file, encoding: .utf8)
                let issuer = try Certificate.parse(pem: text)[0].issuerName
                return issuer.hasSuffix("issuing \(number)")
            }
        }
    }

    fileprivate func expectAlive(_ names: [String]) async throws {
        for name in names {
            for witness in ["bob", "eve"] {
                try await wait("\(witness) to see \(name) again") {
                    try await state(of: name, seenBy: witness) == "alive"
                }
            }
        }
    }

    fileprivate func expectOpenSSL(_ name: String, believedWith root: String) async throws {
        let certificate = data(of: name) + "/identity/cert.pem"
        let log = "\(folder)/openssl-\(Int.random(in: 0..<1_000_000))"
        let openssl = try ChildProcess(
            "openssl",
            ["verify", "-CAfile", root, "-untrusted", certificate, certificate], output: log,
            errors: log)
        let status = try await openssl.finished(within: .seconds(20))
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(status == 0 && text.contains("cert.pem: OK"), "openssl: \(text)")
    }

    /// The signed statement about a file that a node was given for a task.
    fileprivate func bundle(of file: String, on name: String) async throws -> [UInt8] {
        let digest = Digest.of(Array(try Data(contentsOf: URL(filePath: file)))).hex
        let statements = try await get("/api/statements", on: name)["statements"]?.asArray ?? []
        let statement = statements.first { $0["digest"]?.asString == digest }?["statement"]
        guard let id = statement?.asString else { throw Failure("no statement about \(file)") }
        return try await bytes("/api/statements/\(id)", on: name)
    }
}
