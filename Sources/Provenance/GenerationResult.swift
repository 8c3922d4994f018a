package import Basics

/// A node says: these nodes computed these tokens from this model and this prompt.
///
/// Whoever holds the model and the prompt can check it by one prefill pass over prompt and
/// output: the logits are the same bit for bit, and the sampler with the same seed picks the same.
package struct GenerationResult: Hashable, Sendable {
    package static let predicateType = "https://swiftlet.dev/attestation/generation/v1"
    package static let tokenCountMax = 1 << 18

    package struct Prompt: Hashable, Sendable {
        /// Of a raw prompt, or of the messages as JSON, before the chat template.
        package var text: Digest
        /// Of the token ids, as `digest(ofTokens:)` writes them.
        package var tokens: Digest
        package var tokenCount: Int

        package init(text: Digest, tokens: Digest, tokenCount: Int) {
            self.text = text
            self.tokens = tokens
            self.tokenCount = tokenCount
        }
    }

    package struct Sampling: Hashable, Sendable {
        package var temperature: Double = 0
        /// 0: all.
        package var topK: Int = 0
        package var topP: Double = 1
        package var minP: Double = 0
        package var repetitionPenalty: Double = 1
        package var frequencyPenalty: Double = 0
        package var presencePenalty: Double = 0
        /// In tokens of prompt and text.
        package var repetitionWindow: Int = 64
        package var logitBias: [Bias] = []
        package var tokenCountMax: Int = 0
        package var stops: [String] = []
        package var seed: UInt64 = 0
        /// Of the grammar's text; nil without one.
        package var grammar: Digest?
        /// What the grammar's text is.
        package var grammarKind = GrammarKind.jsonSchema

        package init() {}
    }

    /// What is added to the logit of a token.
    package struct Bias: Hashable, Sendable {
        package var token: Int32
        package var value: Double

        package init(token: Int32, value: Double) {
            self.token = token
            self.value = value
        }
    }

    package enum GrammarKind: String, Hashable, Sendable, CaseIterable {
        case jsonSchema = "json_schema"
        case regex
    }

    package enum FinishReason: String, Hashable, Sendable, CaseIterable {
        /// An end token or a stop text.
        case stop
        /// As many tokens as were asked for, or as the context holds.
        case length
        case cancelled
    }

    /// A node and its layers.
    package struct Stage: Hashable, Sendable {
        package var node: NodeID
        package var layers: Range<Int>

        package init(node: NodeID, layers: Range<Int>) {
            self.node = node
            self.layers = layers
        }
    }

    package var requestID: String
    package var model: Digest
    package var prompt: Prompt
    package var sampling: Sampling
    package var tokens: [Int32]
    /// Of the logits that the tokens were drawn from, position by position.
    package var logits: Digest
    package var finishReason: FinishReason
    /// In the order of their layers, from 0 without a gap.
    package var stages: [Stage]
    /// Who took the request and signs.
    package var headNode: NodeID
    package var engineVersion: String

    package init(
        requestID: String,
        model: Digest,
        prompt: Prompt,
        sampling: Sampling,
        tokens: [Int32],
        logits: Digest,
        finishReason: FinishReason,
        stages: [Stage],
        headNode: NodeID,
        engineVersion: String
    ) {
        self.requestID = requestID
        self.model = model
        self.prompt = prompt
        self.sampling = sampling
        self.tokens = tokens
        self.logits = logits
        self.finishReason = finishReason
        self.stages = stages
        self.headNode = headNode
        self.engineVersion = engineVersion
    }

    /// The ids as little-endian 32-bit numbers.
    package static func bytes(ofTokens tokens: [Int32]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count * 4)
        for token in tokens { bytes.append(littleEndian: token) }
        return bytes
    }

    /// SHA-256 over `bytes(ofTokens:)`.
    package static func digest(ofTokens tokens: [Int32]) -> Digest {
        Digest.of(bytes(ofTokens: tokens))
    }

    /// The one subject is the digest of the output tokens.
    package var statement: Statement {
        Statement(
            subjects: subjects,
            predicateType: Self.predicateType,
            predicate: [
                "request_id": .string(requestID),
                "model": JSON(model),
                "prompt": [
                    "text": JSON(prompt.text), "tokens": JSON(prompt.tokens),
                    "token_count": JSON(prompt.tokenCount),
                ],
                "sampling": sampling.json,
                "output": [
                    "tokens": .array(tokens.map { .integer(Int64($0)) }),
                    "sha256": JSON(Self.digest(ofTokens: tokens)),
                    "logits": JSON(logits),
                    "finish_reason": .string(finishReason.rawValue),
                ],
                "stages": .array(
                    stages.map { stage in
                        [
                            "node_id": JSON(stage.node),
                            "layer_start": JSON(stage.layers.lowerBound),
                            "layer_end": JSON(stage.layers.upperBound),
                        ]
                    }
                ),
                "head_node_id": JSON(headNode),
                "engine_version": .string(engineVersion),
            ]
        )
    }

    package init(_ statement: Statement) throws(PredicateMistake) {
        guard statement.predicateType == Self.predicateType else {
            throw .otherType(statement.predicateType)
        }
        let fields = Fields(statement.predicate)
        requestID = try fields.text("request_id", byteCountMax: 256)
        model = try fields.digest("model")
        let promptFields = try fields.object("prompt")
        prompt = Prompt(
            text: try promptFields.digest("text"),
            tokens: try promptFields.digest("tokens"),
            tokenCount: try promptFields.integer("token_count")
        )
        sampling = try Sampling(try fields.object("sampling"))
        let output = try fields.object("output")
        tokens = try Self.tokens(output)
        logits = try output.digest("logits")
        finishReason = try output.choice("finish_reason")
        stages = try Self.stages(fields)
        headNode = try fields.node("head_node_id")
        engineVersion = try fields.text("engine_version")
        guard try output.digest("sha256") == Self.digest(ofTokens: tokens),
            statement.subjects == subjects
        else { throw .inconsistent(field: "output.sha256") }
    }

    private var subjects: [Statement.Subject] {
        [.init(name: "tokens", digest: Self.digest(ofTokens: tokens))]
    }

    private static func tokens(_ fields: Fields) throws(PredicateMistake) -> [Int32] {
        try fields.list("tokens", countMax: tokenCountMax) { item throws(PredicateMistake) in
            guard case .integer(let value) = item.json, let token = Int32(exactly: value),
                0 <= token
            else { throw .malformed(field: "output.tokens") }
            return token
        }
    }

    private static func stages(_ fields: Fields) throws(PredicateMistake) -> [Stage] {
        let stages = try fields.list("stages") { item throws(PredicateMistake) in
            let start = try item.integer("layer_start"), end = try item.integer("layer_end")
            guard start < end else { throw .malformed(field: item.field("layer_end")) }
            return Stage(node: try item.node("node_id"), layers: start..<end)
        }
        var next = 0
        for stage in stages {
            guard stage.layers.lowerBound == next else { throw .inconsistent(field: "stages") }
            next = stage.layers.upperBound
        }
        guard !stages.isEmpty else { throw .missing(field: "stages") }
        return stages
    }
}

