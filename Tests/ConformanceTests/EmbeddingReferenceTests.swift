import Basics
import Foundation
import Inference
import Testing

/// all-MiniLM-L6-v2 beside independent implementations: Hugging Face's tokenizers, and BERT in
/// double precision in numpy on the same weights (`Clients/bert_reference.py`).
///
/// `SWIFTLET_FUZZ_STRINGS` says how many strings are made up, else 10,000.
struct EmbeddingReferenceTests {
    struct Reference {
        var strings: [String]
        var ids: [[TokenID]]
        var vectors: [[Double]]
    }

    static let texts: [String] = {
        let sentences = [
            "A cat sits on the mat.", "A kitten is sitting on a rug.", "Stocks fell on Tuesday.",
            "Die Straße ist naß, und Ärger liegt in der Luft.", "東京は日本の首都です。",
            "The quick brown fox jumps over the lazy dog!", "x", "E = mc² (1905)", "don't [SEP] me",
            "unaffable, antidisestablishmentarianism", "int main() { return 0; }", "👩‍👩‍👧 and more",
        ]
        // Up to the model's 512 tokens, in steps that are no multiple of a vector's lanes.
        let long = (1...24).map { count in
            (0..<count).map { sentences[($0 * 5 + count) % sentences.count] }
                .joined(separator: " ")
        }
        return sentences + long
    }()

    static let reference = Result { try makeReference() }

    private static func makeReference() throws -> Reference {
        let variable = ProcessInfo.processInfo.environment["SWIFTLET_FUZZ_STRINGS"]
        let count = variable.flatMap { Int64($0) } ?? 10_000
        let request: JSON = [
            "fuzz": ["seed": 20_251_124, "count": .integer(count)],
            "texts": .array(texts.map { .string($0) }),
        ]
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "request.json")
        try Data(request.text.utf8).write(to: file)
        let run = try ClientProgram(
            script: "bert_reference.py", [ClientProgram.encoder(), file.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        let answer = try JSON(parsing: run.output)
        func lists(_ name: String) -> [[JSON]] {
            (answer[name]?.asArray ?? []).map { $0.asArray ?? [] }
        }
        return Reference(
            strings: (answer["strings"]?.asArray ?? []).compactMap(\.asString),
            ids: lists("ids").map { $0.compactMap(\.asInteger).map { TokenID($0) } },
            vectors: lists("vectors").map { $0.compactMap(\.asDouble) })
    }

    @Test func `made-up strings have the ids that the tokenizers package gives them`() throws {
        let reference = try Self.reference.get()
        try #require(!reference.strings.isEmpty && reference.ids.count == reference.strings.count)
        let tokenizer = try EncoderModel(path: ClientProgram.encoder()).tokenizer
        var partings = 0
        for (text, expected) in zip(reference.strings, reference.ids) {
            let found = try tokenizer.encode(text)
            guard found != expected else { continue }
            partings += 1
            let scalars = text.unicodeScalars.prefix(80).map { String($0.value, radix: 16) }
            let common = zip(found, expected).prefix { $0 == $1 }.count
            Issue.record(
                """
                \(scalars.joined(separator: " ")), token \(common): \
                \(found.dropFirst(common).prefix(4)), not \(expected.dropFirst(common).prefix(4))
                """)
            if partings == 10 { break }
        }
        let tokenCount = reference.ids.reduce(0) { $0 + $1.count }
        print("\(reference.strings.count) strings have the same \(tokenCount) ids")
    }

    @Test(arguments: [1, 2])
    func `vectors are those of BERT in double precision`(threads: Int) throws {
        let expected = try Self.reference.get().vectors
        try #require(expected.count == Self.texts.count)
        let embedder = try Embedder(path: ClientProgram.encoder(), threads: threads)
        let found = try embedder.embed(Self.texts.map { try embedder.tokens(of: $0) })
        var (leastCosine, greatestError) = (1.0, 0.0)
        for (one, other) in zip(found, expected) {
            try #require(one.count == 384 && other.count == 384)
            leastCosine = min(leastCosine, Pooling.cosine(one, other.map { Float($0) }))
            for (x, y) in zip(one, other) { greatestError = max(greatestError, abs(Double(x) - y)) }
        }
        print(
            "\(found.count) texts, \(threads) threads: 1 - cosine at most \(1 - leastCosine), "
                + "an element is off by at most \(greatestError)")
        #expect(0.9999 <= leastCosine)
        // Vectors of length 1 with 384 elements: an element is 0.05, a float of it ends at 4e-9.
        #expect(greatestError < 1e-5)
    }

    @Test func `near texts are nearer than others`() throws {
        let embedder = try Embedder(path: ClientProgram.encoder(), threads: 1)
        let vectors = try embedder.embed(Self.texts[..<3].map { try embedder.tokens(of: $0) })
        #expect(Pooling.cosine(vectors[0], vectors[1]) > 0.5)
        #expect(Pooling.cosine(vectors[0], vectors[2]) < 0.2)
    }

    @Test func `the packed file gives the very vectors of the directory`() throws {
        let directory = try ClientProgram.encoder()
        let (header, dataOffset) = try EncoderModel.packed(directory: directory)
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let weights = try Data(contentsOf: URL(filePath: directory + "/model.safetensors"))
        let file = folder.appending(path: "packed.safetensors")
        try (Data(header) + weights[dataOffset...]).write(to: file)
        let both = try [directory, file.path].map { path in
            let embedder = try Embedder(path: path, threads: 1)
            return try embedder.embed(Self.texts[..<8].map { try embedder.tokens(of: $0) })
        }
        #expect(both[0] == both[1])
    }

    /// The least cosine to llama.cpp's vectors by the type of the matrices: its GELU is a table of
    /// 16-bit floats, and it rounds activations for Q8_0 in its own way.
    static let bounds: [(type: String, leastCosine: Double)] = [
        ("F32", 0.999_99), ("F16", 0.999_99), ("Q8_0", 0.999),
    ]

    @Test(arguments: bounds.indices)
    func `a GGUF encoder gives the vectors that llama_cpp gives`(index: Int) throws {
        let (type, bound) = Self.bounds[index]
        let reference = try Self.reference.get()
        let directory = try EncoderModel(path: ClientProgram.encoder()).tokenizer
        let tokens = try Self.texts[..<16].map { try directory.encode($0) }
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let (file, request) = (folder.appending(path: "e.gguf"), folder.appending(path: "tokens"))
        let lists = tokens.map { JSON.array($0.map { .integer(Int64($0)) }) }
        try Data(JSON.array(lists).text.utf8).write(to: request)
        let run = try ClientProgram(
            script: "bert_gguf.py", [ClientProgram.encoder(), file.path, type, request.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        let expected = (try JSON(parsing: run.output).asArray ?? []).map {
            ($0.asArray ?? []).compactMap(\.asDouble).map { Float($0) }
        }
        let embedder = try Embedder(path: file.path, threads: 2)
        let found = try embedder.embed(tokens)
        try #require(expected.count == found.count)
        let cosines = zip(found, expected).map { Pooling.cosine($0, $1) }
        print("\(type): 1 - cosine to llama.cpp's vectors at most \(1 - (cosines.min() ?? 0))")
        #expect(cosines.allSatisfy { bound <= $0 })
        guard type == "F32" else { return }
        for (text, ids) in zip(reference.strings, reference.ids) {
            let found = try embedder.tokens(of: text)
            try #require(found == ids)
        }
        // The same weights in the other format: the same bits.
        let other = try Embedder(path: ClientProgram.encoder(), threads: 1)
        #expect(try other.embed(tokens) == found)
    }
}
