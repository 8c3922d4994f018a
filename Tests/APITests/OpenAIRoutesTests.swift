import API
import AsyncHTTPClient
import Basics
import Foundation
import NIOCore
import Synchronization
import Testing

struct OpenAIRoutesTests {
    private let backend = MemoryBackend()

    private static let hello = #""messages": [{"role": "user", "content": "one two three"}]"#

    /// The documents of a stream of server-sent events, `[DONE]` as a string.
    private static func events(_ text: String) throws -> [JSON] {
        try text.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { event in
            let data = try #require(event.hasPrefix("data: ") ? event.dropFirst(6) : nil)
            return data == "[DONE]" ? .string("[DONE]") : try JSON(parsing: String(data))
        }
    }

    @Test func `only models that answer are listed, encoders too`() async throws {
        try await TestServer.run(backend) { server in
            let list = try await server.get("/v1/models").json
            #expect(list["data"]?.asArray?.compactMap { $0["id"]?.asString } == ["echo", "vectors"])
            #expect(try await server.get("/v1/models/echo").json["object"] == "model")
            #expect(try await server.get("/v1/models/vectors").json["id"] == "vectors")
            #expect(try await server.get("/v1/models/idle").status == 404)
        }
    }

    @Test func `a chat answers with text, reason, usage and proof`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions", #"{"model": "echo", \#(Self.hello)}"#)
            #expect(answer.status == 200)
            let choice = answer.json["choices"]?.asArray?.first
            #expect(choice?["message"]?["content"] == "one two three ")
            #expect(choice?["finish_reason"] == "stop")
            #expect(
                answer.json["usage"] == [
                    "prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8,
                ])
            #expect(answer.json["swiftlet"]?["statement"] == "cd34")
        }
    }

    @Test func `a stream opens, speaks, closes, counts, and is done, in this order`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions",
                #"{"model": "echo", "stream": true, "stream_options": {"include_usage": true}, "#
                    + "\(Self.hello)}")
            #expect(answer.headers["content-type"] == "text/event-stream")
            let events = try Self.events(answer.text)
            let deltas = events.map { $0["choices"]?.asArray?.first?["delta"] }
            #expect(deltas[0] == ["role": "assistant", "content": ""])
            #expect(
                deltas[1...3].map { $0?["content"]?.asString } == ["one ", "two ", "three "])
            #expect(deltas[4] == .object([]))
            #expect(events[4]["choices"]?.asArray?.first?["finish_reason"] == "stop")
            #expect(events[..<5].allSatisfy { $0["usage"] == .null })
            #expect(events[5]["choices"] == [])
            #expect(events[5]["usage"]?["total_tokens"] == 8)
            #expect(events[6] == "[DONE]")
            #expect(events.count == 7)
            #expect(Set(events[..<6].compactMap { $0["id"]?.asString }).count == 1)
        }
    }

    @Test func `without include_usage there is no usage in a stream`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions", #"{"model": "echo", "stream": true, \#(Self.hello)}"#)
            let events = try Self.events(answer.text)
            #expect(events.allSatisfy { $0["usage"] == nil })
            #expect(events.last == "[DONE]")
        }
    }

    @Test func `what breaks in mid-stream is the stream's last event`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions", #"{"model": "broken", "stream": true, \#(Self.hello)}"#)
            #expect(answer.status == 200)
            let last = try #require(try Self.events(answer.text).last)
            #expect(last["error"]?["code"] == "stage_lost")
            let whole = try await server.post(
                "/v1/chat/completions", #"{"model": "broken", \#(Self.hello)}"#)
            #expect(whole.status == 503)
        }
    }

    @Test func `an unknown model is 404, in a stream too`() async throws {
        try await TestServer.run(backend) { server in
            for stream in ["true", "false"] {
                let answer = try await server.post(
                    "/v1/chat/completions",
                    #"{"model": "none", "stream": \#(stream), \#(Self.hello)}"#)
                #expect(answer.status == 404)
                #expect(answer.json["error"]?["code"] == "model_not_found")
            }
        }
    }

    @Test(arguments: [
        ("tools", #"[{"type": "function"}]"#), ("n", "2"), ("top_logprobs", "3"),
        ("logprobs", "2"), ("frequency_penalty", "2.5"), ("presence_penalty", "-3"),
        ("logit_bias", #"{"5": 101}"#), ("logit_bias", #"{"five": 1}"#),
        ("logit_bias", #"{"05": 1}"#), ("repetition_penalty", "0"), ("regex", "5"),
        ("regex", #""""#),
        ("reasoning_effort", #""low""#),
        ("temperature", "3"), ("max_tokens", "0"), ("stop", #"["a", 5]"#),
        ("response_format", #"{"type": "yaml"}"#), ("frobnicate", "1"),
    ])
    func `what the node does not carry out is refused by name`(
        name: String, value: String
    ) async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions",
                #"{"model": "echo", \#(Self.hello), "\#(name)": \#(value)}"#)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["param"]?.asString == name)
        }
    }

    @Test func `values that say the default are no reason to refuse`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions",
                #"{"model": "echo", \#(Self.hello), "n": 1, "tools": [], "tool_choice": "auto", "#
                    + #""logprobs": false, "frequency_penalty": 0.0, "presence_penalty": 0, "#
                    + #""user": "u", "seed": null, "response_format": {"type": "text"}}"#)
            #expect(answer.status == 200)
            let request = try #require(backend.requests.withLock { $0.last })
            #expect(request.temperature == 1)
            #expect(request.tokenCountMax == nil)
            #expect(request.schema == nil)
        }
    }

    @Test func `the sampling, the schema and the messages reach the backend`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            _ = try await server.post(
                "/v1/chat/completions",
                #"{"model": "echo", "messages": [{"role": "developer", "content": "s"}, "#
                    + #"{"role": "user", "content": [{"type": "text", "text": "a"}, "#
                    + #"{"type": "text", "text": "b"}]}], "temperature": 0.5, "top_p": 0.9, "#
                    + #""max_completion_tokens": 9, "seed": 4, "stop": ["x", "y"], "#
                    + #""response_format": {"type": "json_schema", "json_schema": "#
                    + #"{"name": "n", "schema": {"type": "integer"}}}}"#)
            let expected = GenerationRequest(
                model: "echo",
                input: .messages([
                    .init(role: "system", content: "s"), .init(role: "user", content: "ab"),
                ]), tokenCountMax: 9, temperature: 0.5, topP: 0.9, seed: 4,
                schema: ["type": "integer"], stop: ["x", "y"])
            #expect(backend.requests.withLock { $0.last } == expected)
        }
    }

    @Test func `penalties, bias and a regular expression reach the backend`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/chat/completions",
                #"{"model": "echo", \#(Self.hello), "temperature": 0, "frequency_penalty": 0.5, "#
                    + #""presence_penalty": -1.5, "repetition_penalty": 1.25, "#
                    + #""repetition_window": 9, "logit_bias": {"12": -100, "3": 0.5}, "#
                    + #""regex": "a+", "top_k": 7, "min_p": 0.25}"#)
            #expect(answer.status == 200)
            let request = try #require(backend.requests.withLock { $0.last })
            let expected = GenerationRequest(
                model: "echo", input: request.input, temperature: 0, topK: 7, minP: 0.25,
                repetitionPenalty: 1.25, repetitionWindow: 9, presencePenalty: -1.5,
                frequencyPenalty: 0.5,
                logitBias: [.init(token: 3, value: 0.5), .init(token: 12, value: -100)],
                regex: "a+")
            #expect(request == expected)
            let both = try await server.post(
                "/v1/chat/completions",
                #"{"model": "echo", \#(Self.hello), "regex": "a", "#
                    + #""response_format": {"type": "json_object"}}"#)
            #expect(both.status == 400)
            #expect(both.json["error"]?["param"] == "regex")
        }
    }

    @Test func `logprobs come with a chat, whole and streamed, and with a completion`()
        async throws
    {
        try await TestServer.run(backend) { server in
            let chat =
                #"{"model": "echo", "messages": [{"role": "user", "content": "hé you"}], "#
                + #""logprobs": true, "top_logprobs": 2"#
            let whole = try await server.post("/v1/chat/completions", chat + "}")
            let choice = try #require(whole.json["choices"]?.asArray?.first)
            let content = try #require(choice["logprobs"]?["content"]?.asArray)
            #expect(content.count == 2)
            #expect(content[0]["token"] == "hé ")
            #expect(content[0]["bytes"] == [0x68, 0xC3, 0xA9, 0x20])
            #expect(content[0]["logprob"]?.asDouble == -0.5)
            #expect(content[0]["top_logprobs"]?.asArray?.compactMap { $0["token"] } == ["a", "b"])
            let streamed = try await server.post(
                "/v1/chat/completions", chat + #", "stream": true}"#)
            let pieces = try Self.events(streamed.text).flatMap {
                $0["choices"]?.asArray?.first?["logprobs"]?["content"]?.asArray ?? []
            }
            #expect(pieces == content)

            let completion = try await server.post(
                "/v1/completions", #"{"model": "echo", "prompt": "hé you", "logprobs": 1}"#)
            let found = try #require(completion.json["choices"]?.asArray?.first?["logprobs"])
            #expect(found["tokens"] == ["hé ", "you "])
            #expect(found["text_offset"] == [0, 3])
            #expect(found["top_logprobs"]?.asArray?.first?["a"]?.asDouble == 0)
            let none = try await server.post(
                "/v1/completions", #"{"model": "echo", "prompt": "hé you"}"#)
            #expect(none.json["choices"]?.asArray?.first?["logprobs"]?.isNull == true)
        }
    }

    @Test func `a completion continues a raw prompt`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let answer = try await server.post(
                "/v1/completions", #"{"model": "echo", "prompt": "a b", "temperature": 0}"#)
            #expect(answer.json["object"] == "text_completion")
            #expect(answer.json["choices"]?.asArray?.first?["text"] == "a b ")
            #expect(backend.requests.withLock { $0.last?.input } == .prompt("a b"))
            #expect(backend.requests.withLock { $0.last?.tokenCountMax } == 16)
            let two = try await server.post(
                "/v1/completions", #"{"model": "echo", "prompt": ["a", "b"]}"#)
            #expect(two.status == 400)
        }
    }

    @Test func `a client that goes away cancels its generation`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            for stream in ["true", "false"] {
                let before = backend.cancellationCount.withLock { $0 }
                let body = #"{"model": "slow", "stream": \#(stream), \#(Self.hello)}"#
                let request = server.request("POST", "/v1/chat/completions", body: body)
                let asking = Task { try await server.send(request) }
                let started = backend.requests.withLock { $0.count }
                while backend.requests.withLock({ $0.count }) == started { await Task.yield() }
                asking.cancel()
                // Ends when the server has noticed; the time limit of the test run is the bound.
                while backend.cancellationCount.withLock({ $0 }) == before { await Task.yield() }
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `past the queue's end a generation is refused with 429`() async throws {
        var settings = APIServer.Settings()
        settings.generationCountMax = 1
        settings.waitingGenerationCountMax = 1
        let backend = backend
        try await TestServer.run(backend, settings: settings) { server in
            let body = #"{"model": "held", \#(Self.hello)}"#
            let first = Task { try await server.post("/v1/chat/completions", body) }
            while backend.requests.withLock({ $0.isEmpty }) { await Task.yield() }
            // One is inside and one may wait: of the next two, exactly one is refused at once.
            let outcome = AsyncStream<Int>.makeStream()
            let others = (0..<2).map { _ in
                Task {
                    let answer = try await server.post("/v1/chat/completions", body)
                    outcome.continuation.yield(answer.status)
                }
            }
            var statuses = outcome.stream.makeAsyncIterator()
            #expect(await statuses.next() == 429)
            backend.gate.continuation.yield()
            #expect(try await first.value.status == 200)
            backend.gate.continuation.yield()
            #expect(await statuses.next() == 200)
            for other in others { try await other.value }
        }
    }
}
