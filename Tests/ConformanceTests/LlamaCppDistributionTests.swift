import Basics
import Foundation
import Inference
import Testing

/// The next-token distributions of this engine beside those of llama.cpp with its default
/// settings, over 2,048 positions of real text, for each type of weights.
///
/// The models are SmolLM2 as its file has it, in Q4_1, and made from that in the other types. The
/// K types need rows of whole blocks of 256, which 576 elements are not: for them SmolLM2 is made
/// wider with zeros (`Clients/requantise.py`), so that every matrix is of the type and the text
/// is still real. On quantised weights the distance is made by steps of int8 activations, which
/// sums in another order take differently: llama.cpp without flash attention is as far from its
/// defaults (Q4_1: 0.0045; this engine 0.0043). The same weights in F32 show what else there is.
@Suite(.serialized)
struct LlamaCppDistributionTests {
    /// Mean nats per position that are let through: about three times what was measured where
    /// activations stay floats (llama.cpp rounds them to halves for F16), else the goal.
    static let bounds: [(type: GGUFType, divergenceMax: Double)] = [
        (.Q4_1, 0.01), (.F32, 1e-6), (.F16, 1e-5), (.BF16, 0.01), (.Q8_0, 0.01), (.Q4_0, 0.01),
        (.Q5_0, 0.01), (.Q5_1, 0.01),
    ]
    static let windowLength = 256
    static let windowCountPerText = 4

    /// Prose, tables and commands of the project, and a text that every Debian carries.
    static let texts = [
        ClientProgram.scripts.appending(path: "../../../README.md").standardizedFileURL.path,
        "/usr/share/common-licenses/GPL-3",
    ]

    @Test(arguments: bounds)
    func `distributions are those of llama_cpp`(type: GGUFType, divergenceMax: Double) throws {
        let model = type == .Q4_1 ? nil : try RequantisedModel(type)
        let file = try ModelFile(path: model?.path ?? ClientProgram.model())
        // Every matrix is of the type; the file's own has its embedding in Q8_0.
        #expect(Self.matrixCount(of: file, notOf: type) == (type == .Q4_1 ? 1 : 0))
        let windows = try Self.windows(Tokenizer(metadata: file.metadata))
        let run = try LlamaCppRun(
            LlamaCppRun.Request(model: file.path, windows: windows, threads: 2))
        let divergence = try Divergence(of: file, from: run, windows: windows)
        print("\(type) beside llama.cpp: \(divergence)")
        try #require(2000 <= divergence.values.count)
        #expect(divergence.mean <= divergenceMax)
        guard type == .Q4_1 else { return }
        // The least that can be asked for.
        let own = try Self.ownDivergence(file, from: run, windows: windows)
        #expect(1e-4 < own.mean && divergence.mean <= 1.5 * own.mean)
    }

    /// A file in a K type as people have it: matrices whose rows are not whole blocks of 256 are of
    /// the types that llama.cpp then takes.
    @Test(arguments: [GGUFType.Q4_K, .Q5_K, .Q6_K])
    func `distributions of a file in a K type are those of llama_cpp`(type: GGUFType) throws {
        let model = try RequantisedModel(type)
        let file = try ModelFile(path: model.path)
        let matrixCount = file.header.tensors.count { $0.dimensions.count == 2 }
        #expect((1..<matrixCount).contains(Self.matrixCount(of: file, notOf: type)))
        let windows = try Self.windows(Tokenizer(metadata: file.metadata))
        let run = try LlamaCppRun(
            LlamaCppRun.Request(model: file.path, windows: windows, threads: 2))
        let divergence = try Divergence(of: file, from: run, windows: windows)
        print("a file in \(type) beside llama.cpp: \(divergence)")
        try #require(2000 <= divergence.values.count)
        #expect(divergence.mean <= 0.01)
    }

    /// One scale for 256 activations, among which SmolLM2 has a few that are very large, makes
    /// wide steps: llama.cpp's own two settings lie 0.03 apart here, with its weights arranged in
    /// another way too, and this engine lies no further. So the goal stands as a known issue, and
    /// llama.cpp's distance from itself is the bound.
    @Test(arguments: [GGUFType.Q4_K, .Q5_K, .Q6_K])
    func `distributions of K types are hardly further from llama_cpp's than its own are`(
        type: GGUFType
    ) throws {
        let model = try RequantisedModel(type, isPadded: true)
        let file = try ModelFile(path: model.path)
        #expect(Self.matrixCount(of: file, notOf: type) == 0)
        let windows = try Self.windows(Tokenizer(metadata: file.metadata))
        let run = try LlamaCppRun(
            LlamaCppRun.Request(model: file.path, windows: windows, threads: 2))
        let divergence = try Divergence(of: file, from: run, windows: windows)
        print("\(type) beside llama.cpp: \(divergence)")
        try #require(2000 <= divergence.values.count)
        let own = try Self.ownDivergence(file, from: run, windows: windows)
        #expect(divergence.mean <= 1.25 * own.mean)
        withKnownIssue("K types on a model with zeros are further than 0.01") {
            #expect(divergence.mean <= 0.01)
        }
    }

    private static func matrixCount(of file: ModelFile, notOf type: GGUFType) -> Int {
        file.header.tensors.count { $0.dimensions.count == 2 && $0.type != type }
    }

