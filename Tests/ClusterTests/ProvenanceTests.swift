import Basics
import Foundation
import Identity
import Testing

extension MeshTests {
    @Test func `what is not signed here, untouched and allowed does not run`() async throws {
        try await TestMesh.with { mesh in
            let primes = try await Guest.build("primes", in: mesh.folder)
            let result = try await mesh.json("run", on: "ada", primes, "20000")
            try await expectResultVerifies(result, mesh)
            try await expectAnotherFileIsRefused(result, primes, mesh)
            try await expectSignedLieIsRefused(result, mesh)
            try await expectChangedDocumentIsRefused(result, mesh)
            try await expectWrongSigner(primes, mesh)
            try await expectLicenses(primes, mesh)
            try await expectBadPrograms(primes, mesh)
            // Last, since it damages the stores.
            try await expectFlippedBit(mesh)
        }
    }

    private func expectResultVerifies(_ result: JSON, _ mesh: TestMesh) async throws {
        let task = try #require(result["task"]?.asString)
        let verdict = try await mesh.json("verify", on: "eve", "--replay", task)
        #expect(verdict["verified"] == true)
        #expect(verdict["replayed"] == true)
        let checks = verdict["checks"]?.asArray ?? []
        #expect(checks.count > 8)
        #expect(checks.allSatisfy { $0["ok"] == true && $0["detail"]?.asString != nil })

        let statement = try #require(result["statement"]?.asString)
        let retired = try #require(result["retired_instructions"]?.asInteger)
        let files = try await Forging.change(
            statement, replacing: "\(retired)", with: "\(retired + 1)", in: mesh, on: "bob")
        try await mesh.succeed("verify", on: "bob", "--replay", files.genuine)
        let outcome = try await mesh.run("verify", on: "bob", ["--json", files.forged])
        #expect(outcome.status != 0)
        let forged = try outcome.json()
        #expect(forged["verified"] == false)
        let failed = (forged["checks"]?.asArray ?? []).filter { $0["ok"] == false }
        #expect(failed.contains { $0["name"] == "signature" }, "\(forged.text)")
        #expect(outcome.errors.contains("signature"))
    }

    /// Of a result too the file must be the one that is signed.
    private func expectAnotherFileIsRefused(
        _ result: JSON, _ primes: String, _ mesh: TestMesh
    ) async throws {
        let statement = try #require(result["statement"]?.asString)
        let bundle = "\(mesh.folder)/result.bundle.json"
        try Data(try await mesh.bytes("/api/statements/\(statement)", on: "bob"))
            .write(to: URL(filePath: bundle))
        let output = "\(mesh.folder)/result.out"
        let text = try #require(result["stdout"]?.asString)
        try text.write(toFile: output, atomically: true, encoding: .utf8)
        try await mesh.succeed("verify", on: "bob", bundle, "--about", output)
        let sentence = try await mesh.refusal("verify", on: "bob", bundle, "--about", primes)
        #expect(sentence.contains("not verified") && sentence.contains("digest"), "\(sentence)")
        let task = try #require(result["task"]?.asString)
        for subject in [task, primes] {
            let refusal = try await mesh.refusal("verify", on: "bob", subject, "--about", output)
            #expect(refusal.contains("--about"), "\(refusal)")
        }
    }

    /// A result that its own node signs counts only where the log holds it.
    private func expectSignedLieIsRefused(_ result: JSON, _ mesh: TestMesh) async throws {
        let statement = try #require(result["statement"]?.asString)
        let task = try #require(result["task"]?.asString)
        let node = try #require(result["node"]?.asString)
        var liar: NodeIdentity?
        for name in mesh.names where try await mesh.id(of: name) == node {
            liar = try NodeIdentity.load(from: mesh.data(of: name) + "/identity")
        }
        let signer = try #require(liar)
        let output = "\(mesh.folder)/result.out"
        for id in [String(task.dropLast()), Digest.of("no task").hex] {
            let files = try await Forging.change(
                statement, replacing: task, with: id, in: mesh, on: "bob", signedBy: signer)
            for arguments in [[files.forged], [files.forged, "--about", output]] {
                let outcome = try await mesh.run("verify", on: "bob", ["--json"] + arguments)
                #expect(outcome.status != 0)
                let checks = try outcome.json()["checks"]?.asArray ?? []
                let failed = checks.filter { $0["ok"] == false }
                #expect(failed.compactMap { $0["name"]?.asString } == ["recorded"])
            }
        }
    }

