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
        "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "multipleOf", "allOf", "not",
        "if", "prefixItems", "contains", "uniqueItems", "patternProperties", "propertyNames",
        "dependentRequired", "unevaluatedProperties", "minProperties", "$dynamicRef", "nonsense",
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
            ("{}", .anything(pointer: "")), ("true", .anything(pointer: "")),
            ("false", .impossible(pointer: "")), ("[]", .malformed(keyword: "schema", pointer: "")),
            (#"{"type":"date"}"#, .unsupported(keyword: "date", pointer: "/type")),
            (#"{"type":[]}"#, .malformed(keyword: "type", pointer: "/type")),
            (#"{"type":"object"}"#, .freeContent(type: "object", pointer: "")),
            (#"{"type":"array"}"#, .freeContent(type: "array", pointer: "")),
            (#"{"type":"array","items":true}"#, .anything(pointer: "/items")),
            (#"{"type":"array","items":[]}"#, .malformed(keyword: "items", pointer: "/items")),
            (
                #"{"type":"object","properties":{},"additionalProperties":true}"#,
                .unsupported(keyword: "additionalProperties", pointer: "/additionalProperties")
            ),
            (
                #"{"type":"object","properties":{"a":{"type":"null"}},"required":["a","b"]}"#,
                .undescribed(property: "b", pointer: "/required")
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
            (
                #"{"enum":["abc"],"minLength":9}"#,
                .combined(keyword: "minLength", pointer: "/minLength")
            ),
            (
                #"{"type":"string","anyOf":[{"type":"string"}]}"#,
                .combined(keyword: "anyOf", pointer: "/anyOf")
            ),
            (#"{"anyOf":[]}"#, .malformed(keyword: "anyOf", pointer: "/anyOf")),
            (
                #"{"anyOf":[{"type":"null"},{"type":"string","format":"date"}]}"#,
                .unsupported(keyword: "format", pointer: "/anyOf/1/format")
            ),
            (
                ##"{"$ref":"#/$defs/x"}"##, .unresolved(reference: "#/$defs/x", pointer: "/$ref")
            ),
            (
                #"{"$ref":"https://example.com/s"}"#,
                .unresolved(reference: "https://example.com/s", pointer: "/$ref")
            ),
            (##"{"$ref":"#"}"##, .recursive(reference: "#", pointer: "/$ref")),
            (
                ##"{"$defs":{"n":{"type":"array","items":{"$ref":"#/$defs/n"}}},"$ref":"#/$defs/n"}"##,
                .recursive(reference: "#/$defs/n", pointer: "/$ref/items/$ref")
            ),
            (
                #"{"type":"string","minLength":70000}"#,
                .tooLarge(what: .shortestDocument, limit: 65_536)
            ),
            (
                #"{"type":"array","minItems":40000,"items":{"type":"string"}}"#,
                .tooLarge(what: .shortestDocument, limit: 65_536)
            ),
            (
                #"{"type":"array","minItems":9000000000000000000,"items":{"type":"string"}}"#,
                .tooLarge(what: .shortestDocument, limit: 65_536)
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

    @Test func `references that double at every level meet the budget`() throws {
        var definitions: [String] = []
        for level in 0..<20 {
            let next = ##"{"$ref":"#/$defs/l\##(level + 1)"}"##
            definitions.append(#""l\#(level)":{"anyOf":[\#(next),\#(next)]}"#)
        }
        definitions.append(#""l20":{"type":"null"}"#)
        let schema =
            ##"{"$defs":{"## + definitions.joined(separator: ",") + ##"},"$ref":"#/$defs/l0"}"##
        #expect(try Self.error(schema) == .tooLarge(what: .schemas, limit: 10_000))
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
            error == .tooLarge(what: .schemas, limit: 10_000)
                || error == .tooLarge(what: .comparisons, limit: 1_000_000)
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
