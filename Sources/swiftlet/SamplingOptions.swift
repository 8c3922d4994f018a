import API
import ArgumentParser
import Basics
import Foundation

/// How text is drawn from a model.
struct SamplingOptions: ParsableArguments {
    @Option(help: "At most so many tokens.")
    var maxTokens = 256
    @Option(help: "0 always takes the likeliest token.")
    var temperature = 0.0
    @Option(help: "Keep the fewest tokens that make up this share; 1 keeps all.")
    var topP = 1.0
    @Option(help: "Keep the K likeliest tokens; 0 keeps all.")
    var topK = 0
    @Option(help: "Drop tokens less likely than this share of the likeliest; 0 keeps all.")
    var minP = 0.0
    @Option(help: "The same seed gives the same text.")
    var seed: UInt64 = 0
    @Option(help: "End before this text; may be given several times.")
    var stop: [String] = []
    @Option(help: "A file with a JSON schema that the text must match.", completion: .file())
    var schema: String?

    func validate() throws {
        guard 0 < maxTokens else { throw ValidationError("--max-tokens must be 1 or more.") }
    }

    func request(_ model: String, _ input: GenerationRequest.Input) throws -> GenerationRequest {
        let document = try schema.map { path in
            do {
                return try JSON(parsing: try ArtifactFile.bytes(of: path))
            } catch let mistake as JSON.Mistake {
                throw Refusal("The schema \(path) is not JSON: \(mistake); correct the file.")
            }
        }
        return GenerationRequest(
            model: model, input: input, tokenCountMax: maxTokens, temperature: temperature,
            topP: topP, topK: topK, minP: minP, seed: seed, schema: document, stop: stop)
    }
}

extension GenerationRequest {
    /// The request as `/api/generate` takes it.
    func document(isStream: Bool) -> JSON {
        var members: [JSON.Member] = [
            .init("model", .string(model)), .init("stream", .bool(isStream)),
            .init("temperature", .number(temperature)), .init("top_p", .number(topP)),
            .init("top_k", .integer(Int64(topK))), .init("min_p", .number(minP)),
            .init("seed", .integer(Int64(bitPattern: seed))),
            .init("stop", .array(stop.map { .string($0) })),
        ]
        switch input {
        case .prompt(let text): members.append(.init("prompt", .string(text)))
        case .messages(let messages):
            let list = messages.map { message -> JSON in
                ["role": .string(message.role), "content": .string(message.content)]
            }
            members.append(.init("messages", .array(list)))
        }
        if let tokenCountMax {
            members.append(.init("max_tokens", .integer(Int64(tokenCountMax))))
        }
        if let schema { members.append(.init("schema", schema)) }
        return .object(members)
    }
}

extension NodeClient {
    /// Generates, shows the text as it comes where `isShown`, and returns the result's document.
    func generate(_ request: GenerationRequest, isShown: Bool) async throws -> JSON {
        var result: JSON?
        try await events("/api/generate", request.document(isStream: true)) { event in
            if let text = event["text"]?.asString, isShown { Terminal.write(text) }
            if let finished = event["finished"] { result = finished }
        }
        guard let result else {
            throw Refusal("The node stopped in the middle of the text; try again.")
        }
        return result
    }
}

/// The last line of a generation, for people.
enum GenerationSummary {
    static func show(_ result: JSON) {
        guard Terminal.isErrorForPeople else { return }
        let tokenCount = result["tokens"]?.asArray?.count ?? 0
        let prefill = Text.decimal(result["prefill_tokens_per_second"]?.asDouble ?? 0, 1)
        let decode = Text.decimal(result["decode_tokens_per_second"]?.asDouble ?? 0, 1)
        let text =
            "\(tokenCount) tokens; prompt \(prefill) tokens/s, text \(decode) tokens/s; "
            + "stages: \(ModelCommand.stages(result["stages"]))"
        Terminal.remark(Terminal.style(text, .dim, true))
    }
}
