import Inference
import Testing

/// A stage with all layers of a small model, and what its sessions compute.
private struct CachedStage {
    let stage: Stage

    init(
        blockCount: Int = 200, contextLength: Int = 2_000, threads: Int = 1,
        type: KVCache.ElementType = .f16, layers: Range<Int> = 0..<3
    ) throws {
        var fixture = ModelFixture()
        fixture.contextLength = contextLength
        let shape = KVCache.Shape(layers: layers, headCount: 2, headLength: 16, elementType: type)
        stage = try Stage(
            model: try fixture.model(), layers: layers, threads: threads,
            kv: KVPool.Limits(byteCount: blockCount * shape.blockByteCount, elementType: type))
    }

    /// The logits of the last token, computed in chunks; and how many tokens were reused.
    func logits(
        _ tokens: [Int32], capacity: Int? = nil, chunk: Int = 512, publishes: Bool = true,
        scope: String = ""
    ) throws -> (Stage.Output, reused: Int) {
        let session = try stage.openSession(
            tokens: tokens, capacity: capacity ?? tokens.count, scope: scope)
        let reused = session.count
        var output = Stage.Output.logits([])
        while session.count < tokens.count {
            let end = min(session.count + chunk, tokens.count)
            output = try stage.forward(
                .tokens(Array(tokens[session.count..<end])), start: session.count,
                session: session, logits: .last)
        }
        if publishes { session.publish(tokens: tokens) }
        return (output, reused)
    }
}

private func tokens(_ count: Int, seed: UInt64 = 1) -> [Int32] {
    var random = KernelRandomness(seed: seed)
    return (0..<count).map { _ in Int32.random(in: 0..<50, using: &random) }
}

struct KVPoolTests {
    @Test(arguments: [KVCache.ElementType.f16, .f32])
    func `a reused prefix gives the logits of a cold start`(type: KVCache.ElementType) throws {
        let cold = try CachedStage(type: type), warm = try CachedStage(type: type)
        let first = tokens(600)
        _ = try warm.logits(first)
        // The same, a longer one, one that parts in the middle of a block, a short one.
        for prompt in [
            first, first + tokens(80, seed: 2), Array(first[..<300]) + tokens(9, seed: 3),
            Array(first[..<33]), Array(first[..<32]),
        ] {
            let expected = try cold.logits(prompt, publishes: false)
            let found = try warm.logits(prompt)
            #expect(expected.reused == 0)
            #expect(found.0 == expected.0)
            let common = zip(first, prompt).prefix { $0.0 == $0.1 }.count
            #expect(found.reused == min(common, prompt.count - 1) / 32 * 32)
        }
    }

    @Test(arguments: [1, 2, 5], [1, 7, 64, 512])
    func `logits over several spans do not depend on chunks and threads`(
        threads: Int, chunk: Int
    ) throws {
        let prompt = tokens(600)
        let expected = try CachedStage().logits(prompt, chunk: 600).0
        #expect(try CachedStage(threads: threads).logits(prompt, chunk: chunk).0 == expected)
    }

    @Test func `sessions of any lengths in one batch compute what they compute alone`() throws {
        let warm = try CachedStage(threads: 3), stage = warm.stage
        let prompts = [tokens(700), tokens(40, seed: 2), tokens(290, seed: 3), tokens(1, seed: 4)]
        let alone = try prompts.map { try CachedStage().logits($0).0 }
        let sessions = try prompts.map { try stage.makeSession(capacity: $0.count) }
        for (session, prompt) in zip(sessions, prompts) where 1 < prompt.count {
            _ = try stage.forward(
                .tokens(prompt.dropLast()), start: 0, session: session, logits: .none)
        }
        let together = try stage.forward(
            zip(sessions, prompts).map { session, prompt in
                Stage.Segment(
                    session: session, start: session.count, input: .tokens([prompt.last ?? 0]),
                    logits: .last)
            })
        #expect(together == alone)
    }

