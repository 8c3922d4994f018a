/// What a GGUF file says about its model, for people: readable for every architecture, also for
/// models that this engine cannot compute.
package struct ModelInspection: Sendable {
    /// How many tensors have a type, and what they take.
    package struct TypeCount: Hashable, Sendable {
        package let type: GGUFType
        package let tensorCount: Int
        package let byteCount: Int
    }

    package let paths: [String]
    package let fileByteCount: Int
    package let metadata: GGUFMetadata
    /// The types that occur, by their ggml numbers.
    package let types: [TypeCount]
    package let tensorCount: Int
    package let parameterCount: Int
    /// The hyper-parameters as the engine reads them; nil when it refuses one of them.
    package let description: ModelDescription?
    /// Why the engine cannot compute the model, in one sentence; nil when it can.
    package let refusal: String?
    /// Why text cannot become tokens, though the model may be computed on token ids.
    package let tokenizerRefusal: String?

    /// Reads the headers of all parts; a file that is no sound GGUF is an error.
    package init(path: String) throws(ModelError) {
        let shards = try ModelShards(path: path)
        let header = shards.header
        paths = shards.shards.map(\.path)
        fileByteCount = shards.byteCount
        metadata = header.metadata
        tensorCount = header.tensors.count
        types = GGUFType.allCases.compactMap { type in
            let tensors = header.tensors.filter { $0.type == type }
            guard !tensors.isEmpty else { return nil }
            return TypeCount(
                type: type, tensorCount: tensors.count,
                byteCount: tensors.reduce(0) { $0 + $1.byteCount })
        }
        // No overflow: each tensor lies in the file, and no type has 8 elements in a byte.
        parameterCount = header.tensors.reduce(0) { $0 + $1.rowLength * $1.rowCount }
        var description: ModelDescription?
        var refusal: String?
        do throws(ModelError) {
            let read = try ModelDescription(reading: header, fileByteCount: fileByteCount)
            description = read
            try ModelFile.check(header, against: read)
        } catch {
            refusal = error.description
        }
        (self.description, self.refusal) = (description, refusal)
        do throws(TokenizerError) {
            _ = try Tokenizer(metadata: metadata)
            tokenizerRefusal = nil
        } catch {
            tokenizerRefusal = "\(error)"
        }
    }

    package var architecture: String? { metadata.string("general.architecture") }

    /// A hyper-parameter by its name without the architecture; text for arrays too.
    package func hyperParameter(_ name: String) -> String? {
        guard let architecture else { return nil }
        let key = "\(architecture).\(name)"
        // Mostly implied: the embedding's share.
        if name == "attention.key_length", metadata[key] == nil, let description {
            return "\(description.headLength)"
        }
        if let list = metadata.integers(key) { return Self.runs(of: list) }
        return metadata[key] == nil ? nil : metadata.text(key)
    }

    /// Tokens of the vocabulary; nil when the file neither lists nor counts them.
    package var vocabularyCount: Int? {
        metadata.strings("tokenizer.ggml.tokens")?.count
            ?? architecture.flatMap { metadata.integer("\($0).vocab_size") }
    }

    package var hasChatTemplate: Bool { metadata.string("tokenizer.chat_template") != nil }

    /// Bytes that the keys and values of one token take in all layers, in halves.
    package var kvByteCountPerToken: Int? {
        description.map { 2 * 2 * $0.layerCount * $0.headCountKV * $0.headLength }
    }

    /// The mixture of types that the file was made as; it does not bind any tensor.
    package var fileType: String? {
        guard let number = metadata.integer("general.file_type") else { return nil }
        return Self.fileTypes.first { $0.number == number }?.name ?? "number \(number)"
    }

    /// `general.license` and what belongs to it, in the order of the file.
    package var licenceKeys: [(key: String, value: String)] {
        metadata.keys.filter { $0.hasPrefix("general.license") }.map { ($0, metadata.text($0)) }
    }

    /// "4 × 8, 28 × 2": an array with one number per layer, shortened.
    private static func runs(of list: [Int64]) -> String {
        var runs: [(count: Int, value: Int64)] = []
        for value in list {
            if runs.last?.value == value {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((1, value))
            }
        }
        let shown = runs.prefix(8).map { "\($0.count) × \($0.value)" }
        return (shown + (runs.count > 8 ? ["…"] : [])).joined(separator: ", ")
    }

    /// The values of llama.h's `llama_ftype` that are in use.
    private static let fileTypes: [(number: Int, name: String)] = [
        (0, "F32"), (1, "F16"), (2, "Q4_0"), (3, "Q4_1"), (7, "Q8_0"), (8, "Q5_0"), (9, "Q5_1"),
        (10, "Q2_K"), (11, "Q3_K_S"), (12, "Q3_K_M"), (13, "Q3_K_L"), (14, "Q4_K_S"),
        (15, "Q4_K_M"), (16, "Q5_K_S"), (17, "Q5_K_M"), (18, "Q6_K"), (19, "IQ2_XXS"),
        (20, "IQ2_XS"), (21, "Q2_K_S"), (22, "IQ3_XS"), (23, "IQ3_XXS"), (24, "IQ1_S"),
        (25, "IQ4_NL"), (26, "IQ3_S"), (27, "IQ3_M"), (28, "IQ2_S"), (29, "IQ2_M"),
        (30, "IQ4_XS"), (31, "IQ1_M"), (32, "BF16"), (36, "TQ1_0"), (37, "TQ2_0"), (38, "MXFP4"),
    ]
}
