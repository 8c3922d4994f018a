import Basics
import Foundation
import Testing

extension MeshTests {
    /// One way to call the probe, and what it must do.
    private struct Call {
        var arguments: [String]
        var input = ""
        var status: Int32 = 0
    }

    @Test func `a program on the mesh does what it does natively, from every node`() async throws {
        try await TestMesh.with { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let calls = [
                Call(arguments: ["arguments"]),
                Call(arguments: ["arguments", "3", "two words", "-x", ""], status: 3),
                Call(arguments: ["shout"], input: "one\ntwo, and no line end"),
                Call(arguments: ["copy", "missing", "copy"], status: 1),
            ]
            for (index, call) in calls.enumerated() {
                let native = try await qemu(probe, call, in: mesh)
                #expect(native.status == call.status)
                for name in mesh.names where index == 1 || name == mesh.names[index % 3] {
                    let run = try await mesh.run(
                        "run", on: name, [probe] + call.arguments, input: call.input)
                    #expect(run.status == native.status, "\(call.arguments) on \(name)")
                    #expect(run.output == native.output)
                    #expect(run.errors == native.errors)
                }
            }
            try await expectFiles(probe, mesh)
            try await expectCrash(probe, mesh)
            try await expectSameDigests(probe, mesh)
            try await expectMissedDeadline(probe, mesh)
            try await expectOwnNames(probe, mesh)
        }
    }

    @Test func `whatever a program leaves behind, its worker goes on`() async throws {
        try await TestMesh.with { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let twins = ["caf\u{e9}", "cafe\u{301}"]
            let many = (0..<1_022).map { "\($0)" }
            for (names, sentence) in [(twins, "has two subjects called"), (many, "1022 files")] {
                let run = try await mesh.run("run", on: "ada", [probe, "leave"] + names)
                #expect(run.status == 1, "\(run.errors)")
                #expect(run.errors.contains(sentence), "\(run.errors)")
            }
            // Their names stand twice in a statement of 300 KB, which stands in no entry.
            let long = (0..<900).map { "\($0)-" + String(repeating: "n", count: 100) }
            let run = try await mesh.run("run", on: "ada", ["--json", probe, "leave"] + long)
            #expect(run.status == 0, "\(run.errors)")
            let result = try run.json()
            #expect(result["outputs"]?.asArray?.count == 900)
            let task = try #require(result["task"]?.asString)
            for name in mesh.names {
                try await mesh.succeed("verify", on: name, "--replay", task)
                // Each lane of each worker is still there.
                for number in 0..<3 {
                    let next = try await mesh.run(
                        "run", on: name, [probe, "arguments", "0", "\(number)"])
                    #expect(next.status == 0, "\(next.errors)")
                }
            }
        }
    }

    @Test func `a node whose lanes are taken has short tasks done by its peers at once`()
        async throws
    {
        try await TestMesh.with { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            // Each node has run it, and knows that it is short.
            for name in mesh.names {
                let run = try await mesh.run("run", on: name, [probe, "arguments"])
                #expect(run.status == 0, "\(run.errors)")
            }
            let bytes = try Data(contentsOf: URL(filePath: probe))
            let program: JSON = [
                "name": "probe", "digest": .string(Digest.of(Array(bytes)).hex),
            ]
            let own = try await mesh.id(of: "ada")
            var foreign: JSON?
            // How many lanes are free in the same moment is chance.
            for round in 0..<30 where foreign == nil {
                let answers = try await answersTogether(
                    (0..<32).map { number -> JSON in
                        [
                            "program": program, "arguments": ["arguments"],
                            "seed": .integer(Int64(round * 32 + number)),
                        ]
                    }, at: mesh.data(of: "ada") + "/node.sock")
                #expect(answers.allSatisfy { $0["exit_code"]?.asInteger == 0 })
                for answer in answers where answer["node"]?.asString != own {
                    // What the coordinator leased is signed together with others.
                    guard let attempt = try await attempt(in: answer, mesh) else { continue }
                    #expect(attempt["task_id"] == answer["task"])
                    if attempt["fence_index"]?.asString == "0" { foreign = answer }
                }
            }
            let task = try #require(foreign?["task"]?.asString, "no peer has lent a lane")
            let verified = try await mesh.run("verify", on: "eve", ["--replay", task])
            #expect(verified.status == 0, "\(verified.output) \(verified.errors)")
            // Under a key that was used, the answer is the first one, with its signature.
            var statements: [String?] = []
            for name in ["ada", "ada", "bob"] {
                let answer = try await mesh.post(
                    "/api/tasks?wait_seconds=60",
                    ["program": program, "arguments": ["arguments"], "key": "again"], on: name)
                statements.append(answer["statement"]?.asString)
            }
            #expect(statements[0] != nil && Set(statements).count == 1)
        }
    }

