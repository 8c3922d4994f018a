import API
import AsyncHTTPClient
import Basics
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

struct APIServerTests {
    private let backend = MemoryBackend()

    @Test func `the socket is for its owner alone, and goes away with the server`() async throws {
        let path = Mutex("")
        try await TestServer.run(backend) { server in
            path.withLock { $0 = server.socketPath }
            let attributes = try FileManager.default.attributesOfItem(atPath: server.socketPath)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(attributes[.type] as? FileAttributeType == .typeSocket)
        }
        #expect(!FileManager.default.fileExists(atPath: path.withLock { $0 }))
    }

    @Test func `a socket path that does not fit is refused by length`() async throws {
        let server = APIServer(
            backend: backend, unixSocketPath: "/tmp/" + String(repeating: "x", count: 120),
            logger: .init(label: "test"))
        await #expect(throws: APIError.self) { try await server.run() }
    }

    @Test func `over TCP nothing is answered without the key`() async throws {
        try await TestServer.runTLS(backend) { server in
            #expect(try await server.get("/api/status").status == 200)
            for path in ["/", "/metrics", "/api/status", "/v1/models", "/nowhere"] {
                for key in [nil, "", "open", "open sesamee", "Open sesame"] {
                    var stranger = server
                    stranger.key = key
                    let answer = try await stranger.get(path)
                    #expect(answer.status == 401, "\(path) with \(key ?? "no key")")
                    #expect(answer.json["error"]?["code"] == "invalid_api_key")
                }
            }
        }
    }

