import Basics
import Inference
import Testing

struct GrammarTests {
    /// Schemas of every kind, as text so that they are read as strangers' are.
    static let schemas: [String] = [
        #"{"type":"null"}"#, #"{"type":"boolean"}"#, #"{"type":"integer"}"#,
        #"{"type":"number"}"#, #"{"type":"string"}"#,
        #"{"type":"string","minLength":3,"maxLength":7}"#, #"{"type":"string","maxLength":0}"#,
        #"{"type":"string","minLength":90,"maxLength":110}"#,
        #"{"type":["string","null","integer"]}"#,
        #"{"enum":["red","green","","gr","日本\n",1,12,1.5,null,{"a":[true]}]}"#,
        #"{"const":{"x":[1,"y"]}}"#, #"{"type":"integer","enum":["a",7,7,8.5,71]}"#,
        #"{"type":"array","items":{"type":"boolean"}}"#,
        #"{"type":"array","items":{"type":"integer"},"minItems":1}"#,
        #"{"type":"array","items":{"type":"number"},"minItems":2,"maxItems":4}"#,
        #"{"type":"array","items":{"type":"null"},"minItems":3}"#,
        #"{"type":"array","items":{"type":"null"},"maxItems":0}"#,
        #"{"type":"array","maxItems":2,"items":{"type":"array","minItems":2,"maxItems":3,"#
            + #""items":{"type":"array","minItems":1,"maxItems":2,"items":{"type":"null"}}}}"#,
        #"{"type":"object","properties":{}}"#, #"{"type":"object","additionalProperties":false}"#,
        #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string","maxLength":"#
            + #"5},"c":{"type":"boolean"}},"required":["b"],"additionalProperties":false}"#,
        #"{"type":"object","properties":{"a":{"type":"null"},"ab":{"type":"null"},"é\"\\":"#
            + #"{"type":"null"}}}"#,
        #"{"anyOf":[{"type":"string","maxLength":2},{"type":"string","minLength":2},"#
            + #"{"type":"integer"},{"type":"number"}]}"#,
        #"{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"n":{"type":"integer"}},"#
            + #""required":["k","n"]},{"type":"object","properties":{"k":{"const":"b"},"#
            + #""s":{"type":"string"}},"required":["k"]}]}"#,
        ##"{"$defs":{"point":{"type":"object","properties":{"x":{"type":"integer"},"y":"##
            + ##"{"type":"integer"}},"required":["x","y"]}},"type":"array","minItems":2,"##
            + ##""items":{"$ref":"#/$defs/point"}}"##,
        #"{"type":"array","items":{"anyOf":[{"type":"array","items":{"anyOf":[{"type":"null"},"#
            + #"{"enum":[null,"n"]}]}},{"type":"array","items":{"type":"null"},"maxItems":3}]}}"#,
    ]

    /// What an agent's planner writes: one of several tools with its arguments.
    static let toolCall =
        #"{"anyOf":[{"type":"object","properties":{"tool":{"const":"read_file"},"arguments":"#
        + #"{"type":"object","properties":{"path":{"type":"string","minLength":1,"maxLength":40},"#
        + #""line":{"type":"integer"}},"required":["path"],"additionalProperties":false}},"#
        + #""required":["tool","arguments"],"additionalProperties":false},"#
        + #"{"type":"object","properties":{"tool":{"const":"run"},"arguments":{"type":"object","#
        + #""properties":{"argv":{"type":"array","items":{"type":"string"},"minItems":1},"fuel":"#
        + #"{"type":["integer","null"]}},"required":["argv"],"additionalProperties":false}},"#
        + #""required":["tool","arguments"],"additionalProperties":false},"#
        + #"{"type":"object","properties":{"tool":{"const":"finish"},"arguments":{"type":"object","#
        + #""properties":{},"additionalProperties":false}},"required":["tool","arguments"],"#
        + #""additionalProperties":false}]}"#

    private static func check(
        _ text: String,
        over vocabulary: TokenVocabulary,
        walkCount: UInt64,
        tokenCountMax: Int
    ) throws {
        let schema = try JSON(parsing: text)
        var state = try GrammarState(schema: schema)
        for seed in 0..<walkCount {
            state.restart()
            var walk = GrammarWalk(state, over: vocabulary, seed: seed)
            walk.run(tokenCountMax: tokenCountMax)
            state = walk.state
            let document = String(decoding: walk.bytes, as: UTF8.self)
            #expect(!walk.isStuck, "seed \(seed): stuck after \(document)")
            switch Self.parsed(walk.bytes) {
            case .success(let value):
                #expect(GrammarValidator.isValid(value, schema), "seed \(seed): \(document)")
            case .failure(.duplicateName):
                // Names that the schema does not give may repeat; this reader wants none.
                #expect(schema["properties"] == nil || schema["additionalProperties"] != nil)
            case .failure(let mistake): Issue.record("seed \(seed): \(mistake) in \(document)")
            }
        }
    }

