import Basics
import Inference
import Testing

struct SchemaTests {
    private static func error(_ text: String) throws -> SchemaError? {
        let document = try JSON(parsing: text)
        do throws(SchemaError) {
            _ = try Grammar(schema: document)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        "multipleOf", "not", "if", "then", "contains", "uniqueItems", "patternProperties",
        "propertyNames", "dependentRequired", "unevaluatedProperties", "minProperties",
        "maxProperties", "$dynamicRef", "$anchor", "nonsense",
    ])
    func `an unsupported keyword is refused by its name and place`(keyword: String) throws {
        let schema =
            #"{"type":"object","properties":{"a/b~":{"type":"string",""# + keyword + #"":1}}}"#
        let pointer = "/properties/a~1b~0/" + keyword
        let error = try Self.error(schema)
        #expect(error == .unsupported(keyword: keyword, pointer: pointer))
        #expect(error.map { "\($0)" }?.contains("'\(keyword)'") == true)
        #expect(error.map { "\($0)" }?.contains(pointer) == true)
    }

    @Test(
        arguments: [
            ("false", .impossible(pointer: "")), ("[]", .malformed(keyword: "schema", pointer: "")),
            (#"{"type":"date"}"#, .unsupported(keyword: "date", pointer: "/type")),
            (#"{"type":[]}"#, .malformed(keyword: "type", pointer: "/type")),
            (#"{"type":"array","items":[]}"#, .malformed(keyword: "items", pointer: "/items")),
            (
                #"{"type":"object","properties":{},"required":["b"],"additionalProperties":false}"#,
                .impossible(pointer: "/required")
            ),
            (
                #"{"type":"object","properties":{"a":false}}"#,
                .impossible(pointer: "/properties/a")
            ),
            (
                #"{"type":"object","properties":{},"required":[1]}"#,
                .malformed(keyword: "required", pointer: "/required")
            ),
            (#"{"type":"string","minLength":3,"maxLength":2}"#, .impossible(pointer: "")),
            (
                #"{"type":"string","minLength":-1}"#,
                .malformed(keyword: "minLength", pointer: "/minLength")
            ),
            (#"{"enum":[]}"#, .malformed(keyword: "enum", pointer: "/enum")),
            (#"{"type":"string","enum":[1]}"#, .impossible(pointer: "")),
            (#"{"const":1,"enum":[2]}"#, .impossible(pointer: "")),
            (#"{"enum":["abc"],"minLength":9}"#, .impossible(pointer: "")),
            (#"{"type":"string","anyOf":[{"type":"null"}]}"#, .impossible(pointer: "")),
            (
                #"{"allOf":[{"type":"string"},{"type":"integer"}]}"#,
                .impossible(pointer: "/allOf")
            ),
            (#"{"allOf":[{"minimum":3},{"maximum":2}]}"#, .impossible(pointer: "/allOf")),
            (#"{"type":"integer","minimum":0.2,"maximum":0.8}"#, .impossible(pointer: "")),
            (
                #"{"type":"integer","minimum":"1"}"#,
                .malformed(keyword: "minimum", pointer: "/minimum")
            ),
            (
                #"{"type":"number","maximum":1e40}"#,
                .unsupported(keyword: "maximum", pointer: "/maximum")
            ),
            (
                #"{"type":"string","format":"idn-email"}"#,
                .unsupported(keyword: "format", pointer: "/format")
            ),
            (
                #"{"type":"string","pattern":"(?=a)"}"#,
                .badPattern(
                    .unsupported(construct: "look-ahead (?=", offset: 0),
                    pointer: "/pattern"
                )
            ),
            (#"{"type":"string","pattern":"^ab$","maxLength":1}"#, .impossible(pointer: "")),
            (#"{"oneOf":[{"minLength":3},{"type":"integer"}]}"#, .untyped(pointer: "/oneOf/0")),
            (
                #"{"type":"array","prefixItems":[]}"#,
                .malformed(keyword: "prefixItems", pointer: "/prefixItems")
            ),
            (#"{"items":false,"minItems":1}"#, .impossible(pointer: "")),
            (#"{"anyOf":[]}"#, .malformed(keyword: "anyOf", pointer: "/anyOf")),
            (
                #"{"anyOf":[{"type":"null"},{"type":"string","not":{}}]}"#,
                .unsupported(keyword: "not", pointer: "/anyOf/1/not")
            ),
            (
                ##"{"$ref":"#/$defs/x"}"##, .unresolved(reference: "#/$defs/x", pointer: "/$ref")
            ),
            (
                #"{"$ref":"https://example.com/s"}"#,
                .unresolved(reference: "https://example.com/s", pointer: "/$ref")
            ),
            (##"{"$ref":"#"}"##, .recursive(reference: "#", pointer: "/$ref/$ref")),
            (
                ##"{"$defs":{"n":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/n"}]}},"##
                    + ##""$ref":"#/$defs/n"}"##,
                .recursive(reference: "#/$defs/n", pointer: "/$ref/anyOf/1/$ref")
            ),
            // Every document would hold another one.
            (
                ##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
                .impossible(pointer: "")
            ),
            (
                #"{"type":"string","minLength":70000}"#,
                .tooLarge(what: "bytes in the shortest document", limit: 65_536)
            ),
            (
                #"{"type":"array","minItems":40000,"items":{"type":"string"}}"#,
                .tooLarge(what: "bytes in the shortest document", limit: 65_536)
            ),
            (
                #"{"type":"array","minItems":9000000000000000000,"items":{"type":"string"}}"#,
                .tooLarge(what: "bytes in the shortest document", limit: 65_536)
            ),
        ] as [(String, SchemaError)]
    )
    func `what cannot be kept is refused with the reason`(
        schema: String,
        expected: SchemaError
    ) throws {
        #expect(try Self.error(schema) == expected)
        #expect(!"\(expected)".isEmpty)
    }

    private static func object(_ properties: String, required: String, closed: Bool) -> String {
        #"{"type":"object","properties":{"# + properties + #"},"required":["# + required + "]"
            + (closed ? #","additionalProperties":false}"# : "}")
    }

    @Test(arguments: [
        (#"{"type":"string"}"#, #"{"type":"integer"}"#, true),
        (#"{"type":"number"}"#, #"{"type":"integer"}"#, false),
        (#"{"type":"string","maxLength":3}"#, #"{"type":"string","minLength":4}"#, true),
        (#"{"type":"string","maxLength":3}"#, #"{"type":"string","minLength":3}"#, false),
        (#"{"const":"a"}"#, #"{"enum":["b","c"]}"#, true),
        (#"{"const":"a"}"#, #"{"enum":["b","a"]}"#, false),
        (#"{"const":1}"#, #"{"enum":[1.0]}"#, false),
        (#"{"const":"abc"}"#, #"{"type":"string","maxLength":2}"#, true),
        (#"{"anyOf":[{"type":"null"},{"const":1}]}"#, #"{"type":"boolean"}"#, true),
        (#"{"anyOf":[{"type":"null"},{"const":1}]}"#, #"{"type":"integer"}"#, false),
        (
            #"{"type":"array","items":{"type":"null"},"minItems":1}"#,
            #"{"type":"array","items":{"type":"integer"}}"#, true
        ),
        (
            #"{"type":"array","items":{"type":"null"}}"#,
            #"{"type":"array","items":{"type":"integer"}}"#, false
        ),
        (
            object(#""k":{"const":1}"#, required: #""k""#, closed: false),
            object(#""k":{"const":2}"#, required: "", closed: false), true
        ),
        (
            object(#""k":{"const":1}"#, required: "", closed: false),
            object(#""k":{"const":2}"#, required: "", closed: false), false
        ),
        (#"{"type":"string","pattern":"^a"}"#, #"{"type":"string","pattern":"^b"}"#, true),
        (#"{"type":"string","pattern":"^a"}"#, #"{"type":"string","pattern":"b$"}"#, false),
        (#"{"type":"integer","maximum":3}"#, #"{"type":"number","exclusiveMinimum":3}"#, true),
        (#"{"type":"integer","maximum":3}"#, #"{"type":"number","minimum":3}"#, false),
        ("true", #"{"type":"null"}"#, false),
        // A document with x is valid under the second, too, unless that one is closed.
        (
            object(#""x":{"type":"null"}"#, required: #""x""#, closed: true),
            object(#""y":{"type":"null"}"#, required: "", closed: false), false
        ),
        (
            object(#""x":{"type":"null"}"#, required: #""x""#, closed: false),
            object(#""y":{"type":"null"}"#, required: "", closed: true), true
        ),
    ])
    func `oneOf is taken where its branches exclude each other`(
        first: String,
        second: String,
        isDisjoint: Bool
    ) throws {
        for (a, b) in [(first, second), (second, first)] {
            let error = try Self.error(#"{"oneOf":["# + a + "," + b + "]}")
            #expect(error == (isDisjoint ? nil : .overlapping(pointer: "/oneOf")))
        }
    }

    @Test func `annotations do not constrain`() throws {
        let schema = #"""
            {"$schema":"https://json-schema.org/draft/2020-12/schema","title":"T","description":"d",
             "type":"boolean","default":true,"examples":[true],"deprecated":false}
            """#
        #expect(try Self.error(schema) == nil)
    }

    @Test func `composed and decomposed names are two properties`() throws {
        let schema =
            "{\"type\":\"object\",\"properties\":{\"\u{E9}\":{\"type\":\"null\"},"
            + "\"e\u{301}\":{\"type\":\"boolean\"}},\"required\":[\"e\u{301}\"],"
            + "\"additionalProperties\":false}"
        let state = try GrammarProbe(schema: JSON(parsing: schema))
        for text in ["{\"e\u{301}\":true}", "{\"\u{E9}\":null,\"e\u{301}\":false}"] {
            state.restart()
            #expect(state.advance(bytes: text.utf8) && state.isComplete)
        }
        for text in ["{\"\u{E9}\":true}", "{\"\u{E9}\":null}", "{\"e\u{301}\":null}"] {
            state.restart()
            #expect(!state.advance(bytes: text.utf8))
        }
    }

    @Test func `references that double at every level are read once`() throws {
        var definitions: [String] = []
        for level in 0..<20 {
            let next = ##"{"$ref":"#/$defs/l\##(level + 1)"}"##
            definitions.append(#""l\#(level)":{"anyOf":[\#(next),\#(next)]}"#)
        }
        definitions.append(#""l20":{"type":"null"}"#)
        let schema =
            ##"{"$defs":{"## + definitions.joined(separator: ",") + ##"},"$ref":"#/$defs/l0"}"##
        #expect(try Self.error(schema) == nil)
        let state = try GrammarProbe(schema: JSON(parsing: schema))
        #expect(state.advance(bytes: "null".utf8))
        #expect(state.isComplete)
    }

    @Test(arguments: [
        // A type that was guessed must not get into a comparison by way of a reference.
        ##"{"$defs":{"g":{"minLength":3}},"anyOf":[{"$ref":"#/$defs/g"},"##
            + ##"{"oneOf":[{"$ref":"#/$defs/g"},{"type":"integer"}]}]}"##,
        // The branch is compared with what is still being read.
        ##"{"$defs":{"n":{"type":"object","properties":{"a":{"oneOf":[{"type":"null"},"##
            + ##"{"$ref":"#/$defs/n"}]}}}},"$ref":"#/$defs/n"}"##,
    ])
    func `what is not known for certain is not taken as disjoint`(schema: String) throws {
        guard case .overlapping = try Self.error(schema) else {
            Issue.record("\(schema) is taken")
            return
        }
    }

    @Test func `patterns that need too much are refused by what they need`() throws {
        for pattern in ["^(a|b)*a(a|b){20}$", "(((a{1000}){1000}){1000}){1000}", "x{1000}y{1000}"] {
            let schema: JSON = ["type": "string", "pattern": .string(pattern)]
            do {
                _ = try Grammar(schema: schema)
                #expect(pattern == "x{1000}y{1000}")
            } catch {
                guard case .tooLarge = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }

    @Test func `nested oneOfs meet the budget and not the patience`() throws {
        // All branches are disjoint, and every level compares all pairs of the one below.
        var schema = #"{"type":"null"}"#
        for level in 0..<6 {
            let branches = (0..<5).map { index in
                Self.object(
                    #""k\#(level)":{"const":\#(index)},"v":\#(schema)"#,
                    required: #""v","k\#(level)""#,
                    closed: true
                )
            }
            schema = #"{"oneOf":["# + branches.joined(separator: ",") + "]}"
        }
        let error = try Self.error(schema)
        #expect(
            error == .tooLarge(what: "sub-schemas", limit: 10_000)
                || error == .tooLarge(what: "comparisons of oneOf branches", limit: 1_000_000)
        )
    }

    @Test func `deep schemas are refused with their place`() throws {
        let depth = 70
        let schema =
            String(repeating: #"{"type":"array","items":"#, count: depth) + #"{"type":"null"}"#
            + String(repeating: "}", count: depth)
        let document = try JSON(parsing: Array(schema.utf8), depthMax: 100)
        #expect(
            throws: SchemaError.tooDeep(
                limit: 64,
                pointer: String(repeating: "/items", count: 64)
            )
        ) { try Grammar(schema: document) }
    }
}
