import Basics
import Testing

extension MeshTests {
    @Test func `a plan says where a model would go and does nothing`() async throws {
        try await TestMesh.with { mesh in
            try await mesh.succeed(
                "model add", on: "ada", TestMesh.modelFile, "--name", "smol", "--license",
                "Apache-2.0")
            // What each node measures at its start goes round soon after.
            try await mesh.wait("every node to know what all can do") {
                let plan = try await mesh.json("model plan", on: "eve", "smol", "--stages", "3")
                let stages = plan["stages"]?.asArray ?? []
                return stages.count == 3 && stages.allSatisfy { $0["measured"] == true }
            }
            let whole = try await mesh.json("model plan", on: "bob", "smol")
            try expectPlan(whole, stageCount: 1)
            let reasons = (whole["left_out"]?.asArray ?? []).compactMap { $0["reason"]?.asString }
            #expect(reasons.count == 2 && reasons.allSatisfy { $0.hasPrefix("slower") })
            #expect(whole["present"] == .null)
            let split = try await mesh.json("model plan", on: "bob", "smol", "--stages", "2")
            try expectPlan(split, stageCount: 2)
            // Nothing was done.
            let models = try await mesh.json("model list", on: "ada")
            #expect(models["models"]?.asArray?.first?["state"] == "added")

            let deployed = try await mesh.json("model deploy", on: "eve", "smol")
            #expect(deployed["state"] == "deployed")
            #expect(deployed["stages"]?.asArray?.count == 1)
            let again = try await mesh.json("model plan", on: "ada", "smol", "--streams", "4")
            #expect(again["streams"] == 4)
            #expect(again["present"]?["stage_count"] == 1)
            #expect(again["present"]?["worth_moving"]?.asBool != nil)
            let text = try await mesh.succeed("model plan", on: "ada", "smol")
            #expect(text.contains("tokens/s") && text.contains("LEFT OUT"))
            let many = try await mesh.refusal("model plan", on: "ada", "smol", "--stages", "31")
            #expect(many.contains("30 layers"))
        }
    }

    private func expectPlan(_ plan: JSON, stageCount: Int) throws {
        #expect(plan["fits"] == true)
        #expect(plan["layer_count"] == 30)
        let stages = plan["stages"]?.asArray ?? []
        #expect(stages.count == stageCount)
        #expect(stages.last?["last_layer"] == 29)
        #expect(plan["hops"]?.asArray?.count == stageCount + 1)
        for stage in stages {
            let byteCount = stage["byte_count"]?.asInteger ?? 0
            #expect(0 < byteCount && byteCount < stage["free_byte_count"]?.asInteger ?? 0)
        }
        #expect((plan["tokens_per_second"]?.asDouble ?? 0) > 1)
        #expect((plan["prefill_tokens_per_second"]?.asDouble ?? 0) > 1)
    }
}
