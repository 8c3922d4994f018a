/// Tokens per second of one stage that holds a whole model.
package struct ForwardSpeed: Hashable, Sendable {
    package let prefillTokensPerSecond: Double
    package let decodeTokensPerSecond: Double

    /// What is computed to measure a stage with all layers: tokens spread over the vocabulary;
    /// which ones they are changes nothing about the work.
    package struct Text {
        private let stage: Stage
        private let session: KVSession

        /// A first token that nobody measures touches the weights, so that no disk is measured.
        package init(_ stage: Stage, capacity: Int) throws {
            self.stage = stage
            session = try stage.makeSession(capacity: capacity)
            try compute(0..<1)
            try session.truncate(to: 0)
        }

        /// Computes the tokens at the next positions at once.
        package func compute(_ positions: Range<Int>) throws {
            let vocabularyCount = stage.model.description.vocabularyCount
            // 7919 is prime: neighbours are far apart in the embedding table.
            let tokens = positions.map { TokenID($0 * 7919 % vocabularyCount) }
            _ = try stage.forward(
                .tokens(tokens), start: positions.lowerBound, session: session, logits: .last)
        }
    }

    /// Computes a prompt of `promptCount` tokens at once, then `decodeCount` single tokens.
    ///
    /// `now` is the caller's monotonic clock. The stage has all layers and the counts fit its
    /// context.
    package static func measure(
        _ stage: Stage, promptCount: Int, decodeCount: Int, now: () -> Duration
    ) throws -> ForwardSpeed {
        precondition(stage.isFirst && stage.isLast, "a whole model is measured")
        precondition(0 < promptCount && 0 < decodeCount, "nothing to measure")
        let text = try Text(stage, capacity: promptCount + decodeCount)
        let start = now()
        try text.compute(0..<promptCount)
        let middle = now()
        for position in promptCount..<promptCount + decodeCount {
            try text.compute(position..<position + 1)
        }
        let end = now()
        return ForwardSpeed(
            prefillTokensPerSecond: Double(promptCount) / ((middle - start) / .seconds(1)),
            decodeTokensPerSecond: Double(decodeCount) / ((end - middle) / .seconds(1)))
    }
}
