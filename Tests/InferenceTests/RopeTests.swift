import Glibc
import Inference
import Testing

/// The sets of this CPU above the scalar one.
private let sets = Kernels.InstructionSet.allCases.filter {
    $0 != .scalar && Kernels(limit: $0).instructionSet == $0
}

struct RopeTests {
    private var random = KernelRandomness(seed: 11)

    /// Three heads of a row, turned by position 77.
    private func turned(
        _ kernels: Kernels, _ x: [Float], headLength: Int, pairing: Rope.Pairing,
        magnitude: Double = 1
    ) -> [Float] {
        let rope = Rope(pairing: pairing, base: 10_000, pairCount: headLength / 2)
        let angles = FloatRows(rowCount: 1, rowLength: 2 * headLength)
        Kernels.ropeAngles(
            rope.frequencies(), position: 77, magnitude: magnitude, pairing: pairing,
            into: angles, row: 0)
        let row = FloatRows(x, rowLength: x.count)
        kernels.rotate(
            row: 0, of: row, heads: 1..<3, headLength: headLength, pairing: pairing,
            angles: angles, anglesRow: 0)
        return row[0]
    }

    @Test(arguments: sets, [2, 6, 14, 16, 30, 32, 64, 72, 128])
    mutating func `halves are turned with the scalar bits, and only where told`(
        set: Kernels.InstructionSet, headLength: Int
    ) {
        let x = random.floats(3 * headLength, scale: 4)
        let expected = turned(
            Kernels(limit: .scalar), x, headLength: headLength, pairing: .halves)
        let found = turned(Kernels(limit: set), x, headLength: headLength, pairing: .halves)
        #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
        #expect(found[..<headLength] == x[..<headLength] && found != x)
    }

    @Test mutating func `a turned pair has the same bits in either pairing`() {
        let length = 40, half = 20
        let x = random.floats(3 * length, scale: 4)
        // Element i of a pairing of halves in the order of neighbours.
        let order = (0..<3 * length).map { i in
            i / length * length + i % length % 2 * half + i % length / 2
        }
        for magnitude in [1, 1.25] {
            let neighbours = turned(
                Kernels(), order.map { x[$0] }, headLength: length, pairing: .neighbours,
                magnitude: magnitude)
            let halves = turned(
                Kernels(), x, headLength: length, pairing: .halves, magnitude: magnitude)
            #expect(neighbours == order.map { halves[$0] })
        }
    }

    @Test func `the magnitude scales cosines and sines`() {
        let frequencies = Rope(pairing: .halves, base: 10_000, pairCount: 4).frequencies()
        let rows = [1, 1.5].map { magnitude in
            let angles = FloatRows(rowCount: 1, rowLength: 16)
            Kernels.ropeAngles(
                frequencies, position: 3, magnitude: magnitude, pairing: .halves, into: angles,
                row: 0)
            return angles[0]
        }
        for (plain, scaled) in zip(rows[0], rows[1]) {
            #expect(abs(scaled - 1.5 * plain) < 1e-6)
        }
        #expect(rows[1][0] == Float(1.5 * cos(3.0)))
    }

    /// The formulas of the paper for a pair, with the borders that the authors' program rounds.
    private func yarnFrequency(
        _ i: Int, pairCount: Int, base: Double, _ yarn: Rope.YaRN
    ) -> Double {
        let length = Double(yarn.originalContextLength), dimensions = Double(2 * pairCount)
        func dimension(_ rotations: Double) -> Double {
            dimensions * log(length / (rotations * 2 * .pi)) / (2 * log(base))
        }
        let low = max(0, floor(dimension(yarn.betaFast)))
        let high = min(dimensions - 1, ceil(dimension(yarn.betaSlow)))
        let slow = min(1, max(0, (Double(i) - low) / max(0.001, high - low)))
        let kept = (1 - slow) * yarn.extrapolation
        let angle = pow(base, -2 * Double(i) / dimensions)
        return angle / yarn.factor * (1 - kept) + angle * kept
    }

