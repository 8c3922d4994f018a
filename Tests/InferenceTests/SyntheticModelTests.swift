import Inference
import Testing

struct SyntheticModelTests {
    private static func small(_ type: SyntheticModel.WeightType, seed: UInt64 = 1) -> [UInt8] {
        var shape = SyntheticModel.Shape()
        (shape.layerCount, shape.embeddingLength, shape.feedForwardLength) = (2, 256, 512)
        (shape.headCount, shape.headCountKV, shape.vocabularyCount) = (8, 2, 300)
        let model = SyntheticModel(shape: shape, weightType: type, seed: seed)
        var bytes: [UInt8] = []
        model.write { bytes += $0 }
        #expect(bytes.count == model.byteCount)
        return bytes
    }

    @Test(arguments: SyntheticModel.WeightType.allCases)
    func `the file is whole, the same for a seed and another for another`(
        type: SyntheticModel.WeightType
    ) throws {
        let bytes = Self.small(type)
        #expect(bytes == Self.small(type) && bytes != Self.small(type, seed: 2))
        let header = try GGUF(parsing: bytes.span)
        #expect(header.tensors.count == 2 * 9 + 2)
        for tensor in header.tensors {
            #expect(tensor.type == (tensor.dimensions.count == 1 ? .F32 : type.type))
        }
        // No two tensors share their numbers.
        let parts = header.tensors.filter { $0.dimensions.count == 2 }.map { tensor in
            Array(bytes[tensor.offset + 2..<tensor.offset + 32])
        }
        #expect(Set(parts).count == parts.count)
    }

    @Test(arguments: SyntheticModel.WeightType.allCases.filter { Kernels.supports($0.type) })
    func `logits are spread as those of a trained model`(
        type: SyntheticModel.WeightType
    ) throws {
        let model = try ModelFixture.open(Self.small(type))
        #expect(model.description.isTied && model.description.headLength == 32)
        let stage = try Stage(model: model, layers: 0..<2, threads: 1)
        let session = try stage.makeSession(capacity: 8)
        let output = try stage.forward(
            .tokens([7, 250, 3, 99]), start: 0, session: session, logits: .all)
        guard case .logits(let logits) = output else { return #expect(Bool(false)) }
        let mean = logits.reduce(0, +) / Float(logits.count)
        let variance = logits.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(logits.count)
        #expect(abs(mean) < 1 && 1 < variance && variance < 25, "\(mean) \(variance)")
        #expect(Set(logits.map(\.bitPattern)).count > 1_000)
    }

    @Test func `the default shape has a billion weights`() {
        let model = SyntheticModel(weightType: .q8_0, seed: 1)
        // 34 bytes for 32 weights.
        #expect(1.0e9 < Double(model.byteCount) / 34 * 32)
        #expect(Double(model.byteCount) / 34 * 32 < 1.1e9)
    }
}
