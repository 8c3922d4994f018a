import Basics
import Foundation
import Testing

extension MeshTests {
    private static let prompt = "The capital of France is"
    /// What llama.cpp gives for this prompt and this file, greedily.
    private static let golden: [Int64] = [
        7042, 30, 198, 198, 504, 1797, 1918, 553, 253, 2155, 282, 4723, 216, 35, 34, 33, 2215, 701,
        30,
    ]

    /// Whose draws depend on all tokens before them, and whose text is bounded.
    private static let constrained: JSON = [
        "temperature": 0.9, "top_p": 0.95, "seed": 7, "repetition_penalty": 1.1,
        "repetition_window": 30, "presence_penalty": 0.3, "frequency_penalty": 0.2,
        "logit_bias": ["30": -100], "regex": "( [A-Za-z]+,)* [A-Za-z]+\\.",
    ]

    @Test func `a model in one, two and three stages says the same from every node`() async throws {
        try await TestMesh.with { mesh in
            let added = try await mesh.json(
                "model add", on: "ada", TestMesh.modelFile, "--name", "smol", "--license",
                "Apache-2.0")
            let model = try #require(added["digest"]?.asString)
            try await expectRefusedModels(mesh)
            var texts: Set<String> = []
            for stageCount in [1, 2, 3] {
                try await deploy(stageCount, mesh, from: "bob")
                for name in mesh.names where stageCount == 3 || name == mesh.names[stageCount] {
                    let result = try await generate(48, mesh, on: name)
                    try expectStages(result, count: stageCount)
                    #expect(ids(result).starts(with: Self.golden), "\(stageCount) stages, \(name)")
                    #expect(ids(result).count == 48 || result["finish_reason"] == "stop")
                    texts.insert(result["text"]?.asString ?? "")
                }
            }
            #expect(texts.count == 1)
            let result = try await generate(20, mesh, on: "eve")
            try await expectGenerationVerifies(result, mesh)
            try await expectForcedText(mesh)
            try await expectSurvival(mesh, ["temperature": 0])
            try await deploy(3, mesh, from: "ada")
            try await expectSurvival(mesh, Self.constrained)
            try await expectFlippedModel(model, mesh)
        }
    }

    private func deploy(_ stageCount: Int, _ mesh: TestMesh, from name: String) async throws {
        let model = try await mesh.json(
            "model deploy", on: name, "smol", "--stages", "\(stageCount)")
        #expect(model["state"] == "deployed")
        #expect(model["stages"]?.asArray?.count == stageCount)
    }

    private func generate(_ count: Int, _ mesh: TestMesh, on name: String) async throws -> JSON {
        try await mesh.json(
            "generate", on: name, "smol", Self.prompt, "--max-tokens", "\(count)",
            "--temperature", "0")
    }

    private func ids(_ result: JSON) -> [Int64] {
        (result["tokens"]?.asArray ?? []).compactMap(\.asInteger)
    }

    private func expectStages(_ result: JSON, count: Int) throws {
        let stages = result["stages"]?.asArray ?? []
        #expect(stages.count == count)
        #expect(Set(stages.compactMap { $0["node"]?.asString }).count == count)
        // All 30 layers, each once and in order.
        var next: Int64 = 0
        for stage in stages {
            #expect(stage["first_layer"]?.asInteger == next)
            next = (stage["last_layer"]?.asInteger ?? -9) + 1
        }
        #expect(next == 30)
        #expect(result["prompt_tokens"]?.asInteger == 5)
        #expect((result["decode_tokens_per_second"]?.asDouble ?? 0) > 0)
        #expect((result["prefill_tokens_per_second"]?.asDouble ?? 0) > 0)
    }

    private func expectRefusedModels(_ mesh: TestMesh) async throws {
        let half = "\(mesh.folder)/half.gguf"
        let handle = try FileHandle(forReadingFrom: URL(filePath: TestMesh.modelFile))
        defer { try? handle.close() }
        try #require(try handle.read(upToCount: 1 << 20)).write(to: URL(filePath: half))
        _ = try await mesh.refusal("model add", on: "bob", half, "--name", "x", "--license", "MIT")
        let secret = try await mesh.refusal(
            "model add", on: "ada", TestMesh.modelFile, "--name", "x", "--license",
            "LicenseRef-Proprietary")
        #expect(secret.contains("LicenseRef-Proprietary"))
        let unknown = try await mesh.refusal("model deploy", on: "bob", "x", "--stages", "1")
        #expect(unknown.contains("no model x"))
    }

