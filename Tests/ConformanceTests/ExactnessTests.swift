import Foundation
import Inference
import Testing

/// The logits of SmolLM2 are the same to the last bit however the work is cut: over stages,
/// threads, batches, chunks of the prompt and instruction sets.
///
/// One pass over a text is the reference: one stage, one thread, one call, the best instruction
/// set. A text's beginning has the logits of its beginning, so slow variants take fewer tokens and
/// are compared with as many rows. The same on other machines is in KernelDigestTests.
@Suite(.serialized)
struct ExactnessTests {
    static let stageCounts = [1, 2, 3, 5]
    static let threadCounts = [1, 2]
    static let chunkLengths = [1, 7, 64, 512]
    static let batchSizes = [1, 3, 8]
    /// More than the longest chunk, and no multiple of any.
    static let tokenCount = 523
    /// Decoding token by token takes as long as thirty prompts of its length: two tiles and a bit.
    static let stepwiseTokenCount = 131

    /// One pass over the whole text, for all tests.
    private static let reference = Result { try Reference() }

    private struct Reference {
        let file: ModelFile
        let tokens: [TokenID]
        let logits: [Float]

        init() throws {
            file = try ModelFile(path: ClientProgram.model())
            let tokens = try Tokenizer(metadata: file.metadata).encodePrompt(
                String(contentsOfFile: "/usr/share/common-licenses/GPL-3", encoding: .utf8))
            self.tokens = Array(tokens.prefix(ExactnessTests.tokenCount))
            try #require(self.tokens.count == ExactnessTests.tokenCount)
            logits = try Pipeline(file, stageCount: 1, threads: 1)
                .logits(of: self.tokens, chunkLength: ExactnessTests.tokenCount)
            try #require(logits.allSatisfy { $0.isFinite })
        }
    }

    @Test(arguments: stageCounts, threadCounts)
    func `stages, threads and chunks change no bit`(stageCount: Int, threads: Int) throws {
        let reference = try Self.reference.get()
        for chunkLength in Self.chunkLengths {
            let count = chunkLength == 1 ? Self.stepwiseTokenCount : Self.tokenCount
            let found = try Pipeline(reference.file, stageCount: stageCount, threads: threads)
                .logits(of: Array(reference.tokens.prefix(count)), chunkLength: chunkLength)
            let difference = firstDifference(found, reference.logits, rowCount: count)
            #expect(difference == nil, "chunks of \(chunkLength)")
        }
    }

    /// Scalar kernels are some fifty times slower, hence few tokens.
    @Test(arguments: [
        (Kernels.InstructionSet.scalar, 17), (.avx2, tokenCount), (.avx512, tokenCount),
    ])
    func `instruction sets change no bit`(
        limit: Kernels.InstructionSet, tokenCount: Int
    ) throws {
        let reference = try Self.reference.get()
        let kernels = Kernels(limit: limit)
        if kernels.instructionSet != limit { print("no \(limit) here: \(kernels.instructionSet)") }
        for (stageCount, threads, chunkLength) in [(1, 1, 512), (3, 2, 7), (5, 1, 64)] {
            let found = try Pipeline(
                reference.file, stageCount: stageCount, threads: threads, kernels: kernels
            ).logits(of: Array(reference.tokens.prefix(tokenCount)), chunkLength: chunkLength)
            let difference = firstDifference(found, reference.logits, rowCount: tokenCount)
            #expect(difference == nil, "\(stageCount) stages, chunks of \(chunkLength)")
        }
    }

    /// Texts that begin at different places, each alone and then together with others: first
    /// their prompts, of different lengths, then token by token.
    @Test(arguments: [1, 3], threadCounts)
    func `batches change no bit`(stageCount: Int, threads: Int) throws {
        let reference = try Self.reference.get()
        let pipeline = try Pipeline(reference.file, stageCount: stageCount, threads: threads)
        let texts = (0..<8).map { index in
            Array(reference.tokens[index * 13..<index * 13 + 20 + 5 * index])
        }
        let alone = try texts.map { try pipeline.logits(ofTogether: [$0], stepCount: 6)[0] }
        #expect(Set(alone.map { $0.prefix(8).map(\.bitPattern) }).count == texts.count)
        for size in Self.batchSizes {
            let together = try pipeline.logits(
                ofTogether: Array(texts.prefix(size)), stepCount: 6)
            for (index, (found, expected)) in zip(together, alone).enumerated() {
                let difference = firstDifference(
                    found, expected, rowCount: texts[index].count)
                #expect(difference == nil, "text \(index) of \(size)")
            }
        }
        // The first text begins where the reference does.
        #expect(firstDifference(alone[0], reference.logits, rowCount: texts[0].count) == nil)
    }

