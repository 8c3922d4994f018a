import Glibc
import Inference
import Testing

/// The forward pass of llama in doubles and plain loops, after the papers, to compare with.
private struct ForwardReference {
    let model: ModelFile
    var keys: [[[Double]]], values: [[[Double]]]

    init(_ model: ModelFile) {
        self.model = model
        keys = Array(repeating: [], count: model.description.layerCount)
        values = keys
    }

    /// Rows of an F32 tensor.
    func tensor(_ name: String) -> [[Double]] {
        guard let tensor = model.header.tensor(name) else { return [] }
        return model.withBytes { bytes in
            (0..<tensor.rowCount).map { row in
                (0..<tensor.rowLength).map { column in
                    let place = tensor.offset + 4 * (row * tensor.rowLength + column)
                    let bits = (0..<4).reduce(0 as UInt32) {
                        $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1)
                    }
                    return Double(Float(bitPattern: bits))
                }
            }
        }
    }

    func multiply(_ name: String, _ x: [Double]) -> [Double] {
        tensor(name).map { row in zip(row, x).reduce(0) { $0 + $1.0 * $1.1 } }
    }

    func norm(_ x: [Double], _ name: String) -> [Double] {
        let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
        return zip(x, tensor(name)[0]).map { $0 / sqrt(mean + 1e-5) * $1 }
    }

    func rotate(_ x: [Double], position: Int) -> [Double] {
        let length = model.description.headLength
        let isHalved = model.description.architecture != .llama
        var out = x
        for pair in 0..<x.count / 2 {
            let (head, k) = pair.quotientAndRemainder(dividingBy: length / 2)
            let angle = Double(position) * pow(10_000, -2 * Double(k) / Double(length))
            let i = head * length + (isHalved ? k : 2 * k)
            let j = isHalved ? i + length / 2 : i + 1
            out[i] = x[i] * cos(angle) - x[j] * sin(angle)
            out[j] = x[i] * sin(angle) + x[j] * cos(angle)
        }
        return out
    }

    /// W · x, with the bias and then the norm of each head where the model has them.
    func project(_ name: String, _ x: [Double]) -> [Double] {
        var y = multiply(name + ".weight", x)
        if let bias = tensor(name + ".bias").first { y = zip(y, bias).map(+) }
        guard let weight = tensor(name + "_norm.weight").first else { return y }
        return stride(from: 0, to: y.count, by: weight.count).flatMap {
            norm(Array(y[$0..<$0 + weight.count]), name + "_norm.weight")
        }
    }

    mutating func logits(_ token: Int, position: Int) -> [Double] {
        let d = model.description
        var x = tensor("token_embd.weight")[token]
        for layer in 0..<d.layerCount {
            let prefix = "blk.\(layer)."
            var h = norm(x, prefix + "attn_norm.weight")
            let q = rotate(project(prefix + "attn_q", h), position: position)
            keys[layer].append(rotate(project(prefix + "attn_k", h), position: position))
            values[layer].append(project(prefix + "attn_v", h))
            var attended: [Double] = []
            for head in 0..<d.headCount {
                let group = head * d.headCountKV / d.headCount
                let mine = q[head * d.headLength..<(head + 1) * d.headLength]
                let part = group * d.headLength..<(group + 1) * d.headLength
                let scores = keys[layer].map { key in
                    exp(zip(mine, key[part]).reduce(0) { $0 + $1.0 * $1.1 }
                        / sqrt(Double(d.headLength)))
                }
                let total = scores.reduce(0, +)
                for i in part {
                    attended.append(
                        zip(scores, values[layer]).reduce(0) { $0 + $1.0 * $1.1[i] } / total)
                }
            }
            x = zip(x, multiply(prefix + "attn_output.weight", attended)).map(+)
            h = norm(x, prefix + "ffn_norm.weight")
            let gate = multiply(prefix + "ffn_gate.weight", h)
            let up = multiply(prefix + "ffn_up.weight", h)
            let gated = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
            x = zip(x, multiply(prefix + "ffn_down.weight", gated)).map(+)
        }
        return multiply("token_embd.weight", norm(x, "output_norm.weight"))
    }
}

