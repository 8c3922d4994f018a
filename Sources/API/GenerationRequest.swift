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
    /// A JSON schema that the whole text must match.
    package var schema: JSON?
    /// The text ends before the first of these; `StopStrings` does the search.
    package var stop: [String]

    package init(
        model: String, input: Input, tokenCountMax: Int? = nil, temperature: Double = 0,
        topP: Double = 1, topK: Int = 0, minP: Double = 0, seed: UInt64 = 0,
        schema: JSON? = nil, stop: [String] = []
    ) {
        self.model = model
        self.input = input
        self.tokenCountMax = tokenCountMax
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.minP = minP
        self.seed = seed
        self.schema = schema
        self.stop = stop
    }
}

/// What a generation yields, in order: texts, then one `finished`.
package enum GenerationEvent: Hashable, Sendable {
    /// More text, whole characters only, and the tokens behind it. The text may be empty.
    case text(String, tokens: [Int])
    /// The result: `text`, `tokens`, `prompt_tokens`, `finish_reason` (`stop` or `length`),
    /// `stages` [`node`, `first_layer`, `last_layer`], `prefill_tokens_per_second`,
    /// `decode_tokens_per_second`, `statement`.
    case finished(JSON)
}