    @Test func `another token, cache or bit is found, at its place`() throws {
        let reference = try Self.reference.get()
        var tokens = reference.tokens
        tokens[200] = tokens[200] == 504 ? 505 : 504
        let pipeline = try Pipeline(reference.file, stageCount: 1, threads: 2)
        let other = try pipeline.logits(of: tokens, chunkLength: 64)
        #expect(firstDifference(other, reference.logits, rowCount: 523) == 200)
        // Keys and values of 32 bits move logits from the first position on whose sum has two
        // of them; of one alone the value passes, unrounded.
        let exact = try Pipeline(
            reference.file, stageCount: 1, threads: 2, cache: .f32
        ).logits(of: Array(tokens.prefix(3)), chunkLength: 3)
        #expect(firstDifference(exact, reference.logits, rowCount: 3) != nil)
        var flipped = reference.logits
        let place = 300 * pipeline.vocabularyCount + 49_151
        flipped[place] = Float(bitPattern: flipped[place].bitPattern ^ 1)
        #expect(firstDifference(flipped, reference.logits, rowCount: 523) == 300)
    }

    /// The first row that is not the same bits.
    private func firstDifference(
        _ found: [Float], _ expected: [Float], rowCount: Int
    ) -> Int? {
        let width = 49_152
        guard found.count == rowCount * width, found.count <= expected.count else { return 0 }
        return (0..<rowCount).first { row in
            let range = row * width..<(row + 1) * width
            return !zip(found[range], expected[range]).allSatisfy {
                $0.bitPattern == $1.bitPattern
            }
        }
    }
}

/// The layers of a model over some stages in this process.
private struct Pipeline {
    let stages: [Stage]
    let vocabularyCount: Int

    init(
        _ file: ModelFile, stageCount: Int, threads: Int, kernels: Kernels = Kernels(),
        cache: KVCache.ElementType = .f16
    ) throws {
        let layerCount = file.description.layerCount
        let borders = (0...stageCount).map { $0 * layerCount / stageCount }
        stages = try zip(borders, borders.dropFirst()).map { first, end in
            try Stage(
                model: file, layers: first..<end, threads: threads, kernels: kernels,
                kv: KVPool.Limits(byteCount: 1 << 28, elementType: cache))
        }
        vocabularyCount = file.description.vocabularyCount
    }

    /// The logits of every position of one text, which goes through in chunks.
    func logits(of tokens: [TokenID], chunkLength: Int) throws -> [Float] {
        let sessions = try stages.map { try $0.makeSession(capacity: tokens.count) }
        var logits: [Float] = []
        logits.reserveCapacity(tokens.count * vocabularyCount)
        for start in stride(from: 0, to: tokens.count, by: chunkLength) {
            let end = min(start + chunkLength, tokens.count)
            logits += try forward([(sessions, Array(tokens[start..<end]))])[0]
        }
        return logits
    }

    /// The logits of every position of some texts that go through together: all but the last
    /// tokens of each in one call, then these one by one.
    func logits(ofTogether texts: [[TokenID]], stepCount: Int) throws -> [[Float]] {
        let sessions = try texts.map { text in
            try stages.map { try $0.makeSession(capacity: text.count) }
        }
        var logits = try forward(
            zip(sessions, texts).map { ($0, Array($1.dropLast(stepCount))) })
        for step in 0..<stepCount {
            let rows = try forward(
                zip(sessions, texts).map { ($0, [$1[$1.count - stepCount + step]]) })
            for index in rows.indices { logits[index] += rows[index] }
        }
        return logits
    }

    /// The next tokens of some texts, through all stages.
    private func forward(
        _ parts: [(sessions: [KVSession], tokens: [TokenID])]
    ) throws -> [[Float]] {
        var inputs = parts.map { Stage.Input.tokens($0.tokens) }
        for (number, stage) in stages.enumerated() {
            let outputs = try stage.forward(
                zip(parts, inputs).map { part, input in
                    Stage.Segment(
                        session: part.sessions[number], start: part.sessions[number].count,
                        input: input, logits: stage.isLast ? .all : .none)
                })
            inputs = outputs.map { output in
                switch output {
                case .hidden(let rows), .logits(let rows): .hidden(rows)
                }
            }
        }
        return inputs.map { input in
            guard case .hidden(let rows) = input else { return [] }
            return rows
        }
    }
}
