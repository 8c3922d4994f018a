import Basics
import Testing

extension MeshTests {
    @Test func `a mesh of its own measures the pipeline`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let outcome = try await mesh.run(
                "bench pipeline", on: nil,
                [
                    "--model", TestMesh.modelFile, "--stages", "1,2", "--streams", "1,2",
                    "--tokens", "16", "--rounds", "1", "--json",
                ])
            try #require(outcome.status == 0, "\(outcome.errors)")
            let lines = try outcome.json()["pipelines"]?.asArray ?? []
            #expect(lines.compactMap { $0["stages"]?.asInteger } == [1, 2])
            for line in lines {
                #expect((line["milliseconds_per_token"]?.asDouble ?? 0) > 0)
                #expect((line["processor_milliseconds_per_token"]?.asDouble ?? 0) > 0)
                #expect(line["peer_tokens_per_second"] == .null)
                let streams = line["streams"]?.asArray ?? []
                #expect(streams.compactMap { $0["streams"]?.asInteger } == [1, 2])
                let memory = line["memory"]?.asArray ?? []
                #expect(memory.count == Int(line["stages"]?.asInteger ?? 0))
                // A node keeps the weights of its own layers, its cache, and little beside.
                for node in memory { #expect(node["ok"] == true, "\(node.text)") }
            }
            #expect(lines.first?["hop_milliseconds"] == .null)
            #expect(lines.last?["hop_milliseconds"]?.asDouble != nil)
        }
    }

    @Test func `a stage that is killed or stopped in mid-text changes no token`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let count = TestMesh.count("SWIFTLET_FAILOVER_COUNT", default: 2)
            // What it takes is measured by the command; here the machine may be busy otherwise.
            let outcome = try await mesh.run(
                "bench failover", on: nil,
                [
                    "--model", TestMesh.modelFile, "--count", "\(count)", "--tokens", "64",
                    "--limit", "20", "--json",
                ], within: .seconds(60 + 30 * count))
            #expect(outcome.status == 0, "\(outcome.errors)")
            let losses = try outcome.json()["losses"]?.asArray ?? []
            #expect(losses.count == count)
            #expect(losses.allSatisfy { $0["same_tokens"] == true && $0["error"] == .null })
            #expect(Set(losses.compactMap { $0["loss"]?.asString }).count == min(2, count))
        }
    }
}
