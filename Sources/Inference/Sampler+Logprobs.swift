/// How likely the model itself held a token, and the likeliest ones beside it.
///
/// Of the model's own distribution: natural logarithms of the softmax of the logits as they
/// came, before penalties, bias, mask and temperature. So they say the same whatever a request
/// sets.
package struct TokenLogprobs: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package let token: TokenID
        /// At most 0, exact to about 10^-5.
        package let logprob: Double

        package init(token: TokenID, logprob: Double) {
            self.token = token
            self.logprob = logprob
        }
    }

    /// As many as OpenAI's schema allows.
    package static let topCountMax = 20

    package let chosen: Entry
    /// By falling probability, by id among equals; may hold the chosen one, too.
    package let top: [Entry]

    package init(chosen: Entry, top: [Entry]) {
        self.chosen = chosen
        self.top = top
    }
}

extension Sampler {
    /// The logarithmic probability of a token, and the `topCount` greatest.
    ///
    /// A logit of −∞, or that is not a number, counts as −10,000: JSON has no infinities.
    ///
    /// - Parameters:
    ///   - logits: one for each token of the vocabulary, the token's own among them.
    ///   - topCount: 0 to 20.
    package static func logprobs(
        of token: TokenID,
        in logits: Span<Float>,
        topCount: Int
    ) -> TokenLogprobs {
        precondition(0...TokenLogprobs.topCountMax ~= topCount, "too many logprobs")
        precondition(0 <= token && Int(token) < logits.count, "no logit for token \(token)")
        var candidates = SamplerCandidates(logits, mask: nil)
        guard let best = candidates.greatestIndex, candidates.logits[best].isFinite else {
            return TokenLogprobs(chosen: .init(token: token, logprob: -10_000), top: [])
        }
        let greatest = candidates.logits[best]
        candidates.weigh(from: greatest, temperature: 1)
        let total = SamplerMath.logarithm(
            Double(candidates.weightTotal) / Double(SamplerMath.weightMax)
        )
        func entry(_ token: TokenID) -> TokenLogprobs.Entry {
            let value = Double(logits[Int(token)]) - Double(greatest) - total
            return .init(token: token, logprob: -10_000 <= value ? min(value, 0) : -10_000)
        }
        var top: [TokenID] = []
        if 0 < topCount { top = candidates.greatestTokens(topCount) }
        return TokenLogprobs(chosen: entry(token), top: top.map(entry))
    }
}
