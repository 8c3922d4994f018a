import Basics

/// Texts, or their tokens, whose vectors a client wants.
package struct EmbeddingRequest: Hashable, Sendable {
    package enum Input: Hashable, Sendable {
        case text(String)
        /// The model's own ids, special ones included: they are computed as they are.
        case tokens([Int32])
    }

    package var model: String
    package var inputs: [Input]
    /// Elements of a vector; nil for all that the model has.
    package var dimensionCount: Int?

    package init(model: String, inputs: [Input], dimensionCount: Int? = nil) {
        self.model = model
        self.inputs = inputs
        self.dimensionCount = dimensionCount
    }

    /// As in the schema.
    package static let inputCountMax = 2048
}

/// The vectors of an `EmbeddingRequest`, each of length 1, in the order of its inputs.
package struct EmbeddingResult: Hashable, Sendable {
    package var vectors: [[Float]]
    /// Tokens of all texts, special ones included.
    package var tokenCount: Int

    package init(vectors: [[Float]], tokenCount: Int) {
        self.vectors = vectors
        self.tokenCount = tokenCount
    }
}

extension EmbeddingRequest {
    /// How the vectors are written.
    enum Encoding: String {
        case float
        /// Base64 of 32-bit floats, little end first.
        case base64
    }

    /// `POST /v1/embeddings`, read strictly.
    static func read(_ document: JSON) throws -> (request: EmbeddingRequest, encoding: Encoding) {
        var fields = try RequestFields(document)
        guard let inputs = inputs(fields.value("input")) else {
            throw APIError.malformed(
                "input must be a string, a list of token ids, or a list of at most "
                    + "\(inputCountMax) of one of these, none empty.", parameter: "input")
        }
        let name = try fields.string("encoding_format") ?? Encoding.float.rawValue
        guard let encoding = Encoding(rawValue: name) else {
            throw APIError.malformed(
                "encoding_format must be float or base64.", parameter: "encoding_format")
        }
        let dimensionCount = try fields.integer("dimensions", in: 1...1 << 16).map { Int($0) }
        // It says who asks: the answer is the same without it.
        _ = fields.value("user")
        let model = try fields.requiredString("model")
        try fields.finish()
        return (
            EmbeddingRequest(model: model, inputs: inputs, dimensionCount: dimensionCount),
            encoding
        )
    }

    /// A text, texts, ids, or lists of ids; nil for anything else, and where there is nothing.
    private static func inputs(_ value: JSON?) -> [Input]? {
        switch value {
        case .string(let text)?: return text.isEmpty ? nil : [.text(text)]
        case .array(let values)?:
            if let ids = ids(values) { return [.tokens(ids)] }
            guard 1...inputCountMax ~= values.count else { return nil }
            let texts = values.compactMap(\.asString)
            if texts.count == values.count {
                return texts.contains("") ? nil : texts.map { .text($0) }
            }
            let lists = values.compactMap { $0.asArray.flatMap(ids) }
            return lists.count == values.count ? lists.map { .tokens($0) } : nil
        default: return nil
        }
    }

    private static func ids(_ values: [JSON]) -> [Int32]? {
        let ids = values.compactMap { $0.asInteger.flatMap { Int32(exactly: $0) } }
        return !ids.isEmpty && ids.count == values.count ? ids : nil
    }
}

extension EmbeddingResult {
    /// The document of the schema.
    func document(model: String, encoding: EmbeddingRequest.Encoding) -> JSON {
        let data = vectors.enumerated().map { index, vector -> JSON in
            let written: JSON =
                switch encoding {
                case .float: .array(vector.map { .number(Double($0)) })
                case .base64: .string(Base64.encode(Self.bytes(of: vector)))
                }
            return [
                "object": "embedding", "index": .integer(Int64(index)), "embedding": written,
            ]
        }
        let count = JSON.integer(Int64(tokenCount))
        return [
            "object": "list", "data": .array(data), "model": .string(model),
            "usage": ["prompt_tokens": count, "total_tokens": count],
        ]
    }

    private static func bytes(of vector: [Float]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * vector.count)
        for element in vector { bytes.append(littleEndian: element.bitPattern) }
        return bytes
    }
}
