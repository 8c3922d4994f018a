import Inference
import Testing

struct EmbedderTests {
    private static let words = ["<e>", "a", "b", "ab", "Ġ"]

    /// A small decoder whose file also has a tokenizer.
    private static func decoder(_ keys: [(String, GGUFWriter.Value)] = []) -> [UInt8] {
        var writer = ModelFixture(vocabularyCount: 5, matrixType: .F32).writer()
        writer.set("tokenizer.ggml.model", .string("gpt2"))
        writer.set("tokenizer.ggml.pre", .string("smollm"))
        writer.set("tokenizer.ggml.tokens", .strings(words))
        writer.set("tokenizer.ggml.token_type", .int32s([3, 1, 1, 1, 1]))
        writer.set("tokenizer.ggml.merges", .strings(["a b"]))
        writer.set("tokenizer.ggml.eos_token_id", .u32(0))
        for (key, value) in keys { writer.set(key, value) }
        return writer.bytes
    }

    private static func embedder(
        _ bytes: [UInt8], _ pooling: Pooling? = nil, threads: Int = 1
    ) throws -> Embedder {
        try ModelFixture.withFile(bytes) {
            try Embedder(path: $0, threads: threads, pooling: pooling)
        }
    }

    /// The rows behind the output norm, computed one position at a time.
    private static func rows(_ bytes: [UInt8], _ tokens: [TokenID]) throws -> [Float] {
        let model = try ModelFixture.open(bytes)
        let stage = try Stage(model: model, layers: 0..<model.description.layerCount, threads: 1)
        let session = try stage.makeSession(capacity: tokens.count)
        var rows: [Float] = []
        for (position, token) in tokens.enumerated() {
            let output = try stage.forward(
                .tokens([token]), start: position, session: session, logits: .normed)
            guard case .hidden(let row) = output else { continue }
            rows += row
        }
        return rows
    }

    private static let tokens: [TokenID] = (0..<100).map { $0 * 7 % 5 }

    @Test(arguments: [Pooling.last, .mean, .first])
    func `a decoder's vector is its rows behind the output norm, pooled`(
        pooling: Pooling
    ) throws {
        let bytes = Self.decoder()
        let expected = pooling.vector(
            of: try Self.rows(bytes, Self.tokens), rowLength: ModelFixture().embeddingLength)
        for threads in [1, 2] {
            let embedder = try Self.embedder(bytes, pooling, threads: threads)
            let vectors = try embedder.embed([[1, 2], Self.tokens, [3]])
            #expect(vectors[1] == expected)
            #expect(vectors[2] != vectors[0])
        }
    }

    @Test(arguments: [1, 2])
    func `a text among many has the vector that it has alone`(threads: Int) throws {
        let embedder = try Self.embedder(Self.decoder(), .mean, threads: threads)
        // More texts, rows and blocks than go through at a time, and the longest one among them.
        let texts = (0..<90).map { index in
            Array(Self.tokens.prefix(index == 40 ? 100 : 1 + index * 7 % 33)).map { token in
                (token + TokenID(index)) % 5
            }
        }
        let vectors = try embedder.embed(texts)
        #expect(Set(vectors).count > 80)
        for (text, vector) in zip(texts, vectors) {
            #expect(try embedder.embed([text]) == [vector])
        }
    }

    @Test func `the row behind the output norm is what logits are made of`() throws {
        let bytes = Self.decoder(), model = try ModelFixture.open(bytes)
        let rows = try Self.rows(bytes, [1, 3])
        let stage = try Stage(model: model, layers: 0..<model.description.layerCount, threads: 1)
        let output = try stage.forward(
            .tokens([1, 3]), start: 0, session: try stage.makeSession(capacity: 2), logits: .last)
        guard case .logits(let logits) = output else {
            Issue.record("no logits")
            return
        }
        // The embeddings are tied: token t's logit is its embedding times the row.
        let length = model.description.embeddingLength
        let tensor = try #require(model.header.tensor("token_embd.weight"))
        for token in 0..<5 {
            var sum = 0.0
            for index in 0..<length {
                let place = tensor.offset + 4 * (token * length + index)
                let pattern = (0..<4).reduce(UInt32(0)) {
                    $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1)
                }
                sum += Double(Float(bitPattern: pattern)) * Double(rows[length + index])
            }
            #expect(abs(sum - Double(logits[token])) < 1e-4)
        }
    }

    @Test func `a file says how its rows are pooled; else it is the last`() throws {
        let plain = try Self.embedder(Self.decoder()).embed([Self.tokens])
        #expect(try Self.embedder(Self.decoder(), .last).embed([Self.tokens]) == plain)
        let mean = Self.decoder([("llama.pooling_type", .u32(1))])
        #expect(
            try Self.embedder(mean).embed([Self.tokens])
                == Self.embedder(Self.decoder(), .mean).embed([Self.tokens]))
        #expect(throws: EncoderError.tokenizer(.missingKey("llama.pooling_type"))) {
            try Self.embedder(Self.decoder([("llama.pooling_type", .u32(9))]))
        }
    }

    @Test func `an end is put behind a text where the model was trained with one`() throws {
        #expect(try Self.embedder(Self.decoder()).tokens(of: "abab") == [3, 3])
        let ended = Self.decoder([("tokenizer.ggml.add_eos_token", .bool(true))])
        #expect(try Self.embedder(ended).tokens(of: "abab") == [3, 3, 0])
    }

    @Test func `an encoder has its own pooling and no other`() throws {
        let bytes = EncoderFixture().bytes
        #expect(try Self.embedder(bytes, .mean).dimensionCount == 32)
        #expect(throws: EncoderError.unacceptable(key: "pooling", value: "mean")) {
            try Self.embedder(bytes, .last)
        }
    }

    @Test(arguments: [false, true])
    func `what cannot be embedded is refused with its place`(isEncoder: Bool) throws {
        let bytes = isEncoder ? EncoderFixture().bytes : Self.decoder()
        let embedder = try Self.embedder(bytes)
        let (limit, count) = (embedder.contextLength, embedder.vocabularyCount)
        #expect((limit, count) == (isEncoder ? (300, 40) : (128, 5)))
        let cases: [([TokenID], EncoderError)] = [
            ([], .emptyText(index: 1)),
            (
                [TokenID](repeating: 1, count: limit + 1),
                .textTooLong(index: 1, tokenCount: limit + 1, limit: limit)
            ),
            ([TokenID(count)], .tokenOutOfRange(TokenID(count), vocabularyCount: count)),
        ]
        for (tokens, error) in cases {
            #expect(throws: error) { try embedder.embed([[1], tokens]) }
            #expect(throws: error) { try embedder.check(tokens, index: 1) }
        }
        #expect(try embedder.embed([[TokenID](repeating: 1, count: limit)]).count == 1)
    }
}
