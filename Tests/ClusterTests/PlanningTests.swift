import Basics
import Foundation
import Testing

extension MeshTests {
    private static let purpose = "Counts the primes below a number, its one argument."
    private static let goal = "Count the primes below 50000."

    @Test func `a plan reaches its goal, and survives its coordinator`() async throws {
        try await TestMesh.with { mesh in
            let primes = try await Guest.build("primes", in: mesh.folder)
            try await mesh.succeed(
                "model add", on: "ada", TestMesh.modelFile, "--name", "smol", "--license",
                "Apache-2.0")
            try await mesh.succeed("model deploy", on: "ada", "smol", "--stages", "2")
            let outcome = try await plan(primes, mesh, on: "bob").outcome(within: .seconds(120))
            let calm = try outcome.json()
            expectSteps(calm)
            #expect(calm["state"] == "succeeded", "\(calm.text)")
            try await expectProposalVerifies(mesh)

            let start = ContinuousClock.now
            let timed = try await open(primes, mesh, on: "bob")
            _ = try await end(of: timed, mesh, on: "bob")
            let duration = ContinuousClock.now - start

            let (id, node, before) = try await interrupted(primes, duration, mesh)
            let end = try await end(of: id, mesh, on: node)
            try await expectContinued(before, end, mesh)
            #expect(end["state"] == calm["state"])
            #expect(end["answer"] == calm["answer"])
            let tools = (end["steps"]?.asArray ?? []).compactMap { $0["tool"]?.asString }
            print(
                "plan of \(duration) whose coordinator died: \(doneSteps(before).count) steps "
                    + "before, \(tools) in all, \(end["answer"]?.text ?? "")")
        }
    }

