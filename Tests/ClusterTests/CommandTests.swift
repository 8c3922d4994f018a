import Basics
import Foundation
import Glibc
import Testing

/// What somebody at a terminal meets: endings, files, interruptions and mistakes.
extension MeshTests {
    @Test func `a job that failed says which task did, how, and gives the files of the others`()
        async throws
    {
        try await TestMesh.with(["ada"]) { mesh in
            let job = try await failingJob(mesh)
            #expect(job.outcome.status == 1)
            let lines = job.outcome.output.split(separator: "\n").map(String.init)
            #expect(lines.first?.hasPrefix("job \(job.id.prefix(12)) mixed: failed") == true)
            #expect(lines.contains("  task \(job.tasks[1].prefix(12)) exited with 3"))
            #expect(lines.contains { $0.contains("it waited for bad, which has not succeeded") })
            let hint = "swiftlet job results \(job.id.prefix(12)) --data \(mesh.data(of: "ada"))"
            #expect(job.outcome.errors.contains(hint), "\(job.outcome.errors)")

            let out = "\(mesh.folder)/out"
            let results = try await mesh.json("job results", on: "ada", job.id, "--output", out)
            #expect(results["names"]?.text == #"["bad","bad","copy","never"]"#)
            #expect(results["exit_codes"]?.text == "[0,3,0,null]")
            let reason = try #require(results["messages"]?.asArray?.last?.asString)
            let file = "\(out)/\(job.tasks[2].prefix(12))/out.txt"
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "given\ncopied\n")
            #expect(try FileManager.default.contentsOfDirectory(atPath: out).count == 1)
            let table = try await mesh.succeed("job results", on: "ada", job.id)
            #expect(table.contains("EXIT") && table.contains("\n  \(reason)\n"), "\(table)")

            let other = try await mesh.json("run", on: "ada", mesh.folder + "/probe.elf", "shout")
            let own = try await mesh.json("task list", on: "ada", "--job", job.id)
            let listed = (own["tasks"]?.asArray ?? []).compactMap { $0["task"]?.asString }
            #expect(listed == job.tasks)
            let all = try await mesh.json("task list", on: "ada")["tasks"]?.asArray ?? []
            #expect(all.contains { $0["task"] == other["task"] && $0["job"] == .null })
            #expect(all.contains { $0["exit_code"] == 3 && $0["job"]?.asString == job.id })
        }
    }

    private struct EndedJob {
        var id: String
        var tasks: [String]
        var outcome: TestMesh.Outcome
    }

    /// A job of four tasks: the second one exits with 3, the last one waits for it in vain.
    private func failingJob(_ mesh: TestMesh) async throws -> EndedJob {
        _ = try await Guest.build("probe", in: mesh.folder)
        try "given\n".write(
            toFile: mesh.folder + "/in.txt", atomically: true, encoding: .utf8)
        let file = mesh.folder + "/mixed.yaml"
        let text = """
            name: mixed
            tasks:
            - name: bad
              program: probe.elf
              array:
              - arguments: [arguments, 0]
              - arguments: [arguments, 3]
            - name: copy
              program: probe.elf
              arguments: [copy, in.txt, out.txt]
              inputs: [in.txt]
            - name: never
              program: probe.elf
              after: [bad]
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try await mesh.run("job submit", on: "ada", [file, "--wait"])
        let jobs = try await mesh.json("job list", on: "ada")["jobs"]?.asArray
        let id = try #require(jobs?.last?["job"]?.asString)
        let results = try await mesh.get("/api/jobs/\(id)/results", on: "ada")
        let tasks = (results["tasks"]?.asArray ?? []).compactMap(\.asString)
        try #require(tasks.count == 4)
        return EndedJob(id: id, tasks: tasks, outcome: outcome)
    }

    @Test func `files go where they can before anything runs, or are fetched afterwards`()
        async throws
    {
        try await TestMesh.with(["ada"]) { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let out = "\(mesh.folder)/out"
            let both = try await mesh.refusal(
                "run", on: "ada", "--detach", "--output", out, probe, "shout")
            #expect(both.contains("swiftlet task outputs ID --output \(out)"), "\(both)")
            for options in [[], ["--local"]] {
                let run = try await mesh.run(
                    "run", on: "ada", options + ["--output", probe, probe, "arguments"])
                #expect(run.status == 1 && run.output.isEmpty)
                #expect(run.errors.contains("\(probe) is no directory"), "\(run.errors)")
            }
            let tasks = try await mesh.json("task list", on: "ada")["tasks"]?.asArray
            #expect(tasks?.isEmpty == true)

            let given = "\(mesh.folder)/in.txt"
            try "given\n".write(toFile: given, atomically: true, encoding: .utf8)
            let task = try await mesh.succeed(
                "run", on: "ada", "--detach", "--input", given, probe, "copy", "in.txt", "out.txt"
            ).trimmingCharacters(in: .newlines)
            try await mesh.succeed("task show", on: "ada", task, "--wait")
            let listed = try await mesh.json("task outputs", on: "ada", task)
            #expect(listed["outputs"]?.asArray?.first?["name"] == "out.txt")
            #expect(!FileManager.default.fileExists(atPath: out))
            let table = try await mesh.succeed("task outputs", on: "ada", task, "--output", out)
            #expect(table.contains("out.txt  13 B"), "\(table)")
            let text = try String(contentsOfFile: "\(out)/out.txt", encoding: .utf8)
            #expect(text == "given\ncopied\n")
        }
    }

    @Test func `whoever is interrupted while work goes on says so, and how to stop it`()
        async throws
    {
        try await TestMesh.with(["ada"]) { mesh in
            let ledger = try await Guest.build("ledger", in: mesh.folder)
            // For longer than the test takes.
            let long = [ledger, "1", "100000000000"]
            let file = "\(mesh.folder)/long.yaml"
            let text = """
                name: long
                tasks:
                - program: ledger.elf
                  arguments: [1, 100000000000]
                """
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let cases = [
                ("run", long, SIGTERM, "task"), ("job submit", [file, "--wait"], SIGINT, "job"),
            ]
            for (words, rest, signal, kind) in cases {
                let command = try mesh.launch(words, on: "ada", rest)
                try await mesh.wait("\(words) to wait") {
                    try self.isCaught(signal, by: command.process.pid)
                }
                command.process.send(signal)
                let outcome = try await command.outcome(within: .seconds(10))
                #expect(outcome.status == 128 + signal)
                let list = try await mesh.json("\(kind) list", on: "ada")
                let id = try #require(list["\(kind)s"]?.asArray?.last?[kind]?.asString).prefix(12)
                let data = mesh.data(of: "ada")
                #expect(
                    outcome.errors == "\(kind) \(id) goes on; stop it with: swiftlet \(kind) "
                        + "cancel \(id) --data \(data)\n")
                try await mesh.wait("it to run") {
                    let members = try await mesh.get("/api/members", on: "ada")
                    return members["members"]?.asArray?.first?["running_task_count"] == 1
                }
                try await mesh.succeed("\(kind) cancel", on: "ada", String(id))
            }
        }
    }

    /// Whether a process has a handler for this signal: a bit of SigCgt (proc_pid_status(5)).
    private func isCaught(_ signal: Int32, by pid: pid_t) throws -> Bool {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("SigCgt:") })
        let digits = try #require(line.split(whereSeparator: \.isWhitespace).last)
        let mask = try #require(UInt64(digits, radix: 16))
        return mask >> UInt64(signal - 1) & 1 == 1
    }

    @Test func `a command fails where what it waited for did, or where its output is lost`()
        async throws
    {
        try await TestMesh.with(["ada"]) { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let cases: [(words: [String], status: Int32, reason: String)] = [
                ([probe, "arguments", "0"], 0, ""),
                ([probe, "arguments", "3"], 1, "exited with 3"),
                (["--fuel", "1000", probe, "arguments"], 1, "ended as out_of_fuel"),
                ([probe, "crash"], 1, "ended as signalled"),
            ]
            for (words, status, reason) in cases {
                let run = try await mesh.run("run", on: "ada", ["--detach"] + words)
                let task = run.output.trimmingCharacters(in: .newlines)
                let shown = try await mesh.run("task show", on: "ada", [task, "--wait"])
                #expect(shown.status == status, "\(words)")
                #expect(reason.isEmpty || shown.errors.contains(reason), "\(shown.errors)")
                #expect(try await mesh.run("task show", on: "ada", [task]).status == 0)
            }
            let errors = "\(mesh.folder)/full.err"
            let full = try ChildProcess(
                TestMesh.program, ["task", "list", "--data", mesh.data(of: "ada")],
                output: "/dev/full", errors: errors)
            #expect(try await full.finished(within: .seconds(30)) == 1)
            let sentence = try String(contentsOfFile: errors, encoding: .utf8)
            #expect(sentence.contains("The output cannot be written: No space left on device."))
        }
    }

    @Test func `members say who is drained, and a token is shown with its id`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let before = try await mesh.succeed("members", on: "ada")
            #expect(before.contains("worker, coordinator") && !before.contains("drained"))
            try await mesh.succeed("drain", on: "ada", "ada")
            let after = try await mesh.succeed("members", on: "ada")
            #expect(after.contains("TASKS") && after.contains("worker, coordinator, drained"))

            let created = try await mesh.run("token create", on: "ada", [])
            #expect(created.output.hasPrefix("swiftlet join '"))
            let tokens = try await mesh.get("/api/tokens", on: "ada")["tokens"]?.asArray ?? []
            let ids = tokens.compactMap { $0["id"]?.asString?.prefix(12) }
            #expect(ids.contains { created.errors.contains("token \($0);") }, "\(created.errors)")
        }
    }

    @Test func `on a terminal of 80 columns every reason, time and id is whole`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let job = try await failingJob(mesh)
            let commands = [
                "status", "members", "task list", "job list", "job show \(job.id)",
                "job results \(job.id)", "task show \(job.tasks[2])",
                "verify --replay \(job.tasks[2])",
            ]
            var shown: [String] = []
            for command in commands {
                let lines = try await lines(of: command, on: "ada", mesh)
                #expect(lines.count > 1, "\(command): \(lines)")
                #expect(lines.allSatisfy { $0.count <= 80 }, "\(command): \(lines)")
                #expect(!lines.contains { $0.contains("…") }, "\(command): \(lines)")
                shown.append(lines.joined(separator: "\n"))
            }
            let own = try await mesh.id(of: "ada")
            #expect(shown[0].contains("voters:\n  \(own)\n"))
            for list in shown[2...3] {
                // The time of day, as 00:14:11.
                let cells = list.split(whereSeparator: \.isWhitespace)
                let times = cells.filter { $0.count == 8 && $0.filter { $0 == ":" }.count == 2 }
                #expect(!times.isEmpty, "\(list)")
            }
            #expect(shown[4].contains("\n  task \(job.tasks[1].prefix(12)) exited with 3\n"))
            #expect(shown[6].contains("outputs:\n  out.txt "), "\(shown[6])")
            #expect(shown[7].contains("The result of task\n       \(job.tasks[2]) is"))
        }
    }

    /// What a command prints on a terminal of its own (script(1)), without colours.
    private func lines(
        of command: String, on name: String, _ mesh: TestMesh
    ) async throws -> [String] {
        let file = "\(mesh.folder)/terminal-\(UUID().uuidString)"
        let line =
            "export NO_COLOR=1; stty cols 80; exec '\(TestMesh.program)' \(command) "
            + "--data '\(mesh.data(of: name))'"
        let script = try ChildProcess(
            "script", ["-qec", line, "/dev/null"], output: file, errors: file)
        #expect(try await script.finished(within: .seconds(60)) == 0, "\(command)")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        // What is drawn again and again takes itself away.
        return text.split(whereSeparator: \.isNewline).map { line in
            line.split(separator: "\u{1B}[K").last.map(String.init) ?? ""
        }.filter { !$0.isEmpty }
    }
}
