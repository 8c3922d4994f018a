import Basics
import Inference
import Testing

struct RegularExpressionTests {
    private static func error(_ pattern: String) -> RegularExpressionError? {
        do throws(RegularExpressionError) {
            _ = try Grammar(regex: pattern)
            return nil
        } catch {
            return error
        }
    }

    private static func matches(_ pattern: String, _ text: String) throws -> Bool {
        let state = try GrammarProbe(GrammarState(regex: pattern))
        return state.advance(bytes: text.utf8) && state.isComplete
    }

    @Test(
        arguments: [
            ("abc", ["abc"], ["", "ab", "abcd", "xabc"]),
            ("^abc$", ["abc"], ["^abc$", "xabc"]),
            ("a|b|", ["a", "b", ""], ["ab"]),
            ("(ab|c)*d", ["d", "abd", "cccabd"], ["", "abcabc", "ad"]),
            ("a{2,4}", ["aa", "aaa", "aaaa"], ["a", "aaaaa"]),
            ("a{0}b{3}(c{2,})?", ["bbb", "bbbcc", "bbbcccc"], ["abbb", "bbbc"]),
            (#"a\{,3}"#, ["a{,3}"], ["aaa"]), ("{a}]", ["{a}]"], ["a"]),
            ("[a-c0-9_-]+", ["b7_-", "-"], ["d", "a b"]),
            ("[^a-z]", ["A", "日", "é", "\n", "😀"], ["a", "AB"]),
            (#"[\]a]"#, ["]", "a"], ["b"]),
            (#"\d\w\s\."#, ["4_ .", "4z\t."], ["٤_ .", "4-_ ."]),
            (#"\D\W\S"#, ["a-x"], ["1-x", "a_x", "a- ", "日-x"]),
            (#"[^\d]"#, ["a"], ["1", "é"]),
            (#"\x41\x{1F600}\u00e9\u{e9}"#, ["A😀éé"], ["A😀ée"]),
            (#"[\b]\n\t\/"#, ["\u{8}\n\t/"], ["b\n\t/"]),
            (".", ["a", "😀", "\u{7FF}", "\u{800}", "\u{FFFF}"], ["\n", "\r", "\u{2028}", ""]),
            ("(?:a)(?<n>b)(?P<m>c)", ["abc"], ["ab"]),
            ("a*?b+?c??", ["b", "aabbc"], ["a", "acc"]),
            ("[à-ü日本]+", ["éü日"], ["x", "Ü"]),
            ("(((a)))((b)|(c(d)?))", ["ab", "ac", "acd"], ["a", "abd"]),
        ] as [(String, [String], [String])]
    )
    func `a pattern matches whole texts`(
        pattern: String,
        right: [String],
        wrong: [String]
    ) throws {
        for text in right { #expect(try Self.matches(pattern, text), "\(text)") }
        for text in wrong { #expect(!(try Self.matches(pattern, text)), "\(text)") }
    }

    @Test(
        arguments: [
            ("(?=a)b", "look-ahead (?="), ("a(?!b)", "look-ahead (?!"),
            ("(?<=a)b", "look-behind (?<="), ("(?<!a)b", "look-behind (?<!"),
            ("(?>a)", "an atomic group (?>"), ("(?i)a", "a group with flags (?"),
            (#"(a)\1"#, #"the back-reference \1"#), (#"\k<n>"#, #"the back-reference \k"#),
            (#"\bword"#, #"the word border \b"#), (#"\p{L}"#, #"the Unicode property \p"#),
            (#"\Aa"#, #"the anchor \A"#), (#"\Qa"#, #"the escape \Q"#), ("a++", "a possessive +"),
            ("a^b", "^ inside a branch"), ("(a$)b", "$ inside a branch"),
            ("a{,3}", "a {,"), ("[[:alpha:]]", "a [ inside a class that is not escaped"),
        ] as [(String, String)]
    )
    func `what a text alone does not say is refused by name`(
        pattern: String,
        construct: String
    ) throws {
        let error = try #require(Self.error(pattern))
        guard case .unsupported(construct, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect("\(error)".contains(construct))
    }

    @Test(
        arguments: [
            "(", ")", "a)", "(a", "[", "[a", "[z-a]", "[a", "*", "+a", "a{2", "a{3,2}", "a**",
            "{3}",
            "\\", "\\x4", "\\u12", "\\x{}", "\\x{110000}", "\\ud800", "(?<a-b>c)", "(?<n", "a|*",
            "a{1}{2}",
        ])
    func `what is malformed is refused with its place`(pattern: String) throws {
        let error = try #require(Self.error(pattern))
        guard case .malformed(_, let offset) = error else {
            Issue.record("\(pattern): \(error)")
            return
        }
        #expect(0...pattern.unicodeScalars.count ~= offset)
    }

    @Test func `what needs too much is refused before it is made`() {
        #expect(Self.error("a{1001}") == .tooLarge(what: "repetitions", limit: 1_000))
        let long = String(repeating: "a", count: 4_097)
        #expect(Self.error(long) == .tooLarge(what: "characters", limit: 4_096))
        let deep = String(repeating: "(", count: 64) + "a" + String(repeating: ")", count: 64)
        #expect(Self.error(deep) == .tooLarge(what: "levels of groups", limit: 64))
        for pattern in ["(a|b)*a(a|b){24}", "((a{1000}){1000}){1000}", "((a?){1000}){1000}"] {
            guard case .tooLarge? = Self.error(pattern) else {
                Issue.record("\(pattern) is taken")
                continue
            }
        }
        #expect(Self.error("[^\\x00-\\x{10FFFF}]") == .impossible)
    }

    @Test func `a pattern in a schema searches, and means characters and not their spelling`()
        throws
    {
        let schema: JSON = ["type": "string", "pattern": #"[\n"\\]b$"#, "maxLength": 4]
        for (text, isRight) in [
            (#""\nb""#, true), (#""x\"b""#, true), (#""é日\\b""#, true), (#""\u000ab""#, false),
            (#""b""#, false), (#""xyz\nb""#, false), (#""\nbx""#, false),
        ] {
            let state = try GrammarProbe(schema: schema)
            let isTaken = state.advance(bytes: text.utf8) && state.isComplete
            #expect(isTaken == isRight, "\(text)")
        }
    }

    @Test func `the shortest text completes a pattern from anywhere`() throws {
        var random = KernelRandomness(seed: 3)
        for pattern in ["(ab|c){3,5}-[0-9a-f]+", "x(y(z|日本)*)?$", #"[^a]{4}\w*\?"#] {
            var state = try GrammarState(regex: pattern)
            for _ in 0..<40 {
                let probe = GrammarProbe(state)
                #expect(probe.advance(bytes: probe.shortestCompletion()))
                #expect(probe.isComplete)
                let allowed = state.mask(over: GrammarWalk.byteVocabulary).allowed
                guard let token = allowed.randomElement(using: &random), token < 256 else { break }
                state.advance(bytes: [UInt8(token)])
            }
        }
    }
}
