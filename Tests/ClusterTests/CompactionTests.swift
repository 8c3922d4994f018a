import Basics
import Foundation
import Testing

extension MeshTests {
    private static let roundCount = 10
    private static let tasksOfRound = 800

    @Test func `the log stays bounded over thousands of tasks, and who lacks it gets a snapshot`()
        async throws
    {
        let options = ["--snapshot-entries", "100", "--keep-tasks", "1000", "--slots", "2"]
        try await TestMesh.with(options: options) { mesh in
            _ = try await Guest.build("probe", in: mesh.folder)
            let first = try await round(0, on: "ada", mesh)
            // What comes now this one has no part in.
            mesh.kill9("eve")
            var sizes: [Int] = []
            var jobs = [first]
            for number in 1..<Self.roundCount {
                jobs.append(try await round(number, on: "bob", mesh))
                sizes.append(byteCount(ofLogOf: "ada", mesh))
            }
            // Old snapshots and entries make room for new ones: the largest that it ever was is
            // soon reached.
            let (early, late) = (sizes[..<5].max() ?? 0, sizes.max() ?? 0)
            #expect(late < early * 3 / 2, "the log grows: \(sizes)")

            try await mesh.start("eve")
            try await mesh.enrol("zoe")
            try await mesh.settled()
            for name in ["eve", "zoe"] {
                #expect(
                    mesh.hasLogged("took up the state after entry", on: name),
                    "\(name) was sent the log")
                try await expectHistory(jobs, on: name, mesh)
            }
            try await round(99, on: "zoe", mesh)

            // All at once: each goes on from its own disk.
            for name in mesh.names { mesh.kill9(name) }
            for name in ["ada", "bob", "eve", "zoe"] { try await mesh.start(name) }
            try await mesh.settled()
            try await round(100, on: "eve", mesh)
            print("log.sqlite after each round of \(Self.tasksOfRound) tasks: \(sizes) bytes")
        }
    }

    /// A job of many short tasks, all of which must succeed; its id.
    @discardableResult
    private func round(_ number: Int, on name: String, _ mesh: TestMesh) async throws -> String {
        let file = mesh.folder + "/round.yaml"
        let text = """
            name: round \(number)
            tasks:
            - name: many
              program: probe.elf
              arguments: [arguments, 0]
              array: {count: \(Self.tasksOfRound)}
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let answer = try await mesh.json("job submit", on: name, file, "--wait")
        #expect(answer["state"] == "succeeded", "\(answer.text)")
        #expect(answer["succeeded_count"]?.asInteger == Int64(Self.tasksOfRound))
        return try #require(answer["job"]?.asString)
    }

    /// The last job is there with all of its results, the first is forgotten, and known to be.
    private func expectHistory(_ jobs: [String], on name: String, _ mesh: TestMesh) async throws {
        let last = try #require(jobs.last)
        let results = try await mesh.get("/api/jobs/\(last)/results", on: name)
        let codes = results["exit_codes"]?.asArray ?? []
        #expect(codes.count == Self.tasksOfRound && codes.allSatisfy { $0.asInteger == 0 })
        let task = try #require(results["tasks"]?.asArray?.first?.asString)
        let verdict = try await mesh.json("verify", on: name, task)
        #expect(verdict["verified"] == true, "\(verdict.text)")
        let shown = try await mesh.get("/api/tasks", on: name)["tasks"]?.asArray ?? []
        #expect(shown.count <= 1_000 + Self.tasksOfRound)
        let refusal = try await mesh.refusal("job show", on: name, jobs[0])
        #expect(refusal.contains("ended long ago"), "\(refusal)")
    }

    /// With what SQLite has not yet put in its place.
    private func byteCount(ofLogOf name: String, _ mesh: TestMesh) -> Int {
        ["log.sqlite", "log.sqlite-wal"].reduce(0) { count, file in
            let path = mesh.data(of: name) + "/" + file
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return count + (attributes?[.size] as? Int ?? 0)
        }
    }
}
