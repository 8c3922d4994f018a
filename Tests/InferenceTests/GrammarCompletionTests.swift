import Basics
import Inference
import Testing

struct GrammarCompletionTests {
    @Test(arguments: GrammarTests.schemas + [GrammarTests.toolCall])
    func `from any point the completion completes a valid document`(text: String) throws {
        let schema = try JSON(parsing: text)
        let vocabulary = GrammarWalk.byteVocabulary
        var state = try GrammarState(schema: schema)
        var random = KernelRandomness(seed: 9)
        var bytes: [UInt8] = []
        for _ in 0..<120 {
            let rest = state.shortestCompletion()
            let value = try JSON(parsing: bytes + rest)
            #expect(GrammarValidator.isValid(value, schema), "\(value.text)")
            let finished = GrammarProbe(state)
            #expect(finished.advance(bytes: rest))
            #expect(finished.isComplete)
            let allowed = state.mask(over: vocabulary).allowed.filter { $0 < 256 }
            guard !allowed.isEmpty else { break }
            let token = allowed[Int.random(in: 0..<allowed.count, using: &random)]
            state.advance(token, over: vocabulary)
            bytes.append(UInt8(token))
        }
    }

    @Test(arguments: [
        (#"{"type":"object","properties":{"a":{"type":"string"}}}"#, "", "{}"),
        (#"{"type":"string","minLength":2}"#, "\"é", "x\""),
        (#"{"type":"string"}"#, #""\ud83d"#, #"\udc00""#),
        (#"{"type":"array","items":{"type":"integer"},"minItems":3}"#, "[7,", "0,0]"),
        (#"{"type":"number"}"#, "1e", "0"),
        (#"{"enum":["longer","long","l"]}"#, "\"lo", "ng\""),
        (#"{"anyOf":[{"const":"abcdef"},{"type":"string"}]}"#, "\"ab", "\""),
    ])
    func `the completion is the shortest`(schema: String, text: String, rest: String) throws {
        let state = try GrammarProbe(schema: JSON(parsing: schema))
        #expect(state.advance(bytes: text.utf8))
        #expect(state.shortestCompletion() == Array(rest.utf8))
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `a generation with a budget ends inside it with a valid document`(
        seed: UInt64
    ) throws {
        let schema = try JSON(parsing: GrammarTests.toolCall)
        let vocabulary = GrammarWalk.byteVocabulary
        var state = try GrammarState(schema: schema)
        var random = KernelRandomness(seed: seed)
        let budget = state.shortestCompletion().count + Int(seed) * 3
        var bytes: [UInt8] = []
        while !state.isComplete {
            let allowed = state.mask(over: vocabulary).allowed
            let token = allowed[Int.random(in: 0..<allowed.count, using: &random)]
            let left = budget - bytes.count - 1
            switch state.advance(token, over: vocabulary, tokenCountLeft: left) {
            case .taken: bytes.append(UInt8(token))
            case .completed(let tokens): bytes += tokens.map { UInt8($0) }
            case .refused: Issue.record("a token of the mask was refused")
            }
            try #require(bytes.count <= budget)
        }
        #expect(GrammarValidator.isValid(try JSON(parsing: bytes), schema))
    }

    @Test func `a budget refuses what the grammar forbids`() throws {
        let vocabulary = GrammarWalk.byteVocabulary
        let state = try GrammarProbe(schema: ["type": "null"])
        #expect(state.advance(0x78, over: vocabulary, tokenCountLeft: 99) == .refused)
        #expect(state.advance(0x6E, over: vocabulary, tokenCountLeft: 3) == .taken)
        #expect(
            state.advance(0x75, over: vocabulary, tokenCountLeft: 1)
                == .completed(Array("ull".utf8).map { TokenID($0) })
        )
        #expect(state.isComplete)
        #expect(state.advance(256, over: vocabulary, tokenCountLeft: 0) == .taken)
        #expect(state.isEnded)
    }

    @Test func `bytes are spelt with the longest tokens`() throws {
        let vocabulary = TokenVocabulary(
            pieces: ["a", "ab", "abcd", "b", "c", "ab", ""].map { Array($0.utf8) },
            endOfGeneration: [6]
        )
        #expect(vocabulary.spell(Array("abcab".utf8)) == [1, 4, 1])
        #expect(vocabulary.spell(Array("abcda".utf8)) == [2, 0])
        #expect(vocabulary.spell(Array("abx".utf8)) == nil)
        #expect(vocabulary.spell([]) == [])
    }
}
