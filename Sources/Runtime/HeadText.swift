import Basics
import Inference
import Provenance
import Synchronization
import Wire

/// A generation at its head under one placement: the text so far, and what its stages were fed.
///
/// A token is taken on the thread that it arrives on, and what follows leaves from there: a task
/// that had to be woken first would cost as much as a hop, at every token. The task of the request
/// opens the stages, and looks only when the text is over or nothing comes.
final class HeadText: Sendable {
    private struct State: Sendable {
        var run: GenerationRun
        var feeding: Feeding
        /// Between `begin` and `end`.
        var isFed = false
        var mistake: String?
    }

    private let state: Mutex<State>
    private let stages: StageHost
    private let own: NodeID
    private let guessCount: Int

    init(
        _ run: GenerationRun, session: Digest, stages: StageHost, own: NodeID, guessCount: Int
    ) {
        state = Mutex(State(run: run, feeding: Feeding(session: session, run: run)))
        self.stages = stages
        self.own = own
        self.guessCount = guessCount
    }

    /// When the last token came, and how many tokens the stages must know.
    var progress: (last: ContinuousClock.Instant, knownCount: Int) {
        state.withLock { ($0.run.lastProgress, $0.run.knownCount) }
    }

    /// Why the text cannot go on under this placement, if so.
    var mistake: String? { state.withLock { $0.mistake } }

    /// Feeds prompt and text behind the positions that all stages know.
    func begin(reusing reusable: Int) {
        state.withLock { state in
            let known = state.run.known
            // The last token is always computed again: the next one is drawn behind it.
            let start = min(reusable, known.count - 1)
            state.isFed = true
            let guesses = guesses(&state)
            feed(&state.feeding, known[start...], at: start, guessing: guesses)
        }
    }

    /// No token is taken from here on; returns what has come.
    func end() -> GenerationRun {
        state.withLock { state in
            state.isFed = false
            return state.run
        }
    }

    /// True when the text is over, or cannot go on.
    func take(_ answer: StageToken) -> Bool {
        state.withLock { state in
            guard state.isFed, !state.run.isOver, answer.epoch == state.feeding.epoch,
                answer.position == UInt32(state.feeding.position)
            else { return false }
            guard answer.fingerprint.count == LogitsDigest.fingerprintByteCount else {
                state.mistake = "the last stage sent a malformed token"
                state.isFed = false
                return true
            }
            state.run.take(answer)
            if state.run.isOver { return true }
            advance(&state, over: TokenID(bitPattern: answer.token))
            return false
        }
    }

    // MARK: feeding

    /// What was sent to the first stage, and what is expected from the last.
    private struct Feeding {
        let session: Digest
        let epoch: UInt64
        let first: NodeID
        let stageCount: Int
        let capacity: Int
        /// Of the next token.
        var position: Int
        /// Guesses from `position` on that are being computed.
        var guesses: ArraySlice<TokenID> = []
        /// They are no guesses: the constraint leaves no choice.
        var areGuessesForced = false
        /// How many were guessed, and how many of them came true.
        var guessCount = 0
        var hitCount = 0
        var finder: DraftFinder

        init(session: Digest, run: GenerationRun) {
            self.session = session
            epoch = run.deployment.epoch
            first = run.deployment.stages[0].node
            stageCount = run.deployment.stages.count
            capacity = run.prompt.count + run.tokenCountMax
            position = run.knownCount
            finder = DraftFinder(run.known)
        }
    }

    /// Sends the tokens from `position` on to the first stage, in pieces that it can take; the last
    /// row is sampled after, and each guess behind it.
    private func feed(
        _ feeding: inout Feeding, _ tokens: ArraySlice<TokenID>, at position: Int,
        guessing guesses: [TokenID]
    ) {
        let rows = tokens + guesses
        let pieceLength = PromptPieces.length(
            rowCount: rows.count, stageCount: feeding.stageCount)
        var start = rows.startIndex
        while start < rows.endIndex {
            // Sampled rows stay together in one input.
            let sampled = 1 + guesses.count
            var end = min(start + pieceLength, rows.endIndex)
            if end < rows.endIndex { end = min(end, rows.endIndex - sampled) }
            let input = StageInput(
                session: feeding.session, epoch: feeding.epoch, stage: 0,
                position: UInt32(position + start - rows.startIndex), count: UInt32(end - start),
                head: own, sampleCount: end == rows.endIndex ? UInt32(sampled) : 0,
                tokens: rows[start..<end].map { UInt32(bitPattern: $0) })
            stages.send(.stageInput(input), to: feeding.first)
            start = end
        }
        feeding.guesses = guesses[...]
        feeding.guessCount = guesses.count
        feeding.hitCount = 0
    }

    /// Goes on behind a token: to the guess that is being computed, or with the token itself.
    private func advance(_ state: inout State, over token: TokenID) {
        state.feeding.finder.append(token)
        state.feeding.position += 1
        if state.feeding.guesses.first == token {
            state.feeding.guesses.removeFirst()
            state.feeding.hitCount += 1
            return
        }
        if !state.feeding.areGuessesForced {
            state.feeding.finder.note(
                hitCount: state.feeding.hitCount, of: state.feeding.guessCount)
        }
        let guesses = guesses(&state)
        feed(&state.feeding, [token], at: state.feeding.position - 1, guessing: guesses)
    }

    /// What may come from the next token on: what the constraint forces, else what stood behind
    /// the same tokens before.
    ///
    /// What is forced always comes true; together with its token it is few rows, since rows that
    /// are sampled stay together and have to fit in a step beside other texts.
    private func guesses(_ state: inout State) -> [TokenID] {
        // The last position needs no row: nothing is drawn behind it.
        let room = state.feeding.capacity - state.feeding.position - 1
        let forced = state.run.forcedTokens(
            countMax: min(LiveNode.Settings.guessCountMax, room))
        state.feeding.areGuessesForced = !forced.isEmpty
        guard forced.isEmpty else { return forced }
        return state.feeding.finder.draft(countMax: min(guessCount, room))
    }
}

/// Into what pieces a prompt is cut for the stages of a pipeline.
package enum PromptPieces {
    /// Pieces of a short prompt. 32: smaller ones read the weights too often.
    package static let shortLength = 32

    /// Rows of each piece.
    ///
    /// A stage works on a piece while the next stage works on the one before. A long prompt keeps
    /// all of them busy with pieces as large as a stage can take. A short one would be over before
    /// the last stage has begun: cut in smaller pieces, it lets the stages overlap.
    package static func length(rowCount: Int, stageCount: Int) -> Int {
        let isShort = rowCount < 2 * stageCount * Stage.rowCountMax
        return 1 < stageCount && isShort ? shortLength : Stage.rowCountMax
    }
}