    @Test(arguments: [(64, 10_000, 4, 4_096), (32, 1e6, 2.5, 32_768), (8, 10_000, 8, 16)] as [
        (Int, Double, Double, Int)
    ])
    func `yarn keeps fast pairs and interpolates slow ones`(
        pairCount: Int, base: Double, factor: Double, length: Int
    ) {
        var yarn = Rope.YaRN(factor: factor, originalContextLength: length)
        for extrapolation in [1, 0.5, 0] {
            yarn.extrapolation = extrapolation
            var rope = Rope(pairing: .halves, base: base, pairCount: pairCount)
            rope.scaling = .yarn(yarn)
            for (i, found) in rope.frequencies().enumerated() {
                let expected = yarnFrequency(i, pairCount: pairCount, base: base, yarn)
                #expect(abs(found - expected) < expected * 1e-13, "pair \(i)")
            }
            let sharpness = extrapolation == 0 ? 1 : 1 + 0.1 * log(factor)
            #expect(abs(rope.magnitude - sharpness) < 1e-14)
        }
    }

    @Test func `linear scaling divides all angles, factors each its own`() {
        var rope = Rope(pairing: .neighbours, base: 500_000, pairCount: 8)
        let plain = rope.frequencies()
        rope.scaling = .linear(factor: 4)
        let scaled = rope.frequencies(factors: (0..<8).map { Float(1 + $0) })
        for i in 0..<8 {
            #expect(abs(scaled[i] - plain[i] / 4 / Double(1 + i)) < plain[i] * 1e-15)
        }
    }

    private func rope(_ keys: [(String, GGUFWriter.Value)]) throws -> Rope {
        var writer = ModelFixture(layerCount: 1).writer()
        for (key, value) in keys { writer.set("llama.rope." + key, value) }
        return try ModelFixture.open(writer.bytes).description.rope
    }

    @Test func `scalings are read as llama_cpp reads them`() throws {
        #expect(try rope([]).scaling == .none)
        // A factor without a type is linear, under its older name too; 0 is none.
        #expect(try rope([("scaling.factor", .f32(4))]).scaling == .linear(factor: 4))
        #expect(try rope([("scale_linear", .f32(2))]).scaling == .linear(factor: 2))
        #expect(try rope([("scaling.factor", .f32(0))]).scaling == .none)
        let none = try rope([("scaling.type", .string("none")), ("scaling.factor", .f32(4))])
        #expect(none.scaling == .none)
        let short = try rope([("scaling.type", .string("yarn")), ("scaling.factor", .f32(4))])
        // The fixture's context is 128.
        #expect(short.scaling == .yarn(Rope.YaRN(factor: 4, originalContextLength: 128)))
        let long = try rope([
            ("scaling.type", .string("yarn")), ("scaling.factor", .f32(2)),
            ("scaling.original_context_length", .u32(64)), ("scaling.attn_factor", .f32(0.5)),
            ("scaling.yarn_beta_fast", .f32(16)), ("scaling.yarn_beta_slow", .f32(2)),
            ("scaling.yarn_ext_factor", .f32(0.25)),
        ])
        var yarn = Rope.YaRN(factor: 2, originalContextLength: 64)
        (yarn.betaFast, yarn.betaSlow, yarn.extrapolation) = (16, 2, 0.25)
        #expect(long.scaling == .yarn(yarn) && long.attentionFactor == 0.5)
        #expect(abs(long.magnitude - 0.5 * (1 + 0.1 * log(2.0))) < 1e-15)
    }

    @Test(arguments: [
        ("freq_base", .f32(.nan), "nan"), ("scaling.type", .string("longrope"), "longrope"),
        ("scaling.factor", .f32(0.5), "0.5"), ("scaling.factor", .f32(.infinity), "inf"),
        ("scaling.factor", .string("4"), "4"), ("scaling.attn_factor", .f32(-1), "-1.0"),
        ("dimension_sections", .int32s([16, 24, 24, 0]), "an array of 4"),
    ] as [(String, GGUFWriter.Value, String)])
    func `a scaling that makes no sense is refused by key`(
        name: String, value: GGUFWriter.Value, text: String
    ) {
        #expect(throws: ModelError.unacceptable(key: "llama.rope." + name, value: text)) {
            _ = try rope([(name, value)])
        }
    }

    @Test(arguments: ["yarn_beta_fast", "yarn_log_multiplier", "yarn_attn_factor"])
    func `a yarn that is not the paper's is refused by key`(name: String) {
        #expect(throws: ModelError.unacceptable(key: "llama.rope.scaling." + name, value: "-2")) {
            _ = try rope([("scaling.type", .string("yarn")), ("scaling." + name, .i32(-2))])
        }
    }
}
