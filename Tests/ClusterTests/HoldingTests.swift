import Basics
import Foundation
import Testing

extension MeshTests {
    /// The nodes on whose disk an artifact lies, whether or not they run.
    func holders(of digest: String, _ mesh: TestMesh, among names: [String]) -> [String] {
        names.filter { name in
            let file = "\(mesh.data(of: name))/artifacts/\(digest.prefix(2))/\(digest)"
            return FileManager.default.fileExists(atPath: file)
        }
    }

    /// A file that no other has.
    private func largeFile(_ name: String, byteCount: Int, _ mesh: TestMesh) throws -> String {
        var state: UInt64 = 88_172_645_463_325_252 ^ UInt64(byteCount)
        var data = Data(capacity: byteCount)
        while data.count < byteCount {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            withUnsafeBytes(of: state) { data.append(contentsOf: $0) }
        }
        let path = "\(mesh.folder)/\(name)"
        try data.write(to: URL(filePath: path))
        return path
    }

    @Test func `what is submitted outlives the death of the node that took it`() async throws {
        try await TestMesh.with { mesh in
            let names = mesh.names
            let ledger = try await Guest.build("ledger", in: mesh.folder)
            let input = try largeFile("large.bin", byteCount: 20 << 20, mesh)
            for (round, entry) in ["bob", "eve"].enumerated() {
                let program = try await mesh.json(
                    "sign", on: entry, ledger, "--kind", "program", "--license", "MIT")
                let added = try await mesh.json(
                    "sign", on: entry, input, "--kind", "data", "--license", "CC0-1.0")
                let digests = try [program, added].map { try #require($0["digest"]?.asString) }
                if round == 0 {
                    #expect(holders(of: digests[1], mesh, among: names) == [entry])
                }
                let answer = try await mesh.post(
                    "/api/tasks",
                    [
                        "program": ["name": "ledger.elf", "digest": .string(digests[0])],
                        "inputs": [["name": "large.bin", "digest": .string(digests[1])]],
                        "arguments": [.string("\(round)"), "400000000"],
                    ], on: entry)
                mesh.kill9(entry)
                let task = try #require(answer["task"]?.asString)
                let alive = names.filter { $0 != entry }
                for digest in digests {
                    #expect(!holders(of: digest, mesh, among: alive).isEmpty, "nobody holds it")
                }
                try await mesh.wait("the task to end", within: .seconds(120)) {
                    let now = try? await mesh.get("/api/tasks/\(task)", on: alive[0])
                    return now?["state"] == "succeeded"
                }
                let ended = try await mesh.get("/api/tasks/\(task)", on: alive[1])
                #expect(ended["stdout"]?.asString?.hasPrefix("entry \(round) ") == true)
                let dead = try #require(
                    try await mesh.get("/api/members", on: alive[0])["members"]?.asArray?.first {
                        $0["name"]?.asString == entry
                    })
                #expect(ended["node"] != dead["id"], "it had ended before its node died")
                try await mesh.start(entry)
                try await mesh.settled()
            }
        }
    }

    @Test func `a submission that nobody else can hold is refused in a sentence`() async throws {
        try await TestMesh.with { mesh in
            let ledger = try await Guest.build("ledger", in: mesh.folder)
            for name in ["bob", "eve"] { try fill(name, mesh) }
            let sentence = try await mesh.refusal("run", on: "ada", ledger, "1", "1000")
            #expect(sentence.contains("no other node has taken a copy of ledger.elf"))
            let tasks = try await mesh.get("/api/tasks", on: "ada")["tasks"]?.asArray
            #expect(tasks?.isEmpty == true, "nothing was promised")

            for name in ["bob", "eve"] {
                let partial = "\(mesh.data(of: name))/artifacts/partial"
                try FileManager.default.removeItem(atPath: partial)
                try FileManager.default.createDirectory(
                    atPath: partial, withIntermediateDirectories: false)
            }
            try await mesh.succeed("run", on: "ada", ledger, "1", "1000")
        }
    }

    /// From now on a node can keep nothing that it has not yet.
    func fill(_ name: String, _ mesh: TestMesh) throws {
        // Where new artifacts are written.
        let partial = "\(mesh.data(of: name))/artifacts/partial"
        try FileManager.default.removeItem(atPath: partial)
        try Data().write(to: URL(filePath: partial))
    }