    /// How far llama.cpp without flash attention lies from its defaults.
    private static func ownDivergence(
        _ file: ModelFile, from run: LlamaCppRun, windows: [[TokenID]]
    ) throws -> Divergence {
        let plain = try LlamaCppRun(
            LlamaCppRun.Request(model: file.path, windows: windows, threads: 2, isPlain: true))
        let own = try Divergence(
            of: plain, from: run, windows: windows, width: file.description.vocabularyCount)
        print("and llama.cpp without flash attention beside its defaults: \(own)")
        return own
    }

    /// What the K types are measured on is the same model: in F32 this engine computes it as it is,
    /// and llama.cpp as it was padded.
    @Test func `a model that is padded with zeros has the same distributions`() throws {
        let plain = try RequantisedModel(.F32), padded = try RequantisedModel(.F32, isPadded: true)
        let files = try [plain, padded].map { try ModelFile(path: $0.path) }
        #expect(files.map(\.description.embeddingLength) == [576, 768])
        #expect(files.map(\.description.headCount) == [9, 12])
        let windows = Array(try Self.windows(Tokenizer(metadata: files[0].metadata))[..<1])
        let run = try LlamaCppRun(
            LlamaCppRun.Request(model: files[1].path, windows: windows, threads: 2))
        let divergence = try Divergence(of: files[0], from: run, windows: windows)
        print("F32 beside llama.cpp's of the padded model: \(divergence)")
        #expect(divergence.mean <= 1e-6)
    }

    @Test func `distributions under another base of the rotation are too far away`() throws {
        let file = try ModelFile(path: ClientProgram.model())
        let windows = Array(try Self.windows(Tokenizer(metadata: file.metadata))[..<1])
        let run = try LlamaCppRun(
            LlamaCppRun.Request(
                model: file.path, windows: windows, threads: 2, ropeBase: 50_000))
        let divergence = try Divergence(of: file, from: run, windows: windows)
        print("Q4_1 beside llama.cpp with another base of the rotation: \(divergence)")
        #expect(0.01 < divergence.mean)
    }

    private static func windows(_ tokenizer: Tokenizer) throws -> [[TokenID]] {
        try texts.flatMap { path in
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let tokens = try tokenizer.encodePrompt(text)
            try #require(windowLength * windowCountPerText <= tokens.count, "\(path) is short")
            return (0..<windowCountPerText).map { index in
                Array(tokens[index * windowLength..<(index + 1) * windowLength])
            }
        }
    }
}

/// The Kullback-Leibler divergence of this engine's distributions from llama.cpp's.
private struct Divergence: CustomStringConvertible {
    /// Nats, for each position of each window.
    var values: [Double] = []
    /// Positions at which the same token is the most likely one.
    var agreeingCount = 0

    var mean: Double { values.reduce(0, +) / Double(values.count) }

    var description: String {
        "mean KL \(mean) over \(values.count) positions, at most \(values.max() ?? .nan); "
            + "the same most likely token at \(agreeingCount)"
    }

    init(of file: ModelFile, from run: LlamaCppRun, windows: [[TokenID]]) throws {
        let stage = try Stage(
            model: file, layers: 0..<file.description.layerCount, threads: 2)
        let width = file.description.vocabularyCount
        for (index, window) in windows.enumerated() {
            let reference = try run.logits(window: index)
            try #require(reference.count == window.count * width)
            let session = try stage.makeSession(capacity: window.count)
            while session.count < window.count {
                let start = session.count
                let tokens = Array(window[start...].prefix(Stage.rowCountMax))
                let output = try stage.forward(
                    .tokens(tokens), start: start, session: session, logits: .all)
                guard case .logits(let logits) = output else { throw NoLogits() }
                for row in 0..<tokens.count {
                    let expected = (start + row) * width
                    add(
                        logits[row * width..<(row + 1) * width],
                        reference[expected..<expected + width])
                }
            }
        }
    }

    /// Of one setting of llama.cpp from another.
    init(
        of other: LlamaCppRun, from run: LlamaCppRun, windows: [[TokenID]], width: Int
    ) throws {
        for (index, window) in windows.enumerated() {
            let found = try other.logits(window: index)
            let reference = try run.logits(window: index)
            try #require(
                reference.count == window.count * width && found.count == reference.count)
            for start in stride(from: 0, to: found.count, by: width) {
                add(found[start..<start + width], reference[start..<start + width])
            }
        }
    }

    private mutating func add(_ found: ArraySlice<Float>, _ expected: ArraySlice<Float>) {
        let (foundTop, foundLog) = Self.normaliser(found)
        let (expectedTop, expectedLog) = Self.normaliser(expected)
        var sum = 0.0
        for (q, p) in zip(found, expected) {
            let logP = Double(p) - expectedLog
            sum += exp(logP) * (logP - Double(q) + foundLog)
        }
        values.append(sum)
        if foundTop == expectedTop { agreeingCount += 1 }
    }

    /// The place of the largest logit, and the logarithm of the sum of all exponentials.
    private static func normaliser(_ logits: ArraySlice<Float>) -> (Int, Double) {
        var top = 0, largest = -Float.infinity
        for (index, logit) in logits.enumerated() where largest < logit {
            (top, largest) = (index, logit)
        }
        let sum = logits.reduce(0.0) { $0 + exp(Double($1 - largest)) }
        return (top, Double(largest) + log(sum))
    }

    struct NoLogits: Error {}
}
