import Basics
import Foundation
import Glibc
import Identity
import Testing

extension MeshTests {
    @Test func `an edge node joins as the command says, listens nowhere, works`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            #expect(try tab.listeningPortCount() == 0)
            let probe = try await Guest.build("probe", in: mesh.folder)
            let run = try await mesh.run(
                "run", on: "bob", ["--edge", "only", probe, "arguments", "3"])
            #expect(run.status == 3, "\(run.errors)")
            #expect(run.output.contains("2: <3>"))
            let text = try await mesh.run(
                "run", on: "bob", ["--json", "--edge", "only", GuestFile.path])
            #expect(try text.json()["state"] == "refused", "\(text.output)")
            for words in ["job list", "token create", "drain ada", "policy show"] {
                let refusal = try await mesh.refusal(words, on: "tab")
                #expect(refusal.contains("This is an edge node"), "\(words): \(refusal)")
            }
            // A file is more than a result holds: its relay keeps it.
            let results = "\(mesh.folder)/results"
            let copy = try await mesh.run(
                "run", on: "eve",
                [
                    "--edge", "only", "--input", "in.txt=\(GuestFile.path)", "--output", results,
                    probe, "copy", "in.txt", "out.txt",
                ])
            #expect(copy.status == 0, "\(copy.errors)")
            let given = try String(contentsOfFile: GuestFile.path, encoding: .utf8)
            let found = try String(contentsOfFile: "\(results)/out.txt", encoding: .utf8)
            #expect(found == given + "copied\n")
            let tasks = try await mesh.get("/api/tasks", on: "ada")["tasks"]?.asArray ?? []
            #expect(tasks.count == 3)
            let id = try await mesh.id(of: "tab")
            for task in tasks { #expect(task["node"]?.asString == id) }
            #expect(try await mesh.voters().contains(id) == false)
            // What only the start needed is given back in the first seconds.
            try await mesh.wait("40 MiB to be enough", within: .seconds(10)) {
                try tab.residentKilobytes() <= 40 << 10
            }
        }
    }

    @Test func `an edge node sleeps unmissed, and finishes what it had parked without a network`()
        async throws
    {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let task = try await tab.park("7", mesh)
            for name in ["ada", "bob", "eve"] {
                #expect(try await mesh.state(of: "tab", seenBy: name) == "asleep")
            }
            // Started again it reaches nobody, and works on.
            try await tab.finishOffline(mesh)
            #expect(try await tab.status(mesh)["relay"] == .null)
            let parked = try await mesh.get("/api/tasks/\(task)", on: "bob")
            #expect(parked["state"]?.asString == "running")
            #expect(try await mesh.state(of: "tab", seenBy: "bob") == "asleep")
            tab.end()
            try tab.start(mesh)
            try await mesh.wait("the result") {
                try await mesh.get("/api/tasks/\(task)", on: "eve")["state"]?.asString
                    == "succeeded"
            }
            let done = try await mesh.get("/api/tasks/\(task)", on: "eve")
            #expect(done["attempt"]?.asInteger == 1)
            #expect(done["node"]?.asString == (try await mesh.id(of: "tab")))
            try await mesh.wait("tab to be awake") {
                try await mesh.state(of: "tab", seenBy: "bob") == "alive"
            }
            try await mesh.succeed("verify", on: "bob", "--replay", task)
        }
    }

    @Test func `what an edge node did under a void lease counts nowhere`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let task = try await tab.park("8", mesh)
            try await tab.finishOffline(mesh)
            try await mesh.succeed("task cancel", on: "bob", task)
            tab.end()
            try tab.start(mesh)
            try await mesh.wait("the result to be dropped") {
                let state = try await mesh.state(of: "tab", seenBy: "bob")
                return try await tab.status(mesh)["parked"] == [] && state == "alive"
            }
            let record = try await mesh.get("/api/tasks/\(task)", on: "ada")
            #expect(record["state"]?.asString == "cancelled")
        }
    }

    @Test func `a result that was tampered with is found by a replay, and its device drained`()
        async throws
    {
        try await TestMesh.with { mesh in
            try await mesh.succeed("policy edge", on: "bob", "--replay", "100")
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let task = try await tab.park("9", mesh)
            try await tab.finishOffline(mesh)
            tab.end()
            let folder = mesh.data(of: "tab") + "/edge"
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: folder).first {
                    $0.hasPrefix("result-")
                })
            let file = URL(filePath: "\(folder)/\(name)")
            var bytes = try Data(contentsOf: file)
            let place = try #require(bytes.range(of: Data("entry 9 ".utf8)))
            bytes[place.lowerBound + 6] = UInt8(ascii: "7")
            try bytes.write(to: file)
            try tab.start(mesh)
            try await mesh.wait("the device to be drained") {
                try await mesh.member("tab", seenBy: "eve")?["drained"] == true
            }
            let reason = try await mesh.member("tab", seenBy: "eve")?["drain_reason"]?.asString
            #expect(reason?.contains("replay") == true)
            let record = try await mesh.get("/api/tasks/\(task)", on: "eve")
            #expect(record["state"]?.asString == "queued")
        }
    }

    @Test func `a certificate that ended while the device was away is renewed`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            try await mesh.succeed("sleep", on: "tab", "--for", "10m")
            tab.end()
            let folder = mesh.data(of: "tab") + "/identity"
            let identity = try NodeIdentity.load(from: folder)
            let authority = try CertificateAuthority.load(from: mesh.data(of: "ada") + "/identity")
            // As it was issued, but for a second.
            let start = identity.certificate.notAfter - CertificateAuthority.nodeLifetimeSeconds
            let old = try authority.issue(
                try identity.renewalRequest(), at: start, lifetimeSeconds: 1)
            try await mesh.wait("its end") { old.notAfter < Int64(Date().timeIntervalSince1970) }
            try NodeIdentity(
                keys: identity.keys, certificate: old,
                issuingCertificate: identity.issuingCertificate,
                rootCertificate: identity.rootCertificate
            ).saveCertificate(to: folder)
            try tab.start(mesh)
            try await mesh.wait("the device to be back") {
                try await mesh.state(of: "tab", seenBy: "eve") == "alive"
            }
            let renewed = try NodeIdentity.load(from: folder)
            #expect(renewed.certificate.notAfter > old.notAfter + 86_400)
            #expect(renewed.id == identity.id)
            // What is revoked stays out.
            tab.end()
            try NodeIdentity(
                keys: identity.keys, certificate: old,
                issuingCertificate: identity.issuingCertificate,
                rootCertificate: identity.rootCertificate
            ).saveCertificate(to: folder)
            try await mesh.succeed("revoke", on: "ada", "tab")
            try tab.start(mesh)
            try await mesh.wait("the refusal") {
                let log = try String(contentsOfFile: "\(mesh.folder)/tab.log", encoding: .utf8)
                return log.contains("could not be renewed")
            }
            #expect(try NodeIdentity.load(from: folder).certificate.notAfter == old.notAfter)
        }
    }

    @Test func `an edge node changes to its spare relay when the first one dies`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let relay = try await tab.relayBesideSpare(mesh)
            var victim = ""
            for name in ["ada", "bob", "eve"] where try await mesh.id(of: name) == relay {
                victim = name
            }
            mesh.kill9(victim)
            let witness = try #require(mesh.names.first)
            try await mesh.wait("another relay") {
                let now = try await tab.status(mesh)["relay"]?.asString
                return now != nil && now != relay
            }
            let probe = try await Guest.build("probe", in: mesh.folder)
            let run = try await mesh.run("run", on: witness, ["--edge", "only", probe, "arguments"])
            #expect(run.status == 0, "\(run.errors)")
            #expect(try await mesh.state(of: "tab", seenBy: witness) == "alive")
        }
    }

    @Test func `a metered or nearly empty device gets only what may run there`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh, "--metered", "--battery", "80")
            defer { tab.end() }
            let probe = try await Guest.build("probe", in: mesh.folder)
            let task = try await mesh.succeed(
                "run", on: "ada", "--detach", "--edge", "only", probe, "arguments"
            ).trimmingCharacters(in: .whitespacesAndNewlines)
            try await mesh.wait("the mesh to know the device") {
                try await mesh.member("tab", seenBy: "ada")?["metered"]?.asBool == true
            }
            #expect(
                try await mesh.member("tab", seenBy: "ada")?["battery_percent"]?.asInteger == 80)
            // Others have nothing to do; still it waits.
            for name in ["ada", "bob", "eve"] { try await mesh.succeed("drain", on: "ada", name) }
            let other = try await mesh.succeed(
                "run", on: "ada", "--detach", "--edge", "any", probe, "arguments"
            ).trimmingCharacters(in: .whitespacesAndNewlines)
            try await mesh.wait("the task that may") {
                try await mesh.get("/api/tasks/\(other)", on: "ada")["state"]?.asString
                    == "succeeded"
            }
            let waiting = try await mesh.get("/api/tasks/\(task)", on: "ada")
            #expect(waiting["state"]?.asString == "queued")
        }
    }

    @Test func `a result that the log does not take ends in a sentence`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let probe = try await Guest.build("probe", in: mesh.folder)
            let long = String(repeating: "x", count: 60_000)
            let names = (0..<300).map { "file-\($0)" }
            // Two names of one text: the letter as a whole, and with its accent behind it.
            let twins = ["caf\u{e9}", "cafe\u{301}"]
            let calls: [([String], String)] = [
                (["arguments", "0", long], "where an edge node's may have 65536"),
                (["leave"] + names, "where an edge node's may have 65536"),
                (["leave"] + twins, "has two subjects called"),
            ]
            for (arguments, sentence) in calls {
                let run = try await mesh.run(
                    "run", on: "bob", ["--edge", "only", probe] + arguments)
                #expect(run.status == 1, "\(run.errors)")
                #expect(run.errors.contains(sentence), "\(run.errors)")
            }
            // Its slot is free again.
            let run = try await mesh.run("run", on: "bob", ["--edge", "only", probe, "arguments"])
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    @Test func `outputs go to the spare where the relay is full, and end the task where all are`()
        async throws
    {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let relay = try await tab.relayBesideSpare(mesh)
            var home = "", entry = ""
            for name in mesh.names {
                if try await mesh.id(of: name) == relay { home = name } else { entry = name }
            }
            let probe = try await Guest.build("probe", in: mesh.folder)
            // From now on the device has the program.
            try await mesh.succeed("run", on: entry, "--edge", "only", probe, "arguments")
            let digest = Digest.of(Array(try Data(contentsOf: URL(filePath: probe)))).hex
            func task(_ text: String) async throws -> JSON {
                try await mesh.post(
                    "/api/tasks?wait_seconds=60",
                    [
                        "program": ["name": "probe", "digest": .string(digest)],
                        "arguments": ["arguments", "0", .string(text)], "edge": "only",
                    ], on: entry)
            }
            try fill(home, mesh)
            let kept = try await task(String(repeating: "k", count: 5_000))
            #expect(kept["state"] == "succeeded", "\(kept)")
            let output = try #require(kept["stdout_digest"]?.asString)
            #expect(holders(of: output, mesh, among: [home]).isEmpty)

            for name in mesh.names where name != home { try fill(name, mesh) }
            let lost = try await task(String(repeating: "l", count: 5_000))
            #expect(lost["state"] == "failed", "\(lost)")
            let sentence = lost["message"]?.asString ?? ""
            #expect(sentence.contains("no relay has room for its outputs of"), "\(lost)")
            try await mesh.wait("the device to let go of it") {
                try await tab.parkedState(mesh) == nil
            }
        }
    }

    @Test func `a program that was damaged on the device's disk is fetched again`() async throws {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            let probe = try await Guest.build("probe", in: mesh.folder)
            try await mesh.succeed("run", on: "bob", "--edge", "only", probe, "arguments")
            let digest = Digest.of(Array(try Data(contentsOf: URL(filePath: probe)))).hex
            #expect(holders(of: digest, mesh, among: ["tab"]) == ["tab"])
            try damage(digest, at: 4_444, on: "tab", mesh)
            let run = try await mesh.run(
                "run", on: "bob", ["--edge", "only", probe, "arguments", "0", "again"])
            #expect(run.status == 0, "\(run.errors)")
            let kept = "\(mesh.data(of: "tab"))/artifacts/\(digest.prefix(2))/\(digest)"
            #expect(FileManager.default.contentsEqual(atPath: kept, andPath: probe))
        }
    }

    @Test func `a device that is told to stop does not wait for relays that are silent`()
        async throws
    {
        try await TestMesh.with { mesh in
            let tab = try await EdgeDevice.join("tab", mesh)
            defer { tab.end() }
            tab.end()
            // It asks each relay in turn for the next certificate, which takes 5 s each.
            let old = try await mesh.age("tab", secondsLeft: 1)
            for name in mesh.names { mesh.pause(name) }
            try tab.start(mesh)
            _ = try await tab.status(mesh)
            try await Task.sleep(for: .seconds(1))
            // All of them take 15 s at the least.
            #expect(try await tab.terminate(within: .seconds(10)) == 0)
            let identity = try NodeIdentity.load(from: mesh.data(of: "tab") + "/identity")
            #expect(identity.certificate.notAfter == old.notAfter)
        }
    }
}

