import Basics
import Glibc

/// The documents of the OpenAI schema that answer one request.
struct OpenAIResponse: Sendable {
    enum Kind: Sendable { case chat, completion }

    let kind: Kind
    let id: String
    let model: String
    /// Seconds since 1970.
    let created: Int64
    let includesUsage: Bool
    let hasLogprobs: Bool

    init(kind: Kind, request: OpenAIRequest) {
        self.kind = kind
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<12).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        id = (kind == .chat ? "chatcmpl-" : "cmpl-") + Hex.encode(bytes)
        model = request.generation.model
        created = Int64(time(nil))
        includesUsage = request.includesUsage
        hasLogprobs = request.generation.logprobCount != nil
    }

    /// The whole answer at once.
    func whole(_ result: JSON, _ logprobs: [TokenLogprobs] = []) -> JSON {
        let text = result["text"] ?? ""
        let content: JSON.Member =
            switch kind {
            case .chat:
                .init("message", ["role": "assistant", "content": text, "refusal": nil])
            case .completion: .init("text", text)
            }
        let choice: JSON = .object([
            .init("index", 0), content, .init("logprobs", document(logprobs, offset: 0)),
            .init("finish_reason", result["finish_reason"] ?? "stop"),
        ])
        return document(
            object: kind == .chat ? "chat.completion" : "text_completion", choices: [choice],
            [.init("usage", Self.usage(result)), .init("swiftlet", Self.proof(result))])
    }

    /// The chunk that opens a chat's stream.
    var opening: JSON { chunk(delta: ["role": "assistant", "content": ""], finishReason: nil) }

    /// A chunk with more text.
    func chunk(text: String, logprobs: [TokenLogprobs] = [], offset: Int = 0) -> JSON {
        chunk(
            delta: ["content": .string(text)], text: text,
            logprobs: logprobs.isEmpty ? nil : document(logprobs, offset: offset))
    }

    private func document(_ logprobs: [TokenLogprobs], offset: Int) -> JSON {
        guard hasLogprobs else { return nil }
        return kind == .chat
            ? logprobs.chatDocument : logprobs.completionDocument(offset: offset)
    }

    /// The chunk that says why the text ended.
    func closing(_ result: JSON) -> JSON {
        chunk(delta: .object([]), finishReason: result["finish_reason"] ?? "stop")
    }

    /// The last chunk, where the client asked for the usage: no choices.
    func usageChunk(_ result: JSON) -> JSON {
        document(
            object: chunkObject, choices: [],
            [.init("usage", Self.usage(result)), .init("swiftlet", Self.proof(result))])
    }

    private var chunkObject: String {
        kind == .chat ? "chat.completion.chunk" : "text_completion"
    }

    private func chunk(
        delta: JSON, text: String = "", logprobs: JSON = nil, finishReason: JSON? = nil
    ) -> JSON {
        let choice: JSON = .object([
            .init("index", 0),
            kind == .chat ? .init("delta", delta) : .init("text", .string(text)),
            .init("logprobs", logprobs), .init("finish_reason", finishReason ?? .null),
        ])
        return document(
            object: chunkObject, choices: [choice],
            includesUsage ? [.init("usage", nil)] : [])
    }

    private func document(object: String, choices: [JSON], _ rest: [JSON.Member]) -> JSON {
        .object(
            [
                .init("id", .string(id)), .init("object", .string(object)),
                .init("created", .integer(created)), .init("model", .string(model)),
                .init("system_fingerprint", nil), .init("choices", .array(choices)),
            ] + rest)
    }

    static func usage(_ result: JSON) -> JSON {
        let prompt = count(result["prompt_tokens"])
        let completion = count(result["tokens"])
        return [
            "prompt_tokens": .integer(prompt), "completion_tokens": .integer(completion),
            "total_tokens": .integer(prompt + completion),
        ]
    }

    /// Tokens are a list of ids in our own documents and a number in this schema.
    private static func count(_ value: JSON?) -> Int64 {
        value?.asArray.map { Int64($0.count) } ?? value?.asInteger ?? 0
    }

    /// What a client needs to have the answer verified; others skip the member.
    private static func proof(_ result: JSON) -> JSON {
        .object(
            ["statement", "stages"].compactMap { name in
                result[name].map { JSON.Member(name, $0) }
            })
    }
}
