/// Why a model is not taken, or a stage not made, with the facts.
package enum ModelError: Error, Hashable {
    case file(GGUFError)
    case unsupportedArchitecture(String)
    /// A key that the architecture needs is missing or of another kind.
    case missingKey(String)
    /// The key's value is outside what the engine accepts.
    case unacceptable(key: String, value: String)
    case missingTensor(String)
    /// A tensor that this engine would have to use and does not know.
    case unexpectedTensor(String)
    case unsupportedTensorType(tensor: String, type: GGUFType)
    case wrongShape(tensor: String, found: [Int], expected: [Int])
    case vocabularyMismatch(tokenCount: Int, rowCount: Int)
    case layersOutOfRange(Range<Int>, layerCount: Int)
    case threadCountOutOfRange(Int)
    case cache(KVPoolError)
}

extension ModelError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .unsupportedArchitecture(let name):
            "models of architecture \(name) are not supported, only llama"
        case .missingKey(let key): "the model lacks the metadata key \(key)"
        case .unacceptable(let key, let value): "the model's \(key) is \(value), not supported"
        case .missingTensor(let name): "the model lacks the tensor \(name)"
        case .unexpectedTensor(let name): "the model has the tensor \(name), not supported"
        case .unsupportedTensorType(let tensor, let type):
            "tensor \(tensor) has type \(type); supported are F32, F16, Q8_0, Q4_0 and Q4_1"
        case .wrongShape(let tensor, let found, let expected):
            "tensor \(tensor) has shape \(found), \(expected) was expected"
        case .vocabularyMismatch(let tokenCount, let rowCount):
            "the model names \(tokenCount) tokens and embeds \(rowCount)"
        case .layersOutOfRange(let layers, let layerCount):
            "layers \(layers.lowerBound)..<\(layers.upperBound) are not in a model of \(layerCount)"
        case .threadCountOutOfRange(let count):
            "\(count) threads are not between 1 and \(Threads.countMax)"
        case .cache(let error): error.description
        }
    }
}
