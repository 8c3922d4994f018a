/// Tokens per second of one stage that holds a whole model.
package struct ForwardSpeed: Hashable, Sendable {
    package let prefillTokensPerSecond: Double
    package let decodeTokensPerSecond: Double

    /// Computes a prompt of `promptCount` tokens at once, then `decodeCount` single tokens.
    ///
    /// `now` is the caller's monotonic clock. The tokens are spread over the vocabulary; which
    /// ones they are changes nothing about the work. The stage has all layers and the counts
    /// fit its context; a first, unmeasured token touches the weights, so that no disk is
    /// measured.
    package static func measure(
        _ stage: Stage, promptCount: Int, decodeCount: Int, now: () -> Duration
    ) throws -> ForwardSpeed {
        precondition(stage.isFirst && stage.isLast, "a whole model is measured")
        precondition(0 < promptCount && 0 < decodeCount, "nothing to measure")
        let vocabularyCount = stage.model.description.vocabularyCount
        // 7919 is prime: neighbours are far apart in the embedding table.
        func token(_ position: Int) -> Int32 { Int32(position * 7919 % vocabularyCount) }
        let session = try stage.makeSession(capacity: promptCount + decodeCount)
        _ = try stage.forward(.tokens([token(0)]), start: 0, session: session, logits: .last)
        try session.truncate(to: 0)

        let start = now()
        let prompt = (0..<promptCount).map(token)
        _ = try stage.forward(.tokens(prompt), start: 0, session: session, logits: .last)
        let middle = now()
        for position in promptCount..<promptCount + decodeCount {
            _ = try stage.forward(
                .tokens([token(position)]), start: position, session: session, logits: .last)
        }
        let end = now()
        return ForwardSpeed(
            prefillTokensPerSecond: Double(promptCount) / ((middle - start) / .seconds(1)),
            decodeTokensPerSecond: Double(decodeCount) / ((end - middle) / .seconds(1)))
    }
}
