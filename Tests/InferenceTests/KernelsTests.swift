import Glibc
import Inference
import Testing

/// The sets of this CPU above the scalar one.
private let sets = Kernels.InstructionSet.allCases.filter {
    $0 != .scalar && Kernels(limit: $0).instructionSet == $0
}
private let scalar = Kernels(limit: .scalar)
/// All types that kernels take, and those with blocks.
private let types = GGUFType.allCases.filter { Kernels.supports($0) }
private let blockTypes = types.filter { 1 < $0.blockLength }

struct KernelsTests {
    private var random = KernelRandomness(seed: 7)

    /// One product with everything a kernel can do: a range of rows, several columns.
    private func product(
        _ kernels: Kernels, _ weights: WeightMatrix, _ x: [Float], columnCount: Int,
        rows: Range<Int>, accumulate: Bool
    ) -> [Float] {
        let activations = ActivationRows(FloatRows(x, rowLength: weights.rowLength))
        for row in 0..<columnCount { kernels.quantise(row: row, of: activations) }
        let out = FloatRows(rowCount: columnCount, rowLength: weights.rowCount)
        for row in 0..<columnCount {
            out.set(row, to: [Float](repeating: 0.25, count: weights.rowCount)[...])
        }
        kernels.multiply(
            weights, rows: rows, by: activations, columnCount: columnCount, into: out,
            accumulate: accumulate)
        return (0..<columnCount).flatMap { out[$0] }
    }