    /// Changes one byte of the file that a node keeps an artifact in.
    func damage(
        _ digest: String, at offset: UInt64, on name: String, _ mesh: TestMesh
    ) throws {
        let path = "\(mesh.data(of: name))/artifacts/\(digest.prefix(2))/\(digest)"
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: offset)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data([byte ^ 1]))
        try file.close()
    }

    /// Has `names` keep an artifact that all of them take from the first.
    private func spread(
        _ file: String, over names: [String], _ mesh: TestMesh
    ) async throws -> String {
        let added = try await mesh.json(
            "sign", on: names[0], file, "--kind", "data", "--license", "CC0-1.0")
        let digest = try #require(added["digest"]?.asString)
        for name in names.dropFirst() {
            let asked = ask(for: digest, on: name, mesh)
            defer { asked.cancel() }
            try await arrival(of: digest, file, on: name, mesh)
        }
        return digest
    }

    /// Has a node fetch an artifact, and does not wait for the answer.
    private func ask(
        for digest: String, on name: String, _ mesh: TestMesh
    ) -> Task<Void, any Error> {
        let door = mesh.data(of: name) + "/node.sock"
        return Task {
            _ = try await NodeSocket(path: door)
                .exchange("GET", "/api/artifacts/\(digest)", nil, within: .seconds(60))
        }
    }

    private func arrival(
        of digest: String, _ file: String, on name: String, _ mesh: TestMesh
    ) async throws {
        try await mesh.wait("\(name) to have it") {
            holders(of: digest, mesh, among: [name]) == [name]
        }
        let kept = "\(mesh.data(of: name))/artifacts/\(digest.prefix(2))/\(digest)"
        #expect(FileManager.default.contentsEqual(atPath: kept, andPath: file))
    }

    @Test func `a holder that dies in the middle of a transfer is made up for by the others`()
        async throws
    {
        try await TestMesh.with { mesh in
            let input = try largeFile("large.bin", byteCount: 200 << 20, mesh)
            let digest = try await spread(input, over: ["ada", "bob"], mesh)
            let partial = "\(mesh.data(of: "eve"))/artifacts/partial"
            let asked = ask(for: digest, on: "eve", mesh)
            defer { asked.cancel() }
            try await mesh.wait("pieces to arrive", each: .milliseconds(2)) {
                let files = try FileManager.default.contentsOfDirectory(atPath: partial)
                return !files.isEmpty
            }
            mesh.kill9("bob")
            #expect(holders(of: digest, mesh, among: ["eve"]).isEmpty, "it was over before")
            try await arrival(of: digest, input, on: "eve", mesh)
        }
    }

    @Test func `a node that was killed in the middle of a transfer goes on where it was`()
        async throws
    {
        try await TestMesh.with { mesh in
            let input = try largeFile("long.bin", byteCount: 300 << 20, mesh)
            let digest = try await spread(input, over: ["ada"], mesh)
            let proof = "\(mesh.data(of: "eve"))/artifacts/partial/\(digest).proof"
            func provenCount() throws -> Int {
                let size = try? FileManager.default.attributesOfItem(atPath: proof)[.size]
                return ((size as? Int ?? 8) - 8) / 32
            }
            let first = ask(for: digest, on: "eve", mesh)
            try await mesh.wait("pieces to arrive", each: .milliseconds(2)) {
                try provenCount() >= 20
            }
            mesh.kill9("eve")
            first.cancel()
            #expect(holders(of: digest, mesh, among: ["eve"]).isEmpty, "it was over before")
            let kept = try provenCount()
            // What it counts among its artifacts at the start: it is not thrown away.
            try await mesh.start("eve")
            let status = try await mesh.get("/api/status", on: "eve")
            #expect(status["artifact_byte_count"]?.asInteger ?? 0 >= Int64(kept - 1) << 20)
            let again = ask(for: digest, on: "eve", mesh)
            defer { again.cancel() }
            try await arrival(of: digest, input, on: "eve", mesh)
            #expect(!FileManager.default.fileExists(atPath: proof))
        }
    }

    @Test func `a holder whose file was changed on the disk notices, and another one is asked`()
        async throws
    {
        try await TestMesh.with { mesh in
            let input = try largeFile("large.bin", byteCount: 30 << 20, mesh)
            let digest = try await spread(input, over: ["ada", "bob"], mesh)
            mesh.kill9("bob")
            try damage(digest, at: 11 << 20, on: "ada", mesh)
            let asked = ask(for: digest, on: "eve", mesh)
            defer { asked.cancel() }
            try await mesh.wait("the damaged file to go") {
                holders(of: digest, mesh, among: ["ada"]).isEmpty
            }
            try await mesh.wait("ada to say so") {
                mesh.hasLogged("is not kept any more", on: "ada")
            }
            try await mesh.start("bob")
            try await arrival(of: digest, input, on: "eve", mesh)
        }
    }

    @Test func `a holder that lies without knowing is found out by who fetches`() async throws {
        try await TestMesh.with { mesh in
            let input = try largeFile("large.bin", byteCount: 30 << 20, mesh)
            let digest = try await spread(input, over: ["ada", "bob"], mesh)
            try damage(digest, at: (11 << 20) + 77, on: "ada", mesh)
            // Its chaining values go with the change: only the last piece does not fit to them.
            let path = "\(mesh.data(of: "ada"))/artifacts/\(digest.prefix(2))/\(digest)"
            let changed = Array(try Data(contentsOf: URL(filePath: path)))
            var hash = SHA256()
            var chain = Data()
            for number in 0..<29 {
                hash.update(Array(changed[number << 20..<(number + 1) << 20]))
                chain.append(contentsOf: try #require(hash.chainingValue).bytes)
            }
            try chain.write(to: URL(filePath: path + ".chain"))
            let asked = ask(for: digest, on: "eve", mesh)
            defer { asked.cancel() }
            try await arrival(of: digest, input, on: "eve", mesh)
        }
    }

    @Test func `a full node lets go of copies, keeps what is referred to, and says no`()
        async throws
    {
        let options = ["--artifact-limit", "25", "--artifact-grace", "1s"]
        try await TestMesh.with(options: options) { mesh in
            let files = try (0..<7).map {
                try largeFile("large\($0).bin", byteCount: (10 << 20) + $0, mesh)
            }
            let sign = { (file: Int, name: String) in
                let added = try await mesh.json(
                    "sign", on: name, files[file], "--kind", "data", "--license", "CC0-1.0")
                return try #require(added["digest"]?.asString)
            }
            // Two are all that a node has room for. Those of another node are copies.
            let signed = [try await sign(0, "ada"), try await sign(1, "ada")]
            for (index, digest) in signed.enumerated() {
                let asked = ask(for: digest, on: "bob", mesh)
                defer { asked.cancel() }
                try await arrival(of: digest, files[index], on: "bob", mesh)
            }
            try await Task.sleep(for: .seconds(1.1))
            let own = try await sign(2, "bob")
            #expect(holders(of: own, mesh, among: mesh.names) == ["bob"])
            // One of the copies made room for it.
            #expect(signed.filter { holders(of: $0, mesh, among: ["bob"]) == ["bob"] }.count == 1)
            for digest in signed { #expect(holders(of: digest, mesh, among: ["ada"]) == ["ada"]) }

            // What a node has signed stays: it has no room for a third one.
            try await Task.sleep(for: .seconds(1.1))
            let refusal = try await mesh.refusal(
                "sign", on: "ada", files[3], "--kind", "data", "--license", "CC0-1.0")
            #expect(refusal.contains("there is no room for"))
            #expect(holders(of: signed[0], mesh, among: ["ada"]) == ["ada"])
            let status = try await mesh.get("/api/status", on: "ada")
            let most = try #require(status["artifact_byte_count_max"]?.asInteger)
            let referenced = try #require(status["artifact_referenced_byte_count"]?.asInteger)
            #expect(most == 25 << 20 && referenced > 20 << 20)
            #expect(try #require(status["artifact_byte_count"]?.asInteger) <= most)

            // Nor does it take a copy of another's, and says so: bob has room for an input, where
            // the other copy was, and nobody has for a second one.
            for file in [4, 5] { _ = try await sign(file, "eve") }
            let ledger = try await Guest.build("ledger", in: mesh.folder)
            let sentence = try await mesh.refusal(
                "run", on: "bob", "--input", files[6], ledger, "1", "1000")
            #expect(sentence.contains("no other node has taken a copy"))
            #expect(sentence.contains("there is no room for"))
            try await mesh.succeed("run", on: "bob", ledger, "1", "1000")
        }
    }
}
