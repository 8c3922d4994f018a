import Basics

/// A request of the OpenAI schema, read strictly: a parameter that this node does not carry out
/// and that would change the answer is refused by its name, never ignored.
struct OpenAIRequest: Sendable {
    var generation: GenerationRequest
    var isStream: Bool
    /// `stream_options.include_usage`: a last chunk with the usage and no choices.
    var includesUsage: Bool

    /// `POST /v1/chat/completions`.
    static func chat(_ document: JSON) throws -> OpenAIRequest {
        var fields = try RequestFields(document)
        guard let list = fields.value("messages")?.asArray, !list.isEmpty else {
            throw APIError.malformed("messages must be a list of messages.", parameter: "messages")
        }
        let messages = try list.enumerated().map { try message($1, at: $0) }
        let limit = try fields.integer("max_completion_tokens", in: 1...tokenCountMax)
        let olderLimit = try fields.integer("max_tokens", in: 1...tokenCountMax)
        let schema = try schema(fields.value("response_format"))
        let logprobCount = try chatLogprobs(&fields)
        // What says the default, or nothing about the answer, may stand.
        try refuse("tools", in: &fields, unless: [[]])
        try refuse("functions", in: &fields, unless: [[]])
        try refuse("tool_choice", in: &fields, unless: ["none", "auto"])
        try refuse("function_call", in: &fields, unless: ["none", "auto"])
        try refuse("modalities", in: &fields, unless: [["text"]])
        _ = fields.value("parallel_tool_calls")
        return try common(
            &fields, input: .messages(messages), limit: limit ?? olderLimit, schema: schema,
            logprobCount: logprobCount)
    }

    /// `POST /v1/completions`.
    static func completion(_ document: JSON) throws -> OpenAIRequest {
        var fields = try RequestFields(document)
        let prompt: String
        switch fields.value("prompt") {
        case .string(let text)?: prompt = text
        case .array(let texts)? where texts.count == 1 && texts[0].asString != nil:
            prompt = texts[0].asString ?? ""
        default:
            throw APIError.malformed("prompt must be one string.", parameter: "prompt")
        }
        // 16 is the schema's default.
        let limit = try fields.integer("max_tokens", in: 1...tokenCountMax) ?? 16
        try refuse("best_of", in: &fields, unless: [1])
        try refuse("echo", in: &fields, unless: [false])
        try refuse("suffix", in: &fields, unless: [""])
        let schema = try schema(fields.value("response_format"))
        let logprobCount = try fields.integer("logprobs", in: 0...5).map { Int($0) }
        return try common(
            &fields, input: .prompt(prompt), limit: limit, schema: schema,
            logprobCount: logprobCount)
    }

    private static let tokenCountMax: Int64 = 1 << 20

    /// How many of the likeliest tokens to list beside each chosen one; nil for none at all.
    private static func chatLogprobs(_ fields: inout RequestFields) throws -> Int? {
        let isWanted = try fields.bool("logprobs") ?? false
        let count = try fields.integer("top_logprobs", in: 0...20)
        guard isWanted || count ?? 0 == 0 else {
            throw APIError.malformed(
                "top_logprobs needs logprobs to be true.", parameter: "top_logprobs")
        }
        return isWanted ? Int(count ?? 0) : nil
    }