    @Test func `the stages of a pipeline begin with what all of them have`() throws {
        let prompt = tokens(200), description = try CachedStage().stage.model.description
        let parts = try [0..<1, 1..<3].map { try CachedStage(layers: $0).stage }
        #expect(description.layerCount == 3)
        func run(_ reusing: Int) throws -> Stage.Output {
            let sessions = try parts.map {
                try $0.openSession(tokens: prompt, capacity: 200, reusing: reusing)
            }
            let hidden = try parts[0].forward(
                .tokens(Array(prompt[reusing...])), start: reusing, session: sessions[0],
                logits: .none)
            guard case .hidden(let rows) = hidden else { return hidden }
            let output = try parts[1].forward(
                .hidden(rows), start: reusing, session: sessions[1], logits: .last)
            // The second stage keeps less than the first.
            sessions[0].publish(tokens: prompt)
            sessions[1].publish(tokens: Array(prompt[..<100]))
            return output
        }
        let cold = try run(0)
        #expect(parts.map { $0.reusableCount(tokens: prompt) } == [192, 96])
        #expect(try run(96) == cold)
        #expect(throws: KVPoolError.prefixNotCached(128, reusableCount: 96)) {
            try parts[1].openSession(tokens: prompt, capacity: 200, reusing: 128)
        }
        #expect(throws: KVPoolError.prefixNotCached(50, reusableCount: 32)) {
            try parts[1].openSession(tokens: prompt, capacity: 200, reusing: 50)
        }
        #expect(try cold == CachedStage().logits(prompt).0)
    }

    @Test func `what was not used for longest makes room`() throws {
        let cached = try CachedStage(blockCount: 12), pool = cached.stage.pool
        let prompts = (1...3).map { tokens(128, seed: $0) }
        for prompt in prompts { _ = try cached.logits(prompt) }
        #expect(pool.usage.cachedCount == 12 && pool.usage.freeCount == 12)
        // A use keeps the first; the second loses its end, then all.
        #expect(try cached.logits(prompts[0]).reused == 96)
        let other = try cached.logits(tokens(96, seed: 9), publishes: false)
        #expect(other.reused == 0)
        let left = prompts.map { cached.stage.reusableCount(tokens: $0 + [0]) }
        #expect(left == [128, 32, 128])
        #expect(
            try cached.logits(prompts[1]).0 == CachedStage().logits(prompts[1]).0)
    }

    @Test func `a full pool refuses, and accepts when a session has ended`() throws {
        let cached = try CachedStage(blockCount: 10), stage = cached.stage
        var first: KVSession? = try stage.makeSession(capacity: 200)
        #expect(stage.pool.usage.promisedCount == 7)
        #expect(throws: KVPoolError.full(neededBlockCount: 4, freeBlockCount: 3)) {
            try stage.makeSession(capacity: 97)
        }
        #expect(throws: KVPoolError.tooLarge(neededBlockCount: 11, blockCount: 10)) {
            try stage.makeSession(capacity: 321)
        }
        #expect(throws: KVPoolError.capacityOutOfRange(0, contextLength: 2_000)) {
            try stage.makeSession(capacity: 0)
        }
        let second = try stage.makeSession(capacity: 96)
        #expect(stage.pool.usage.freeCount == 0)
        // What was promised is there, although the pool is full.
        for session in [first, second].compactMap({ $0 }) {
            _ = try stage.forward(
                .tokens(tokens(session.capacity)), start: 0, session: session, logits: .none)
        }
        #expect(stage.pool.usage.heldCount == 10)
        first = nil
        #expect(stage.pool.usage.freeCount == 7)
        _ = try stage.makeSession(capacity: 97)
    }

    @Test func `a pool never takes more than its limit`() throws {
        let shape = KVCache.Shape(layers: 0..<3, headCount: 2, headLength: 16)
        #expect(shape.blockByteCount == 3 * 2 * 2 * 32 * 16 * 2)
        #expect(shape.byteCount(capacity: 33) == 2 * shape.blockByteCount)
        let byteCount = 5 * shape.blockByteCount + 17
        let pool = try KVPool(
            shape: shape, contextLength: 4_000, limits: KVPool.Limits(byteCount: byteCount))
        let usage = pool.usage
        #expect(usage.blockCount == 5 && usage.blockCount * usage.blockByteCount <= byteCount)
        #expect(throws: KVPoolError.limitTooSmall(byteCount: 99, blockByteCount: 12_288)) {
            try KVPool(shape: shape, contextLength: 9, limits: KVPool.Limits(byteCount: 99))
        }
        #expect(throws: ModelError.cache(.limitTooSmall(byteCount: 0, blockByteCount: 12_288))) {
            try CachedStage(blockCount: 0)
        }
    }

    @Test func `scopes share nothing`() throws {
        let cached = try CachedStage(), prompt = tokens(100)
        let first = try cached.logits(prompt, scope: "a")
        #expect(cached.stage.reusableCount(tokens: prompt) == 0)
        #expect(cached.stage.reusableCount(tokens: prompt, scope: "b") == 0)
        #expect(cached.stage.reusableCount(tokens: prompt, scope: "a") == 96)
        #expect(try cached.logits(prompt, scope: "b").0 == first.0)
    }

    @Test func `who goes back inside a shared block writes a copy`() throws {
        let cached = try CachedStage(), stage = cached.stage
        let prompt = tokens(70)
        _ = try cached.logits(prompt)
        let a = try stage.openSession(tokens: prompt, capacity: 100)
        let b = try stage.openSession(tokens: prompt, capacity: 100)
        #expect(a.count == 64 && b.count == 64)
        try a.truncate(to: 50)
        let mine = Array(prompt[..<50]) + tokens(20, seed: 5)
        let found = try stage.forward(
            .tokens(Array(mine[50...])), start: 50, session: a, logits: .last)
        #expect(try found == CachedStage().logits(mine).0)
        let other = try stage.forward(
            .tokens(Array(prompt[64...])), start: 64, session: b, logits: .last)
        #expect(try other == CachedStage().logits(prompt).0)
    }
}