    @Test("A node judges a program anew before it would give its tasks away")
    func judgesAnew() async throws {
        try await TestMesh.with { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let run = try await mesh.run("run", on: "ada", [probe, "arguments"])
            #expect(run.status == 0, "\(run.errors)")
            let bytes = try Data(contentsOf: URL(filePath: probe))
            // Longer than an admission stands.
            try await Task.sleep(for: .milliseconds(5_500))
            let answer = try await mesh.post(
                "/api/tasks?wait_seconds=60",
                [
                    "program": [
                        "name": "probe", "digest": .string(Digest.of(Array(bytes)).hex),
                    ], "arguments": ["arguments"], "seed": 7,
                ], on: "ada")
            #expect(answer["node"]?.asString == (try await mesh.id(of: "ada")))
            let attempt = try #require(try await attempt(in: answer, mesh))
            #expect(attempt["fence_index"]?.asString == "0")
        }
    }

    /// What the signed statement about a task says of its attempt: the fence of what was done
    /// before it was known is none. Nil where results were signed together.
    private func attempt(in answer: JSON, _ mesh: TestMesh) async throws -> JSON? {
        let digest = try #require(answer["statement"]?.asString)
        let bundle = try await mesh.get("/api/statements/\(digest)", on: "bob")
        let payload = try #require(bundle["dsseEnvelope"]?["payload"]?.asString)
        let said = try JSON(parsing: Array(try #require(Data(base64Encoded: payload))))
        return said["predicate"]?["attempt"]
    }

    /// Asks for all tasks at once, and waits for their ends.
    private func answersTogether(_ tasks: [JSON], at socket: String) async throws -> [JSON] {
        try await withThrowingTaskGroup(of: JSON.self) { group in
            for task in tasks {
                group.addTask {
                    let answer = try await NodeSocket(path: socket).exchange(
                        "POST", "/api/tasks?wait_seconds=60", task, within: .seconds(60))
                    return try JSON(parsing: answer.body)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// The same program under the outside emulator.
    private func qemu(
        _ program: String, _ call: Call, in mesh: TestMesh
    ) async throws -> TestMesh.Outcome {
        let files = "\(mesh.folder)/qemu-\(UUID().uuidString)"
        try Data(call.input.utf8).write(to: URL(filePath: "\(files).in"))
        let process = try ChildProcess(
            "qemu-riscv64", ["-0", "probe.elf", program] + call.arguments, input: "\(files).in",
            output: "\(files).out", errors: "\(files).err")
        return try await TestMesh.Command(process: process, files: files)
            .outcome(within: .seconds(20))
    }

    private func expectFiles(_ probe: String, _ mesh: TestMesh) async throws {
        let text = "what stands in the file\n"
        let given = "\(mesh.folder)/given.txt"
        try text.write(toFile: given, atomically: true, encoding: .utf8)
        let results = "\(mesh.folder)/results"
        let run = try await mesh.run(
            "run", on: "bob",
            ["--input", "in.txt=\(given)", "--output", results, probe, "copy", "in.txt", "out.txt"])
        #expect(run.status == 0, "\(run.errors)")
        let copy = try String(contentsOfFile: "\(results)/out.txt", encoding: .utf8)
        #expect(copy == text + "copied\n")
    }

    private func expectCrash(_ probe: String, _ mesh: TestMesh) async throws {
        for (name, words) in [("eve", "run"), (nil, "run --local")] as [(String?, String)] {
            let run = try await mesh.run(words, on: name, [probe, "crash"])
            #expect(run.status == 139)
            #expect(run.output == "before the crash\n")
            let sentence = run.errors.split(separator: "\n")
            #expect(sentence.count == 1, "\(run.errors)")
            #expect(run.errors.contains("write_through_null"))
            #expect(run.errors.contains("pc 0x") || run.errors.contains("0x"))
        }
    }

    /// Nothing ran, so that nothing has an exit code.
    private func expectMissedDeadline(_ probe: String, _ mesh: TestMesh) async throws {
        let bytes = try Data(contentsOf: URL(filePath: probe))
        let program: JSON = ["name": "probe", "digest": .string(Digest.of(Array(bytes)).hex)]
        // There is no edge node.
        let task = try await mesh.post(
            "/api/tasks?wait_seconds=60",
            ["program": program, "edge": "only", "deadline_seconds": 1], on: "ada")
        #expect(task["state"] == "failed" && task["exit_code"] == .null, "\(task.text)")
    }

    /// What is wrong is named as whoever is told wrote it.
    private func expectOwnNames(_ probe: String, _ mesh: TestMesh) async throws {
        let cases: [(words: String, rest: [String], sentence: String)] = [
            ("run", ["--memory", "0", probe], "--memory is from 1 to"),
            ("run", ["--input", "a=\(probe)", "--input", "a=/dev/null", probe], "names a twice"),
            ("run", ["--env", "A=1", "--env", "A=2", probe], "names A twice"),
            ("sleep", ["--for", "1x"], "1x is no length of time"),
            ("sleep", ["--for", "1m"], "Only edge nodes sleep"),
            ("wake", [], "Only edge nodes sleep"),
        ]
        for (words, rest, sentence) in cases {
            let outcome = try await mesh.run(words, on: "ada", rest)
            #expect(outcome.status != 0 && outcome.errors.contains(sentence), "\(outcome.errors)")
        }
    }

    private func expectSameDigests(_ probe: String, _ mesh: TestMesh) async throws {
        let first = try await mesh.json("run", on: "ada", probe, "arguments", "0", "same")
        let second = try await mesh.json("run", on: "eve", probe, "arguments", "0", "same")
        let local = try await mesh.run(
            "run --local", on: nil, ["--json", probe, "arguments", "0", "same"]
        ).json()
        for key in ["task", "state", "stdout", "stderr", "digest", "node", "statement"] {
            #expect(first[key]?.asString != nil, "run --json lacks \(key)")
        }
        #expect(first["state"] == "succeeded")
        #expect(first["exit_code"] == 0)
        #expect(first["attempt"]?.asInteger == 1)
        #expect((first["retired_instructions"]?.asInteger ?? 0) > 1000)
        #expect(first["task"] != second["task"])
        for key in ["digest", "retired_instructions", "stdout", "stderr", "exit_code"] {
            #expect(first[key] == second[key], "\(key) of two runs")
            #expect(first[key] == local[key], "\(key) on the mesh and here")
        }
        let other = try await mesh.json("run", on: "bob", probe, "arguments", "0", "other")
        #expect(other["digest"] != first["digest"], "a digest that says nothing")

        let task = try #require(first["task"]?.asString)
        for name in mesh.names {
            #expect(try await mesh.json("task show", on: name, task)["stdout"] == first["stdout"])
            let all = try await mesh.json("task list", on: name)["tasks"]?.asArray ?? []
            #expect(all.contains { $0["task"]?.asString == task })
        }
    }
}
