import Basics
import Foundation
import Testing

extension MeshTests {
    /// The nodes on whose disk an artifact lies, whether or not they run.
    private func holders(of digest: String, _ mesh: TestMesh, among names: [String]) -> [String] {
        names.filter { name in
            let file = "\(mesh.data(of: name))/artifacts/\(digest.prefix(2))/\(digest)"
            return FileManager.default.fileExists(atPath: file)
        }
    }

    /// A file that no other has.
    private func largeFile(_ name: String, byteCount: Int, _ mesh: TestMesh) throws -> String {
        var state: UInt64 = 88_172_645_463_325_252
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
            for name in ["bob", "eve"] {
                // Where new artifacts are written.
                let partial = "\(mesh.data(of: name))/artifacts/partial"
                try FileManager.default.removeItem(atPath: partial)
                try Data().write(to: URL(filePath: partial))
            }
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
}
