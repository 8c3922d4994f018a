import ArgumentParser
import Basics
import Inference

extension ModelCommand {
    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect",
            abstract: "Show what a GGUF file holds, and whether it can be computed here.",
            discussion: "Example: swiftlet model inspect smollm2.gguf")

        @Argument(help: "A GGUF file; of a split model the first part.", completion: .file())
        var file: String
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func run() async throws {
            _ = try ArtifactFile.open(file)
            let path = file
            let inspection = try await OwnThread.run { try ModelInspection(path: path) }
            if json { return Terminal.document(inspection.document) }
            for (label, value) in inspection.lines {
                let padding = String(repeating: " ", count: max(0, 18 - label.count))
                Terminal.line(Terminal.style(label, .bold) + padding + Self.printable(value))
            }
        }

        /// What a stranger's file says, without what would steer the terminal.
        private static func printable(_ text: String) -> String {
            let scalars = text.unicodeScalars.prefix(200).map { scalar in
                scalar.properties.generalCategory == .control ? " " : scalar
            }
            return String(String.UnicodeScalarView(scalars))
        }
    }
}

extension ModelInspection {
    /// Hyper-parameters that are shown: the label, the key in JSON and the one in the file.
    private static let shown: [(label: String, key: String, name: String)] = [
        ("layers", "layer_count", "block_count"),
        ("embedding", "embedding_length", "embedding_length"),
        ("feed forward", "feed_forward_length", "feed_forward_length"),
        ("heads", "head_count", "attention.head_count"),
        ("heads of keys", "head_count_kv", "attention.head_count_kv"),
        ("head length", "head_length", "attention.key_length"),
        ("context", "context_length", "context_length"),
        ("experts", "expert_count", "expert_count"),
        ("window", "sliding_window", "attention.sliding_window"),
        ("rope base", "rope_freq_base", "rope.freq_base"),
        ("rope scaling", "rope_scaling_type", "rope.scaling.type"),
        ("rope factor", "rope_scaling_factor", "rope.scaling.factor"),
    ]

    /// What people see, line by line.
    var lines: [(String, String)] {
        var lines: [(String, String)] = [
            ("name", metadata.string("general.name") ?? "-"),
            ("architecture", architecture ?? "-"),
        ]
        for (label, _, name) in Self.shown {
            if let value = hyperParameter(name) { lines.append((label, value)) }
        }
        lines.append(("vocabulary", vocabularyCount.map { "\($0) tokens" } ?? "-"))
        lines.append(("tokenizer", tokenizer.joined(separator: ", ")))
        lines.append(("chat template", hasChatTemplate ? "yes" : "no"))
        lines.append(("parameters", parameterText))
        lines.append(("file type", fileType ?? "-"))
        for type in types {
            lines.append(
                ("tensors \(type.type)",
                "\(type.tensorCount) with \(Text.byteCount(UInt64(type.byteCount)))"))
        }
        lines.append(("size", sizeText))
        for (key, value) in licenceKeys {
            lines.append((String(key.dropFirst("general.".count)), value))
        }
        if let kvByteCountPerToken {
            let byteCount = Text.byteCount(UInt64(kvByteCountPerToken))
            lines.append(("KV cache", "\(byteCount) for each token"))
        }
        lines.append(("runs here", refusal.map { "no: \($0)" } ?? "yes"))
        if let tokenizerRefusal { lines.append(("text", "no: \(tokenizerRefusal)")) }
        return lines
    }

    private var tokenizer: [String] {
        let parts = ["model", "pre"].compactMap { metadata.string("tokenizer.ggml." + $0) }
        return parts.isEmpty ? ["-"] : parts
    }

    private var parameterText: String {
        let millions = Double(parameterCount) / 1e6
        return millions < 1_000
            ? "\(Text.decimal(millions, 1)) million" : "\(Text.decimal(millions / 1e3, 2)) billion"
    }

    private var sizeText: String {
        let size = Text.byteCount(UInt64(fileByteCount))
        return paths.count == 1 ? size : "\(size) in \(paths.count) files"
    }

    /// The same for programs; keys are always there, null where the file says nothing.
    var document: JSON {
        func text(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
        func integer(_ value: Int?) -> JSON { value.map { .integer(Int64($0)) } ?? .null }
        func shown(_ value: String?) -> JSON {
            guard let value else { return .null }
            if let number = Int64(value) { return .integer(number) }
            return Double(value).map { .number($0) } ?? .string(value)
        }
        var members: [(String, JSON)] = [
            ("name", text(metadata.string("general.name"))), ("architecture", text(architecture)),
        ]
        members += Self.shown.map { ($0.key, shown(hyperParameter($0.name))) }
        members += [
            ("vocabulary_count", integer(vocabularyCount)),
            ("tokenizer_model", text(metadata.string("tokenizer.ggml.model"))),
            ("tokenizer_pre", text(metadata.string("tokenizer.ggml.pre"))),
            ("chat_template", .bool(hasChatTemplate)),
            ("parameter_count", integer(parameterCount)), ("tensor_count", integer(tensorCount)),
            ("file_type", text(fileType)),
            ("tensor_types", .array(types.map { type in
                [
                    "type": .string("\(type.type)"), "tensor_count": integer(type.tensorCount),
                    "byte_count": integer(type.byteCount),
                ]
            })),
            ("byte_count", integer(fileByteCount)),
            ("files", .array(paths.map { .string($0) })),
            ("license", text(metadata.string("general.license"))),
            ("license_keys", .array(licenceKeys.map {
                ["key": .string($0.key), "value": .string($0.value)]
            })),
            ("kv_bytes_per_token", integer(kvByteCountPerToken)),
            ("runs_here", .bool(refusal == nil)), ("refusal", text(refusal)),
            ("tokenizer_refusal", text(tokenizerRefusal)),
        ]
        return .object(members.map { JSON.Member($0.0, $0.1) })
    }
}
