import Basics
import Foundation
import Inference
import Testing

/// Greedy generation by this engine and by llama.cpp on the same file from the same token ids.
///
/// The two add in different orders, and int8 activations turn the last bit of a sum into a step of
/// 1/127 now and then: a choice between two tokens that are nearly as likely may fall differently,
/// and from there on the texts have nothing in common. llama.cpp parts from itself in the same
/// way when only its attention and its cache change; the test prints how often. So two things
/// are held: each parting, against how far the second choice lay behind, for an error in the
/// engine parts where it lies far behind; and agreement to the end, on the ten prompts whose
/// narrowest choice is the widest. Those are chosen by llama.cpp's own text alone, without a look
/// at ours. The goal is nine of them, and is not reached: see the known issue below.
struct LlamaCppTests {
    static let tokenCount = 32
    static let chosenCount = 10
    static let agreeingCountMin = 9

    /// In nats: the second choice is at least 0.7 times as likely as the first.
    static let nearTieMax = 0.35

    @Test func `greedy text parts from llama_cpp only at near ties`() throws {
        let engine = try GreedyEngine()
        let prompts = try GreedyPrompts.all.map { try engine.tokenizer.encodePrompt($0) }
        let references = try Self.reference(prompts)
        try #require(references.count == prompts.count)
        var agreeing: Set<Int> = []
        for (index, reference) in references.enumerated() {
            let found = try engine.continuation(of: prompts[index], tokenCount: Self.tokenCount)
            // A text that ended early has nothing to compare behind its end.
            try #require(reference.tokens.count == Self.tokenCount || reference.isEnded)
            if found == reference.tokens {
                agreeing.insert(index)
                continue
            }
            let common = zip(found, reference.tokens).prefix { $0 == $1 }.count
            let margin = common < reference.margins.count ? reference.margins[common] : .nan
            print(
                "prompt \(index + 1) parts from llama.cpp at token \(common + 1): "
                    + "\(engine.text(found.dropFirst(common).prefix(1))) here, "
                    + "\(engine.text(reference.tokens.dropFirst(common).prefix(1))) there, "
                    + "whose second choice is \(margin) nats behind")
            #expect(margin <= Self.nearTieMax, "prompt \(index + 1)")
        }
        let chosen = references.indices.sorted {
            references[$1].narrowest < references[$0].narrowest
        }.prefix(Self.chosenCount)
        let count = agreeing.intersection(chosen).count
        print(
            "\(count) of the \(chosen.count) prompts with the clearest choices agree with "
                + "llama.cpp for \(Self.tokenCount) tokens, whose narrowest choice is "
                + "\(chosen.map { references[$0].narrowest }.min() ?? .nan) nats wide; "
                + "of all \(prompts.count) prompts \(agreeing.count)")
        // Measured: 8. The narrowest choice of the tenth prompt is 0.09 nats wide, which is a near
        // tie after all. Intermittent, for llama.cpp's sums differ between processors.
        withKnownIssue("fewer than 9 of the 10 prompts agree", isIntermittent: true) {
            #expect(Self.agreeingCountMin <= count)
        }
        let exact = try Self.reference(prompts, isPlain: true)
        let own = zip(exact, references).filter { $0.tokens == $1.tokens }
        print("llama.cpp without flash attention agrees with itself on \(own.count)")
    }

    // What llama.cpp wrote on one thread on another day, so that an error that both sides of
    // the comparison above would share, in the prompts' ids, shows here.

    @Test func `the capital of France is continued as recorded`() throws {
        let engine = try GreedyEngine()
        let prompt = try engine.tokenizer.encodePrompt("The capital of France is")
        #expect(prompt == [504, 3575, 282, 4649, 314])
        let expected: [TokenID] = [
            7042, 30, 198, 198, 504, 1797, 1918, 553, 253, 2155, 282, 4723, 216, 35, 34, 33, 2215,
            701, 30,
        ]
        let found = try engine.continuation(of: prompt, tokenCount: expected.count)
        #expect(found == expected)
    }

