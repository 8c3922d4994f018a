import Testing

extension MeshTests {
    @Test func `help of a command names it whole, and so does what it lacks`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let commands = [
                "run", "token create", "tenant set", "sim run", "key rotate", "job results",
                "task outputs",
            ]
            for words in commands {
                for order in [[words, "--help"], ["help " + words]] {
                    let help = try await mesh.run(order[0], on: nil, Array(order.dropFirst()))
                    #expect(help.status == 0)
                    #expect(help.output.contains("USAGE: swiftlet \(words) "), "\(order)")
                }
            }
            let mistaken = try await mesh.run("token create", on: nil, ["--uses", "many"])
            #expect(mistaken.status == 64)
            #expect(mistaken.errors.contains("'many'"), "\(mistaken.errors)")
        }
    }
}
