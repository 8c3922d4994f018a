import API
import Basics
import Inference
import Runtime

/// Prompts of an exact number of tokens that nobody has asked before: each begins differently, so
/// that none is spared work by what a cache knows, unless it is meant to be.
struct BenchPrompts {
    private static let words = """
        time year people way day man thing woman life child world school state family student \
        group country problem hand part place case week company system program question work \
        government number night point home water room mother area money story fact month lot \
        right study book eye job word business issue side kind head house service friend father \
        power hour game line end member law car city name team minute idea body back parent face
        """.split(separator: " ").map(String.init)

    let file: ModelFile
    /// Ids that end a text; forbidden, so that all texts of a measurement have the same length.
    let endTokens: [Int]
    private let book: ModelShelf.Book
    private let words: [String]
    private var chance: Chance

    init(path: String, seed: UInt64 = 1) throws {
        let book = try ModelShelf.Book(path: path)
        self.book = book
        file = book.file
        endTokens = (0..<book.file.description.vocabularyCount).filter {
            book.tokenizer.endsGeneration(TokenID($0))
        }
        chance = Chance(seed: seed)
        // Words that are one token each, as far as there are any.
        let single = try Self.words.filter { word in
            try Self.count("of \(word) \(word)", book) - Self.count("of \(word)", book) == 1
        }
        words = single.isEmpty ? Self.words : single
    }

    private static func count(_ text: String, _ book: ModelShelf.Book) throws -> Int {
        try book.tokens(of: .prompt(text)).count
    }

    /// A prompt of so many tokens that goes on from `beginning`.
    mutating func next(tokenCount: Int, after beginning: String = "") throws -> String {
        var parts = beginning.isEmpty ? [] : [beginning]
        var excess = beginning.isEmpty ? 0 : 1
        // A word may take two tokens at some places: so it is counted, and mended, a few times.
        for _ in 0..<16 {
            let text = parts.joined(separator: " ")
            let found = text.isEmpty ? 0 : try Self.count(text, book)
            if found == tokenCount { return text }
            if found < tokenCount {
                for _ in found..<tokenCount {
                    parts.append(words[Int.random(in: words.indices, using: &chance)])
                }
            } else {
                excess = min(found - tokenCount, parts.count - 1)
                parts.removeLast(max(1, excess))
            }
        }
        throw Refusal("No prompt of \(tokenCount) tokens was found for this model's tokenizer.")
    }
}

extension NodeClient {
    /// What a client sees of one greedy generation.
    struct BenchText: Sendable {
        var tokens: [Int64]
        /// From the request to the first token, and to the end.
        var firstToken: Duration
        var whole: Duration
        /// As its head measured it.
        var decodeTokensPerSecond: Double
        var statement: String
    }

    /// A request for exactly `count` greedy tokens.
    static func benchRequest(
        _ prompt: String, count: Int, _ prompts: BenchPrompts, isStream: Bool
    ) -> JSON {
        [
            "model": .string(BenchMesh.modelName), "prompt": .string(prompt),
            "max_tokens": .integer(Int64(count)), "stream": .bool(isStream),
            "logit_bias": .object(prompts.endTokens.map { .init("\($0)", -100) }),
        ]
    }

    /// Generates, and hands on how many tokens each event of the stream brought.
    func benchStream(
        _ prompt: String, count: Int, _ prompts: BenchPrompts,
        _ receive: (Int) throws -> Void = { _ in }
    ) async throws -> BenchText {
        let request = Self.benchRequest(prompt, count: count, prompts, isStream: true)
        let start = ContinuousClock.now
        var firstToken: Duration?
        var finished: JSON?
        try await events("/api/generate", request) { event in
            if let document = event["finished"] { finished = document }
            guard let tokens = event["tokens"]?.asArray, !tokens.isEmpty else { return }
            firstToken = firstToken ?? ContinuousClock.now - start
            try receive(tokens.count)
        }
        let whole = ContinuousClock.now - start
        guard let finished, let firstToken else {
            throw Refusal("The node ended a text without its result; see its log.")
        }
        return try Self.benchText(finished, firstToken, whole, count: count)
    }

    /// Generates without a stream: the client then takes no time from the nodes.
    func benchText(
        _ prompt: String, count: Int, _ prompts: BenchPrompts
    ) async throws -> BenchText {
        let request = Self.benchRequest(prompt, count: count, prompts, isStream: false)
        let start = ContinuousClock.now
        let finished = try await post("/api/generate", request)
        let whole = ContinuousClock.now - start
        return try Self.benchText(finished, whole, whole, count: count)
    }

    private static func benchText(
        _ document: JSON, _ firstToken: Duration, _ whole: Duration, count: Int
    ) throws -> BenchText {
        let tokens = (document["tokens"]?.asArray ?? []).compactMap(\.asInteger)
        guard tokens.count == count else {
            throw Refusal("A text has \(tokens.count) tokens where \(count) were asked for.")
        }
        return BenchText(
            tokens: tokens, firstToken: firstToken, whole: whole,
            decodeTokensPerSecond: document["decode_tokens_per_second"]?.asDouble ?? 0,
            statement: document["statement"]?.asString ?? "")
    }
}

/// What is left of several measurements when the lucky and the unlucky are put aside.
enum Median {
    static func of(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted(), middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2)
            ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}

/// What so large a share of several measurements lies below.
enum Percentile {
    static func of(_ values: [Double], _ share: Double) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        return sorted[min(Int(share * Double(sorted.count)), sorted.count - 1)]
    }
}

extension Duration {
    var inMilliseconds: Double { inSeconds * 1_000 }
}