    /// A generation that is a task is replayed from what the log holds of it: nobody has the
    /// tokens of its prompt any more.
    private func expectProposalVerifies(_ mesh: TestMesh) async throws {
        let tasks = try await mesh.get("/api/tasks", on: "eve")["tasks"]?.asArray ?? []
        let proposal = tasks.first { $0["kind"] == "generation" && $0["state"] == "succeeded" }
        let task = try #require(proposal?["task"]?.asString)
        let shown = try await mesh.get("/api/tasks/\(task)", on: "eve")
        let statement = try #require(shown["statement"]?.asString)
        let bundle = try JSON(
            parsing: try await mesh.bytes("/api/statements/\(statement)", on: "eve"))
        let payload = try #require(bundle["dsseEnvelope"]?["payload"]?.asString)
        let said = try JSON(parsing: try #require(Base64.decode(payload)))
        let tokens = try #require(said["predicate"]?["prompt"]?["tokens"]?.asString)
        for name in mesh.names where Forging.holds(tokens, in: mesh, node: name) {
            try FileManager.default.removeItem(
                atPath: mesh.data(of: name) + "/artifacts/\(tokens.prefix(2))/\(tokens)")
        }
        let verdict = try await mesh.json("verify", on: "eve", "--replay", task)
        #expect(verdict["verified"] == true, "\(verdict.text)")
        #expect(verdict["replayed"] == true)
        let names = (verdict["checks"]?.asArray ?? []).compactMap { $0["name"]?.asString }
        let wanted = [
            "recorded", "task_node", "task_model", "task_prompt", "task_sampling",
            "replay_prompt", "replay_tokens", "replay_text",
        ]
        #expect(Set(wanted).isSubset(of: names), "\(names)")
    }

    private func end(of plan: String, _ mesh: TestMesh, on node: String) async throws -> JSON {
        var end: JSON = nil
        try await mesh.wait("the plan to end", within: .seconds(120)) {
            end = try await mesh.get("/api/plans/\(plan)", on: node)
            return end["state"] != "running"
        }
        return end
    }

    /// A plan whose coordinator was killed when a step was done and the plan was not: its id, a
    /// node that lives, and how that node saw the plan before there was a successor.
    private func interrupted(
        _ primes: String, _ duration: Duration, _ mesh: TestMesh
    ) async throws -> (String, String, JSON) {
        // The moment cannot be watched for: it may pass between two looks. So it is tried for.
        for share in [0.6, 0.75, 0.5, 0.85, 0.4, 0.7] {
            let victim = try await mesh.coordinator()
            let node = try #require(mesh.names.first { $0 != victim })
            let start = ContinuousClock.now
            let id = try await open(primes, mesh, on: node)
            try await Task.sleep(until: start + duration * share, clock: .continuous)
            mesh.kill9(victim)
            let before = try await mesh.get("/api/plans/\(id)", on: node)
            if before["state"] == "running", !doneSteps(before).isEmpty {
                return (id, node, before)
            }
            try await mesh.start(victim)
            try await mesh.settled()
            _ = try await end(of: id, mesh, on: node)
        }
        throw Failure("no kill fell between two steps of a plan")
    }

    /// Opens a plan through the API, so that its id is known at once.
    private func open(_ primes: String, _ mesh: TestMesh, on node: String) async throws -> String {
        let added = try await mesh.json(
            "sign", on: node, primes, "--kind", "program", "--license", "MIT")
        let answer = try await mesh.post(
            "/api/plans",
            [
                "goal": .string(Self.goal), "model": "smol", "max_steps": 4,
                "programs": [
                    [
                        "name": "primes.elf", "digest": added["digest"] ?? nil,
                        "purpose": .string(Self.purpose),
                    ]
                ],
            ], on: node)
        return try #require(answer["plan"]?.asString)
    }

    private func plan(
        _ primes: String, _ mesh: TestMesh, on node: String
    ) throws -> TestMesh.Command {
        try mesh.launch(
            "agent run", on: node,
            [
                "--json", Self.goal, "--max-steps", "4", "--program",
                "\(primes)=\(Self.purpose)", "--license", "MIT",
            ])
    }

    private func doneSteps(_ plan: JSON) -> [JSON] {
        (plan["steps"]?.asArray ?? []).filter { $0["observation"]?.asString != nil }
    }

    /// Every call parses, and the program was run with what came of it in the observation.
    private func expectSteps(_ plan: JSON) {
        let steps = plan["steps"]?.asArray ?? []
        #expect(!steps.isEmpty)
        for step in steps {
            let tool = step["tool"]?.asString ?? ""
            #expect(["run", "read", "generate", "finish"].contains(tool), "\(step.text)")
            #expect(step["arguments"]?.asObject != nil, "\(step.text)")
        }
        let runs = steps.filter { $0["tool"] == "run" }
        #expect(!runs.isEmpty, "\(plan.text)")
        #expect(runs.contains { $0["observation"]?.asString?.contains("primes") == true })
    }

    /// What was done before the kill stands as it was, and no task was done twice.
    private func expectContinued(_ before: JSON, _ end: JSON, _ mesh: TestMesh) async throws {
        expectSteps(end)
        let steps = end["steps"]?.asArray ?? []
        for step in doneSteps(before) {
            let same = steps.first { $0["step"] == step["step"] }
            #expect(same == step, "a finished step changed: \(step.text)")
        }
        #expect(steps.compactMap { $0["step"]?.asInteger } == Array(1...Int64(steps.count)))
        let ids = steps.compactMap { $0["task"]?.asString }
        #expect(Set(ids).count == ids.count)
        for name in mesh.names {
            let tasks = try await mesh.get("/api/tasks", on: name)["tasks"]?.asArray ?? []
            for id in ids {
                #expect(tasks.filter { $0["task"]?.asString == id }.count == 1)
            }
        }
        for step in doneSteps(before) {
            let id = try #require(step["task"]?.asString)
            let task = try await mesh.get("/api/tasks/\(id)", on: mesh.names[0])
            #expect(task["attempt"]?.asInteger == 1, "a finished step ran again: \(task.text)")
        }
    }
}