/// A text for a program.
private enum GuestFile {
    static let path = TestMesh.tests.appending(path: "EdgeTests.swift").path
}

/// An edge node as a process of a test.
final class EdgeDevice {
    /// Some seconds of work.
    static let rounds = "600000000"

    let name: String
    private var process: ChildProcess

    private init(_ name: String, _ process: ChildProcess) {
        self.name = name
        self.process = process
    }

    /// Its relay, once it has a spare as well.
    func relayBesideSpare(_ mesh: TestMesh) async throws -> String {
        var relay = ""
        try await mesh.wait("a relay and a spare") {
            let status = try await self.status(mesh)
            relay = status["relay"]?.asString ?? ""
            return !relay.isEmpty && status["spare"]?.asString != nil
        }
        return relay
    }

    /// Runs the join command that the mesh prints, as somebody would who copies it.
    static func join(
        _ name: String, _ mesh: TestMesh, _ options: String...
    ) async throws -> EdgeDevice {
        let command = try await mesh.succeed("token create", on: "ada", "--role", "edge")
        let words = command.replacing("'", with: "").replacing("DIR", with: mesh.data(of: name))
            .split(whereSeparator: \.isWhitespace).map(String.init)
        try #require(words.prefix(2) == ["swiftlet", "join"])
        let device = EdgeDevice(
            name,
            try ChildProcess(
                TestMesh.program, Array(words.dropFirst()) + ["--name", name] + options,
                output: "\(mesh.folder)/\(name).log", errors: "\(mesh.folder)/\(name).log"))
        try await mesh.wait("the mesh to know \(name)") {
            if let status = device.process.poll() { throw Failure("it ended with \(status)") }
            return try await mesh.state(of: name, seenBy: "bob") == "alive"
        }
        return device
    }

