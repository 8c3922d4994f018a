import Basics
import Foundation
import Inference
import Testing

/// Random tiny models of each architecture and type of weights, continued by this engine and by
/// llama.cpp from the same token ids.
///
/// The two add in different orders and keep keys, values and activations in different precision,
/// so a choice between two tokens that are nearly as likely may fall differently. Such models are
/// made to have few near ties (`Clients/tiny_models.py` says how), and each parting is held
/// against how far llama.cpp's second choice lay behind.
struct TinyModelTests {
    static let tokenCount = 32
    static let seeds = 1...4

    /// A model that parts where the second choice is further behind than this, in nats, is wrong:
    /// a wrong graph parts at the first tokens, by any margin.
    static let nearTieMax = 0.5

    /// 32-bit keys and values without flash attention, and llama.cpp's defaults of 16 bits.
    @Test(arguments: [true, false])
    func `random models of each kind are continued as llama_cpp does`(isPlain: Bool) throws {
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let models = try Self.models(in: folder)
        let references = try Self.references(models, isPlain: isPlain, in: folder)
        try #require(references.count == models.count && 60 < models.count)
        var agreeingCount = 0
        for (model, reference) in zip(models, references) {
            let found = try model.continuation(tokenCount: Self.tokenCount)
            try #require(reference.tokens.count == Self.tokenCount, "\(model.name)")
            let common = zip(found, reference.tokens).prefix { $0 == $1 }.count
            if common == Self.tokenCount {
                agreeingCount += 1
                continue
            }
            let margin = reference.margins[common]
            print("\(model.name) parts from llama.cpp at token \(common + 1) of a tie of \(margin)")
            #expect(margin <= Self.nearTieMax, "\(model.name), token \(common + 1)")
        }
        let setting = isPlain ? "32-bit cache" : "defaults"
        print("\(agreeingCount) of \(models.count) tiny models agree with llama.cpp (\(setting))")
        #expect(models.count * 19 <= agreeingCount * 20)
    }

    private struct TinyModel {
        var name: String
        var path: String
        var prompt: [TokenID]

        /// The most likely token, again and again.
        func continuation(tokenCount: Int) throws -> [TokenID] {
            let file = try ModelFile(path: path)
            let stage = try Stage(
                model: file, layers: 0..<file.description.layerCount, threads: 1)
            let session = try stage.makeSession(capacity: prompt.count + tokenCount)
            var tokens = prompt
            while tokens.count < prompt.count + tokenCount {
                let output = try stage.forward(
                    .tokens(Array(tokens[session.count...])), start: session.count,
                    session: session, logits: .last)
                guard case .logits(let logits) = output else { throw NoLogits() }
                let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
                tokens.append(TokenID(best))
            }
            return Array(tokens[prompt.count...])
        }

        struct NoLogits: Error {}
    }

    private struct Reference {
        var tokens: [TokenID]
        /// How far the second choice lay behind, in nats.
        var margins: [Double]
    }

    private static func models(in folder: URL) throws -> [TinyModel] {
        let run = try ClientProgram(
            script: "tiny_models.py", [folder.path] + seeds.map { "\($0)" })
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        return try #require(try JSON(parsing: run.output).asArray).map { model in
            TinyModel(
                name: try #require(model["name"]?.asString),
                path: try #require(model["path"]?.asString),
                prompt: try #require(model["prompt"]?.asArray).compactMap(\.asInteger)
                    .map { TokenID($0) })
        }
    }

    private static func references(
        _ models: [TinyModel], isPlain: Bool, in folder: URL
    ) throws -> [Reference] {
        let request: JSON = [
            "token_count": .integer(Int64(tokenCount)), "plain": .bool(isPlain),
            "prompts": .array(models.map { .array($0.prompt.map { .integer(Int64($0)) }) }),
            "models": .array(models.map { .string($0.path) }),
        ]
        let file = folder.appending(path: "request.json")
        try Data(request.text.utf8).write(to: file)
        let run = try ClientProgram(script: "llama_greedy.py", ["-", file.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        return try #require(try JSON(parsing: run.output).asArray).map { answer in
            Reference(
                tokens: try #require(answer["tokens"]?.asArray).compactMap(\.asInteger)
                    .map { TokenID($0) },
                margins: try #require(answer["margins"]?.asArray).compactMap(\.asDouble))
        }
    }
}
