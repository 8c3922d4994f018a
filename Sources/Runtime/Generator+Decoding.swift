import API
import Basics
import Identity
import Inference
import NodeLogic
import Scheduling
import Wire

/// How the head of a generation gets its tokens.
///
///     reserve on every stage ─▶ feed the prompt from where all stages know it ─▶
///         token ─▶ feed it, with a guess or two behind it ─▶ token ─▶ …
///
/// The head owns the history. When a stage is lost, it waits for the next placement, sends prompt
/// and text so far again under a new session, and goes on with the very tokens that would have
/// come, since the engine gives the same bits however the rows are split.
extension Generator {
    /// How long a request waits for room in the caches of its stages before it is refused.
    private static let roomLimit = Duration.seconds(30)
    /// A stage answers within this time whether it has room.
    private static let openingLimit = Duration.seconds(10)
    /// Without any token for so long, over all placements, a generation fails; the same again for
    /// each thousand tokens that are to be computed before the next.
    private static let silenceLimit = Duration.seconds(60)
    /// Without a token for so long, the session is begun again, likewise.
    private static let tokenLimit = Duration.seconds(30)
    /// After so much silence the mesh is asked to look at the nodes of the stages.
    private static let hintLimit = Duration.milliseconds(600)
    /// A node under suspicion for so long is replaced: the coordinator has heard of it too.
    private static let suspicionLimit = Duration.milliseconds(300)
    /// Guesses behind a token.
    private static let draftCountMax = 3
    /// Tokens behind one that the constraint leaves no choice about. They always come true; the
    /// rows of a turn are bounded so that other texts do not wait for long.
    private static let forcedCountMax = 31

    private struct StageLost: Error {
        var reason: String
    }

    private struct StageFull: Error {
        var reason: String
    }

    func decode(_ run: inout GenerationRun) async throws {
        let arrival = ContinuousClock.now
        var pause = Duration.milliseconds(20)
        while true {
            do {
                try await decodeOnce(&run)
                return
            } catch let loss as StageLost {
                try Task.checkCancellation()
                let limit = Self.silenceLimit * (1 + run.known.count / 1_000)
                guard ContinuousClock.now - run.lastProgress < limit else {
                    throw APIError(
                        status: 503,
                        message: "the generation stopped: \(loss.reason); no placement of "
                            + "\(run.order.model) works", code: "stage_lost")
                }
                // The mesh may not have noticed the loss yet: the same placement gets another try.
                try await Task.sleep(for: .milliseconds(100))
            } catch let full as StageFull {
                guard !run.tokens.isEmpty || ContinuousClock.now - arrival < Self.roomLimit else {
                    throw APIError(
                        status: 429, message: "the model has no room for the request now: "
                            + full.reason, code: "cache_full")
                }
                // Others wait too: not all of them come back at once.
                try await Task.sleep(for: pause * Int.random(in: 50...150) / 100)
                pause = min(pause * 2, .milliseconds(500))
            }
            run.deployment = try await placement(of: run.order.model)
        }
    }

    private func decodeOnce(_ run: inout GenerationRun) async throws {
        let session = Digest.of(Random.bytes(count: 32))
        let events = stages.heads.open(session)
        let ticker = Task { [heads = stages.heads] in
            while !Task.isCancelled {
                try await Task.sleep(for: HeadSessions.tickInterval)
                heads.deliver(.tick, to: session)
            }
        }
        let placed = run.deployment
        defer {
            ticker.cancel()
            stages.heads.close(session)
            for stage in placed.stages {
                stages.send(.sessionClosed(SessionClosed(session: session)), to: stage.node)
            }
        }
        let reusable = try await openStages(session, run, events)
        var feeding = Feeding(session: session, run: run)
        // The last token is always computed again: the next one is drawn behind it.
        let start = min(reusable, run.known.count - 1)
        let guesses = guesses(&feeding, &run)
        feed(&feeding, run.known[start...], at: start, guessing: guesses)
        var watch = Watch()
        for await event in events {
            try Task.checkCancellation()
            switch event {
            case .token(let token):
                guard token.epoch == placed.epoch, token.position == UInt32(feeding.position)
                else { continue }
                guard token.fingerprint.count == LogitsDigest.fingerprintByteCount else {
                    throw StageLost(reason: "the last stage sent a malformed token")
                }
                run.take(token)
                if run.isOver { return }
                advance(&feeding, over: TokenID(bitPattern: token.token), &run)
                watch = Watch()
            case .refused(let refused):
                throw StageLost(reason: "stage \(refused.stage) refused: \(refused.reason)")
            case .opened: continue
            case .tick: try await look(&watch, run)
            }
        }
        throw CancellationError()
    }

    // MARK: reserving