    private func expectGenerationVerifies(_ result: JSON, _ mesh: TestMesh) async throws {
        let statement = try #require(result["statement"]?.asString)
        // From another node than the one that signed.
        let verdict = try await mesh.json("verify", on: "bob", "--replay", statement)
        #expect(verdict["verified"] == true)
        #expect(verdict["replayed"] == true)
        #expect(verdict["checks"]?.asArray?.contains { $0["name"] == "replay_tokens" } == true)
        let files = try await Forging.change(
            statement, replacing: "7042", with: "7043", in: mesh, on: "ada")
        try await mesh.succeed("verify", on: "ada", files.genuine)
        for arguments in [[files.forged], ["--replay", files.forged]] {
            let outcome = try await mesh.run("verify", on: "ada", ["--json"] + arguments)
            #expect(outcome.status != 0)
            let forged = try outcome.json()
            #expect(forged["verified"] == false)
            #expect(forged["replayed"] == false)
            #expect(outcome.errors.contains("signature"), "\(outcome.errors)")
        }
    }

    /// Where a schema leaves no choice, several tokens are computed in one pass of the pipeline:
    /// the text is the one that one process draws token by token.
    private func expectForcedText(_ mesh: TestMesh) async throws {
        let schema = "\(mesh.folder)/person.json"
        let text = """
            {"type": "object", "additionalProperties": false,
             "required": ["name_of_the_person", "country_of_residence", "is_employed"],
             "properties": {"name_of_the_person": {"type": "string", "maxLength": 20},
              "country_of_residence": {"enum": ["France", "Germany"]},
              "is_employed": {"type": "boolean"}}}
            """
        try text.write(toFile: schema, atomically: true, encoding: .utf8)
        let request = [
            "A person:", "--max-tokens", "80", "--temperature", "0.8", "--seed", "5", "--schema",
            schema,
        ]
        let local = try await mesh.run(
            "generate --local", on: nil, ["--json", TestMesh.modelFile] + request
        ).json()
        let shared = try await mesh.run("generate", on: "bob", ["--json", "smol"] + request).json()
        #expect(ids(shared) == ids(local))
        #expect(shared["text"] == local["text"])
        #expect(ids(shared).count < 80)
        let statement = try #require(shared["statement"]?.asString)
        try await mesh.succeed("verify", on: "ada", "--replay", statement)
        try await expectClosed(mesh)
    }

    /// A text that is complete before its limit, because nothing that may follow fits into it.
    private func expectClosed(_ mesh: TestMesh) async throws {
        let text = try await mesh.run(
            "generate", on: "bob",
            ["--json", "smol", "Say it:", "--regex", "(ab)+", "--max-tokens", "4"]
        ).json()
        #expect(text["text"] == "ababab" && text["finish_reason"] == "stop", "\(text)")
        let statement = try #require(text["statement"]?.asString)
        try await mesh.succeed("verify", on: "ada", "--replay", statement)
    }

    /// Kills a node that holds layers while tokens are coming.
    private func expectSurvival(_ mesh: TestMesh, _ settings: JSON) async throws {
        let request = JSON.object(
            [
                .init("model", "smol"), .init("prompt", .string(Self.prompt)),
                .init("max_tokens", 120), .init("stream", true),
            ] + (settings.asObject ?? []))
        var undisturbed: JSON?
        try await mesh.events("/api/generate", request, on: "ada") { event in
            if let error = event["error"] { throw Failure("\(error.text)") }
            if let document = event["finished"] { undisturbed = document }
        }
        let calm = try #require(undisturbed)
        let victim = try await mesh.coordinator() == "eve" ? "bob" : "eve"
        let id = try await mesh.id(of: victim)
        #expect(calm["stages"]?.asArray?.contains { $0["node"]?.asString == id } == true)
        var eventCount = 0
        var killedAt: ContinuousClock.Instant?
        var gap = Duration.zero
        var last = ContinuousClock.now
        var finished: JSON?
        try await mesh.events("/api/generate", request, on: "ada") { event in
            eventCount += 1
            if killedAt != nil { gap = max(gap, ContinuousClock.now - last) }
            last = .now
            if eventCount == 20 {
                mesh.kill9(victim)
                killedAt = .now
            }
            if let error = event["error"] { throw Failure("\(error.text)") }
            if let document = event["finished"] { finished = document }
        }
        let result = try #require(finished)
        try #require(killedAt != nil, "the text ended before the kill")
        #expect(ids(result) == ids(calm))
        #expect(result["text"] == calm["text"])
        let stages = result["stages"]?.asArray ?? []
        #expect(!stages.contains { $0["node"]?.asString == id })
        print("a stage was killed in mid-generation: the longest gap was \(gap)")
        // The new placement's statement stands up too.
        let statement = try #require(result["statement"]?.asString)
        try await mesh.succeed("verify", on: "ada", "--replay", statement)
        try await mesh.start(victim)
        try await mesh.settled()
    }

    private func expectFlippedModel(_ model: String, _ mesh: TestMesh) async throws {
        try Forging.flipBit(of: model, at: 50_000_000, in: mesh, on: "ada")
        let sentence = try await mesh.refusal("verify", on: "ada", model)
        #expect(sentence.contains("not verified"))
        let refused = try await mesh.refusal("model deploy", on: "ada", "smol", "--stages", "1")
        #expect(refused.contains("damaged"), "\(refused)")
    }
}
