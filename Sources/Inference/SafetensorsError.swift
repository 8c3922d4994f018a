package import Basics

/// Why a safetensors file was refused, with the facts and nothing else.
package enum SafetensorsError: Error, Hashable {
    /// The file ends before the header that its first eight bytes announce.
    case truncatedHeader(announced: UInt64, fileByteCount: Int)
    case headerTooLong(byteCount: UInt64, limit: Int)
    /// The header must begin with `{`.
    case notAnObject
    case badHeader(JSON.Mistake)
    case badMetadata
    /// A tensor's entry lacks a member, or one has the wrong kind.
    case badEntry(tensor: String)
    case unknownType(tensor: String, type: String)
    case tooLarge(tensor: String)
    /// The data's place and the shape's size do not agree.
    case sizeMismatch(tensor: String, placed: Int, needed: Int)
    /// The tensors must follow each other without a gap or an overlap, up to the file's end.
    case misplaced(tensor: String, offset: Int, expected: Int)
    case outsideFile(tensor: String, end: Int, byteCount: Int)
    case trailingBytes(count: Int)
}

extension SafetensorsError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncatedHeader(let announced, let fileByteCount):
            "truncated safetensors: a header of \(announced) bytes in a file of \(fileByteCount)"
        case .headerTooLong(let byteCount, let limit):
            "the safetensors header has \(byteCount) bytes, at most \(limit) are accepted"
        case .notAnObject: "not a safetensors file: its header does not begin with {"
        case .badHeader(let mistake): "the safetensors header is not JSON: \(mistake)"
        case .badMetadata: "the safetensors __metadata__ must hold strings alone"
        case .badEntry(let tensor):
            "the safetensors tensor \(tensor) needs dtype, shape and data_offsets"
        case .unknownType(let tensor, let type):
            "the safetensors tensor \(tensor) has the unknown type \(type)"
        case .tooLarge(let tensor): "the safetensors tensor \(tensor) is too large"
        case .sizeMismatch(let tensor, let placed, let needed):
            "the safetensors tensor \(tensor) has \(placed) bytes, its shape needs \(needed)"
        case .misplaced(let tensor, let offset, let expected):
            "the safetensors tensor \(tensor) starts at \(offset), \(expected) was expected"
        case .outsideFile(let tensor, let end, let byteCount):
            "truncated safetensors: tensor \(tensor) ends at \(end) of \(byteCount) bytes"
        case .trailingBytes(let count):
            "\(count) bytes stand behind the last tensor of the safetensors file"
        }
    }
}