    /// Asks every stage for room; how many positions all of them know already.
    private func openStages(
        _ session: Digest, _ run: GenerationRun,
        _ events: AsyncStream<HeadSessions.Event>
    ) async throws -> Int {
        let placed = run.deployment
        for (index, stage) in placed.stages.enumerated() {
            let open = StageOpen(
                session: session, epoch: placed.epoch, stage: UInt32(index), opening: run.opening)
            stages.send(.stageOpen(open), to: stage.node)
        }
        var waiting = Set(placed.stages.indices.map { UInt32($0) })
        var reusable = run.prompt.count
        var watch = Watch()
        for await event in events {
            try Task.checkCancellation()
            switch event {
            case .opened(let opened) where opened.epoch == placed.epoch:
                guard waiting.remove(opened.stage) != nil else { continue }
                reusable = min(reusable, Int(opened.reusable))
                if waiting.isEmpty { return reusable }
            case .refused(let refused) where refused.full:
                throw StageFull(reason: refused.reason)
            case .refused(let refused):
                throw StageLost(reason: "stage \(refused.stage) refused: \(refused.reason)")
            case .tick:
                try await look(&watch, run)
                if ContinuousClock.now - watch.start > Self.openingLimit {
                    throw StageLost(reason: "a stage does not open the session")
                }
            case .opened, .token: continue
            }
        }
        throw CancellationError()
    }

    // MARK: feeding

    /// What was sent to the first stage, and what is expected from the last.
    private struct Feeding {
        let session: Digest
        let epoch: UInt64
        let first: NodeID
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
            capacity = run.prompt.count + run.tokenCountMax
            position = run.known.count
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
        var start = rows.startIndex
        while start < rows.endIndex {
            // Sampled rows stay together in one input.
            let sampled = 1 + guesses.count
            var end = min(start + Stage.rowCountMax, rows.endIndex)
            if end < rows.endIndex { end = min(end, rows.endIndex - sampled) }
            let input = StageInput(
                session: feeding.session, epoch: feeding.epoch, stage: 0,
                position: UInt32(position + start - rows.startIndex), count: UInt32(end - start),
                head: loop.own, sampleCount: end == rows.endIndex ? UInt32(sampled) : 0,
                tokens: rows[start..<end].map { UInt32(bitPattern: $0) })
            stages.send(.stageInput(input), to: feeding.first)
            start = end
        }
        feeding.guesses = guesses[...]
        feeding.guessCount = guesses.count
        feeding.hitCount = 0
    }

    /// Goes on behind a token: to the guess that is being computed, or with the token itself.
    private func advance(
        _ feeding: inout Feeding, over token: TokenID, _ run: inout GenerationRun
    ) {
        feeding.finder.append(token)
        feeding.position += 1
        if feeding.guesses.first == token {
            feeding.guesses.removeFirst()
            feeding.hitCount += 1
            return
        }
        if !feeding.areGuessesForced {
            feeding.finder.note(hitCount: feeding.hitCount, of: feeding.guessCount)
        }
        let guesses = guesses(&feeding, &run)
        feed(&feeding, [token], at: feeding.position - 1, guessing: guesses)
    }

    /// What may come from the next token on: what the constraint forces, else what stood behind
    /// the same tokens before.
    private func guesses(_ feeding: inout Feeding, _ run: inout GenerationRun) -> [TokenID] {
        // The last position needs no row: nothing is drawn behind it.
        let room = feeding.capacity - feeding.position - 1
        let forced = run.forcedTokens(countMax: min(Self.forcedCountMax, room))
        feeding.areGuessesForced = !forced.isEmpty
        guard forced.isEmpty else { return forced }
        return feeding.finder.draft(countMax: min(Self.draftCountMax, room))
    }

    // MARK: watching

    /// What a head has noticed since the last token.
    private struct Watch {
        let start = ContinuousClock.now
        var hintedAt: ContinuousClock.Instant?
        var suspectedAt: ContinuousClock.Instant?
        var hasAsked = false
    }

    /// Looks after the stages while no token comes: a new placement, a node that died, one that
    /// hangs.
    private func look(_ watch: inout Watch, _ run: GenerationRun) async throws {
        let placed = run.deployment, own = loop.own
        let (epoch, isSuspect) = await loop.read { node in
            let states = node.members.filter { member in
                placed.stages.contains { $0.node == member.node }
            }
            return (
                node.state.deployment(of: placed.model)?.placement.epoch,
                states.contains { $0.state != .alive }
            )
        }
        if epoch != placed.epoch { throw StageLost(reason: "a stage was lost") }
        let now = ContinuousClock.now
        let limit = Self.tokenLimit * (1 + run.known.count / 1_000)
        if now - watch.start > limit { throw StageLost(reason: "a stage does not answer") }
        guard now - watch.start > Self.hintLimit else { return }
        if watch.hintedAt.map({ now - $0 > Self.hintLimit }) ?? true {
            watch.hintedAt = now
            for stage in placed.stages where stage.node != own {
                loop.post(event: .silent(stage.node))
            }
        }
        watch.suspectedAt = isSuspect ? watch.suspectedAt ?? now : nil
        guard let since = watch.suspectedAt, now - since > Self.suspicionLimit, !watch.hasAsked
        else { return }
        watch.hasAsked = true
        // A wish that the coordinator completes with the nodes that it finds alive. Moving a stage
        // that was only slow costs a replay and nothing else, so nobody waits for the verdict.
        var wish = placed
        wish.epoch = 0
        wish.stages = []
        if case .refused(let sentence) = await loop.propose(.modelDeployed(wish)) {
            throw StageLost(reason: sentence)
        }
    }
}
