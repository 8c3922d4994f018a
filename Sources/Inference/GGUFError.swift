/// Why a GGUF file was refused, with the facts and nothing else.
///
/// The set is closed, so that a caller can decide per cause; `description` is the one place
/// where a sentence is made of it.
package enum GGUFError: Error, Hashable {
    case cannotOpen(path: String, code: Int32)
    case empty(path: String)
    case notGGUF
    case bigEndian
    case unsupportedVersion(UInt32)
    /// The file ends before `need` more bytes that start at `offset`.
    case truncated(offset: Int, need: UInt64)
    case absurdCount(what: What, count: UInt64, limit: Int)
    case emptyKey
    case duplicateKey(String)
    case unknownValueType(key: String, type: UInt32)
    case badBool(key: String, byte: UInt8)
    case badAlignment(key: String)
    case badTensorName(byteCount: Int)
    case duplicateTensor(String)
    case badDimensions(tensor: String)
    case unknownTensorType(tensor: String, type: UInt32)
    case raggedRow(tensor: String, rowLength: Int, blockLength: Int)
    case misplacedTensor(tensor: String, offset: UInt64, expected: Int)
    /// The tensor's data would end behind the file's end.
    case tensorOutsideFile(tensor: String, end: Int, fileByteCount: Int)
    /// A key that says which part of a split model the file is makes no sense.
    case absurdSplit(key: String, value: String)

    /// What was counted when a count was absurd.
    package enum What: String, Hashable, Sendable {
        case string = "bytes in a string"
        case arrayElements = "array elements"
        case keys = "metadata keys"
        case tensors = "tensors"
    }
}

extension GGUFError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotOpen(let path, let code): "cannot open \(path): system error \(code)"
        case .empty(let path): "\(path) is empty or not a regular file"
        case .notGGUF: "not a GGUF file: the first four bytes are not GGUF"
        case .bigEndian: "a big-endian GGUF file cannot be read"
        case .unsupportedVersion(let version): "GGUF version \(version) is not 2 or 3"
        case .truncated(let offset, let need):
            "truncated GGUF: \(need) more bytes are needed at offset \(offset)"
        case .absurdCount(let what, let count, let limit):
            "absurd GGUF: \(count) \(what.rawValue), at most \(limit) are accepted"
        case .emptyKey: "a GGUF metadata key is empty"
        case .duplicateKey(let key): "the GGUF metadata key \(key) appears twice"
        case .unknownValueType(let key, let type):
            "the GGUF metadata key \(key) has the unknown or nested type \(type)"
        case .badBool(let key, let byte):
            "the GGUF metadata key \(key) holds \(byte) where 0 or 1 must stand"
        case .badAlignment(let key): "\(key) must be a 32-bit power of two of at most 1 MiB"
        case .badTensorName(let byteCount):
            "a GGUF tensor name has \(byteCount) bytes, 1 to 63 are accepted"
        case .duplicateTensor(let name): "the GGUF tensor \(name) appears twice"
        case .badDimensions(let tensor):
            "the GGUF tensor \(tensor) has no dimensions, too many, or too large ones"
        case .unknownTensorType(let tensor, let type):
            "the GGUF tensor \(tensor) has the unknown type \(type)"
        case .raggedRow(let tensor, let rowLength, let blockLength):
            "the GGUF tensor \(tensor) has rows of \(rowLength), not whole blocks of \(blockLength)"
        case .misplacedTensor(let tensor, let offset, let expected):
            "the GGUF tensor \(tensor) stands at offset \(offset), \(expected) was expected"
        case .tensorOutsideFile(let tensor, let end, let fileByteCount):
            "truncated GGUF: tensor \(tensor) ends at \(end) of \(fileByteCount) bytes"
        case .absurdSplit(let key, let value): "the GGUF metadata key \(key) is \(value)"
        }
    }
}
