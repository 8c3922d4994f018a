import API
import Basics
import Foundation
import Synchronization
import Testing

struct EmbeddingRoutesTests {
    private let backend = MemoryBackend()

    private static func ask(_ server: TestServer, _ members: String) async throws
        -> TestServer.Answer
    {
        try await server.post("/v1/embeddings", #"{"model": "echo", \#(members)}"#)
    }

    @Test func `vectors come in order, with their indices and the usage`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await Self.ask(server, #""input": ["one", "two", "queue"]"#)
            #expect(answer.status == 200)
            #expect(answer.json["object"] == "list")
            #expect(answer.json["model"] == "echo")
            #expect(answer.json["usage"] == ["prompt_tokens": 21, "total_tokens": 21])
            let data = answer.json["data"]?.asArray ?? []
            #expect(data.map { $0["object"] } == ["embedding", "embedding", "embedding"])
            #expect(data.map { $0["index"] } == [0, 1, 2])
            let numbers = data.map { $0["embedding"]?.asArray?.compactMap(\.asDouble) }
            #expect(numbers == [[3, 0.5], [3, 0.25], [5, 1]])
        }
    }

    @Test func `base64 holds 32-bit floats, little end first`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await Self.ask(
                server, #""input": "one", "encoding_format": "base64""#)
            let text = try #require(answer.json["data"]?.asArray?.first?["embedding"]?.asString)
            let bytes = try #require(Data(base64Encoded: text))
            #expect(Array(bytes) == [0, 0, 0x40, 0x40, 0, 0, 0, 0x3F])
        }
    }

    @Test(arguments: [
        (#""a""#, [EmbeddingRequest.Input.text("a")]),
        (#"["a", "b"]"#, [.text("a"), .text("b")]),
        ("[1, 2, 3]", [.tokens([1, 2, 3])]),
        ("[[1], [2, 3]]", [.tokens([1]), .tokens([2, 3])]),
        ("[-1]", [.tokens([-1])]),
    ])
    func `an input is a text, texts, ids, or lists of ids`(
        input: String, expected: [EmbeddingRequest.Input]
    ) async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let answer = try await Self.ask(
                server, #""input": \#(input), "dimensions": 2, "user": "me""#)
            #expect(answer.status == 200)
        }
        let asked = backend.embeddings.withLock { $0 }
        #expect(asked == [EmbeddingRequest(model: "echo", inputs: expected, dimensionCount: 2)])
    }

    @Test(arguments: [
        #""""#, "[]", #"["a", ""]"#, #"["a", 1]"#, "[1, [2]]", "[[]]", #"[["a"]]"#, "1", "{}",
        "[1.5]", "[2147483648]", "[\(String(repeating: #""a","#, count: 2048))\"a\"]",
    ])
    func `another input is refused`(input: String) async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let answer = try await Self.ask(server, #""input": \#(input)"#)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["param"] == "input")
        }
        #expect(backend.embeddings.withLock { $0.isEmpty })
    }

    @Test(arguments: [
        (#""encoding_format": "int8""#, "encoding_format"), (#""dimensions": 0"#, "dimensions"),
        (#""dimensions": 65537"#, "dimensions"), (#""dimension": 3"#, "dimension"),
    ])
    func `a parameter that is not carried out is refused by its name`(
        member: String, name: String
    ) async throws {
        try await TestServer.run(backend) { server in
            let answer = try await Self.ask(server, #""input": "a", \#(member)"#)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["message"]?.asString?.contains(name) == true)
        }
    }

    @Test func `an input or a model that is missing, or unknown, is said`() async throws {
        try await TestServer.run(backend) { server in
            let bodies = [
                #"{"model": "echo"}"#, #"{"input": "a"}"#, #"{"model": "none", "input": "a"}"#, "[]",
            ]
            var answers: [TestServer.Answer] = []
            for body in bodies { answers.append(try await server.post("/v1/embeddings", body)) }
            #expect(answers.map(\.status) == [400, 400, 404, 400])
            let names = answers.map { $0.json["error"]?["param"]?.asString }
            #expect(names == ["input", "model", "model", nil])
        }
    }
}
