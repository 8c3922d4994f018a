import Inference
import Testing

/// What a chain of stages, fed in chunks, gives for a prompt.
func logits(
    _ model: ModelFile, borders: [Int], chunks: [Int], tokens: [Int32], threads: Int = 1,
    kernels: Kernels = Kernels()
) throws -> [UInt32] {
    let edges = [0] + borders + [model.description.layerCount]
    let stages = try zip(edges, edges.dropFirst()).map {
        try Stage(model: model, layers: $0..<$1, threads: threads, kernels: kernels)
    }
    let sessions = try stages.map { try $0.makeSession(capacity: tokens.count) }
    var all: [Float] = []
    var start = 0
    for count in chunks {
        var input = Stage.Input.tokens(Array(tokens[start..<start + count]))
        for (stage, session) in zip(stages, sessions) {
            let output = try stage.forward(
                input, start: start, session: session, logits: stage.isLast ? .all : .none)
            switch output {
            case .hidden(let rows): input = .hidden(rows)
            case .logits(let rows): all += rows
            }
        }
        start += count
    }
    return all.map(\.bitPattern)
}

struct StageTests {
    static let tokens: [Int32] = (0..<75).map { $0 * 17 % 37 }

    static let fixtures =
        [GGUFType.F32, .F16, .Q4_0, .Q4_1, .Q8_0].map { ModelFixture(matrixType: $0) }
        + [
            .odd, ModelFixture(isTied: false, hasRopeFactors: true),
            ModelFixture(architecture: .qwen2, hasBiases: true),
            ModelFixture(matrixType: .Q8_0, architecture: .qwen3, headLength: 48),
        ]

    @Test(arguments: fixtures.indices)
    func `logits do not depend on stages, chunks, threads or instruction set`(
        index: Int
    ) throws {
        let model = try Self.fixtures[index].model(), tokens = Self.tokens
        let ones = [Int](repeating: 1, count: 75)
        let expected = try logits(model, borders: [], chunks: [75], tokens: tokens)
        #expect(expected.allSatisfy { Float(bitPattern: $0).isFinite })
        #expect(Set(expected).count > expected.count / 2)
        let layerCount = model.description.layerCount
        let variants: [(String, [UInt32])] = [
            ("stepwise", try logits(model, borders: [], chunks: ones, tokens: tokens)),
            ("chunks", try logits(model, borders: [], chunks: [3, 64, 7, 1], tokens: tokens)),
            ("stages", try logits(
                model, borders: Array(1..<layerCount), chunks: [75], tokens: tokens)),
            ("two threads", try logits(
                model, borders: [1], chunks: [70, 5], tokens: tokens, threads: 2)),
            ("five threads", try logits(
                model, borders: [], chunks: [70, 1, 4], tokens: tokens, threads: 5)),
            ("scalar", try logits(
                model, borders: [1], chunks: [40, 35], tokens: tokens,
                kernels: Kernels(limit: .scalar))),
            ("AVX2", try logits(
                model, borders: [], chunks: [75], tokens: tokens, kernels: Kernels(limit: .avx2))),
        ]
        for (name, found) in variants {
            let same = found == expected
            #expect(same, "\(name)")
        }
    }

    /// Signed results are checked by computing them again, so the arithmetic may not change
    /// unnoticed. FNV-1a over the bits of the logits.
    static let digests: [UInt64] = [
        0xE256_4FB6_F910_AB59, 0x7250_EA73_4A7D_6685, 0x1885_54D9_DCDD_AFC2,
        0xB07A_8911_13ED_6643, 0x92BC_5E5C_EC07_5343, 0x5FF9_EA1A_A215_8E15,
        0x8AB6_702C_29BA_63AF, 0xE931_FA7D_598F_45D3, 0x0EAF_E19F_EE24_4E23,
    ]

    @Test(arguments: zip(fixtures.indices, digests))
    func `the arithmetic is the one that was signed`(index: Int, digest: UInt64) throws {
        let found = try logits(
            try Self.fixtures[index].model(), borders: [], chunks: [75], tokens: Self.tokens)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for bits in found { hash = (hash ^ UInt64(bits)) &* 0x100_0000_01B3 }
        #expect(hash == digest, "found 0x\(String(hash, radix: 16))")
    }

    @Test func `sessions in one batch do not change each other`() throws {
        let model = try ModelFixture().model()
        let stage = try Stage(model: model, layers: 0..<3, threads: 2)
        func alone(_ tokens: [Int32]) throws -> Stage.Output {
            let session = try stage.makeSession(capacity: 64)
            return try stage.forward(.tokens(tokens), start: 0, session: session, logits: .last)
        }
        let prompts: [[Int32]] = [[1, 2, 3], Array(repeating: 9, count: 62), [7], [4, 4]]
        let sessions = try prompts.map { _ in try stage.makeSession(capacity: 64) }
        let together = try stage.forward(
            zip(prompts, sessions).map {
                Stage.Segment(session: $1, start: 0, input: .tokens($0), logits: .last)
            })
        #expect(together == (try prompts.map { try alone($0) }))
        #expect(sessions.map(\.count) == [3, 62, 1, 2])
        let next = try stage.forward(
            sessions.map {
                Stage.Segment(session: $0, start: $0.count, input: .tokens([5]), logits: .last)
            })
        #expect(next == (try prompts.map { try alone($0 + [5]) }))
    }

