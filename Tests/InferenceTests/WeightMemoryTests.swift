import Inference
import Testing

struct WeightMemoryTests {
    private func rows(of matrix: WeightMatrix) -> [[Float]] {
        let out = FloatRows(rowCount: 1, rowLength: matrix.rowLength)
        return (0..<matrix.rowCount).map { row in
            matrix.read(row: row, into: out, row: 0)
            return out[0]
        }
    }

    @Test func `copies have the weights of their matrices, and outlive them`() throws {
        var random = KernelRandomness(seed: 11)
        let originals = [(GGUFType.Q4_1, 576, 9), (.Q8_0, 64, 3), (.F32, 5, 7)].map {
            type, length, count in
            WeightMatrix(
                copying: ModelFixture.weights(
                    type, rowLength: length, rowCount: count, random: &random),
                type: type, rowLength: length)
        }
        let expected = originals.map(rows)
        func copies() throws -> [WeightMatrix] {
            // 9 rows of 18 blocks of 20 bytes, 3 of 2 blocks of 34, 7 of 5 floats.
            let memory = try #require(
                WeightMemory(
                    byteCount: 9 * 360 + 3 * 68 + 7 * 20, matrixCount: 3,
                    kernels: Kernels(limit: .scalar)))
            return originals.map(memory.copy)
        }
        #expect(try copies().map(rows) == expected)
    }

    @Test func `weights of more than half of the memory stay where they are`() {
        #expect(WeightMemory(byteCount: 1 << 60, matrixCount: 1, kernels: Kernels()) == nil)
        #expect(WeightMemory(byteCount: 0, matrixCount: 0, kernels: Kernels()) == nil)
    }
}
