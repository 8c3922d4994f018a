import Foundation
import Inference
import Testing

/// Weights of every type as floats, here and by the Python package `gguf` of llama.cpp.
struct DequantiseTests {
    private static let types = GGUFType.allCases.filter { Kernels.supports($0) }

    @Test(arguments: types)
    func `random bytes become the same floats, bit for bit`(type: GGUFType) throws {
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "blocks")
        // 2,048 blocks, or as many single weights as give each half-precision scale a chance.
        let length = 2_048 * max(type.blockLength, 32)
        let bytes = Self.bytes(length / type.blockLength * type.blockByteCount)
        try Data(bytes).write(to: file)
        let run = try ClientProgram(script: "dequantise.py", ["\(type)", file.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        let expected = run.output.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
        try #require(expected.count == length)

        let row = FloatRows(rowCount: 1, rowLength: length)
        WeightMatrix(copying: bytes, type: type, rowLength: length).read(row: 0, into: row, row: 0)
        let found = row[0]
        // What is not a number may carry other bits: they depend on the machine.
        let wrong = found.indices.filter {
            found[$0].isNaN
                ? !Float(bitPattern: expected[$0]).isNaN : found[$0].bitPattern != expected[$0]
        }
        #expect(
            wrong.isEmpty,
            """
            \(wrong.count) of \(length) differ, the first at \(wrong.first ?? 0): \
            \(wrong.first.map { "\(found[$0]), \(Float(bitPattern: expected[$0]))" } ?? "")
            """)
        // Most bytes make numbers, and not all the same.
        #expect(found.filter { $0.isFinite }.count > length / 2)
        #expect(Set(expected).count > 1_000)
    }

    /// Bytes from a seed: a linear congruential generator's upper ones.
    private static func bytes(_ count: Int) -> [UInt8] {
        var state: UInt64 = 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}