    @Test func `a conversation is written and answered as recorded`() throws {
        let engine = try GreedyEngine()
        let template = try ChatTemplate(
            source: engine.model.metadata.string("tokenizer.chat_template"))
        let prompt = try template.encode(
            [ChatMessage(.user, "What is 2+2?")], with: engine.tokenizer)
        #expect(
            prompt == [
                1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018,
                411, 407, 19712, 8182, 2, 198, 1, 4093, 198, 1780, 314, 216, 34, 27, 34, 47, 2, 198,
                1, 520, 9531, 198,
            ])
        let expected: [TokenID] = [
            504, 2988, 288, 451, 8170, 4119, 1732, 314, 216, 36, 30, 2,
        ]
        let found = try engine.continuation(of: prompt, tokenCount: Self.tokenCount)
        #expect(found == expected)
        #expect(engine.text(found[...]) == "The answer to this classic math problem is 4.")
        // And llama.cpp of today, which also shows that it reports the end as we do.
        let reference = try #require(try Self.reference([prompt]).first)
        #expect(reference.tokens == expected)
        #expect(reference.isEnded)
    }

    private struct Reference {
        var tokens: [TokenID]
        /// How far the second choice lay behind, in nats.
        var margins: [Double]
        var isEnded: Bool

        var narrowest: Double { margins.min() ?? 0 }
    }

    private static func reference(
        _ prompts: [[TokenID]], isPlain: Bool = false
    ) throws -> [Reference] {
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let request: JSON = [
            "token_count": .integer(Int64(tokenCount)), "plain": .bool(isPlain),
            "prompts": .array(prompts.map { .array($0.map { .integer(Int64($0)) }) }),
        ]
        let file = folder.appending(path: "request.json")
        try Data(request.text.utf8).write(to: file)
        let run = try ClientProgram(
            script: "llama_greedy.py", [ClientProgram.model(), file.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        let answers = try #require(try JSON(parsing: run.output).asArray)
        return try answers.map { answer in
            let tokens = try #require(answer["tokens"]?.asArray).compactMap(\.asInteger)
            let margins = try #require(answer["margins"]?.asArray).compactMap(\.asDouble)
            return Reference(
                tokens: tokens.map { TokenID($0) }, margins: margins,
                isEnded: answer["finish_reason"]?.asString == "stop")
        }
    }
}

/// The whole model as one stage, and the most likely token at each step.
private struct GreedyEngine {
    let model: ModelFile
    let tokenizer: Tokenizer
    private let stage: Stage
    private let sampler = Sampler(Sampler.Settings(temperature: 0))

    init() throws {
        model = try ModelFile(path: ClientProgram.model())
        tokenizer = try Tokenizer(metadata: model.metadata)
        stage = try Stage(model: model, layers: 0..<model.description.layerCount, threads: 2)
    }

    /// Up to so many tokens; a token that ends the generation is the last one.
    func continuation(of prompt: [TokenID], tokenCount: Int) throws -> [TokenID] {
        let session = try stage.makeSession(capacity: prompt.count + tokenCount)
        var tokens: [TokenID] = []
        var input = prompt
        while tokens.count < tokenCount {
            let start = session.count
            let output = try stage.forward(
                .tokens(input), start: start, session: session, logits: .last)
            guard case .logits(let logits) = output else { throw NoLogits() }
            let next = sampler.sample(logits.span, position: start + input.count)
            let token = try #require(next)
            tokens.append(token)
            if tokenizer.endsGeneration(token) { break }
            input = [token]
        }
        return tokens
    }

    func text(_ tokens: ArraySlice<TokenID>) -> String {
        String(decoding: tokenizer.decode(Array(tokens)), as: UTF8.self)
    }

    struct NoLogits: Error {}
}
