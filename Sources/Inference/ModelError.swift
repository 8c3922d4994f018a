/// Why a model is not taken, or a stage not made, with the facts.
package enum ModelError: Error, Hashable {
    case file(GGUFError)
    /// A part of a split model cannot be read.
    case shard(path: String, GGUFError)
    /// The file is a part of a split model and not named as one.
    case misnamedShard(path: String, suffix: String)
    case notFirstShard(path: String, first: String)
    /// The file stands where another part of the split model should be.
    case strayShard(path: String, number: Int, count: Int)
    /// The parts together have another number of tensors than the first one says.
    case shardTensors(path: String, found: Int, expected: Int?)
    case unsupportedArchitecture(String)
    /// A key that the architecture needs is missing or of another kind.
    case missingKey(String)
    /// The key's value is outside what the engine accepts.
    case unacceptable(key: String, value: String)
    /// The key has an array that is not the same number for each layer.
    case differingLayers(key: String)
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
        case .shard(let path, let error): "part \(path) of the split model: \(error)"
        case .misnamedShard(let path, let suffix):
            "\(path) is a part of a split model: its name must end in \(suffix)"
        case .notFirstShard(let path, let first):
            "\(path) is not the first part of its model: open \(first)"
        case .strayShard(let path, let number, let count):
            "\(path) is not part \(number) of \(count) of the split model"
        case .shardTensors(let path, let found, let expected):
            "the parts of \(path) have \(found) tensors, split.tensors.count is "
                + (expected.map { "\($0)" } ?? "missing")
        case .unsupportedArchitecture(let name):
            "models of architecture \(name.prefix(64)) are not supported, only "
                + Architecture.allCases.map(\.rawValue).joined(separator: ", ")
        case .missingKey(let key): "the model lacks the metadata key \(key)"
        case .unacceptable(let key, let value): "the model's \(key) is \(value), not supported"
        case .differingLayers(let key):
            "the model's \(key) is not the same number for each layer, not supported"
        case .missingTensor(let name): "the model lacks the tensor \(name)"
        case .unexpectedTensor(let name): "the model has the tensor \(name), not supported"
        case .unsupportedTensorType(let tensor, let type):
            "tensor \(tensor) has type \(type); supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, "
                + "Q5_0, Q5_1, Q4_K, Q5_K and Q6_K"
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
