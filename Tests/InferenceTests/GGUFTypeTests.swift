import Inference
import Testing

/// Whole models in the formats that came after those of `StageTests`, alone and mixed.
struct GGUFTypeTests {
    private static func fixture(_ type: GGUFType) -> ModelFixture {
        guard type.blockLength == 256 else { return ModelFixture(matrixType: type) }
        return ModelFixture(
            embeddingLength: 256, feedForwardLength: 512, layerCount: 2, matrixType: type)
    }

    static let types: [GGUFType] = [.BF16, .Q5_0, .Q5_1, .Q4_K, .Q5_K, .Q6_K]
    static let tokens: [Int32] = (0..<75).map { $0 * 17 % 37 }

    @Test(arguments: types)
    func `logits do not depend on stages, chunks, threads or instruction set`(
        type: GGUFType
    ) throws {
        try Self.expectOneResult(of: try Self.fixture(type).model())
    }

    @Test func `types may be mixed in a layer`() throws {
        // Each matrix of a layer in another type, as the mixtures of llama.cpp have it.
        let kinds: [GGUFType] = [.Q4_K, .Q8_0, .Q6_K, .F16, .Q5_0, .Q5_K, .BF16, .Q4_1]
        var random = KernelRandomness(seed: 5), writer = Self.fixture(.Q4_K).writer(), next = 0
        for index in writer.tensors.indices where 1 < writer.tensors[index].dimensions.count {
            let shape = writer.tensors[index].dimensions.map { Int($0) }
            let type = kinds[next % kinds.count]
            next += 1
            writer.tensors[index].type = type.rawValue
            writer.tensors[index].bytes = ModelFixture.weights(
                type, rowLength: shape[0], rowCount: shape[1], random: &random)
        }
        try Self.expectOneResult(of: try ModelFixture.open(writer.bytes))
    }

    private static func expectOneResult(of model: ModelFile) throws {
        let ones = [Int](repeating: 1, count: 75)
        let expected = try logits(model, borders: [], chunks: [75], tokens: tokens)
        #expect(expected.allSatisfy { Float(bitPattern: $0).isFinite })
        #expect(Set(expected).count > expected.count / 2)
        let stepwise = try logits(model, borders: [1], chunks: ones, tokens: tokens)
        #expect(stepwise == expected)
        let threaded = try logits(
            model, borders: [], chunks: [3, 64, 7, 1], tokens: tokens, threads: 3)
        #expect(threaded == expected)
        for set in [Kernels.InstructionSet.scalar, .avx2] {
            let found = try logits(
                model, borders: [], chunks: [70, 5], tokens: tokens, kernels: Kernels(limit: set))
            #expect(found == expected, "\(set)")
        }
    }

    /// As in `StageTests`: FNV-1a over the bits of the logits.
    static let digests: [UInt64] = [
        0x3638_4CEF_0D8D_918D, 0x10F8_202B_D6E7_9414, 0x0CAA_C528_79EC_0A37,
        0x0BC7_60D7_AB91_F6DD, 0x66B6_F528_D032_7234, 0xCB0A_0F2C_6A63_1D91,
    ]

    @Test(arguments: zip(types, digests))
    func `the arithmetic is the one that was signed`(type: GGUFType, digest: UInt64) throws {
        let found = try logits(
            try Self.fixture(type).model(), borders: [], chunks: [75], tokens: Self.tokens)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for bits in found { hash = (hash ^ UInt64(bits)) &* 0x100_0000_01B3 }
        #expect(hash == digest, "found 0x\(String(hash, radix: 16))")
    }
}
