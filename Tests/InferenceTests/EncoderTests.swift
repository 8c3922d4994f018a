import Basics
import Inference
import Testing

struct EncoderTests {
    /// Texts of many lengths, one longer than the rows that are computed at a time.
    private static let texts: [[TokenID]] = {
        var random = KernelRandomness(seed: 9)
        return [1, 2, 3, 7, 64, 290, 8, 9, 1, 33, 120, 100, 2].map { count in
            (0..<count).map { _ in
                TokenID(Int.random(in: 0..<EncoderFixture.words.count, using: &random))
            }
        }
    }()

    private static func bits(
        _ model: EncoderModel, threads: Int = 1, kernels: Kernels = Kernels(),
        _ texts: [[TokenID]] = texts
    ) throws -> [[UInt32]] {
        try Encoder(model: model, threads: threads, kernels: kernels).embed(texts)
            .map { $0.map(\.bitPattern) }
    }

    @Test func `a text has the same bytes alone and in a batch`() throws {
        let model = try EncoderFixture().model()
        let together = try Self.bits(model)
        #expect(Set(together).count == together.count)
        for (index, text) in Self.texts.enumerated() {
            #expect(try Self.bits(model, [text]) == [together[index]], "text \(index)")
        }
        #expect(try Self.bits(model, Self.texts.reversed()) == together.reversed())
    }

    @Test(arguments: [2, 3, 5])
    func `the number of threads changes no bit`(threads: Int) throws {
        let model = try EncoderFixture().model()
        #expect(try Self.bits(model, threads: threads) == Self.bits(model))
    }

    @Test(arguments: [GGUFType.F32, .Q8_0])
    func `the instruction set changes no bit`(type: GGUFType) throws {
        let bytes = EncoderFixture().writer(matrixType: type).bytes
        let model = try ModelFixture.withFile(bytes) { try EncoderModel(path: $0) }
        let scalar = try Self.bits(model, kernels: Kernels(limit: .scalar))
        for limit in Kernels.InstructionSet.allCases {
            #expect(try Self.bits(model, kernels: Kernels(limit: limit)) == scalar, "\(limit)")
        }
    }

    @Test func `a vector has length 1 and finite elements`() throws {
        let encoder = try Encoder(model: try EncoderFixture().model(), threads: 1)
        for vector in try encoder.embed(Self.texts) {
            let square = vector.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(square - 1) < 1e-5)
        }
    }

    @Test func `the order of a text's tokens counts`() throws {
        let model = try EncoderFixture().model()
        let vectors = try Self.bits(model, [[2, 8, 9, 3], [2, 9, 8, 3]])
        #expect(vectors[0] != vectors[1])
    }

    @Test func `int8 blocks stay near the floats that they stand for`() throws {
        let floats = try Encoder(model: try EncoderFixture().model(), threads: 1)
        let bytes = EncoderFixture().writer(matrixType: .Q8_0).bytes
        let model = try ModelFixture.withFile(bytes) { try EncoderModel(path: $0) }
        let blocks = try Encoder(model: model, threads: 1)
        for (one, other) in zip(try floats.embed(Self.texts), try blocks.embed(Self.texts)) {
            #expect(one != other && 0.999 < Pooling.cosine(one, other))
        }
    }

    @Test func `no texts are no vectors`() throws {
        #expect(try Self.bits(try EncoderFixture().model(), []).isEmpty)
    }

    @Test func `a request that cannot be computed is refused`() throws {
        let model = try EncoderFixture().model()
        let encoder = try Encoder(model: model, threads: 1)
        let good: [TokenID] = [2, 8, 3]
        #expect(throws: EncoderError.emptyText(index: 1)) { try encoder.embed([good, []]) }
        #expect(throws: EncoderError.textTooLong(index: 0, tokenCount: 301, limit: 300)) {
            try encoder.embed([[TokenID](repeating: 8, count: 301)])
        }
        let count = EncoderFixture.words.count
        for token in [-1, TokenID(count)] {
            #expect(throws: EncoderError.tokenOutOfRange(token, vocabularyCount: count)) {
                try encoder.embed([good, [2, token, 3]])
            }
        }
        #expect(throws: EncoderError.threadCountOutOfRange(0)) {
            try Encoder(model: model, threads: 0)
        }
    }
}
