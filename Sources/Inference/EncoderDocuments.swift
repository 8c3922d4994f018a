import Basics

/// The small files that say what a safetensors model is, from its directory or from its header.
struct EncoderDocuments {
    private let texts: [JSON.Member]
    private let directory: String?

    /// As much as a packed file can carry: the tokenizers of the largest vocabularies.
    private static let byteCountMax = Safetensors.headerByteCountMax
    /// All that are read, and that a packed file carries. One of the last two is the vocabulary.
    private static let names = [
        "config.json", "modules.json", "1_Pooling/config.json", "tokenizer_config.json",
        "vocab.txt", "tokenizer.json",
    ]

    init(_ header: Safetensors, directory: String?) {
        texts = header.documents
        self.directory = directory
    }

    /// Those that are there; the vocabulary once.
    func all() throws(EncoderError) -> [JSON.Member] {
        var found: [JSON.Member] = []
        for name in Self.names {
            if name == "tokenizer.json", found.contains(where: { $0.name == "vocab.txt" }) {
                continue
            }
            if let text = try text(name) { found.append(.init(name, .string(text))) }
        }
        return found
    }

    func json(_ name: String) throws(EncoderError) -> JSON {
        guard let document = try optionalJSON(name) else { throw .missingDocument(name) }
        return document
    }

    /// As sentence-transformers writes it; a bare BERT is pooled by the mean, as there.
    func pooling() throws(EncoderError) -> Pooling {
        // A further module would be a computation that is left out.
        for module in try optionalJSON("modules.json")?.asArray ?? [] {
            let type = module["type"]?.asString ?? "unknown"
            let name = type.split(separator: ".").last ?? ""
            guard ["Transformer", "Pooling", "Normalize"].contains(name) else {
                throw .unacceptable(key: "module", value: type)
            }
        }
        guard let config = try optionalJSON("1_Pooling/config.json") else { return .mean }
        let known: [(String, Pooling)] = [
            ("pooling_mode_cls_token", .first), ("pooling_mode_mean_tokens", .mean),
            ("pooling_mode_lasttoken", .last),
        ]
        let modes = (config.asObject ?? []).filter {
            $0.name.hasPrefix("pooling_mode_") && $0.value == true
        }
        guard modes.count == 1, let mode = known.first(where: { $0.0 == modes[0].name }) else {
            throw .unacceptable(
                key: "pooling", value: modes.map(\.name).joined(separator: " with "))
        }
        return mode.1
    }

    func tokenizer() throws(EncoderError) -> WordPiece {
        let config = try optionalJSON("tokenizer_config.json") ?? .object([])
        let lowercases = config["do_lower_case"]?.asBool ?? true
        // Null means: as the case is treated.
        if let strips = config["strip_accents"]?.asBool, strips != lowercases {
            throw .unacceptable(key: "strip_accents", value: "\(strips)")
        }
        guard config["tokenize_chinese_chars"]?.asBool != false else {
            throw .unacceptable(key: "tokenize_chinese_chars", value: "false")
        }
        let tokens = try vocabulary()
        do throws(TokenizerError) {
            return try WordPiece(
                try WordPiece.Vocabulary(tokens: tokens, lowercases: lowercases))
        } catch {
            throw .tokenizer(error)
        }
    }

    /// vocab.txt, a token a line; else the vocabulary inside tokenizer.json.
    private func vocabulary() throws(EncoderError) -> [String] {
        if let text = try text("vocab.txt") {
            var lines = text.utf8.split(separator: 10, omittingEmptySubsequences: false)
            if lines.last?.isEmpty == true { lines.removeLast() }
            return lines.map { String(Substring($0.last == 13 ? $0.dropLast() : $0)) }
        }
        guard let document = try optionalJSON("tokenizer.json") else {
            throw .missingDocument("vocab.txt")
        }
        guard let model = document["model"], model["type"]?.asString == "WordPiece",
            let entries = model["vocab"]?.asObject
        else { throw .missingKey("model.vocab of type WordPiece in tokenizer.json") }
        var tokens = [String?](repeating: nil, count: entries.count)
        for entry in entries {
            guard let number = entry.value.asInteger, let id = Int(exactly: number),
                tokens.indices.contains(id), tokens[id] == nil
            else { throw .unacceptable(key: "vocab", value: entry.name) }
            tokens[id] = entry.name
        }
        return tokens.compactMap { $0 }
    }

    private func optionalJSON(_ name: String) throws(EncoderError) -> JSON? {
        guard let text = try text(name) else { return nil }
        do throws(JSON.Mistake) {
            return try JSON(parsing: text)
        } catch {
            throw .badDocument(name: name, error)
        }
    }

    /// Nil when there is none. A directory's files count before the header's texts.
    private func text(_ name: String) throws(EncoderError) -> String? {
        guard let directory else { return texts.first { $0.name == name }?.value.asString }
        guard let file = try? EncoderModel.map("\(directory)/\(name)") else { return nil }
        guard file.byteCount <= Self.byteCountMax else {
            throw .documentTooLong(
                name: name, byteCount: file.byteCount, limit: Self.byteCountMax)
        }
        return file.withBytes { bytes in
            String(decoding: (0..<bytes.count).map { bytes[$0] }, as: UTF8.self)
        }
    }
}
