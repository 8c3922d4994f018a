import ArgumentParser
import Basics
import Foundation
import Inference
import Runtime

extension BenchCommand {
    struct GrammarSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "grammar",
            abstract: "What a constraint costs: compiling it, each mask, and decoding under it.",
            discussion: """
                Masks are those of documents drawn at random from six schemas of common kinds, each
                document with a grammar that was compiled for it and knows nothing yet. Decoding
                runs with and without a schema in turns, token by token, so that both meet the same
                machine.

                Example: swiftlet bench grammar --model smollm2.gguf --threads 2
                """)

        @Option(help: "A GGUF file with its tokenizer.", completion: .file())
        var model: String
        @Option(help: "How many threads; else one for each core.")
        var threads: Int?
        @Option(help: "Documents for each schema.")
        var documents = 50
        @Option(help: "Tokens to decode with the schema, and without, in each round.")
        var decode = 64
        @Option(help: "How often both are decoded.")
        var rounds = 5
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 0 < documents, 0 < decode, 0 < threads ?? 1, 0 < rounds else {
                throw ValidationError("The counts must be 1 or more.")
            }
        }

        func run() async throws {
            _ = try ArtifactFile.open(model)
            let threadCount = threads ?? ProcessInfo.processInfo.activeProcessorCount
            let (path, documents, decode, rounds) = (model, documents, decode, rounds)
            let (vocabularyCount, masks, decoding) = try await OwnThread.run {
                let book = try ModelShelf.Book(path: path)
                return (
                    book.vocabulary.tokenCount, try MaskTimes(book, documentCount: documents),
                    try DecodingTimes(
                        book, threadCount: threadCount, tokenCount: decode, roundCount: rounds)
                )
            }
            if json {
                let facts: [JSON.Member] = [
                    .init("model", .string(model)), .init("threads", .integer(Int64(threadCount))),
                    .init("vocabulary_tokens", .integer(Int64(vocabularyCount))),
                ]
                return Terminal.document(.object(facts + masks.members + decoding.members))
            }
            Terminal.line(
                "mask \(masks.text) over \(vocabularyCount) tokens\n"
                    + "decode \(decoding.text) (\(threadCount) threads)")
        }
    }
}

/// Every mask and every compilation of some random documents.
private struct MaskTimes: Sendable {
    static let tokenCountMax = 200

    private var documentCount = 0
    /// In microseconds, ascending.
    private var masks: [Double] = []
    private var compilations: [Double] = []

    init(_ book: ModelShelf.Book, documentCount: Int) throws {
        let vocabulary = book.vocabulary
        for (index, text) in GrammarSample.schemas.enumerated() {
            let schema = try JSON(parsing: text)
            for document in 0..<documentCount {
                let start = ContinuousClock.now
                let state = try GrammarState(schema: schema)
                compilations.append((ContinuousClock.now - start).inSeconds * 1e6)
                let walk = GrammarSample.Walk(
                    state, over: vocabulary, seed: UInt64(index * documentCount + document),
                    tokenCountMax: Self.tokenCountMax)
                masks += walk.maskDurations.map { $0.inSeconds * 1e6 }
                self.documentCount += 1
            }
        }
        masks.sort()
        compilations.sort()
    }

    var text: String {
        "\(Text.decimal(masks.percentile(50), 1)) µs in the median, "
            + "\(Text.decimal(masks.percentile(99), 1)) µs at the 99th percentile "
            + "(\(masks.count) masks of \(documentCount) documents; compiling a schema "
            + "\(Text.decimal(compilations.percentile(50), 0)) µs)"
    }

    var members: [JSON.Member] {
        [
            .init("documents", .integer(Int64(documentCount))),
            .init("masks", .integer(Int64(masks.count))),
            .init("mask_microseconds_median", .number(masks.percentile(50))),
            .init("mask_microseconds_p99", .number(masks.percentile(99))),
            .init("mask_microseconds_max", .number(masks.percentile(100))),
            .init("compile_microseconds_median", .number(compilations.percentile(50))),
            .init("compile_microseconds_max", .number(compilations.percentile(100))),
        ]
    }
}

extension [Double] {
    /// Of ascending numbers the one below which so many hundredths of them lie.
    fileprivate func percentile(_ percent: Int) -> Double {
        self[Swift.min(count - 1, count * percent / 100)]
    }
}