    @Test(arguments: sets, types)
    mutating func `products have the bits of the scalar kernel`(
        set: Kernels.InstructionSet, type: GGUFType
    ) throws {
        let lengths: [Int]
        switch type.blockLength {
        case 1: lengths = [1, 7, 8, 9, 31, 100]
        case 32: lengths = [32, 64, 224, 256, 288, 608]
        default: lengths = [256, 512, 2304]
        }
        for length in lengths {
            // Less than a vector of rows, whole ones, and some over; all tiles of columns.
            for (rowCount, columnCount) in [
                (1, 1), (5, 1), (35, 3), (7, 4), (70, 9), (48, 1), (41, 14), (33, 67),
            ] {
                let weights = WeightMatrix(
                    copying: ModelFixture.weights(
                        type, rowLength: length, rowCount: rowCount, random: &random),
                    type: type, rowLength: length)
                let x = random.floats(length * columnCount, scale: 3)
                let rows = rowCount / 3..<rowCount
                for accumulate in [false, true] {
                    let expected = product(
                        scalar, weights, x, columnCount: columnCount, rows: rows,
                        accumulate: accumulate)
                    let found = product(
                        Kernels(limit: set), weights, x, columnCount: columnCount, rows: rows,
                        accumulate: accumulate)
                    #expect(
                        bits(found) == bits(expected),
                        "\(rowCount) rows of \(length), \(columnCount) columns")
                    // As a stage has them: copied for these kernels.
                    let memory = try #require(
                        WeightMemory(
                            byteCount: weights.rowCount * (length + 256) * 4, matrixCount: 1,
                            kernels: Kernels(limit: set)))
                    let copied = product(
                        Kernels(limit: set), memory.copy(weights), x, columnCount: columnCount,
                        rows: rows, accumulate: accumulate)
                    #expect(
                        bits(copied) == bits(expected),
                        "\(rowCount) copied rows of \(length), \(columnCount) columns")
                }
            }
        }
    }

    @Test(arguments: sets)
    mutating func `extreme weights and activations give the same bits`(
        set: Kernels.InstructionSet
    ) {
        for type in blockTypes {
            let length = 3 * type.blockLength
            // Every byte 0x80 is the quant -128, every 0xFF -1 or the largest.
            for byte in [0x00, 0x80, 0x7F, 0xFF] as [UInt8] {
                var block = [UInt8](repeating: byte, count: type.blockByteCount)
                // The largest half and minus the smallest; the first also where Q6_K has its one.
                block.replaceSubrange(0..<2, with: [0xFF, 0x7B])
                if type != .Q6_K && type != .Q8_0 { block.replaceSubrange(2..<4, with: [1, 0x80]) }
                if type == .Q6_K { block.replaceSubrange(208..<210, with: [0xFF, 0x7B]) }
                let weights = WeightMatrix(
                    copying: Array(repeatElement(block, count: 63).joined()), type: type,
                    rowLength: length)
                for x in [0, -0.0, 0x1p-130, 3e4, -3e4, .leastNonzeroMagnitude] as [Float] {
                    let same = [Float](repeating: x, count: length)
                    // The largest magnitude twice with both signs: the first one counts.
                    let alternating = (0..<length).map { $0 % 2 == 0 ? x : -x }
                    for row in [same, alternating] {
                        let expected = product(
                            scalar, weights, row, columnCount: 1, rows: 0..<21, accumulate: false)
                        let found = product(
                            Kernels(limit: set), weights, row, columnCount: 1, rows: 0..<21,
                            accumulate: false)
                        #expect(bits(found) == bits(expected), "\(type) \(byte) \(x)")
                    }
                }
            }
        }
    }

    @Test(arguments: blockTypes)
    func `a block that is not finite spoils its row alone`(type: GGUFType) {
        let length = 2 * type.blockLength
        var random = KernelRandomness(seed: 3)
        let weights = WeightMatrix(
            copying: ModelFixture.weights(type, rowLength: length, rowCount: 21, random: &random),
            type: type, rowLength: length)
        let good = random.floats(length)
        for kernels in [scalar] + sets.map({ Kernels(limit: $0) }) {
            let alone = product(
                kernels, weights, good, columnCount: 1, rows: 0..<21, accumulate: false)
            for bad in [Float.nan, .infinity, -.infinity] {
                var spoilt = good
                spoilt[length - 1] = bad
                let found = product(
                    kernels, weights, spoilt + good, columnCount: 2, rows: 0..<21,
                    accumulate: false)
                #expect(found[0..<21].allSatisfy { $0.isNaN })
                #expect(found[21..<42].map(\.bitPattern) == bits(alone))
            }
        }
    }

    @Test mutating func `a column's product does not depend on the others`() {
        for type in types {
            let length = type.blockLength == 256 ? 512 : 320
            let weights = WeightMatrix(
                copying: ModelFixture.weights(
                    type, rowLength: length, rowCount: 37, random: &random),
                type: type, rowLength: length)
            let x = random.floats(length * 11)
            let together = product(
                Kernels(), weights, x, columnCount: 11, rows: 0..<37, accumulate: false)
            for column in 0..<11 {
                let alone = product(
                    Kernels(), weights, Array(x[column * length..<(column + 1) * length]),
                    columnCount: 1, rows: 0..<37, accumulate: false)
                #expect(alone == Array(together[column * 37..<(column + 1) * 37]))
            }
        }
    }

    @Test(arguments: types)
    mutating func `products are near those of dequantised weights`(type: GGUFType) {
        let length = 256
        let weights = WeightMatrix(
            copying: ModelFixture.weights(type, rowLength: length, rowCount: 22, random: &random),
            type: type, rowLength: length)
        let x = random.floats(length)
        let row = FloatRows(rowCount: 1, rowLength: length)
        let found = product(
            Kernels(), weights, x, columnCount: 1, rows: 0..<22, accumulate: false)
        for index in 0..<22 {
            weights.read(row: index, into: row, row: 0)
            let terms = zip(row[0], x).map { Double($0) * Double($1) }
            let magnitude = terms.reduce(0) { $0 + abs($1) }
            // An int8 activation is off by at most 1/254 of its block's largest.
            #expect(abs(Double(found[index]) - terms.reduce(0, +)) < magnitude * 0.01)
        }
    }

    @Test func `weights are dequantised as the format says`() {
        // Scale 2, and of Q4_1 the minimum -1: quants 1 (low) and 2 (high) in each byte.
        let nibbles = [UInt8](repeating: 0x21, count: 16)
        let row = FloatRows(rowCount: 1, rowLength: 32)
        func read(_ type: GGUFType, _ bytes: [UInt8]) -> [Float] {
            WeightMatrix(copying: bytes, type: type, rowLength: 32).read(row: 0, into: row, row: 0)
            return row[0]
        }
        let halves = { (low: Float, high: Float) in
            [Float](repeating: low, count: 16) + [Float](repeating: high, count: 16)
        }
        #expect(read(.Q4_0, [0, 0x40] + nibbles) == halves(-14, -12))
        #expect(read(.Q4_1, [0, 0x40, 0, 0xBC] + nibbles) == halves(1, 3))
        let bytes = (0..<32).map { UInt8(truncatingIfNeeded: $0 - 16) }
        // Fifth bits: of the even elements.
        let fifth = [UInt8](repeating: 0x55, count: 4)
        let striped = { (low: Float, high: Float, more: Float) in
            (0..<32).map { ($0 < 16 ? low : high) + ($0 % 2 == 0 ? more : 0) }
        }
        #expect(read(.Q5_0, [0, 0x40] + fifth + nibbles) == striped(-30, -28, 32))
        #expect(read(.Q5_1, [0, 0x40, 0, 0xBC] + fifth + nibbles) == striped(1, 3, 32))
        #expect(read(.Q8_0, [0, 0x40] + bytes) == (0..<32).map { Float($0 - 16) * 2 })
        let bf16 = WeightMatrix(copying: [0x80, 0x3F, 0x49, 0xC0], type: .BF16, rowLength: 2)
        let two = FloatRows(rowCount: 1, rowLength: 2)
        bf16.read(row: 0, into: two, row: 0)
        #expect(two[0] == [1, -3.140625])
        // Halves: the largest, the smallest subnormal, minus one third, infinity.
        let f16 = WeightMatrix(
            copying: [0xFF, 0x7B, 0x01, 0x00, 0x55, 0xB5, 0x00, 0x7C], type: .F16, rowLength: 4)
        let four = FloatRows(rowCount: 1, rowLength: 4)
        f16.read(row: 0, into: four, row: 0)
        #expect(four[0] == [65_504, 0x1p-24, -0x1.554p-2, .infinity])
    }

    @Test(arguments: sets, [1, 2, 7, 8, 9, 31, 32, 33, 100, 576])
    mutating func `norms, rotations and gates have the scalar bits`(
        set: Kernels.InstructionSet, length: Int
    ) {
        let x = FloatRows(random.floats(length, scale: 5), rowLength: length)
        let weight = FloatRows(random.floats(length), rowLength: length)
        let (a, b) = (Kernels(limit: set), scalar)
        func both(_ body: (Kernels, FloatRows) -> Void) -> [[UInt32]] {
            [a, b].map { kernels in
                let out = FloatRows(x[0], rowLength: length)
                body(kernels, out)
                return bits(out[0])
            }
        }
        let normed = both { kernels, out in
            kernels.normalise(row: 0, of: x, weight: weight, epsilon: 1e-5, into: out, row: 0)
        }
        #expect(normed[0] == normed[1])
        let gated = both { kernels, out in
            kernels.gate(out, with: weight, row: 0, range: 0..<length)
        }
        #expect(gated[0] == gated[1])
        guard length % 2 == 0 else { return }
        let frequencies = Kernels.ropeFrequencies(
            base: 10_000, scale: 1, factors: nil, pairCount: length / 2)
        let angles = FloatRows(rowCount: 1, rowLength: 2 * length)
        Kernels.ropeAngles(frequencies, position: 1234, into: angles, row: 0)
        let rotated = both { kernels, out in
            kernels.rotate(
                row: 0, of: out, heads: 0..<1, headLength: length, angles: angles, anglesRow: 0)
        }
        #expect(rotated[0] == rotated[1])
    }

    @Test func `exp is right to the last place and a half`() {
        for step in -8_700...8_800 {
            let x = Float(step) / 100
            let exact = Glibc.exp(Double(x))
            let found = Double(Kernels.exponential(x))
            #expect(abs(found - exact) < exact * 0x1p-23 * 0.75, "exp \(x)")
        }
        #expect(Kernels.exponential(-1_000) < 1e-37 && Kernels.exponential(.nan) < 1e-37)
    }

    @Test(arguments: [0, 1, 2, 3, 100, 8_191, 131_071, 1_000_003])
    func `rope angles agree with the math library`(position: Int) {
        let frequencies = Kernels.ropeFrequencies(
            base: 500_000, scale: 0.25, factors: (0..<64).map { 1 + Float($0) / 8 }, pairCount: 64)
        let angles = FloatRows(rowCount: 1, rowLength: 256)
        Kernels.ropeAngles(frequencies, position: position, into: angles, row: 0)
        let row = angles[0]
        for i in 0..<64 {
            let exact = 0.25 * pow(500_000, -Double(i) / 64) / (1 + Double(i) / 8)
            #expect(abs(frequencies[i] - exact) < exact * 1e-14)
            let angle = Double(position) * frequencies[i]
            #expect(abs(Double(row[2 * i]) - cos(angle)) < 1e-7)
            #expect(abs(Double(row[128 + 2 * i]) - sin(angle)) < 1e-7)
            #expect(row[2 * i] == row[2 * i + 1] && row[128 + 2 * i] == row[128 + 2 * i + 1])
        }
    }

    private func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
}
