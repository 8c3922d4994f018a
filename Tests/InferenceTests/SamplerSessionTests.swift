import Basics
import Inference
import Testing

struct SamplerSessionTests {
    /// Tokens are bytes, 256 ends; logits are noise that depends on the position.
    private static func logits(_ position: Int) -> [Float] {
        var random = KernelRandomness(seed: UInt64(position))
        return random.floats(257, scale: 3)
    }

    private static let settings = Sampler.Settings(
        temperature: 1.2, seed: 5, repetitionPenalty: 1.2, presencePenalty: 0.3)

    private static func session(_ schema: JSON?, _ tokenCountMax: Int) throws -> SamplerSession {
        SamplerSession(
            settings, grammar: try schema.map { try GrammarState(schema: $0) },
            prompt: [1, 2, 3], tokenCountMax: tokenCountMax)
    }

    private static func text(_ schema: JSON?, from known: [TokenID], to count: Int) throws
        -> (tokens: [TokenID], closing: [TokenID]?)
    {
        let vocabulary = GrammarWalk.byteVocabulary
        var session = try session(schema, count)
        for token in known { session.follow(token, over: vocabulary) }
        var tokens = known
        while tokens.count < count {
            let logits = logits(3 + tokens.count)
            switch session.draw(logits.span, position: 3 + tokens.count, over: vocabulary) {
            case .token(256): return (tokens, nil)
            case .token(let token): tokens.append(token)
            case .closing(let closing): return (tokens, closing)
            case .nothing: Issue.record("nothing is allowed")
            }
        }
        return (tokens, nil)
    }

    @Test(arguments: [
        nil, #"{"type":"array","minItems":9,"items":{"type":["string","integer"]}}"#,
    ])
    func `whoever follows the text goes on with the same tokens`(schema: String?) throws {
        let schema = try schema.map { try JSON(parsing: $0) }
        let whole = try Self.text(schema, from: [], to: 60)
        #expect(10 < whole.tokens.count)
        for count in [1, 7, whole.tokens.count - 1] {
            let rest = try Self.text(schema, from: Array(whole.tokens.prefix(count)), to: 60)
            #expect(rest.tokens == whole.tokens)
            #expect(rest.closing == whole.closing)
        }
    }

    @Test func `a document ends within its tokens`() throws {
        let schema: JSON = ["type": "array", "items": ["type": "string"], "minItems": 3]
        for count in 12..<40 {
            let found = try Self.text(schema, from: [], to: count)
            let all = found.tokens + (found.closing ?? [])
            #expect(all.count <= count)
            let value = try JSON(parsing: all.map { UInt8($0) })
            #expect(GrammarValidator.isValid(value, schema))
        }
    }
}
