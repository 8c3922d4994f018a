package import Basics

/// Text to generate, with everything that decides which tokens come.
package struct GenerationRequest: Hashable, Sendable {
    package struct Message: Hashable, Sendable {
        package var role: String
        package var content: String

        package init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    /// What is added to the logit of a token.
    package struct TokenBias: Hashable, Sendable {
        package var token: Int
        package var value: Double

        package init(token: Int, value: Double) {
            self.token = token
            self.value = value
        }
    }

    package enum Input: Hashable, Sendable {
        /// Continued as it stands.
        case prompt(String)
        /// Put through the model's chat template.
        case messages([Message])
    }

    package var model: String
    package var input: Input
    /// nil: until the model ends or its context is full.
    package var tokenCountMax: Int?
    /// 0 is greedy.
    package var temperature: Double
    /// 1 is off.
    package var topP: Double
    /// 0 is off.
    package var topK: Int
    /// 0 is off.
    package var minP: Double
    package var seed: UInt64
    /// 1 is off.
    package var repetitionPenalty: Double
    /// Tokens of prompt and text that the repetition penalty looks back on.
    package var repetitionWindow: Int
    /// 0 is off, for both; they count tokens of the text alone.
    package var presencePenalty: Double
    package var frequencyPenalty: Double
    /// By rising token id, each once.
    package var logitBias: [TokenBias]
    /// nil: no logarithmic probabilities. Else each token's own, and so many of the likeliest.
    package var logprobCount: Int?
    /// A JSON schema that the whole text must match.
    package var schema: JSON?
    /// A regular expression that the whole text must match, in the schema's place.
    package var regex: String?
    /// The text ends before the first of these; `StopStrings` does the search.
    package var stop: [String]

    package init(
        model: String, input: Input, tokenCountMax: Int? = nil, temperature: Double = 0,
        topP: Double = 1, topK: Int = 0, minP: Double = 0, seed: UInt64 = 0,
        repetitionPenalty: Double = 1, repetitionWindow: Int = 64, presencePenalty: Double = 0,
        frequencyPenalty: Double = 0, logitBias: [TokenBias] = [], logprobCount: Int? = nil,
        schema: JSON? = nil, regex: String? = nil, stop: [String] = []
    ) {
        self.model = model
        self.input = input
        self.tokenCountMax = tokenCountMax
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.minP = minP
        self.seed = seed
        self.repetitionPenalty = repetitionPenalty
        self.repetitionWindow = repetitionWindow
        self.presencePenalty = presencePenalty
        self.frequencyPenalty = frequencyPenalty
        self.logitBias = logitBias
        self.logprobCount = logprobCount
        self.schema = schema
        self.regex = regex
        self.stop = stop
    }
}

/// What a generation yields, in order: texts, then one `finished`.
package enum GenerationEvent: Hashable, Sendable {
    /// More text, whole characters only, and the tokens behind it. The text may be empty.
    /// Logarithmic probabilities where they were asked for; forced tokens have none.
    case text(String, tokens: [Int], logprobs: [TokenLogprobs] = [])
    /// The result: `text`, `tokens`, `prompt_tokens`, `finish_reason` (`stop` or `length`),
    /// `stages` [`node`, `first_layer`, `last_layer`], `prefill_tokens_per_second`,
    /// `decode_tokens_per_second`, `statement`.
    case finished(JSON)
}
