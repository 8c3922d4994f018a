import Basics
import Foundation
import Testing

extension MeshTests {
    @Test func `a job in YAML runs as a graph over three nodes, and one that fails says why`()
        async throws
    {
        try await TestMesh.with { mesh in
            _ = try await Guest.build("probe", in: mesh.folder)
            try "some words\n".write(
                toFile: mesh.folder + "/words.txt", atomically: true, encoding: .utf8)
            let file = mesh.folder + "/job.yaml"
            try Self.yaml(badLine: "").write(toFile: file, atomically: true, encoding: .utf8)
            let submitted = try await mesh.json(
                "job submit", on: "ada", file, "--key", "once", "--wait")
            #expect(submitted["state"] == "succeeded")
            #expect(submitted["task_count"] == 42 && submitted["succeeded_count"] == 42)
            let job = try #require(submitted["job"]?.asString)

            // Asked again through another node, under the same key, it is the same job.
            let again = try await mesh.json("job submit", on: "bob", file, "--key", "once")
            #expect(again["job"]?.asString == job)
            let list = try await mesh.json("job list", on: "eve")
            #expect(list["jobs"]?.asArray?.count == 1)

            try await expectResults(of: job, mesh)
            try await expectRefusals(file, mesh)
        }
    }

    /// Each task of the array has its own result, signed with others, and proven on another node.
    private func expectResults(of job: String, _ mesh: TestMesh) async throws {
        let results = try await mesh.get("/api/jobs/\(job)/results", on: "eve")
        let codes = results["exit_codes"]?.asArray ?? []
        #expect(codes.count == 42 && codes.allSatisfy { $0.asInteger == 0 })
        let tasks = (results["tasks"]?.asArray ?? []).compactMap(\.asString)
        #expect(Set(tasks).count == 42)
        let first = try await mesh.json("task show", on: "eve", try #require(tasks.first))
        #expect(first["stdout"] == "SOME WORDS\n")
        for task in [tasks[0], tasks[20], tasks[41]] {
            let verdict = try await mesh.json("verify", on: "bob", "--replay", task)
            #expect(verdict["verified"] == true && verdict["replayed"] == true, "\(verdict)")
        }
    }

    @Test func `what is too large for the log is refused, and the mesh goes on`() async throws {
        try await TestMesh.with { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let first = try await mesh.json("run", on: "ada", probe, "arguments")
            #expect(first["state"] == "succeeded")
            let digest = Digest.of(Array(try Data(contentsOf: URL(filePath: probe)))).hex
            let task: JSON = [
                "program": ["name": "probe", "digest": .string(digest)],
                "arguments": .array(
                    Array(repeating: .string(String(repeating: "a", count: 50_000)), count: 30)),
            ]
            for name in mesh.names {
                let socket = mesh.data(of: name) + "/node.sock"
                for path in ["/api/tasks", "/api/tasks?wait_seconds=5"] {
                    let answer = try await NodeSocket(path: socket).exchange(
                        "POST", path, task, within: .seconds(30))
                    #expect([404, 413].contains(answer.status), "\(name) \(answer.status)")
                }
            }
            let last = try await mesh.json("run", on: "bob", probe, "arguments", "0")
            #expect(last["state"] == "succeeded")
        }
    }

    @Test func `whoever waits for a name waits for all sets of that name`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            _ = try await Guest.build("probe", in: mesh.folder)
            let file = mesh.folder + "/names.yaml"
            let text = """
                name: names
                tasks:
                - program: probe.elf
                  arguments: [arguments, 0]
                - program: probe.elf
                  arguments: [arguments, 3]
                - name: merge
                  program: probe.elf
                  arguments: [arguments, 0]
                  after: [probe]
                """
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let outcome = try await mesh.run("job submit", on: "ada", [file, "--wait", "--json"])
            let job = try outcome.json()
            let merge = try #require(job["sets"]?.asArray?.last)
            #expect(merge["after"]?.asArray?.count == 2, "\(job)")
            #expect(merge["succeeded_count"] == 0)
        }
    }

    private func expectRefusals(_ file: String, _ mesh: TestMesh) async throws {
        for (line, sentence) in [
            ("fule: 7", "a task has no key fule"),
            ("deadline_seconds: 0", "deadline_seconds is a whole number from 1 to 31536000"),
            ("after: [count]", "no task above this one is called count"),
            ("inputs: [words.txt, ../words.txt]", "two inputs have the name words.txt"),
            ("environment: {A: 1, A: 2}", "A stands here twice"),
        ] {
            try Self.yaml(badLine: "  \(line)\n").write(
                toFile: file, atomically: true, encoding: .utf8)
            let refusal = try await mesh.refusal("job submit", on: "ada", file)
            #expect(refusal.contains("line 8: \(sentence)"), "\(refusal)")
        }

        let failing = """
            name: failing
            tasks:
            - name: bad
              program: probe.elf
              arguments: [arguments, 3]
            - name: never
              program: probe.elf
              after: [bad]
            - name: gang
              program: probe.elf
              array: {count: 10000}
              gang: true
            """
        try failing.write(toFile: file, atomically: true, encoding: .utf8)
        let answer = try await mesh.json("job submit", on: "bob", file)
        let job = try #require(answer["job"]?.asString)
        var sets: [JSON] = []
        try await mesh.wait("the dependant to be cancelled") {
            sets = try await mesh.get("/api/jobs/\(job)", on: "eve")["sets"]?.asArray ?? []
            return sets.count == 3 && sets[1]["failed_count"] == 1
        }
        let reason = sets[2]["pending"]?.asString ?? ""
        #expect(reason.contains("it needs 10000 slots at once"), "\(reason)")
        _ = try await mesh.json("job cancel", on: "ada", job)
        let shown = try await mesh.json("job show", on: "ada", job)
        #expect(shown["state"] == "cancelled" && shown["failed_count"] == 10_002)
    }

    private static func yaml(badLine: String) -> String {
        """
        # what runs first, and what then
        name: words
        tenant: testers
        tasks:
        - name: shout
          program: probe.elf
          arguments: [shout]
        \(badLine)  stdin: words.txt
        - name: count
          program: probe.elf
          arguments: [arguments, 0]
          after: [shout]
          array: {count: 40}
        - program: probe.elf
          name: last
          after: [shout, count]
          arguments: [arguments, 0]
          attempts: 2
        """
    }

    @Test func `a tenant gets what its quota allows, and is told why not more`() async throws {
        try await TestMesh.with { mesh in
            _ = try await Guest.build("probe", in: mesh.folder)
            let set = try await mesh.json(
                "tenant set", on: "ada", "team", "--max-running", "2", "--max-queued", "4")
            #expect(set["running_count_max"] == 2 && set["queued_count_max"] == 4)
            #expect(set["weight"] == 1 && set["fuel_max"] == .null)

            let file = mesh.folder + "/job.yaml"
            func write(count: Int) throws {
                let job = """
                    name: gang
                    tenant: team
                    tasks:
                    - program: probe.elf
                      arguments: [arguments, 0]
                      array: {count: \(count)}
                      gang: true
                    """
                try job.write(toFile: file, atomically: true, encoding: .utf8)
            }
            try write(count: 5)
            let refusal = try await mesh.refusal("job submit", on: "bob", file)
            #expect(refusal.contains("is 4 queued tasks, and 0 are queued"), "\(refusal)")

            try write(count: 3)
            let answer = try await mesh.json("job submit", on: "bob", file)
            let job = try #require(answer["job"]?.asString)
            let pending = try await mesh.get("/api/jobs/\(job)", on: "bob")["sets"]?.asArray
            let reason = pending?.first?["pending"]?.asString ?? ""
            #expect(reason.contains("more than the 2 tasks that the tenant team may"), "\(reason)")
            let list = try await mesh.json("tenant list", on: "bob")
            let team = list["tenants"]?.asArray?.first { $0["tenant"] == "team" }
            #expect(team?["queued_count"] == 3 && team?["running_count"] == 0)

            _ = try await mesh.json("tenant set", on: "eve", "team", "--max-running", "0")
            let shown = try await mesh.json("job show", on: "ada", job, "--wait")
            #expect(shown["state"] == "succeeded" && shown["succeeded_count"] == 3)
        }
    }

    @Test func `a drained node gets no tasks`() async throws {
        try await TestMesh.with { mesh in
            let drained = try await mesh.json("drain", on: "ada", "bob")
            #expect(drained["drained"] == true)
            let bob = try await mesh.id(of: "bob")
            try await run(mesh) { #expect($0 != bob) }
            _ = try await mesh.json("drain", on: "eve", "--undo", "bob")
            let members = try await mesh.get("/api/members", on: "ada")
            let isDrained = members["members"]?.asArray?.map { $0["drained"] == true }
            #expect(isDrained == [false, false, false])
        }
    }

    /// Runs a few tasks, and tells on which nodes.
    private func run(_ mesh: TestMesh, _ body: (String?) -> Void) async throws {
        let probe = try await Guest.build("probe", in: mesh.folder)
        for _ in 0..<6 {
            let result = try await mesh.json("run", on: "ada", probe, "arguments", "0")
            body(result["node"]?.asString)
        }
    }
}
