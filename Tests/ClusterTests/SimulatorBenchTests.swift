import Basics
import Testing

extension MeshTests {
    @Test func `both engines are measured on a list of programs, beside a peer`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let primes = try await Guest.build("primes", in: mesh.folder)
            let peer = "\(TestMesh.program) sim run {}"
            let outcome = try await mesh.run(
                "bench riscv", on: nil,
                ["--rounds", "1", "--json", "--peer", "peer=\(peer)", primes, primes])
            try #require(outcome.status == 0, "\(outcome.errors)")
            let document = try outcome.json()
            let programs = document["programs"]?.asArray ?? []
            #expect(programs.count == 2)
            for program in programs {
                #expect(program["kind"] == "integer")
                #expect((program["retired_instructions"]?.asInteger ?? 0) > 0)
                let names = (program["runners"]?.asArray ?? []).compactMap { $0["name"]?.asString }
                #expect(names.starts(with: ["interpreter", "translator"]))
                #expect(names.last == "peer")
            }
            let peers = (document["comparisons"]?.asArray ?? []).filter { $0["peer"] == "peer" }
            #expect(peers.compactMap { $0["engine"]?.asString } == ["interpreter", "translator"])
            #expect(peers.allSatisfy { $0["program_count"] == 2 })
            // What ends in another way did not do the same work.
            let wrong = try await mesh.run(
                "bench riscv", on: nil, ["--rounds", "1", "--peer", "peer=false {}", primes])
            #expect(wrong.status != 0)
            #expect(wrong.errors.contains("that is no comparison"))
        }
    }
}
