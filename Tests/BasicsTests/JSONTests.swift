import Basics
import Testing

struct JSONTests {
    @Test(arguments: [
        "null", "true", "[]", "{}", "[1,-2,3.5]", #"{"b":1,"a":[{"c":null}]}"#, #""a\"\\\n\u0001é""#,
        "9223372036854775807", "-0", "1e+30",
    ])
    func `what is read and written is read again as the same value`(text: String) throws {
        let value = try JSON(parsing: text)
        #expect(try JSON(parsing: value.text) == value)
        #expect(try JSON(parsing: value.prettyText) == value)
    }

    @Test func `members keep their order and text is compact`() throws {
        let text = #"{"z":1,"a":"x","m":[true,null]}"#
        #expect(try JSON(parsing: " { \"z\" : 1, \"a\":\"x\",\"m\":[true , null]} ").text == text)
    }

    @Test func `composed and decomposed names are two names`() throws {
        let value = try JSON(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        #expect(value["\u{E9}"] == 1 && value["e\u{301}"] == 2)
        #expect(try JSON(parsing: value.text) == value)
        #expect(JSON.object([.init("\u{E9}", 1)]) != .object([.init("e\u{301}", 1)]))
        #expect(try JSON(parsing: "{\"e\u{301}\":1}")["\u{E9}"] == nil)
        // One name in two ways of writing it still stands twice.
        #expect(throws: JSON.Mistake.duplicateName("\u{E9}")) {
            try JSON(parsing: "{\"\u{E9}\":1,\"\\u00e9\":2}")
        }
    }

    @Test func `surrogate pairs become one character and lone ones are refused`() throws {
        #expect(try JSON(parsing: #""\ud83d\ude00""#).asString == "😀")
        #expect(throws: JSON.Mistake.self) { try JSON(parsing: #""\ud83d""#) }
        #expect(throws: JSON.Mistake.self) { try JSON(parsing: #""\ude00""#) }
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":}", "01", "1.", ".5", "+1", "tru", "\"\u{01}\"", "[1] 2", "1e999",
        "{\"a\":1,\"a\":2}", "'a'", "\"\\x\"", "[1 2]", "nul", "--1", "\"\\u12\"",
    ])
    func `text that is not JSON is refused`(text: String) {
        #expect(throws: JSON.Mistake.self) { try JSON(parsing: text) }
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        #expect(throws: JSON.Mistake.self) { try JSON(parsing: [0x22, 0xff, 0x22]) }
    }

    @Test(arguments: [
        ("{\"a\":1,\"a\":2}", "the name \"a\" stands twice in one object"),
        ("[1 2]", "byte 3 does not belong there"), ("[1", "it ends too early"),
        ("[01]", "what begins at byte 1 is no number"),
        ("[1] 2", "something follows its end, at byte 4"),
        (String(repeating: "[", count: 99), "it nests deeper than 64 levels"),
    ])
    func `a mistake is told in words`(text: String, words: String) {
        #expect { try JSON(parsing: text) } throws: { "\($0)" == words }
    }

    @Test func `depth has a bound`() {
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(throws: JSON.Mistake.tooDeep(depthMax: 64)) { try JSON(parsing: deep) }
    }

    @Test func `ten thousand damaged documents are read or refused, never worse`() throws {
        let source = Array(#"{"a":[1,2.5e3,"xé\u00e9\n",{"b":null,"c":[true,false]}],"d":-7}"#.utf8)
        var chance = Chance(seed: 1)
        var refusedCount = 0
        for _ in 0..<10_000 {
            var bytes = source
            for _ in 0..<Int.random(in: 1...4, using: &chance) {
                let index = Int.random(in: bytes.indices, using: &chance)
                bytes[index] = UInt8.random(in: .min ... .max, using: &chance)
            }
            do {
                let value = try JSON(parsing: bytes)
                #expect(try JSON(parsing: value.text) == value)
            } catch {
                refusedCount += 1
            }
        }
        #expect(refusedCount > 5_000)
    }
}