extension GenerationResult.Sampling {
    fileprivate var json: JSON {
        [
            "temperature": .number(temperature), "top_k": JSON(topK), "top_p": .number(topP),
            "min_p": .number(minP), "repetition_penalty": .number(repetitionPenalty),
            "frequency_penalty": .number(frequencyPenalty),
            "presence_penalty": .number(presencePenalty),
            "repetition_window": JSON(repetitionWindow),
            "logit_bias": .array(
                logitBias.map {
                    ["token": .integer(Int64($0.token)), "value": .number($0.value)]
                }
            ),
            "token_count_max": JSON(tokenCountMax), "stops": JSON(stops), "seed": JSON(seed),
            "grammar": grammar.map { JSON($0) } ?? .null,
            "grammar_kind": .string(grammarKind.rawValue),
        ]
    }

    fileprivate init(_ fields: Fields) throws(PredicateMistake) {
        temperature = try fields.number("temperature")
        topK = try fields.integer("top_k")
        topP = try fields.number("top_p")
        minP = try fields.number("min_p")
        repetitionPenalty = try fields.number("repetition_penalty")
        frequencyPenalty = try fields.number("frequency_penalty")
        presencePenalty = try fields.number("presence_penalty")
        repetitionWindow = try fields.integer("repetition_window")
        logitBias = try fields.list("logit_bias") { item throws(PredicateMistake) in
            let token = try item.integer("token", in: 0...Int(Int32.max))
            // The range has just been checked.
            return .init(token: Int32(token), value: try item.number("value"))
        }
        tokenCountMax = try fields.integer("token_count_max")
        stops = try fields.texts("stops")
        seed = try fields.unsigned("seed")
        grammar = try fields.value("grammar").isNull ? nil : try fields.digest("grammar")
        grammarKind = try fields.choice("grammar_kind")
    }
}
