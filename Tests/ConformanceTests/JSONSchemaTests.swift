import Basics
import Foundation
import Inference
import Testing

/// Documents drawn at random from the masks of random schemas, over the real vocabulary, are
/// valid by the outside validator `jsonschema`.
struct JSONSchemaTests {
    static let schemaCount = 500

    /// Lengths that end most documents early, some, and few.
    static let budgets = [40, 120, 400]

    @Test(arguments: [11, 12])
    func `no document of random schemas is invalid`(seed: Int) throws {
        let made = try ClientProgram(
            script: "json_schemas.py",
            ["make", "\(Self.schemaCount)", "\(seed)"]
        )
        try #require(made.exitCode == 0, "\(made.shortComplaint)")
        let schemas = String(decoding: made.output, as: UTF8.self).split(separator: "\n")
        try #require(schemas.count == Self.schemaCount)

        let file = try MappedFile(path: ClientProgram.model())
        let tokenizer = try Tokenizer(
            metadata: file.withBytes { try GGUF(parsing: $0).metadata }
        )
        let vocabulary = TokenVocabulary(tokenizer)
        var lines = ""
        var refusedCount = 0
        for (index, text) in schemas.enumerated() {
            let schema = try JSON(parsing: String(text))
            let state: GrammarState
            do {
                state = try GrammarState(schema: schema)
            } catch {
                // Now and then a random schema has no document, which is said.
                refusedCount += 1
                continue
            }
            var draw = Draw(state, vocabulary, tokenizer, seed: UInt64(seed * 1_000 + index))
            let document = try draw.document(tokenCountMax: Self.budgets[index % 3])
            lines +=
                JSON.object([.init("schema", schema), .init("document", .string(document))]).text
            lines += "\n"
        }
        #expect(refusedCount * 20 < Self.schemaCount, "\(refusedCount) schemas are refused")

        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let cases = folder.appending(path: "cases")
        try Data(lines.utf8).write(to: cases)
        let verdict = try ClientProgram(script: "json_schemas.py", ["check", cases.path])
        try #require(verdict.exitCode == 0, "\(verdict.shortComplaint)")
        #expect(verdict.output.isEmpty, "\(String(decoding: verdict.output, as: UTF8.self))")
    }

    /// A generation without a model: every token the mask allows is as likely.
    private struct Draw {
        private var state: GrammarState
        private let vocabulary: TokenVocabulary
        private let tokenizer: Tokenizer
        private var chance: Chance

        init(
            _ state: GrammarState,
            _ vocabulary: TokenVocabulary,
            _ tokenizer: Tokenizer,
            seed: UInt64
        ) {
            self.state = state
            self.vocabulary = vocabulary
            self.tokenizer = tokenizer
            chance = Chance(seed: seed)
        }

        mutating func document(tokenCountMax: Int) throws -> String {
            let least = try #require(vocabulary.spell(state.shortestCompletion())).count
            var left = max(tokenCountMax, least)
            var bytes: [UInt8] = []
            while !state.isEnded {
                let allowed = state.mask(over: vocabulary).allowed
                var token = try #require(allowed.randomElement(using: &chance))
                // One in three goes straight to the end, or most would stay in one string.
                if Int.random(in: 0..<3, using: &chance) == 0,
                    let first = vocabulary.spell(state.shortestCompletion())?.first,
                    allowed.contains(first)
                {
                    token = first
                }
                left -= 1
                switch state.advance(token, over: vocabulary, tokenCountLeft: left) {
                case .taken:
                    if !state.isEnded { bytes += tokenizer.bytes(of: token) }
                case .refused: Issue.record("a token of the mask is refused")
                case .completed(let tokens):
                    #expect(tokens.count <= left + 1)
                    for token in tokens { bytes += tokenizer.bytes(of: token) }
                    return String(decoding: bytes, as: UTF8.self)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
