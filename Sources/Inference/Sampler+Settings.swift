extension Sampler {
    /// What is added to the logit of one token.
    package struct Bias: Hashable, Sendable {
        package var token: TokenID
        package var value: Double

        package init(token: TokenID, value: Double) {
            self.token = token
            self.value = value
        }
    }

    /// What a request may set, with the defaults of an answer that is always the same.
    package struct Settings: Hashable, Sendable {
        /// As many as OpenAI's documentation names for a request, three times.
        package static let logitBiasCountMax = 1_024
        package static let repetitionWindowMax = 1 << 20

        package var temperature: Double
        package var topK: Int
        package var topP: Double
        package var minP: Double
        package var seed: UInt64
        /// 1 is off; above it, what came lately is less likely to come again.
        package var repetitionPenalty: Double
        /// In tokens of prompt and text.
        package var repetitionWindow: Int
        package var presencePenalty: Double
        package var frequencyPenalty: Double
        /// At most one for a token; a token that the model lacks is passed over.
        package var logitBias: [Bias]

        package init(
            temperature: Double = 0,
            topK: Int = 0,
            topP: Double = 1,
            minP: Double = 0,
            seed: UInt64 = 0,
            repetitionPenalty: Double = 1,
            repetitionWindow: Int = 64,
            presencePenalty: Double = 0,
            frequencyPenalty: Double = 0,
            logitBias: [Bias] = []
        ) {
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.minP = minP
            self.seed = seed
            self.repetitionPenalty = repetitionPenalty
            self.repetitionWindow = repetitionWindow
            self.presencePenalty = presencePenalty
            self.frequencyPenalty = frequencyPenalty
            self.logitBias = logitBias
        }

        /// Whether a draw depends on the tokens before it by more than the logits.
        package var usesHistory: Bool {
            repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0
        }

        package enum Mistake: Error, Hashable, Sendable {
            /// Not in 0…100: at 100 the choice is all but even.
            case temperatureOutOfRange, topKNegative
            /// Not above 0 and at most 1.
            case topPOutOfRange
            case minPOutOfRange
            /// Not in 0.01…100.
            case repetitionPenaltyOutOfRange
            /// Not in 0…2^20.
            case repetitionWindowOutOfRange
            /// Not in −100…100.
            case presencePenaltyOutOfRange, frequencyPenaltyOutOfRange, logitBiasOutOfRange
            /// More than 1,024.
            case tooManyLogitBiases
            case negativeOrRepeatedToken
        }

        /// Every mistake at once.
        package func mistakes() -> [Mistake] {
            var mistakes: [Mistake] = []
            if !(0...100 ~= temperature) { mistakes.append(.temperatureOutOfRange) }
            if topK < 0 { mistakes.append(.topKNegative) }
            if !(0 < topP && topP <= 1) { mistakes.append(.topPOutOfRange) }
            if !(0...1 ~= minP) { mistakes.append(.minPOutOfRange) }
            if !(0.01...100 ~= repetitionPenalty) {
                mistakes.append(.repetitionPenaltyOutOfRange)
            }
            if !(0...Self.repetitionWindowMax ~= repetitionWindow) {
                mistakes.append(.repetitionWindowOutOfRange)
            }
            if !(-100...100 ~= presencePenalty) { mistakes.append(.presencePenaltyOutOfRange) }
            if !(-100...100 ~= frequencyPenalty) { mistakes.append(.frequencyPenaltyOutOfRange) }
            return mistakes + logitBiasMistakes()
        }

        private func logitBiasMistakes() -> [Mistake] {
            guard logitBias.count <= Self.logitBiasCountMax else { return [.tooManyLogitBiases] }
            var mistakes: [Mistake] = []
            if !logitBias.allSatisfy({ -100...100 ~= $0.value }) {
                mistakes.append(.logitBiasOutOfRange)
            }
            let tokens = logitBias.map(\.token).sorted()
            if tokens.first ?? 0 < 0 || zip(tokens, tokens.dropFirst()).contains(where: ==) {
                mistakes.append(.negativeOrRepeatedToken)
            }
            return mistakes
        }
    }
}
