import Basics
import Foundation
import Glibc
import Testing

extension MeshTests {
    @Test func `three nodes join, agree, restart without a token, and leave`() async throws {
        try await TestMesh.with { mesh in
            try await expectCertificates(of: ["ada", "bob", "eve"], in: mesh)

            // SIGKILL and a start with the same folder: no token, same id.
            let id = try await mesh.id(of: "bob")
            mesh.kill9("bob")
            try await mesh.start("bob")
            try await mesh.settled()
            #expect(try await mesh.id(of: "bob") == id)

            // SIGSTOP for longer than a suspicion: the node comes back by itself.
            mesh.pause("eve")
            try await mesh.wait("eve to be missed") {
                try await mesh.state(of: "eve", seenBy: "ada") != "alive"
            }
            mesh.resume("eve")
            try await mesh.settled()

            // SIGTERM: the others hear it at once, and do not have to find out.
            #expect(try await mesh.terminate("eve") == 0)
            for name in ["ada", "bob"] {
                try await mesh.wait("\(name) to see that eve has left") {
                    try await mesh.state(of: "eve", seenBy: name) == "left"
                }
            }
            try await mesh.settled()
            // The coordinator too can leave.
            let coordinator = try await mesh.coordinator()
            #expect(try await mesh.terminate(coordinator) == 0)
            try await mesh.settled()
        }
    }

    func expectCertificates(of names: [String], in mesh: TestMesh) async throws {
        for name in names {
            let identity = mesh.data(of: name) + "/identity"
            let log = "\(mesh.folder)/openssl-\(name)"
            // The leaf comes first in the file and its issuer after it.
            let openssl = try ChildProcess(
                "openssl",
                [
                    "verify", "-CAfile", mesh.data(of: "ada") + "/identity/root.pem",
                    "-untrusted", "\(identity)/cert.pem", "\(identity)/cert.pem",
                ], output: log, errors: log)
            let status = try await openssl.finished(within: .seconds(20))
            let text = try String(contentsOfFile: log, encoding: .utf8)
            #expect(status == 0, "openssl: \(text)")
            #expect(text.contains("cert.pem: OK"))
        }
    }

    @Test func `a token lets in only whom it should`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let used = try await mesh.token()
            let enrolled = try await mesh.json("join", on: "bob", used, "--enrol-only")
            let again = try await mesh.refusal("join", on: "x1", used, "--enrol-only")
            #expect(again.contains("used up"))

            // Where the answer was lost with the door, the same call finishes what was begun.
            let certificate = mesh.data(of: "bob") + "/identity/cert.pem"
            try FileManager.default.removeItem(atPath: certificate)
            let finished = try await mesh.json("join", on: "bob", used, "--enrol-only")
            #expect(finished["id"]?.asString != nil && finished["id"] == enrolled["id"])
            #expect(FileManager.default.fileExists(atPath: certificate))

            // swiftlet://HOST:PORT#mesh.curve key.id.secret
            let good = try await mesh.token()
            let parts = good.split(separator: ".", omittingEmptySubsequences: false)
            var secret = try #require(parts.last)
            let first = secret.removeFirst()
            secret = (first == "A" ? "B" : "A") + secret
            let forged = (parts.dropLast() + [secret]).joined(separator: ".")
            let wrong = try await mesh.refusal("join", on: "x2", forged, "--enrol-only")
            #expect(wrong.contains("secret is wrong"))

            // Another mesh: its id in a token that leads to this one.
            let hash = try #require(good.firstIndex(of: "#"))
            let mesh64 = good[good.index(after: hash)...].prefix(64)
            let other = String(mesh64.map { $0 == "0" ? "1" : $0 == "1" ? "0" : $0 }.reversed())
            let strange = good.replacing(mesh64, with: other)
            let unknown = try await mesh.refusal("join", on: "x3", strange, "--enrol-only")
            #expect(unknown.contains("mesh") || unknown.contains("no answer"))

            // Another node's key: whoever answers at the address is not the one in the token.
            let curve = String(parts[parts.count - 3])
            let otherKey = String(curve.reversed().drop { !"AEIMQUYcgkosw048".contains($0) })
            let padded = otherKey + String(curve.prefix(43 - otherKey.count))
            let fake = good.replacing(curve, with: padded)
            _ = try await mesh.refusal("join", on: "x4", fake, "--enrol-only")

            let cut = try await mesh.refusal("join", on: "x5", String(good.dropLast(9)))
            #expect(cut.contains("token"))
            for name in ["x1", "x2", "x3", "x4", "x5"] {
                let certificate = mesh.data(of: name) + "/identity/cert.pem"
                #expect(!FileManager.default.fileExists(atPath: certificate))
            }
            // Nobody but the one that was let in is known, and the good token is still good.
            let members = try await mesh.get("/api/members", on: "ada")["members"]?.asArray
            #expect((members?.count ?? 9) <= 2)
            try await mesh.succeed("join", on: "eve", good, "--name", "eve", "--enrol-only")
        }
    }

    @Test func `a name that two nodes have names neither, and three digits are no id`()
        async throws
    {
        try await TestMesh.with(["ada", "bob"]) { mesh in
            let ids = [try await mesh.id(of: "ada"), try await mesh.id(of: "bob")]
            try await mesh.succeed("rename", on: "bob", "ada")
            try await mesh.wait("ada to know the new name") {
                let members = try await mesh.get("/api/members", on: "ada")["members"]?.asArray
                return members?.allSatisfy { $0["name"] == "ada" } ?? false
            }
            let both = try await mesh.refusal("drain", on: "ada", "ada")
            #expect(both.contains("2 nodes are called ada"), "\(both)")
            for id in ids { #expect(both.contains(String(id.prefix(12))), "\(both)") }
            for text in ["bob", String(ids[1].prefix(3))] {
                let none = try await mesh.refusal("revoke", on: "ada", text)
                #expect(none.contains("no node is called \(text)"), "\(none)")
            }
            // Beside one that is there, one that was revoked does not count.
            let revoked = try await mesh.json("revoke", on: "ada", String(ids[1].prefix(16)))
            #expect(revoked["node"]?.asString == ids[1])
            let drained = try await mesh.json("drain", on: "ada", "ada")
            #expect(drained["node"]?.asString == ids[0])
        }
    }

    @Test func `a new coordinator comes after kill -9`() async throws {
        let killCount = TestMesh.count("SWIFTLET_KILLS", default: 5)
        try await TestMesh.with { mesh in
            var milliseconds: [Int] = []
            for _ in 0..<killCount {
                let dead = try await mesh.coordinator()
                let id = try await mesh.id(of: dead)
                mesh.kill9(dead)
                let start = ContinuousClock.now
                try await mesh.wait(
                    "a new coordinator", within: .seconds(15), each: .milliseconds(10)
                ) {
                    var seen: Set<String> = []
                    for name in mesh.names {
                        let members = try await mesh.get("/api/members", on: name)
                        guard let coordinator = members["coordinator"]?.asString else {
                            return false
                        }
                        seen.insert(coordinator)
                    }
                    return seen.count == 1 && !seen.contains(id)
                }
                milliseconds.append(Int((ContinuousClock.now - start) / .milliseconds(1)))
                try await mesh.start(dead)
                try await mesh.settled()
            }
            milliseconds.sort()
            print(
                "new coordinator after kill -9, \(killCount) times: median "
                    + "\(milliseconds[killCount / 2]) ms, max \(milliseconds[killCount - 1]) ms, "
                    + "all \(milliseconds)")
            #expect(milliseconds.count == killCount)
        }
    }
}