    /// Again in the same folder; offline in a network namespace that has no network at all.
    func start(_ mesh: TestMesh, isOffline: Bool = false) throws {
        let log = "\(mesh.folder)/\(name).log"
        let words = ["up", "--data", mesh.data(of: name)]
        process =
            isOffline
            ? try ChildProcess(
                "unshare", ["-n", TestMesh.program] + words, output: log, errors: log)
            : try ChildProcess(TestMesh.program, words, output: log, errors: log)
    }

    func end() { process.end() }

    /// SIGTERM; the exit code.
    func terminate(within limit: Duration) async throws -> Int32 {
        process.send(SIGTERM)
        return try await process.finished(within: limit)
    }

    /// Has a task of this number, and has ended asleep before it could do it; gives the task's id.
    func park(_ number: String, _ mesh: TestMesh) async throws -> String {
        let program = try await Guest.build("ledger", in: mesh.folder)
        let task = try await mesh.succeed(
            "run", on: "ada", "--detach", "--edge", "only", program, number, Self.rounds
        ).trimmingCharacters(in: .whitespacesAndNewlines)
        try await mesh.wait("the task to be parked") { try await parkedState(mesh) != nil }
        try await mesh.succeed("sleep", on: name, "--for", "10m")
        end()
        return task
    }