struct ForwardTests {
    static let architectures = [
        ModelFixture(layerCount: 2, matrixType: .F32), .odd,
        ModelFixture(layerCount: 2, matrixType: .F32, hasBiases: true),
        ModelFixture(layerCount: 2, matrixType: .F32, architecture: .qwen2, hasBiases: true),
        ModelFixture(layerCount: 2, matrixType: .F32, architecture: .qwen3, headLength: 28),
    ]

    @Test(arguments: architectures)
    func `logits are those of a plain implementation`(fixture: ModelFixture) throws {
        let model = try fixture.model()
        let stage = try Stage(model: model, layers: 0..<2, threads: 1)
        let session = try stage.makeSession(capacity: 12)
        var reference = ForwardReference(model)
        for position in 0..<12 {
            let token = position * 5 % 37
            let expected = reference.logits(token, position: position)
            let output = try stage.forward(
                .tokens([Int32(token)]), start: position, session: session, logits: .last)
            guard case .logits(let found) = output else { return #expect(Bool(false)) }
            let scale = expected.map { abs($0) }.max() ?? 0
            for (a, b) in zip(found, expected) {
                // Keys and values are halves, with 11 bits.
                #expect(abs(Double(a) - b) < scale * 2e-3, "position \(position)")
            }
        }
    }

    private func greedy(_ prompt: [Int32], count: Int, threads: Int = 1) throws -> [Int32] {
        let model = try ModelFixture.smolLM2()
        let stage = try Stage(
            model: model, layers: 0..<model.description.layerCount, threads: threads)
        let session = try stage.makeSession(capacity: prompt.count + count)
        var tokens = prompt
        while tokens.count < prompt.count + count {
            let output = try stage.forward(
                .tokens(Array(tokens[session.count...])), start: session.count, session: session,
                logits: .last)
            guard case .logits(let logits) = output else { break }
            let best = logits.indices.max { logits[$0] < logits[$1] } ?? 0
            tokens.append(Int32(best))
        }
        return Array(tokens[prompt.count...])
    }

    private static let capital: [Int32] = [504, 3575, 282, 4649, 314]
    private static let continuation: [Int32] = [
        7042, 30, 198, 198, 504, 1797, 1918, 553, 253, 2155, 282, 4723, 216, 35, 34, 33, 2215,
        701, 30,
    ]

    @Test(arguments: [1, 2])
    func `SmolLM2 continues a prompt as llama.cpp does`(threads: Int) throws {
        #expect(try greedy(Self.capital, count: 19, threads: threads) == Self.continuation)
    }

    @Test func `SmolLM2 answers a question as llama.cpp does`() throws {
        let prompt: [Int32] = [
            1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018,
            411, 407, 19712, 8182, 2, 198, 1, 4093, 198, 1780, 314, 216, 34, 27, 34, 47, 2, 198,
            1, 520, 9531, 198,
        ]
        let answer: [Int32] = [504, 2988, 288, 451, 8170, 4119, 1732, 314, 216, 36, 30, 2]
        #expect(try greedy(prompt, count: 12) == answer)
    }

    @Test func `SmolLM2 gives the same bits however the work is cut`() throws {
        let model = try ModelFixture.smolLM2()
        let tokens = Self.capital + Self.continuation
        let expected = try logits(model, borders: [], chunks: [24], tokens: tokens)
        let ones = [Int](repeating: 1, count: 24)
        let variants: [(String, [UInt32])] = [
            ("stepwise", try logits(model, borders: [], chunks: ones, tokens: tokens)),
            ("two stages", try logits(model, borders: [13], chunks: [24], tokens: tokens)),
            ("three stages", try logits(model, borders: [10, 20], chunks: [7, 17], tokens: tokens)),
            ("two threads", try logits(
                model, borders: [], chunks: [20, 4], tokens: tokens, threads: 2)),
            ("AVX2", try logits(
                model, borders: [], chunks: [24], tokens: tokens, kernels: Kernels(limit: .avx2))),
            ("scalar", try logits(
                model, borders: [], chunks: [24], tokens: tokens,
                kernels: Kernels(limit: .scalar))),
        ]
        for (name, found) in variants {
            let same = found == expected
            #expect(same, "\(name)")
        }
    }
}
