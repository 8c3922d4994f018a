import ArgumentParser
import Basics
import Foundation
import Inference

struct EmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed", abstract: "Turn texts into vectors, and say how near they are.",
        discussion: """
            With --local the model is a file, or a directory with model.safetensors, and this \
            process does the work. For two texts or more, a table shows the cosines between them. \
            With --json the vectors themselves are the answer.

            Example: swiftlet embed --local all-MiniLM-L6-v2 "a cat" "a kitten" "a stone"
            Example: swiftlet embed --data n1 minilm "a cat" "a kitten" --json
            """)

    @OptionGroup var options: NodeOptions
    @Flag(help: "Do the work here: NAME is a path.")
    var local = false
    @Option(help: "With --local: how many threads; else one for each core.")
    var threads: Int?
    @Argument(help: "The model's name; with --local its file or directory.")
    var name: String
    @Argument(help: "The texts.")
    var texts: [String]

    func validate() throws {
        guard !texts.isEmpty, !texts.contains("") else {
            throw ValidationError("Give at least one text, and none that is empty.")
        }
        guard 0 < threads ?? 1 else { throw ValidationError("--threads must be 1 or more.") }
    }

    /// What either way gives.
    private struct Answer: Sendable {
        var vectors: [[Float]]
        var tokenCount: Int
    }

    func run() async throws {
        let answer = local ? try await embedHere() : try await askNode()
        let cosines = answer.vectors.map { row in
            answer.vectors.map { Pooling.cosine(row, $0) }
        }
        if options.json {
            return Terminal.document([
                "model": .string(name),
                "dimensions": .integer(Int64(answer.vectors.first?.count ?? 0)),
                "tokens": .integer(Int64(answer.tokenCount)),
                "embeddings": .array(
                    answer.vectors.map { .array($0.map { .number(Double($0)) }) }),
                "cosines": .array(cosines.map { .array($0.map { .number($0) }) }),
            ])
        }
        Terminal.line(
            "\(answer.vectors.count) vectors of \(answer.vectors.first?.count ?? 0), "
                + "\(answer.tokenCount) tokens")
        guard 1 < texts.count else { return }
        var table = Table("COSINE", "OF", "AND")
        for first in texts.indices {
            for second in texts.indices where first < second {
                table.add(
                    Text.decimal(cosines[first][second], 4), Self.cell(texts[first]),
                    Self.cell(texts[second]))
            }
        }
        table.show(orSay: "There is nothing to compare.")
    }

    /// A text as a table shows it: 40 characters, which make two columns of a terminal.
    private static func cell(_ text: String) -> String {
        let start = text.prefix(40)
        return start.endIndex < text.endIndex ? start.dropLast() + "…" : text
    }

    private func embedHere() async throws -> Answer {
        guard FileManager.default.fileExists(atPath: name) else {
            throw Refusal("There is no file \(name); check the path.")
        }
        let (path, texts) = (name, texts)
        let threadCount = threads ?? ProcessInfo.processInfo.activeProcessorCount
        return try await OwnThread.run {
            let embedder = try Embedder(path: path, threads: threadCount)
            let tokens = try texts.map { try embedder.tokens(of: $0) }
            return Answer(
                vectors: try embedder.embed(tokens),
                tokenCount: tokens.reduce(0) { $0 + $1.count })
        }
    }

    private func askNode() async throws -> Answer {
        let body: JSON = [
            "model": .string(name), "input": .array(texts.map { .string($0) }),
            "encoding_format": "base64",
        ]
        let answer = try await options.withNode { try await $0.post("/v1/embeddings", body) }
        let vectors = try (answer["data"]?.asArray ?? []).map { item in
            guard let bytes = item["embedding"]?.asString.flatMap({ Base64.decode($0) }) else {
                throw Refusal("The node answered with no vector; is its version the same?")
            }
            var reader = ByteReader(bytes)
            var vector: [Float] = []
            while let word = reader.integer(UInt32.self) { vector.append(Float(bitPattern: word)) }
            return vector
        }
        guard vectors.count == texts.count, Set(vectors.map(\.count)).count == 1 else {
            throw Refusal("The node answered with \(vectors.count) vectors; ask again.")
        }
        return Answer(
            vectors: vectors,
            tokenCount: Int(clamping: answer["usage"]?["total_tokens"]?.asInteger ?? 0))
    }
}