    private static func parsed(_ bytes: [UInt8]) -> Result<JSON, JSON.Mistake> {
        do {
            return .success(try JSON(parsing: bytes))
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: schemas + [toolCall])
    func `any walk of bytes gives a valid document`(schema: String) throws {
        try Self.check(
            schema,
            over: GrammarWalk.byteVocabulary,
            walkCount: 60,
            tokenCountMax: 150
        )
    }

    @Test(arguments: schemas + [toolCall])
    func `any walk of the model's tokens gives a valid document`(schema: String) throws {
        try Self.check(
            schema,
            over: try TokenizerFixture.vocabulary(),
            walkCount: 5,
            tokenCountMax: 20
        )
    }

    /// Of the kinds that came with references, patterns, bounds and free content.
    static let furtherSchemas: [String] = [
        #"{"type":"object"}"#, #"{"type":"array"}"#, "true", "{}",
        #"{"type":"object","properties":{"a":{"type":"null"}},"required":["z","a"],"#
            + #""additionalProperties":{"type":"boolean"}}"#,
        ##"{"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"##
            + ##""array","items":{"$ref":"#/$defs/n"}}},"required":["v"],"##
            + ##""additionalProperties":false}},"$ref":"#/$defs/n"}"##,
        #"{"type":"array","prefixItems":[{"type":"null"},{"type":"boolean"}],"minItems":1}"#,
        #"{"type":"array","prefixItems":[{"type":"null"}],"items":false}"#,
        #"{"type":"array","prefixItems":[{"type":"null"}],"items":{"type":"boolean"},"#
            + #""minItems":3,"maxItems":5}"#,
        #"{"type":"integer","minimum":-17,"maximum":203}"#,
        #"{"type":"integer","exclusiveMinimum":9.5}"#, #"{"type":"integer","maximum":-100}"#,
        #"{"type":"number","minimum":-1.25,"exclusiveMaximum":12.5}"#,
        #"{"type":"number","exclusiveMinimum":0,"maximum":0.001}"#,
        #"{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},"#
            + #"{"properties":{"a":{"minimum":5},"b":{"type":"null"}},"required":["b"]}]}"#,
        #"{"type":["string","integer"],"minLength":2,"minimum":7,"#
            + #""anyOf":[{"maxLength":3},{"maximum":9}]}"#,
    ]

    @Test(arguments: furtherSchemas)
    func `a walk through a further kind gives a valid document`(schema: String) throws {
        try Self.check(
            schema,
            over: GrammarWalk.byteVocabulary,
            walkCount: 40,
            tokenCountMax: 150
        )
        try Self.check(
            schema,
            over: try TokenizerFixture.vocabulary(),
            walkCount: 5,
            tokenCountMax: 30
        )
    }

    @Test(arguments: [
        schemas[4], schemas[5], schemas[7], schemas[20], toolCall, furtherSchemas[0],
        furtherSchemas[4], furtherSchemas[5], furtherSchemas[12],
        #"{"type":"string","pattern":"^[A-Z][a-z ]+(é|日本)?\"?$","maxLength":20}"#,
    ])
    func `a mask allows exactly the tokens that can be taken`(schema: String) throws {
        let vocabulary = try TokenizerFixture.vocabulary()
        let state = try GrammarState(schema: JSON(parsing: schema))
        for seed in 0..<3 as Range<UInt64> {
            var walk = GrammarWalk(state, over: vocabulary, seed: seed)
            walk.run(tokenCountMax: Int(seed) * 3)
            // A fresh state, which no cached mask can mislead.
            let fresh = GrammarProbe(state)
            #expect(fresh.advance(bytes: walk.bytes))
            let mask = walk.state.isEnded ? nil : fresh.mask(over: vocabulary)
            var takenCount = 0
            for token in 0..<TokenID(vocabulary.tokenCount) {
                guard let mask else { break }
                let trial = GrammarProbe(fresh.state)
                let isTaken = trial.advance(token, over: vocabulary)
                #expect(!mask[token] || isTaken, "token \(token) after \(walk.bytes)")
                takenCount += isTaken ? 1 : 0
            }
            // Where the next byte is forced, one way to spell the text is enough.
            let isForced = Self.isForced(fresh)
            let count = mask?.allowedCount ?? 0
            #expect(isForced ? 0 < count || takenCount == 0 : count == takenCount)
        }
    }

    private static func isForced(_ state: GrammarProbe) -> Bool {
        let bytes = (UInt8(0)...255).filter { byte in
            GrammarProbe(state.state).advance(bytes: [byte])
        }
        return bytes.count == 1 && !state.isComplete
    }

    @Test func `forced text comes as the tokens that spell it longest`() throws {
        let vocabulary = TokenVocabulary(
            pieces: ["{", "\"", "na", "name", "me\":", "\":", ":", "1", "2", "}", "\":1", "n", ""]
                .map { Array($0.utf8) },
            endOfGeneration: [12]
        )
        let schema: JSON = [
            "type": "object", "required": ["name"], "properties": ["name": ["enum": [1, 2]]],
        ]
        let state = try GrammarProbe(schema: schema)
        // The last token may be `":`, or `":1`, which reaches beyond what is forced.
        #expect(state.forcedTokens(over: vocabulary) == [0, 1, 3])
        for token in [0, 1, 3] as [TokenID] {
            #expect(state.mask(over: vocabulary).allowed == [token])
            #expect(state.advance(token, over: vocabulary))
        }
        #expect(state.mask(over: vocabulary).allowed == [5, 10])
        #expect(state.forcedTokens(over: vocabulary).isEmpty)
        #expect(state.advance(5, over: vocabulary))
        #expect(state.mask(over: vocabulary).allowed == [7, 8])
        #expect(state.advance(8, over: vocabulary))
        #expect(state.forcedTokens(over: vocabulary) == [9])
    }

    @Test func `forced tokens are the only ones of their masks`() throws {
        let vocabulary = try TokenizerFixture.vocabulary()
        let state = try GrammarProbe(schema: JSON(parsing: Self.toolCall))
        #expect(state.advance(bytes: #"{"tool":"f"#.utf8))
        let forced = state.forcedTokens(over: vocabulary)
        #expect(3 < forced.count)
        for token in forced {
            #expect(state.mask(over: vocabulary).allowed == [token])
            #expect(state.advance(token, over: vocabulary))
        }
        #expect(state.isComplete)
    }

    @Test func `recursion ends, however the draws fall`() throws {
        // Always into the next level, as long as one is allowed.
        let state = try GrammarProbe(schema: true)
        var depth = 0
        while state.advance(bytes: "[".utf8) { depth += 1 }
        #expect(30...40 ~= depth)
        #expect(state.advance(bytes: state.shortestCompletion()))
        #expect(state.isComplete)
    }

    @Test(
        arguments: [
            (
                schemas[2], ["-", "1", "0", "123456789012345678"],
                ["01", "--", "1.5", "1234567890123456789"]
            ),
            (schemas[3], ["-0.5e-10", "1E+9", "0.1"], ["01", ".5", "1.e", "1e999", "+1", "1e+-"]),
            (
                schemas[4],
                [#""é日😀""#, #""\u00e9\ud83d\ude00\n\/""#, #""\uD7FF\uE000\uFFFF\u0000""#],
                [
                    "x", "\"\n", "\"\t", #""\x"#, #""\ud83dx"#, #""\ud83d\u0041"#, #""\udc00"#,
                    #""\uD83D\uD8"#, #""\u00g"#,
                ]
            ),
            (
                schemas[5], [#""abc""#, #""日本語日本語日""#, #""\ud83d\ude00bc""#],
                [#""ab""#, #""abcdefgh"#]
            ),
            (schemas[14], ["[1,2]", "[1,2,3,4]"], ["[1]", "[1,2,3,4,", "[,", "[ 1"]),
            (schemas[15], ["[null,null,null,null,null]"], ["[null,null]"]),
            (schemas[17], ["[]", "[[[null],[null,null]]]"], ["[[[null]]", "[[[null],[]"]),
            (
                schemas[20], [#"{"b":"x"}"#, #"{"a":1,"b":"","c":true}"#],
                [#"{}"#, #"{"b":"x","a"#, #"{"a":1}"#, #"{"b":"x",}"#, #"{"d"#, #"{ "b"#]
            ),
            (
                schemas[21], [#"{}"#, #"{"ab":null}"#, #"{"a":null,"é\"\\":null}"#],
                [#"{"ab":null,"a":"#]
            ),
            (schemas[23], [#"{"k":"a","n":1}"#, #"{"k":"b"}"#], [#"{"k":"a"}"#, #"{"k":"b","n"#]),
        ] as [(String, [String], [String])]
    )
    func `documents and beginnings that are taken, and ones that are not`(
        schema: String,
        whole: [String],
        wrong: [String]
    ) throws {
        let state = try GrammarState(schema: JSON(parsing: schema))
        for text in whole {
            let trial = GrammarProbe(state)
            #expect(trial.advance(bytes: text.utf8), "\(text)")
            #expect(trial.isComplete == (text != "-"), "\(text)")
        }
        for text in wrong {
            let trial = GrammarProbe(state)
            #expect(!trial.advance(bytes: text.utf8), "\(text)")
            #expect(trial.shortestCompletion() == state.shortestCompletion(), "nothing changed")
        }
    }

    @Test func `bytes that are not UTF-8 never stand in a string`() throws {
        let state = try GrammarState(schema: ["type": "string"])
        let wrong: [[UInt8]] = [
            [0x80], [0xC0], [0xC1], [0xC3, 0x28], [0xE0, 0x80], [0xED, 0xA0], [0xE2, 0x82, 0x22],
            [0xF0, 0x80], [0xF4, 0x90], [0xF5], [0xFF], [0xC3, 0x22],
        ]
        for bytes in wrong {
            let trial = GrammarProbe(state)
            #expect(!trial.advance(bytes: [0x22] + bytes), "\(bytes)")
        }
    }

    @Test func `generation may end exactly where the document is complete`() throws {
        let vocabulary = GrammarWalk.byteVocabulary
        let state = try GrammarProbe(schema: ["type": "array", "items": ["type": "integer"]])
        for byte in "[1,23]".utf8 {
            let mayEnd = state.mask(over: vocabulary)[256]
            #expect(!mayEnd && !state.isComplete)
            #expect(!state.advance(256, over: vocabulary))
            #expect(state.advance(TokenID(byte), over: vocabulary))
        }
        #expect(state.isComplete)
        let ending = state.mask(over: vocabulary)
        #expect(ending.allowed == [256])
        #expect(state.advance(256, over: vocabulary))
        #expect(state.isEnded)
        let nothing = state.mask(over: vocabulary)
        #expect(nothing.isEmpty)
        #expect(!state.advance(256, over: vocabulary))
        #expect(!state.advance(bytes: [0x20]))
        state.restart()
        #expect(!state.isEnded)
        let beginning = state.mask(over: vocabulary)
        #expect(beginning.allowed == [0x5B])
        // A number may end or go on.
        let number = try GrammarProbe(schema: ["type": "integer"])
        number.advance(bytes: "12".utf8)
        #expect(number.isComplete)
        let digits = number.mask(over: vocabulary)
        #expect(digits.allowedCount == 11)
    }

    @Test func `control tokens are never allowed`() throws {
        let vocabulary = try TokenizerFixture.vocabulary()
        let state = try GrammarProbe(schema: ["type": "string"])
        state.advance(bytes: "\"a".utf8)
        let mask = state.mask(over: vocabulary)
        for token in 0..<17 as Range<TokenID> { #expect(!mask[token]) }
        // Nearly all the rest can stand in a string.
        #expect(40_000 < mask.allowedCount)
        #expect(!state.advance(1, over: vocabulary))
        #expect(!state.advance(-1, over: vocabulary))
    }

    @Test func `a walk is the same with a fresh state as with a used one`() throws {
        let vocabulary = GrammarWalk.byteVocabulary
        let state = try GrammarState(schema: JSON(parsing: Self.toolCall))
        var used = state
        for seed in 0..<20 as Range<UInt64> {
            var fresh = GrammarWalk(state, over: vocabulary, seed: seed)
            fresh.run(tokenCountMax: 200)
            used.restart()
            var second = GrammarWalk(used, over: vocabulary, seed: seed)
            second.run(tokenCountMax: 200)
            used = second.state
            #expect(fresh.bytes == second.bytes)
        }
    }

    @Test func `more states than are kept are no harm`() throws {
        // Each length is a state, and there are more than the automaton keeps.
        let vocabulary = GrammarWalk.byteVocabulary
        let state = try GrammarProbe(schema: ["type": "string", "maxLength": 20_000])
        #expect(state.advance(bytes: "\"".utf8))
        for count in 0..<20_000 {
            #expect(state.advance(bytes: "a".utf8))
            guard count % 1_000 == 0 else { continue }
            let mask = state.mask(over: vocabulary)
            #expect(mask[0x61] == (count < 19_999))
        }
        let mask = state.mask(over: vocabulary)
        #expect(mask.allowed == [0x22])
    }

    @Test func `nested ambiguous branches stay bounded`() throws {
        // Every level doubles the ways to read the text: 2,048 of them, and 1,024 are followed.
        var schema: JSON = ["type": "null"]
        for _ in 0..<11 {
            let array: JSON = ["type": "array", "items": schema]
            schema = ["anyOf": [array, array]]
        }
        let state = try GrammarProbe(schema: schema)
        let text = String(repeating: "[", count: 11) + "null,null"
        #expect(state.advance(bytes: text.utf8))
        let rest = state.shortestCompletion()
        #expect(rest == Array(String(repeating: "]", count: 11).utf8))
        #expect(state.advance(bytes: rest))
        #expect(state.isComplete)
    }
}
