/// Picks the next token from the logits of one position.
///
/// Sampling must be repeatable by anybody who checks a signed result, on any host and in any
/// batch, hence three rules. Chance is a function of (seed, position) and not a stream: which
/// other sequences share the batch cannot shift it. Weights are whole numbers, made by + − × ÷
/// in a fixed order and an exponential of our own, since that of libm differs from host to
/// host; sums of whole numbers are the same in any order, so that nothing has to be sorted.
/// Ties always go to the lower id.
///
/// The order of the steps:
///
///     penalties → bias → mask → top-k → temperature → top-p → min-p → draw
///
/// - repetition penalty (Keskar et al. 2019, "CTRL"): the logit of a token among the last
///   `repetitionWindow` ones, of the prompt too, is divided by it when positive and multiplied
///   when negative.
/// - presence and frequency penalty (OpenAI): taken away from the logit of a token of the
///   text, not of the prompt, once and for each time it came.
/// - bias: added to a token's logit. −100 is as good as never.
/// - mask: forbidden tokens leave; so does a logit that is not a number, or −∞.
/// - top-k: the k greatest stay. 0 = all.
/// - temperature: weight = 2^30 × exp((logit − greatest) / temperature), to the nearest whole
///   number. What rounds to 0 leaves.
/// - top-p: the fewest heaviest whose sum reaches p of the whole stay. 1 = all.
/// - min-p: weights below p of the heaviest leave. 0 = none.
///
/// At temperature 0 the greatest logit wins, after penalties, bias and mask.
package struct Sampler: Hashable, Sendable {
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
    ///   - history: what came before, for the penalties; without them it is not looked at.
    package func sample(
        _ logits: Span<Float>,
        position: Int,
        mask: TokenMask? = nil,
        history: SamplerHistory? = nil
    ) -> TokenID? {
        if let mask {
            precondition(
                mask.tokenCount <= logits.count,
                "a mask of \(mask.tokenCount) for \(logits.count) logits"
            )
        }
        var candidates = SamplerCandidates(logits, mask: mask)
        adjust(&candidates, history)
        guard let best = candidates.greatestIndex else { return nil }
        let greatest = candidates.logits[best]
        // +∞ leaves no proportions to draw by.
        guard 0 < settings.temperature, settings.topK != 1, greatest.isFinite else {
            return candidates.token(at: best)
        }
        if 0 < settings.topK { candidates.keepGreatest(settings.topK) }
        candidates.weigh(from: greatest, temperature: Float(settings.temperature))
        if settings.topP < 1 {
            candidates.keepHeaviest(share: settings.topP)
        }
        if 0 < settings.minP { candidates.dropLighter(than: settings.minP) }
        return candidates.draw(
            SamplerMath.bits(
                seed: settings.seed,
                position: UInt64(bitPattern: Int64(position))
            )
        )
    }

    /// Penalties and bias, which touch few tokens.
    private func adjust(_ candidates: inout SamplerCandidates, _ history: SamplerHistory?) {
        if let history, settings.usesHistory {
            let penalty = settings.repetitionPenalty
            if penalty != 1 {
                for entry in history.window.entries {
                    candidates.change(entry.token) { logit in
                        let value = Double(logit)
                        return Float(0 < value ? value / penalty : value * penalty)
                    }
                }
            }
            if settings.presencePenalty != 0 || settings.frequencyPenalty != 0 {
                for entry in history.text.entries {
                    let loss =
                        settings.presencePenalty
                        + settings.frequencyPenalty * Double(entry.count)
                    candidates.change(entry.token) { Float(Double($0) - loss) }
                }
            }
        }
        for bias in settings.logitBias {
            candidates.change(bias.token) { Float(Double($0) + bias.value) }
        }
    }
}