/// The same number of tokens with a schema and without, in turns.
private struct DecodingTimes: Sendable {
    private static let prompt = "A list of people as JSON:\n"

    private let tokenCount: Int
    private let roundCount: Int
    /// Seconds of each token of all rounds, ascending. Medians are compared: now and then a token
    /// waits for whatever else the machine does.
    private var free: [Double] = []
    private var constrained: [Double] = []

    init(_ book: ModelShelf.Book, threadCount: Int, tokenCount: Int, roundCount: Int) throws {
        self.tokenCount = tokenCount
        self.roundCount = roundCount
        let prompt = try book.tokenizer.encodePrompt(Self.prompt)
        guard prompt.count + tokenCount <= book.file.description.contextLength else {
            throw Refusal("The tokens do not fit the model's context; lower --decode.")
        }
        let stage = try Stage(
            model: book.file, layers: 0..<book.file.description.layerCount, threads: threadCount)
        // A record has at least a token: the list does not end.
        let schema = try JSON(parsing: GrammarSample.longList(countMin: tokenCount))
        // One round that nobody measures touches the weights.
        for round in 0...roundCount {
            var plain = try Run(book, stage, prompt, tokenCount: tokenCount, grammar: nil)
            var ruled = try Run(
                book, stage, prompt, tokenCount: tokenCount,
                grammar: try GrammarState(schema: schema))
            for index in 0..<tokenCount {
                // Who comes second finds the weights in the caches: they take turns.
                if index.isMultiple(of: 2) { try plain.step() }
                try ruled.step()
                if !index.isMultiple(of: 2) { try plain.step() }
            }
            guard 0 < round else { continue }
            free += plain.durations.map(\.inSeconds)
            constrained += ruled.durations.map(\.inSeconds)
        }
        free.sort()
        constrained.sort()
    }

    /// The share of the time that the constraint adds.
    private var slowDown: Double {
        constrained.percentile(50) / max(free.percentile(50), 1e-9) - 1
    }

    private func tokensPerSecond(_ seconds: [Double]) -> Double {
        1 / max(seconds.percentile(50), 1e-9)
    }

    var text: String {
        "\(Text.decimal(tokensPerSecond(constrained), 1)) tokens/s with a schema, "
            + "\(Text.decimal(tokensPerSecond(free), 1)) without; "
            + "a schema adds \(Text.decimal(100 * slowDown, 1)) % to a token's time"
    }

    var members: [JSON.Member] {
        [
            .init("decode_tokens", .integer(Int64(tokenCount))),
            .init("rounds", .integer(Int64(roundCount))),
            .init("decode_tokens_per_second", .number(tokensPerSecond(free))),
            .init("constrained_tokens_per_second", .number(tokensPerSecond(constrained))),
            .init("slow_down", .number(slowDown)),
        ]
    }

    /// One text in the making: at each step a token is drawn from the logits, and computed.
    private struct Run {
        private let book: ModelShelf.Book
        private let stage: Stage
        private let session: KVSession
        private var sampling: SamplerSession
        private var logits: [Float] = []
        private(set) var durations: [Duration] = []

        init(
            _ book: ModelShelf.Book, _ stage: Stage, _ prompt: [TokenID], tokenCount: Int,
            grammar: GrammarState?
        ) throws {
            self.book = book
            self.stage = stage
            session = try stage.makeSession(capacity: prompt.count + tokenCount)
            // The budget is no matter here: the list would never be completed within it.
            sampling = SamplerSession(
                Sampler.Settings(temperature: 0), grammar: grammar, prompt: prompt,
                tokenCountMax: .max / 2)
            try compute(prompt)
        }

        mutating func step() throws {
            let start = ContinuousClock.now
            // Copies without a cost: `self` would be read while its sampling changes.
            let (book, logits) = (book, logits)
            let choice = sampling.draw(
                logits.span, position: session.count, over: book.vocabulary)
            guard case .token(let token) = choice else {
                throw Refusal("The vocabulary cannot write the sample; take another model.")
            }
            try compute([token])
            durations.append(ContinuousClock.now - start)
        }

        private mutating func compute(_ tokens: [TokenID]) throws {
            let output = try stage.forward(
                .tokens(tokens), start: session.count, session: session, logits: .last)
            guard case .logits(let row) = output else {
                preconditionFailure("a whole model gives logits")
            }
            logits = row
        }
    }
}