    /// The document that `run --json` gave is worth no more than its words.
    private func expectChangedDocumentIsRefused(_ result: JSON, _ mesh: TestMesh) async throws {
        let file = "\(mesh.folder)/result.json"
        try result.prettyText.write(toFile: file, atomically: true, encoding: .utf8)
        try await mesh.succeed("verify", on: "bob", file)
        let changes: [(name: String, value: JSON)] = [
            ("stdout", "no primes\n"), ("exit_code", 9),
            ("digest", .string(Digest.of("another").hex)),
            ("outputs", [["name": "a", "digest": "b", "byte_count": 1]]), ("node", nil),
        ]
        for (name, value) in changes {
            let members = (result.asObject ?? []).map { member in
                member.isNamed(name) ? JSON.Member(name, value) : member
            }
            let changed = JSON.object(members).text
            try changed.write(toFile: file, atomically: true, encoding: .utf8)
            let sentence = try await mesh.refusal("verify", on: "bob", file)
            #expect(sentence.contains("not verified") && sentence.contains(name), "\(sentence)")
        }
    }

    private func expectWrongSigner(_ primes: String, _ mesh: TestMesh) async throws {
        let bundle = "\(mesh.folder)/stranger.bundle.json"
        try await TestMesh.with(["mallory"]) { other in
            try await other.succeed(
                "sign", on: "mallory", primes, "--kind", "program", "--license", "MIT",
                "--bundle", bundle)
            try await other.succeed("verify", on: "mallory", bundle)
        }
        let outcome = try await mesh.run("verify", on: "ada", ["--json", bundle])
        #expect(outcome.status != 0)
        let verdict = try outcome.json()
        #expect(verdict["verified"] == false)
        let failed = (verdict["checks"]?.asArray ?? []).filter { $0["ok"] == false }
        #expect(failed.contains { $0["name"] == "chain" }, "\(verdict.text)")
    }

    private func expectLicenses(_ primes: String, _ mesh: TestMesh) async throws {
        let sentence = try await mesh.refusal(
            "run", on: "bob", "--license", "LicenseRef-Proprietary", primes, "10")
        #expect(sentence.contains("LicenseRef-Proprietary"))
        let nonsense = try await mesh.refusal(
            "sign", on: "bob", primes, "--license", "no licence at all")
        #expect(nonsense.contains("license") || nonsense.contains("licence"))
        for entry in ["a b", "MIT OR ISC", "GPL-2.0+", ""] {
            let refusal = try await mesh.refusal("policy set", on: "bob", "MIT", entry)
            #expect(refusal.contains("\"\(entry)\" is no SPDX id of one licence"), "\(refusal)")
        }
        let none = try await NodeSocket(path: mesh.data(of: "bob") + "/node.sock").exchange(
            "PUT", "/api/policy", ["allowed_licenses": []], within: .seconds(30))
        #expect(none.status == 400)

        // What the policy no longer allows does not run, though it was added when it was allowed.
        let file = "\(mesh.folder)/zero.elf"
        let words = try await Guest.build("words", in: mesh.folder)
        try FileManager.default.copyItem(atPath: words, toPath: file)
        let added = try await mesh.json(
            "sign", on: "ada", file, "--kind", "program", "--license", "Zlib", "--name", "zero.elf")
        let digest = try #require(added["digest"]?.asString)
        let before = try await mesh.get("/api/policy", on: "ada")["allowed_licenses"]?.asArray ?? []
        let names = before.compactMap(\.asString)
        #expect(names.contains("Zlib"))
        try await setPolicy(names.filter { $0 != "Zlib" }, mesh)
        let task = try await ended(program: "zero.elf", digest, mesh, on: "ada")
        #expect(task["state"] == "refused", "\(task.text)")
        #expect(task["message"]?.asString?.contains("Zlib") == true)
        try await setPolicy(names, mesh)
        #expect(try await ended(program: "zero.elf", digest, mesh, on: "ada")["exit_code"] == 0)
    }