    @Test func `an address that is taken is found out without a server`() async throws {
        try await TestServer.runTLS(backend) { server in
            let taken = String(server.base.dropFirst("https://".count))
            let refusal = #expect(throws: APIError.self) {
                try Self.door(taken).checkAddress()
            }
            #expect(refusal?.message.contains("\(taken): the port is in use;") == true)
            try Self.door("127.0.0.1:0").checkAddress()
        }
    }

    private static func door(_ address: String) throws -> APIServer.TCP {
        try APIServer.TCP(address: address, certificatePath: "", keyPath: "", apiKey: "key")
    }

    @Test func `every error is one document of the same shape`() async throws {
        try await TestServer.run(backend) { server in
            let missing = try await server.get("/nowhere")
            #expect(missing.status == 404)
            #expect(missing.json["error"]?["type"] == "not_found_error")
            let broken = try await server.post("/api/tasks", "{\"program\":")
            #expect(broken.status == 400)
            #expect(broken.json["error"]?["code"] == "invalid_request")
            let list = try await server.post("/api/tasks", "[]")
            #expect(list.status == 400)
            let twice = try await server.post("/api/tasks", #"{"a": 1, "a": 2}"#)
            let mistake = twice.json["error"]?["message"]?.asString ?? ""
            #expect(mistake.hasSuffix(#": the name "a" stands twice in one object."#))
            let hex = try await server.get("/api/artifacts/abc")
            #expect(hex.status == 400)
            let foreign = try await server.get("/api/tasks/boom")
            #expect(foreign.status == 500)
            #expect(!foreign.text.contains("hunter2"))
        }
    }

    @Test func `a path that is asked in another way names the ways that it takes`() async throws {
        try await TestServer.run(backend) { server in
            for path in ["/api/policy", "/api/tenants"] {
                let answer = try await server.post(path, "{}")
                #expect(answer.status == 405)
                #expect(answer.headers["allow"] == "GET, PUT")
                let sentence = answer.json["error"]?["message"]?.asString
                #expect(sentence == "\(path) takes GET and PUT, not POST.")
            }
            let part = try await server.send(server.request("DELETE", "/api/tasks/x/cancel"))
            #expect(part.status == 405 && part.headers["allow"] == "POST")
        }
    }

    @Test func `a node that is no edge node says who sleeps`() async throws {
        try await TestServer.run(backend) { server in
            for path in ["/api/sleep", "/api/wake"] {
                let answer = try await server.post(path, "{}")
                #expect(answer.status == 409 && answer.json["error"]?["code"] == "not_edge")
            }
        }
    }

    @Test func `a tenant has a short name without control characters`() async throws {
        try await TestServer.run(backend) { server in
            let program = #""program": {"name": "p", "digest": "\#(Digest.of([7]).hex)"}"#
            for (name, isGood) in [
                ("", true), ("team ä", true), (String(repeating: "x", count: 64), true),
                (String(repeating: "x", count: 65), false), (#"a\nb"#, false), (#"\u009b"#, false),
            ] {
                let tenant = #""tenant": "\#(name)""#
                let answers = [
                    try await server.send(
                        server.request("PUT", "/api/tenants", body: "{\(tenant)}")),
                    try await server.post("/api/tasks", "{\(tenant), \(program)}"),
                    try await server.post(
                        "/api/jobs",
                        #"{"name": "j", "sets": [{"name": "s", \#(tenant), \#(program)}]}"#),
                ]
                #expect(answers.map(\.status) == Array(repeating: isGood ? 200 : 400, count: 3))
            }
        }
    }

    @Test func `what is named twice, or is no object, is refused by its name`() async throws {
        try await TestServer.run(backend) { server in
            let file = #"{"name": "f", "digest": "\#(Digest.of([7]).hex)"}"#
            let value = #"{"name": "A", "value": "1"}"#
            for (members, parameter, sentence) in [
                (#""program": "xx""#, "program", "program must be an object."),
                (
                    #""program": \#(file), "inputs": [\#(file), \#(file)]"#, "inputs",
                    "inputs names f twice."
                ),
                (
                    #""program": \#(file), "environment": [\#(value), \#(value)]"#, "environment",
                    "environment names A twice."
                ),
            ] {
                let answer = try await server.post("/api/tasks", "{\(members)}")
                #expect(answer.status == 400)
                let error = answer.json["error"]
                #expect(error?["message"]?.asString == sentence)
                #expect(error?["param"]?.asString == parameter)
            }
        }
    }

    @Test func `a misspelt parameter is refused by its name`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.post("/api/tokens", #"{"ttl": 5}"#)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["param"] == "ttl")
            let range = try await server.post("/api/tokens", #"{"uses": 0}"#)
            #expect(range.json["error"]?["param"] == "uses")
        }
    }

    @Test func `the tasks of one job are asked for by its id`() async throws {
        try await TestServer.run(backend) { server in
            let all = try await server.get("/api/tasks").json
            let some = try await server.get("/api/tasks?job=ab12").json
            #expect(all["job"] == .null && some["job"] == "ab12")
        }
    }

    @Test func `a file to compare goes with a bundle, not with an identifier`() async throws {
        try await TestServer.run(backend) { server in
            let about = #""about": "\#(Digest.of([1]).hex)""#
            let answer = try await server.post("/api/verify", #"{"identifier": "ab", \#(about)}"#)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["param"] == "about")
            let bundle = try await server.post("/api/verify", #"{"bundle": "{}", \#(about)}"#)
            #expect(bundle.status == 200)
        }
    }

    @Test func `a JSON body over the limit is refused, announced or not`() async throws {
        var settings = APIServer.Settings()
        settings.jsonByteCountMax = 1000
        try await TestServer.run(backend, settings: settings) { server in
            let long = #"{"name": ""# + String(repeating: "x", count: 2000) + "\"}"
            let announced = try await server.post("/api/tokens", long)
            #expect(announced.status == 413)
            var chunked = server.request("POST", "/api/tokens")
            chunked.body = .stream([ByteBuffer(string: long)].async, length: .unknown)
            let unannounced = try await server.send(chunked)
            #expect(unannounced.status == 413)
            let next = try await server.get("/api/status")
            #expect(next.status == 200)
        }
    }

    @Test func `an upload is streamed, counted, and comes back byte for byte`() async throws {
        var settings = APIServer.Settings()
        settings.uploadByteCountMax = 6 << 20
        let backend = backend
        try await TestServer.run(backend, settings: settings) { server in
            let bytes = (0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            var upload = server.request("POST", "/api/artifacts")
            upload.body = .bytes(ByteBuffer(bytes: bytes))
            let answer = try await server.send(upload)
            #expect(answer.json["digest"]?.asString == Digest.of(bytes).hex)
            #expect(backend.chunkCount.withLock { $0 } > 1)
            let path = "/api/artifacts/\(Digest.of(bytes).hex)"
            let held = try await server.send(server.request("HEAD", path))
            #expect(held.status == 200)
            #expect(held.headers["content-length"] == String(bytes.count))
            let response = try await server.client.execute(
                server.request("GET", path), timeout: .seconds(20))
            let back = try await response.body.collect(upTo: 8 << 20)
            #expect(Array(back.readableBytesView) == bytes)
            var large = server.request("POST", "/api/artifacts")
            large.body = .stream(
                [ByteBuffer(bytes: bytes), ByteBuffer(bytes: bytes)].async, length: .unknown)
            #expect(try await server.send(large).status == 413)
        }
    }

    @Test func `an artifact that is not held is 404 for HEAD and GET`() async throws {
        try await TestServer.run(backend) { server in
            let path = "/api/artifacts/\(Digest.of([1, 2, 3]).hex)"
            let head = try await server.send(server.request("HEAD", path))
            #expect(head.status == 404)
            let get = try await server.get(path)
            #expect(get.json["error"]?["code"] == "artifact_not_found")
        }
    }

    @Test func `a job reaches the backend whole, and a misspelt member is refused`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let digest = Digest.of([7])
            let program = #"{"name": "p.elf", "digest": "\#(digest.hex)"}"#
            let answer = try await server.post(
                "/api/jobs",
                """
                {"key": "k", "name": "j", "sets": [
                 {"name": "a", "program": \(program), "tenant": "t", "priority": -3, "attempts": 2,
                  "deadline_seconds": 60, "slots": 2, "items": [{"arguments": ["1"], "seed": 9}]},
                 {"name": "b", "program": \(program), "after": ["a"], "gang": true,
                  "gang_patience_seconds": 5}]}
                """)
            #expect(answer.json["job"] == "ab12")
            var first = ProgramRequest(program: NamedArtifact(name: "p.elf", digest: digest))
            let second = first
            (first.terms.tenant, first.terms.priority) = ("t", -3)
            (first.terms.attemptCountMax, first.terms.deadlineSeconds) = (2, 60)
            first.terms.slotCount = 2
            let expected = JobRequest(
                key: "k", name: "j",
                sets: [
                    .init(name: "a", program: first, items: [.init(arguments: ["1"], seed: 9)]),
                    .init(
                        name: "b", program: second, after: ["a"], isGang: true,
                        gangPatienceSeconds: 5),
                ])
            #expect(backend.jobRequests.withLock { $0 } == [expected])
            for bad in [
                #"{"name": "j"}"#, #"{"name": "j", "sets": []}"#,
                #"{"name": "j", "sets": [{"name": "a", "program": \#(program), "fule": 1}]}"#,
                #"{"name": "j", "sets": [{"name": "a", "program": \#(program), "slots": 0}]}"#,
            ] {
                #expect(try await server.post("/api/jobs", bad).status == 400, "\(bad)")
            }
        }
    }

    @Test func `a program's request reaches the backend whole`() async throws {
        let backend = backend
        try await TestServer.run(backend) { server in
            let digest = Digest.of([7])
            let answer = try await server.post(
                "/api/tasks",
                """
                {"program": {"name": "p.elf", "digest": "\(digest.hex)"},
                 "arguments": ["-x", "y z"], "environment": [{"name": "HOME", "value": "/"}], "fuel": 5000, "seed": 3,
                 "inputs": [{"name": "a/b.txt", "digest": "\(digest.hex)"}]}
                """)
            #expect(answer.json["task"] == "ef56")
            let artifact = NamedArtifact(name: "p.elf", digest: digest)
            let expected = ProgramRequest(
                program: artifact, arguments: ["-x", "y z"],
                environment: [.init(name: "HOME", value: "/")],
                inputs: [.init(name: "a/b.txt", digest: digest)], fuel: 5000, seed: 3)
            #expect(backend.programs.withLock { $0 } == [expected])
            let extra = #"{"program": {"name": "p", "digest": "\#(digest.hex)", "mode": 1}}"#
            #expect(try await server.post("/api/tasks", extra).status == 400)
        }
    }

    @Test func `a long poll passes its wait on, within bounds`() async throws {
        try await TestServer.run(backend) { server in
            let answer = try await server.get("/api/tasks/x?wait_seconds=30")
            #expect(answer.json["wait_milliseconds"] == 30_000)
            #expect(try await server.get("/api/tasks/x?wait_seconds=1e9").status == 400)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a node that stops ends long polls and streams with a word of its own`() async throws {
        let backend = backend
        var settings = APIServer.Settings()
        // Longer than the time limit: only an end by its own will passes.
        settings.shutdownGrace = .seconds(300)
        let answers = Mutex<[Task<TestServer.Answer, any Error>]>([])
        try await TestServer.run(backend, settings: settings) { server in
            let body = #"{"model": "slow", "stream": true, "prompt": "one"}"#
            let poll = Task { try await server.get("/api/tasks/endless?wait_seconds=290") }
            let stream = Task { try await server.post("/v1/completions", body) }
            while backend.waitCount.withLock({ $0 }) == 0 || backend.requests.withLock(\.isEmpty) {
                await Task.yield()
            }
            answers.withLock { $0 = [poll, stream] }
        } whileStopping: {
            for answer in answers.withLock({ $0 }) {
                let text = try await answer.value.text
                #expect(text.contains(#""code":"stopping""#))
            }
        }
    }

    @Test func `metrics name each number by its path`() async throws {
        try await TestServer.run(backend) { server in
            let text = try await server.get("/metrics").text
            #expect(text.contains("\nswiftlet_term 7\n"))
            #expect(text.contains("\nswiftlet_tasks_queued 2\n"))
            #expect(text.contains(#"name="a \"quoted\" name""#))
        }
    }
}

extension Array where Element: Sendable {
    /// The elements as an asynchronous sequence.
    fileprivate var async: AsyncStream<Element> {
        AsyncStream { continuation in
            for element in self { continuation.yield(element) }
            continuation.finish()
        }
    }
}