    private static func common(
        _ fields: inout RequestFields, input: GenerationRequest.Input, limit: Int64?,
        schema: JSON?, logprobCount: Int?
    ) throws -> OpenAIRequest {
        try refuse("n", in: &fields, unless: [1])
        let regex = try fields.regex(beside: schema)
        // These say who asks, or how to keep the books: the answer is the same without them.
        for name in [
            "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
        ] { _ = fields.value(name) }
        let isStream = try fields.bool("stream") ?? false
        var includesUsage = false
        if var options = try fields.object("stream_options") {
            includesUsage = try options.bool("include_usage") ?? false
            _ = options.value("include_obfuscation")
            try options.finish()
        }
        let generation = GenerationRequest(
            model: try fields.requiredString("model"), input: input,
            tokenCountMax: limit.map { Int($0) },
            // 1 is the schema's default for both. The seed's is ours: the same request gives
            // the same text, also where no seed was given.
            temperature: try fields.number("temperature", in: 0...2) ?? 1,
            topP: try fields.number("top_p", in: 0...1) ?? 1,
            topK: Int(try fields.integer("top_k", in: 0...1_000_000) ?? 0),
            minP: try fields.number("min_p", in: 0...1) ?? 0,
            seed: UInt64(bitPattern: try fields.integer("seed", in: .min ... .max) ?? 0),
            repetitionPenalty: try fields.number("repetition_penalty", in: 0.01...100) ?? 1,
            repetitionWindow: Int(try fields.integer("repetition_window", in: 1...1 << 20) ?? 64),
            presencePenalty: try fields.number("presence_penalty", in: -2...2) ?? 0,
            frequencyPenalty: try fields.number("frequency_penalty", in: -2...2) ?? 0,
            logitBias: try fields.logitBias(), logprobCount: logprobCount,
            schema: schema, regex: regex, stop: try stop(fields.value("stop")))
        try fields.finish()
        return OpenAIRequest(
            generation: generation, isStream: isStream, includesUsage: includesUsage)
    }

    private static func refuse(
        _ name: String, in fields: inout RequestFields, unless neutral: [JSON]
    ) throws {
        guard let value = fields.value(name), !neutral.contains(value) else { return }
        throw APIError(
            status: 400,
            message: "This node does not carry out \(name) with that value; leave it out.",
            code: "unsupported_parameter", parameter: name)
    }

    private static func message(_ value: JSON, at index: Int) throws -> GenerationRequest.Message {
        let place = "messages[\(index)]"
        guard value.asObject != nil, let role = value["role"]?.asString else {
            throw APIError.malformed("\(place) needs a role.", parameter: place)
        }
        guard ["system", "developer", "user", "assistant"].contains(role) else {
            throw APIError.malformed(
                "\(place) has the role \(role); system, user and assistant are known.",
                parameter: place)
        }
        if let calls = value["tool_calls"], !calls.isNull, calls != [] {
            throw APIError(
                status: 400, message: "This node does not carry out tool_calls in messages.",
                code: "unsupported_parameter", parameter: "\(place).tool_calls")
        }
        return .init(
            role: role == "developer" ? "system" : role,
            content: try text(value["content"], place: place))
    }

    /// A string, or a list of text parts one after the other.
    private static func text(_ content: JSON?, place: String) throws -> String {
        switch content {
        case nil, .null?: return ""
        case .string(let text)?: return text
        case .array(let parts)?:
            return try parts.map { part in
                guard part["type"]?.asString == "text", let text = part["text"]?.asString else {
                    throw APIError(
                        status: 400, message: "\(place) holds a part that is not text.",
                        code: "unsupported_content", parameter: "\(place).content")
                }
                return text
            }.joined()
        default:
            throw APIError.malformed(
                "\(place).content must be a string.", parameter: "\(place).content")
        }
    }

    private static func schema(_ format: JSON?) throws -> JSON? {
        guard let format else { return nil }
        switch format["type"]?.asString {
        case "text": return nil
        case "json_object": return ["type": "object"]
        case "json_schema":
            guard let schema = format["json_schema"]?["schema"], schema.asObject != nil else {
                throw APIError.malformed(
                    "response_format.json_schema.schema is missing.", parameter: "response_format")
            }
            return schema
        default:
            throw APIError.malformed(
                "response_format.type must be text, json_object or json_schema.",
                parameter: "response_format")
        }
    }

    private static func stop(_ value: JSON?) throws -> [String] {
        let texts: [String]?
        switch value {
        case nil: texts = []
        case .string(let text)?: texts = [text]
        case .array(let values)? where values.count <= 16:
            let strings = values.compactMap(\.asString)
            texts = strings.count == values.count ? strings : nil
        default: texts = nil
        }
        guard let texts, texts.allSatisfy({ StopStrings.byteCounts.contains($0.utf8.count) })
        else {
            throw APIError.malformed(
                "stop must be a string or a list of at most 16 strings of 1 to "
                    + "\(StopStrings.byteCounts.upperBound) bytes.",
                parameter: "stop")
        }
        return texts
    }
}