    /// Started again without a network, until the parked task is done.
    func finishOffline(_ mesh: TestMesh) async throws {
        try start(mesh, isOffline: true)
        try await mesh.wait("the parked task to be done") {
            try await parkedState(mesh) == "done"
        }
    }

    func status(_ mesh: TestMesh) async throws -> JSON {
        for _ in 0..<100 {
            if let status = try? await mesh.get("/api/status", on: name) { return status }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Failure("\(name) does not answer")
    }

    func parkedState(_ mesh: TestMesh) async throws -> String? {
        try await status(mesh)["parked"]?.asArray?.first?["state"]?.asString
    }

    /// TCP sockets of the process in the state LISTEN (proc(5)).
    func listeningPortCount() throws -> Int {
        let folder = "/proc/\(process.pid)"
        var inodes: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd") {
            let target = try? FileManager.default.destinationOfSymbolicLink(
                atPath: "\(folder)/fd/\(name)")
            if let target, target.hasPrefix("socket:[") {
                inodes.insert(String(target.dropFirst(8).dropLast()))
            }
        }
        try #require(!inodes.isEmpty)
        var count = 0
        for table in ["tcp", "tcp6"] {
            let text = try String(contentsOfFile: "\(folder)/net/\(table)", encoding: .utf8)
            for line in text.split(separator: "\n").dropFirst() {
                let words = line.split(separator: " ")
                if words.count > 9, words[3] == "0A", inodes.contains(String(words[9])) {
                    count += 1
                }
            }
        }
        return count
    }

    func residentKilobytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }
}

extension TestMesh {
    fileprivate func voters() async throws -> [String] {
        try await get("/api/status", on: "ada")["voters"]?.asArray?.compactMap(\.asString) ?? []
    }

    fileprivate func member(_ name: String, seenBy node: String) async throws -> JSON? {
        try await get("/api/members", on: node)["members"]?.asArray?.first {
            $0["name"]?.asString == name
        }
    }
}
