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
    @Option(help: "Above 1, what came lately is less likely to come again; 1 changes nothing.")
    var repetitionPenalty = 1.0
    @Option(help: "Taken from the logit of a token that the text has; 0 changes nothing.")
    var presencePenalty = 0.0
    @Option(help: "The same, for each time that the text has it.")
    var frequencyPenalty = 0.0
    @Option(
        help: "Add BIAS, -100 to 100, to the logit of the token ID; may be given several times.",
        transform: { try Self.bias($0) })
    var logitBias: [GenerationRequest.TokenBias] = []
    @Option(help: "The same seed gives the same text.")
    var seed: UInt64 = 0
    @Option(help: "End before this text; may be given several times.")
    var stop: [String] = []
    @Option(help: "A file with a JSON schema that the text must match.", completion: .file())
    var schema: String?
    @Option(help: "A regular expression that the whole text must match.")
    var regex: String?

    func validate() throws {
        guard 0 < maxTokens else { throw ValidationError("--max-tokens must be 1 or more.") }
        guard schema == nil || regex == nil else {
            throw ValidationError("Give either --schema or --regex, not both.")
        }
        guard Set(logitBias.map(\.token)).count == logitBias.count else {
            throw ValidationError("--logit-bias names a token twice.")
        }
    }

    /// Reads `ID=BIAS`.
    private static func bias(_ text: String) throws -> GenerationRequest.TokenBias {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, let token = Int(parts[0]), 0 <= token,
            let value = Double(parts[1]), (-100...100).contains(value)
        else {
            throw ValidationError("--logit-bias is a token id, = and a number of -100 to 100.")
        }
        return .init(token: token, value: value)
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
            topP: topP, topK: topK, minP: minP, seed: seed,
            repetitionPenalty: repetitionPenalty, presencePenalty: presencePenalty,
            frequencyPenalty: frequencyPenalty,
            logitBias: logitBias.sorted { $0.token < $1.token }, schema: document, regex: regex,
            stop: stop)
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
            .init("repetition_penalty", .number(repetitionPenalty)),
            .init("repetition_window", .integer(Int64(repetitionWindow))),
            .init("presence_penalty", .number(presencePenalty)),
            .init("frequency_penalty", .number(frequencyPenalty)),
            .init(
                "logit_bias",
                .object(logitBias.map { .init("\($0.token)", .number($0.value)) })),
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
        if let regex { members.append(.init("regex", .string(regex))) }
        if let logprobCount {
            members.append(.init("logprobs", .integer(Int64(logprobCount))))
        }
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
