import Basics
import Glibc
import Inference
import Testing

/// Constraints made at random, and ones made worse byte by byte: each is a grammar or a typed
/// error, and takes a bounded time either way.
///
/// `SWIFTLET_FUZZ_COUNT` sets how many of each kind are tried; without it 2,000.
struct GrammarFuzzTests {
    private static let count: Int = {
        getenv("SWIFTLET_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2_000
    }()

    private static let words = [
        "type", "properties", "required", "items", "prefixItems", "minItems", "maxItems", "enum",
        "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "minLength", "maxLength", "pattern",
        "format", "minimum", "maximum", "exclusiveMinimum", "additionalProperties", "string",
        "integer", "number", "object", "array", "null", "boolean", "date", "#", "#/$defs/a", "a",
    ]
    private static let seeds =
        GrammarTests.schemas + GrammarTests.furtherSchemas + [GrammarTests.toolCall]
    private static let patterns = [
        #"^(a|b)*c{2,5}[^x-z\d]\w+$"#, #"(?<n>[\u00e0-\u00fc]{3})|\.{1,9}?"#, "a{20}b?c*",
        #"((x|y)+(z{3}|\n))*"#,
    ]

    private static func value(_ random: inout KernelRandomness, depth: Int) -> JSON {
        switch Int.random(in: 0..<(depth < 5 ? 9 : 6), using: &random) {
        case 0: return .string(words.randomElement(using: &random) ?? "")
        case 1: return .integer(Int64.random(in: -3...40, using: &random))
        case 2:
            return [
                0, 1, -1, .integer(.max), .integer(.min), 1e300, 0.5, -1e-300, true, false, nil,
            ]
            .randomElement(using: &random) ?? nil
        case 3: return .string(patterns.randomElement(using: &random) ?? "")
        case 4: return true
        case 5: return [:]
        case 6:
            let count = Int.random(in: 0..<4, using: &random)
            return .array((0..<count).map { _ in value(&random, depth: depth + 1) })
        default:
            let names = (0..<Int.random(in: 0..<5, using: &random)).compactMap { _ in
                words.randomElement(using: &random)
            }
            return .object(names.map { .init($0, value(&random, depth: depth + 1)) })
        }
    }

    private static func mutated(_ text: String, _ random: inout KernelRandomness) -> [UInt8] {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !bytes.isEmpty else { return bytes }
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0x20...0x7E, using: &random)
            case 1: bytes.remove(at: index)
            case 2:
                let end = min(bytes.count, index + Int.random(in: 1...20, using: &random))
                bytes.insert(contentsOf: bytes[index..<end], at: index)
            default: bytes.insert(UInt8(ascii: "9"), at: index)
            }
        }
        return bytes
    }

    /// A constraint that is taken must lead to an end, too.
    private static func walk(_ state: GrammarState, _ random: inout KernelRandomness) {
        let vocabulary = GrammarWalk.byteVocabulary
        var walk = GrammarWalk(state, over: vocabulary, seed: random.next())
        walk.run(tokenCountMax: 12)
        let end = GrammarProbe(walk.state)
        #expect(!walk.isStuck)
        #expect(end.isEnded || end.advance(bytes: end.shortestCompletion()))
        #expect(end.isEnded || end.isComplete)
    }

    @Test func `random and mutated schemas are grammars or errors`() {
        var random = KernelRandomness(seed: 71)
        var takenCount = 0
        for index in 0..<Self.count {
            let text = Self.mutated(Self.seeds[index % Self.seeds.count], &random)
            let documents = [
                Self.value(&random, depth: 0), try? JSON(parsing: text),
            ].compactMap { $0 }
            for document in documents {
                do throws(SchemaError) {
                    let state = try GrammarState(schema: document)
                    takenCount += 1
                    Self.walk(state, &random)
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
        // A fuzzer that takes nothing looks at nothing but the first check.
        #expect(Self.count / 10 < takenCount)
    }

    @Test func `random and mutated patterns are grammars or errors`() {
        var random = KernelRandomness(seed: 72)
        let signs = Array(#"ab01().*+?{}[]|^$\-,dwsDWSx{2,9}{100}[a-z]é日"#)
        var takenCount = 0
        for index in 0..<Self.count {
            let made = String(
                (0..<Int.random(in: 1...24, using: &random)).compactMap { _ in
                    signs.randomElement(using: &random)
                }
            )
            let mutant = Self.mutated(Self.patterns[index % Self.patterns.count], &random)
            for pattern in [made, String(decoding: mutant, as: UTF8.self)] {
                do throws(RegularExpressionError) {
                    let state = try GrammarState(regex: pattern)
                    takenCount += 1
                    Self.walk(state, &random)
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
        #expect(Self.count / 10 < takenCount)
    }
}