    @Test(arguments: [1, 5, 144])
    func `stages that share weights show one by one the logits that come together`(
        rowCountMax: Int
    ) throws {
        let model = try ModelFixture().model()
        let tokens: [Int32] = (0..<60).map { $0 * 7 % 11 }
        let stage = try Stage(model: model, layers: 0..<3, threads: 2)
        let output = try stage.forward(
            .tokens(tokens), start: 0, session: try stage.makeSession(capacity: 64), logits: .all)
        let mapped = try StageWeights(model: model, layers: 0..<3, copies: false)
        for weights in [stage.weights, mapped] {
            let other = try Stage(weights: weights, threads: 1, rowCountMax: rowCountMax)
            let session = try other.makeSession(capacity: 64)
            var shown: [Float] = [], positions: [Int] = []
            func show(_ position: Int, _ row: Span<Float>) {
                positions.append(position)
                for index in row.indices { shown.append(row[index]) }
            }
            for part in [0..<9, 9..<60] {
                try other.forward(
                    .tokens(Array(tokens[part])), start: part.lowerBound, session: session,
                    logitsFrom: 4, visit: show)
            }
            #expect(positions == Array(4..<60))
            let width = model.description.vocabularyCount
            guard case .logits(let logits) = output else {
                Issue.record("no logits")
                return
            }
            #expect(shown == Array(logits[(4 * width)...]))
        }
    }

    @Test func `a truncated session continues as if nothing had been`() throws {
        let stage = try Stage(
            model: try ModelFixture().model(), layers: 0..<3, threads: 1)
        let session = try stage.makeSession(capacity: 8)
        func forward(_ tokens: [Int32]) throws -> Stage.Output {
            try stage.forward(
                .tokens(tokens), start: session.count, session: session, logits: .last)
        }
        _ = try forward([1, 2, 3])
        let expected = try forward([4])
        try session.truncate(to: 2)
        _ = try forward([9, 9])
        try session.truncate(to: 2)
        _ = try forward([3])
        #expect(try forward([4]) == expected)
    }

    @Test func `a request that does not fit is refused and changes nothing`() throws {
        let model = try ModelFixture().model()
        let stage = try Stage(model: model, layers: 0..<2, threads: 1)
        let last = try Stage(model: model, layers: 2..<3, threads: 1)
        let session = try stage.makeSession(capacity: 4), other = try last.makeSession(capacity: 4)
        func error(
            _ stage: Stage, _ input: Stage.Input, start: Int = 0, _ session: KVSession,
            _ logits: Stage.Logits = .none
        ) -> StageError? {
            do throws(StageError) {
                _ = try stage.forward(input, start: start, session: session, logits: logits)
                return nil
            } catch { return error }
        }
        #expect(
            error(stage, .tokens([1]), start: 1, session)
                == .notContiguous(start: 1, expected: 0))
        #expect(
            error(stage, .tokens([1, 2, 3, 4, 5]), session)
                == .sessionFull(needed: 5, capacity: 4))
        #expect(error(stage, .tokens([50]), session) == .tokenOutOfRange(50, vocabularyCount: 50))
        #expect(error(stage, .tokens([-1]), session) == .tokenOutOfRange(-1, vocabularyCount: 50))
        #expect(error(stage, .hidden([]), session) == .wrongInput)
        #expect(error(last, .tokens([1]), other) == .wrongInput)
        #expect(error(last, .hidden([1]), other) == .raggedInput(elementCount: 1, rowLength: 64))
        #expect(error(stage, .tokens([1]), session, .last) == .noLogitsHere)
        #expect(error(stage, .tokens([1]), other) == .foreignSession)
        let twice = Stage.Segment(session: session, start: 0, input: .tokens([1]), logits: .none)
        #expect(throws: StageError.sessionTwice) { try stage.forward([twice, twice]) }
        #expect(session.count == 0 && other.count == 0)
        #expect(throws: ModelError.layersOutOfRange(2..<4, layerCount: 3)) {
            try Stage(model: model, layers: 2..<4, threads: 1)
        }
        #expect(throws: ModelError.threadCountOutOfRange(0)) {
            try Stage(model: model, layers: 0..<1, threads: 0)
        }
        #expect(throws: KVPoolError.capacityOutOfRange(129, contextLength: 128)) {
            try stage.makeSession(capacity: 129)
        }
    }

    @Test func `a hidden row that is not finite neither crashes nor spreads`() throws {
        let model = try ModelFixture().model()
        let stage = try Stage(model: model, layers: 1..<3, threads: 1)
        let good = (0..<64).map { Float($0) / 64 }
        let sessions = try (0..<3).map { _ in try stage.makeSession(capacity: 2) }
        func segment(_ session: KVSession, _ row: [Float]) -> Stage.Segment {
            Stage.Segment(session: session, start: 0, input: .hidden(row), logits: .last)
        }
        let bad = [Float](repeating: .nan, count: 64)
        let infinite = [Float](repeating: .infinity, count: 64)
        let alone = try stage.forward([segment(sessions[0], good)])
        try sessions[0].truncate(to: 0)
        let together = try stage.forward([
            segment(sessions[1], bad), segment(sessions[0], good), segment(sessions[2], infinite),
        ])
        #expect(together[1] == alone[0])
    }

    @Test func `the clock of the caller times the work`() throws {
        let stage = try Stage(model: try ModelFixture().model(), layers: 0..<3, threads: 1)
        var time = Duration.zero
        let speed = try ForwardSpeed.measure(stage, promptCount: 10, decodeCount: 4) {
            time += .seconds(2)
            return time
        }
        #expect(speed.prefillTokensPerSecond == 5 && speed.decodeTokensPerSecond == 2)
    }
}
