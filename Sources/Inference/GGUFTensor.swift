/// Where one tensor lies in a GGUF file and what it looks like.
package struct GGUFTensor: Hashable, Sendable {
    package let name: String
    package let type: GGUFType
    /// dimensions[0] is the fastest one: the length of a row.
    package let dimensions: [Int]
    /// Which of a split model's files has it.
    package internal(set) var shardIndex = 0
    /// Bytes from the start of that file.
    package let offset: Int
    package let byteCount: Int

    package var rowLength: Int { dimensions[0] }
    /// All dimensions but the first, multiplied.
    package var rowCount: Int { dimensions.dropFirst().reduce(1, *) }
}