    private func setPolicy(_ licenses: [String], _ mesh: TestMesh) async throws {
        let answer = try await mesh.run("policy set", on: "ada", licenses)
        #expect(answer.status == 0, "\(answer.errors)")
        let wanted = JSON.array(licenses.map { .string($0) })
        try await mesh.wait("the policy to reach every node") {
            for name in mesh.names {
                let policy = try await mesh.get("/api/policy", on: name)
                let found = policy["allowed_licenses"]?.asArray ?? []
                guard Set(found) == Set(wanted.asArray ?? []) else { return false }
            }
            return true
        }
    }

    /// Submits a program that the mesh knows, and waits until its task has ended.
    private func ended(
        program name: String, _ digest: String, arguments: [JSON] = [], _ mesh: TestMesh,
        on node: String
    ) async throws -> JSON {
        let answer = try await mesh.post(
            "/api/tasks",
            [
                "program": ["name": .string(name), "digest": .string(digest)],
                "arguments": .array(arguments),
            ], on: node)
        let task = try #require(answer["task"]?.asString)
        // It fails where the task did, and says what there is to say all the same.
        return try await mesh.run("task show", on: node, ["--json", "--wait", task]).json()
    }

    private func expectBadPrograms(_ primes: String, _ mesh: TestMesh) async throws {
        let overlapping = "\(mesh.folder)/overlapping.elf"
        try overlap(primes, overlapping)
        let truncated = "\(mesh.folder)/truncated.elf"
        let bytes = try Data(contentsOf: URL(filePath: primes))
        try bytes.prefix(bytes.count / 3).write(to: URL(filePath: truncated))
        let cases = [
            ("/bin/true", "not for RISC-V"), (overlapping, "overlap"), (truncated, "cut short"),
            (#filePath, "not an ELF file"),
        ]
        for (program, cause) in cases {
            let onMesh = try await mesh.refusal("run", on: "eve", program)
            #expect(onMesh.contains(cause), "\(program): \(onMesh)")
            let here = try await mesh.refusal("run --local", on: nil, program)
            #expect(here.contains(cause), "\(program): \(here)")
        }
        // Whoever tried it again would find the same.
        let text = try Data(contentsOf: URL(filePath: #filePath))
        let digest = Digest.of(Array(text)).hex
        let task = try await mesh.post(
            "/api/tasks?wait_seconds=60",
            ["program": ["name": "text", "digest": .string(digest)], "attempts": 3], on: "eve")
        #expect(task["state"] == "refused" && task["attempt"] == 1, "\(task.text)")
        #expect(task["exit_code"] == .null)
    }

    /// Copies an ELF file, with its second loadable segment moved onto the first one.
    private func overlap(_ source: String, _ target: String) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: source)))
        func number(_ offset: Int, _ count: Int) -> Int {
            (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        // e_phoff, e_phnum; p_type 1 is LOAD; p_vaddr is at 16 (System V ABI, chapters 4 and 5).
        let headers = (0..<number(56, 2)).map { number(32, 8) + $0 * 56 }
        let loads = headers.filter { number($0, 4) == 1 }
        try #require(loads.count >= 2)
        for byte in 16..<24 { bytes[loads[1] + byte] = bytes[loads[0] + byte] }
        try Data(bytes).write(to: URL(filePath: target))
    }

    private func expectFlippedBit(_ mesh: TestMesh) async throws {
        let probe = try await Guest.build("probe", in: mesh.folder)
        let added = try await mesh.json(
            "sign", on: "ada", probe, "--kind", "program", "--license", "MIT")
        let digest = try #require(added["digest"]?.asString)
        // Nobody computed it, and the command says so.
        let words = try await mesh.succeed("verify", on: "ada", "--replay", digest)
        #expect(words.contains("nothing to replay"), "\(words)")
        let before = try await ended(
            program: "probe.elf", digest, arguments: ["arguments"], mesh, on: "ada")
        #expect(before["exit_code"] == 0)
        let holders = mesh.names.filter { Forging.holds(digest, in: mesh, node: $0) }
        for name in holders { try Forging.flipBit(of: digest, at: 70_000, in: mesh, on: name) }
        let sentence = try await mesh.refusal("verify", on: "ada", digest)
        #expect(sentence.contains("not verified"))
        let after = try await ended(
            program: "probe.elf", digest, arguments: ["arguments"], mesh, on: "ada")
        #expect(after["state"] == "refused" || after["state"] == "failed", "\(after.text)")
        #expect(after["message"]?.asString?.contains("damaged") == true, "\(after.text)")
        // Whoever has found it damaged does not keep it: a good copy may come in its place.
        #expect(holders.contains { !Forging.holds(digest, in: mesh, node: $0) })
    }

    @Test func `a revoked node is shut out with all that it signed`() async throws {
        try await TestMesh.with { mesh in
            let primes = try await Guest.build("primes", in: mesh.folder)
            // Somebody who is not asked to judge itself.
            let coordinator = try await mesh.coordinator()
            let others = mesh.names.filter { $0 != coordinator }
            let (bad, good) = (others[0], others[1])
            let id = try await mesh.id(of: bad)
            let added = try await mesh.json(
                "sign", on: bad, primes, "--kind", "program", "--license", "MIT")
            let digest = try #require(added["digest"]?.asString)
            _ = try await mesh.bytes("/api/artifacts/\(digest)", on: good)
            let before = try await ended(
                program: "primes.elf", digest, arguments: ["100"], mesh, on: good)
            #expect(before["state"] == "succeeded", "\(before.text)")

            let start = ContinuousClock.now
            try await mesh.succeed("revoke", on: good, bad, "--reason", "its disk was stolen")
            try await mesh.settled(without: bad)
            print("a node was revoked and cut off by the others in \(ContinuousClock.now - start)")
            // Its connections are cut: what it is asked to do, it can do with nobody.
            let count = try await mesh.get("/api/tasks", on: good)["tasks"]?.asArray?.count
            let cut = try mesh.launch("run", on: bad, [primes, "102"])
            let outcome = try? await cut.outcome(within: .seconds(4))
            #expect(outcome?.status != 0, "a revoked node had work done")
            #expect(try await mesh.get("/api/tasks", on: good)["tasks"]?.asArray?.count == count)
            mesh.kill9(bad)
            let after = try await ended(
                program: "primes.elf", digest, arguments: ["101"], mesh, on: good)
            #expect(after["state"] == "refused", "\(after.text)")
            #expect(after["message"]?.asString?.contains("revoked") == true, "\(after.text)")
            let verdict = try await mesh.refusal("verify", on: good, digest)
            #expect(verdict.contains("revoked"))

            try await expectShutOut(bad, id, good, mesh)
            // What somebody else answers for runs.
            let mine = try await mesh.run("run", on: good, ["--license", "MIT", primes, "100"])
            #expect(mine.output == "25 primes below 100, the last is 97\n", "\(mine.errors)")
        }
    }

    /// A revoked node that is started again talks to nobody, and nobody counts it in.
    private func expectShutOut(
        _ bad: String, _ id: String, _ good: String, _ mesh: TestMesh
    ) async throws {
        let log = "\(mesh.folder)/\(bad).again"
        let port = try TestMesh.freePort()
        let node = try ChildProcess(
            TestMesh.program,
            ["up", "--data", mesh.data(of: bad), "--listen", "tcp://127.0.0.1:\(port)"],
            output: log, errors: log)
        defer { node.end() }
        let socket = mesh.data(of: bad) + "/node.sock"
        let deadline = ContinuousClock.now + .seconds(8)
        var sawMesh = false
        while ContinuousClock.now < deadline, node.poll() == nil {
            if FileManager.default.fileExists(atPath: socket),
                let members = try? await mesh.get("/api/members", on: bad),
                let coordinator = members["coordinator"]?.asString, coordinator != id
            {
                sawMesh = true
            }
            #expect(try await mesh.state(of: bad, seenBy: good) != "alive")
            try await Task.sleep(for: .milliseconds(200))
        }
        #expect(!sawMesh, "a revoked node heard of a coordinator")
        // It says what became of it, once in its log, and lets nobody wait for a quorum.
        let status = try await mesh.get("/api/status", on: bad)
        #expect(status["state"] == "removed", "\(status.text)")
        let removed = try #require(status["removed"]?.asString)
        let start = ContinuousClock.now
        let refusal = try await mesh.refusal("policy show", on: bad)
        #expect(refusal.contains(removed), "\(refusal)")
        #expect(ContinuousClock.now - start < .seconds(10))
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        let said = lines.filter { $0.contains(" error ") && $0.contains("[Runtime] \(removed)") }
        #expect(said.count == 1, "\(said)")
    }
}
