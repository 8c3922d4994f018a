package import Basics

/// Why an embedding model is not taken, or a text not embedded, with the facts.
package enum EncoderError: Error, Hashable {
    case file(GGUFError)
    case safetensors(SafetensorsError)
    case tokenizer(TokenizerError)
    case model(ModelError)
    case stage(StageError)
    case cache(KVPoolError)
    /// A document that belongs to a safetensors model is missing: its configuration, vocabulary.
    case missingDocument(String)
    case badDocument(name: String, JSON.Mistake)
    case documentTooLong(name: String, byteCount: Int, limit: Int)
    case unsupportedArchitecture(String)
    /// A key of the configuration is missing or of another kind.
    case missingKey(String)
    case unacceptable(key: String, value: String)
    case missingTensor(String)
    case unexpectedTensor(String)
    case wrongShape(tensor: String, found: [Int], expected: [Int])
    case unsupportedTensorType(tensor: String, type: String)
    case threadCountOutOfRange(Int)
    case tokenOutOfRange(TokenID, vocabularyCount: Int)
    case emptyText(index: Int)
    case textTooLong(index: Int, tokenCount: Int, limit: Int)
}

extension EncoderError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .safetensors(let error): error.description
        case .tokenizer(let error): error.description
        case .model(let error): error.description
        case .stage(let error): error.description
        case .cache(let error): error.description
        case .missingDocument(let name):
            "the embedding model lacks \(name): it needs config.json and vocab.txt or "
                + "tokenizer.json beside its tensors"
        case .badDocument(let name, let mistake): "\(name) of the model is not JSON: \(mistake)"
        case .documentTooLong(let name, let byteCount, let limit):
            "\(name) of the model has \(byteCount) bytes, at most \(limit) are accepted"
        case .unsupportedArchitecture(let name):
            "encoders of architecture \(name) are not supported, only bert"
        case .missingKey(let key): "the model's configuration lacks \(key)"
        case .unacceptable(let key, let value): "the model's \(key) is \(value), not supported"
        case .missingTensor(let name): "the model lacks the tensor \(name)"
        case .unexpectedTensor(let name): "the model has the tensor \(name), not supported"
        case .wrongShape(let tensor, let found, let expected):
            "tensor \(tensor) has shape \(found), \(expected) was expected"
        case .unsupportedTensorType(let tensor, let type):
            "tensor \(tensor) has type \(type), which no kernel multiplies"
        case .threadCountOutOfRange(let count):
            "\(count) threads are not between 1 and \(Threads.countMax)"
        case .tokenOutOfRange(let token, let vocabularyCount):
            "token \(token) is not among the model's \(vocabularyCount)"
        case .emptyText(let index): "text \(index + 1) has no tokens"
        case .textTooLong(let index, let tokenCount, let limit):
            "text \(index + 1) has \(tokenCount) tokens, the model takes at most \(limit): shorten "
                + "it or cut it into parts"
        }
    }
}

extension EncoderError {
    /// Throws what keeps tokens from being the text with that index of a request.
    static func check(
        _ tokens: [TokenID], index: Int, contextLength: Int, vocabularyCount: Int
    ) throws(EncoderError) {
        guard !tokens.isEmpty else { throw .emptyText(index: index) }
        guard tokens.count <= contextLength else {
            throw .textTooLong(index: index, tokenCount: tokens.count, limit: contextLength)
        }
        for token in tokens where !(0..<vocabularyCount ~= Int(token)) {
            throw .tokenOutOfRange(token, vocabularyCount: vocabularyCount)
        }
    }
}
