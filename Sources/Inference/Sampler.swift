/// Picks the next token from the logits of one position.
///
/// Sampling must be repeatable by anybody who checks a signed result, on any host and in any
/// batch, hence three rules. Chance is a function of (seed, position) and not a stream: which
/// other sequences share the batch cannot shift it. Numbers are `Double`, made with + − × ÷
/// in a fixed order and an exponential of our own, since that of libm differs from host to
/// host. Ties always go to the lower id.
///
/// The order of the steps, the same as in most Python runtimes:
///
///     mask → temperature → top-k → top-p → min-p → draw
///
/// - mask: forbidden tokens leave; so does a logit that is not a number, or −∞.
/// - temperature: weight = exp((logit − greatest) / temperature). Weights below 2^−40 leave:
///   a million of them make less than one part in a million.
/// - top-k: the k heaviest stay. 0 = all.
/// - top-p: the fewest heaviest whose sum reaches p of the whole stay. 1 = all.
/// - min-p: weights below p of the heaviest leave. 0 = none.
///
/// At temperature 0 the greatest logit wins, and nothing else counts.
package struct Sampler: Hashable, Sendable {
    /// What a request may set, with the defaults of an answer that is always the same.
    package struct Settings: Hashable, Sendable {
        package var temperature: Double = 0
        package var topK = 0
        package var topP: Double = 1
        package var minP: Double = 0
        package var seed: UInt64 = 0

        package init(
            temperature: Double = 0,
            topK: Int = 0,
            topP: Double = 1,
            minP: Double = 0,
            seed: UInt64 = 0
        ) {
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.minP = minP
            self.seed = seed
        }

        package enum Mistake: Error, Hashable, Sendable {
            /// Not in 0…100: at 100 the choice is all but even.
            case temperatureOutOfRange, topKNegative
            /// Not above 0 and at most 1.
            case topPOutOfRange
            case minPOutOfRange
        }

        /// Every mistake at once.
        package func mistakes() -> [Mistake] {
            var mistakes: [Mistake] = []
            if !(0...100 ~= temperature) { mistakes.append(.temperatureOutOfRange) }
            if topK < 0 { mistakes.append(.topKNegative) }
            if !(0 < topP && topP <= 1) { mistakes.append(.topPOutOfRange) }
            if !(0...1 ~= minP) { mistakes.append(.minPOutOfRange) }
            return mistakes
        }
    }

    private struct Candidate {
        let token: TokenID
        let weight: Double
    }

    /// ln(2^−40), where weights are too small to count.
    private static let exponentMin = -27.725887222397812

    package let settings: Settings

    /// The settings must be free of mistakes.
    package init(_ settings: Settings) {
        precondition(settings.mistakes().isEmpty, "sampling settings with mistakes")
        self.settings = settings
    }

    /// The token that follows position `position`; nil when the mask forbids all of them.
    ///
    /// - Parameters:
    ///   - logits: one for each token of the vocabulary.
    ///   - position: of the token to be drawn in its sequence, prompt included.
    package func sample(
        _ logits: Span<Float>,
        position: Int,
        mask: TokenMask? = nil
    ) -> TokenID? {
        if let mask {
            precondition(
                mask.tokenCount <= logits.count,
                "a mask of \(mask.tokenCount) for \(logits.count) logits"
            )
        }
        guard let best = Self.greatest(logits, mask: mask) else { return nil }
        guard 0 < settings.temperature, settings.topK != 1 else { return best }
        let greatest = Double(logits[Int(best)])
        // +∞ leaves no proportions to draw by.
        guard greatest.isFinite else { return best }

        var kept: [TokenID] = []
        for index in 0..<logits.count where mask?[TokenID(index)] ?? true {
            // False for what is not a number.
            if Self.exponentMin <= exponent(logits[index], greatest) { kept.append(TokenID(index)) }
        }
        var sorted = SamplerMath.sortedByLogit(kept, logits)
        if 0 < settings.topK, settings.topK < sorted.count {
            sorted.removeSubrange(settings.topK...)
        }
        var candidates = sorted.map { token in
            let exponent = exponent(logits[Int(token)], greatest)
            return Candidate(token: token, weight: SamplerMath.exponential(exponent))
        }
        truncate(&candidates)
        return draw(from: candidates, position: position)
    }

    /// The greatest logit of the allowed ones, the lowest id on ties.
    private static func greatest(_ logits: Span<Float>, mask: TokenMask?) -> TokenID? {
        var best: TokenID?
        var greatest = -Float.infinity
        for index in 0..<logits.count where greatest < logits[index] {
            if let mask, !mask[TokenID(index)] { continue }
            greatest = logits[index]
            best = TokenID(index)
        }
        return best
    }

    private func exponent(_ logit: Float, _ greatest: Double) -> Double {
        (Double(logit) - greatest) / settings.temperature
    }

    /// Top-p and min-p.
    private func truncate(_ candidates: inout [Candidate]) {
        if settings.topP < 1 {
            let limit = settings.topP * Self.sum(candidates)
            var sum = 0.0
            var count = 0
            while count < candidates.count, sum < limit {
                sum += candidates[count].weight
                count += 1
            }
            candidates.removeSubrange(max(1, count)...)
        }
        // The heaviest weighs exactly 1.
        while 1 < candidates.count, let last = candidates.last, last.weight < settings.minP {
            candidates.removeLast()
        }
    }

    private func draw(from candidates: [Candidate], position: Int) -> TokenID? {
        let target =
            SamplerMath.uniform(seed: settings.seed, position: UInt64(bitPattern: Int64(position)))
            * Self.sum(candidates)
        var sum = 0.0
        for candidate in candidates {
            sum += candidate.weight
            if target < sum { return candidate.token }
        }
        // Rounding can leave the target at the very sum.
        return candidates.last?.token
    }

    /// From the heaviest to the lightest: the order is part of the result.
    private static func sum(_ candidates: [Candidate]) -> Double {
        candidates.reduce(0) { $0 + $1.weight }
    }
}
