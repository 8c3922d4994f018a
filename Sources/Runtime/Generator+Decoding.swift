import API
import Basics
import Identity
import Inference
import Messages
import NodeLogic
import Scheduling
import Transport
import Wire

/// How the head of a generation gets its tokens.
///
///     reserve on every stage ─▶ feed the prompt from where all stages know it ─▶
///         token ─▶ feed it, with a guess or two behind it ─▶ token ─▶ …  (HeadText)
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
    ///
    /// A token takes some tens of milliseconds; where it takes longer, the question costs a probe.
    private static let hintLimit = Duration.milliseconds(400)
    /// A node under suspicion for so long is replaced: the coordinator has heard of it too.
    private static let suspicionLimit = Duration.milliseconds(300)

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
                let limit = Self.silenceLimit * (1 + run.knownCount / 1_000)
                guard ContinuousClock.now - run.lastProgress < limit else {
                    throw APIError(
                        status: 503,
                        message: "the generation stopped: \(loss.reason); no placement of "
                            + "\(run.order.model) works", code: "stage_lost")
                }
                let epoch = run.deployment.epoch
                run.deployment = try await placement(of: run.order.model)
                if epoch < run.deployment.epoch { continue }
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
        let text = HeadText(
            run, session: session, stages: stages, own: loop.own, guessCount: guessCount)
        let events = stages.heads.open(session) { text.take($0) }
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
            run = text.end()
            for stage in placed.stages {
                stages.send(.sessionClosed(SessionClosed(session: session)), to: stage.node)
            }
        }
        text.begin(reusing: try await openStages(session, run, events))
        var watch = Watch()
        for await event in events {
            try Task.checkCancellation()
            switch event {
            case .ended:
                if let mistake = text.mistake { throw StageLost(reason: mistake) }
                return
            case .refused(let refused):
                throw StageLost(reason: "stage \(refused.stage) refused: \(refused.reason)")
            case .opened: continue
            case .tick:
                let (last, knownCount) = text.progress
                if watch.start < last { watch = Watch(start: last) }
                // While tokens come, there is nothing to look after.
                guard HeadSessions.tickInterval < ContinuousClock.now - last else { continue }
                try await look(&watch, placed, knownCount: knownCount)
            }
        }
        throw CancellationError()
    }

    // MARK: reserving

    /// What is too long for a message would never come to its stage.
    private static func checkLength(of open: StageOpen) throws {
        let byteCount = BulkMessage(body: .stageOpen(open)).encoded().count
        let limit = BulkFraming.headerByteCountMax
        guard byteCount <= limit else {
            throw APIError(
                status: 400,
                message: "the prompt and what the text must match take \(byteCount) bytes on their "
                    + "way to another node, where \(limit) are allowed: shorten them",
                code: "context_length_exceeded", parameter: "messages")
        }
    }

    /// Asks every stage for room; how many positions all of them know already.
    private func openStages(
        _ session: Digest, _ run: GenerationRun,
        _ events: AsyncStream<HeadSessions.Event>
    ) async throws -> Int {
        let placed = run.deployment
        for (index, stage) in placed.stages.enumerated() {
            let open = StageOpen(
                session: session, epoch: placed.epoch, stage: UInt32(index), opening: run.opening)
            if stage.node != loop.own { try Self.checkLength(of: open) }
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
                try await look(&watch, placed, knownCount: run.knownCount)
                if ContinuousClock.now - watch.start > Self.openingLimit {
                    throw StageLost(reason: "a stage does not open the session")
                }
            case .opened, .ended: continue
            }
        }
        throw CancellationError()
    }

    // MARK: watching

    /// What a head has noticed since the last token.
    private struct Watch {
        var start = ContinuousClock.now
        var hintedAt: ContinuousClock.Instant?
        var suspectedAt: ContinuousClock.Instant?
        var hasAsked = false
    }

    /// Looks after the stages while no token comes: a new placement, a node that died, one that
    /// hangs.
    private func look(
        _ watch: inout Watch, _ placed: ModelDeployed, knownCount: Int
    ) async throws {
        let own = loop.own
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
        let limit = Self.tokenLimit * (1 + knownCount / 1_000)
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
        if case .refused(let refusal) = await loop.propose(.modelDeployed(wish)) {
            throw StageLost(reason: refusal.sentence)
        }
    }
}
