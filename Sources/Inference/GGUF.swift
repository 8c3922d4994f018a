/// The header of a GGUF file (versions 2 and 3, little-endian): metadata and tensor index.
///
///     magic "GGUF" · u32 version · u64 tensor count · u64 key count
///     key* = string key · u32 type · value          string = u64 byte count · bytes
///     tensor* = string name · u32 n · n × u64 dimension · u32 type · u64 offset
///     padding · data                                (ggml docs/gguf.md)
///
/// The bytes come from strangers. Every length is compared with what is left of the file
/// before memory is taken for it, every count has a limit, and a tensor must stand exactly
/// where the ones before it end, so no two can overlap.
package struct GGUF: Sendable {
    package let version: UInt32
    package let metadata: GGUFMetadata
    /// Bytes; tensors start at multiples of it.
    package let alignment: Int
    /// Nil for a model in one file.
    package let split: Split?
    /// In the order of the file.
    package let tensors: [GGUFTensor]

    // Looked up only, never iterated.
    private let indices: [String: Int]

    /// Which part of a split model a file is.
    package struct Split: Hashable, Sendable {
        /// From 0.
        package let number: Int
        /// At least 2.
        package let count: Int
        /// Tensors in all parts; nil where the file does not say.
        package let tensorCount: Int?
    }

    /// 2^24: the largest known vocabularies have 300,000 tokens and as many merges.
    package static let elementCountMax = 1 << 24
    /// 2^16: a model of 1,000 layers has 12,000 tensors.
    package static let tensorCountMax = 1 << 16
    package static let keyCountMax = 1 << 16
    /// 16 MiB: the longest known string is a chat template of 30 KiB.
    package static let stringByteCountMax = 1 << 24

    /// Reads the header; `bytes` is the whole file, whose data part is not touched.
    package init(parsing bytes: Span<UInt8>) throws(GGUFError) {
        var cursor = Cursor()
        guard try cursor.u32(bytes) == 0x4655_4747 else { throw .notGGUF }
        let version = try cursor.u32(bytes)
        // Versions are small numbers: low bits of zero mean the other byte order.
        guard version & 0xFFFF != 0 else { throw .bigEndian }
        guard version == 2 || version == 3 else { throw .unsupportedVersion(version) }
        let tensorCount = try cursor.count(bytes, of: .tensors, limit: Self.tensorCountMax)
        let keyCount = try cursor.count(bytes, of: .keys, limit: Self.keyCountMax)

        let metadata = try cursor.metadata(bytes, keyCount: keyCount)
        let split = try Self.split(in: metadata)
        let alignment = try Self.alignment(in: metadata)
        let entries = try cursor.tensorEntries(bytes, count: tensorCount)
        let start = cursor.position.roundedUp(to: alignment)
        let (tensors, indices) = try Self.place(
            entries, from: start, alignment: alignment, fileByteCount: bytes.count)

        self.version = version
        self.metadata = metadata
        self.split = split
        self.alignment = alignment
        self.tensors = tensors
        self.indices = indices
    }

    /// The parts of a split model as one: the first one's metadata and the tensors of all.
    init(joining parts: [GGUF]) throws(GGUFError) {
        guard let first = parts.first else { preconditionFailure("a model of no parts") }
        var tensors: [GGUFTensor] = []
        var indices: [String: Int] = [:]
        for (number, part) in parts.enumerated() {
            for var tensor in part.tensors {
                tensor.shardIndex = number
                guard indices.updateValue(tensors.count, forKey: tensor.name) == nil else {
                    throw .duplicateTensor(tensor.name)
                }
                tensors.append(tensor)
            }
        }
        (version, metadata, alignment) = (first.version, first.metadata, first.alignment)
        split = first.split
        self.tensors = tensors
        self.indices = indices
    }

    package func tensor(_ name: String) -> GGUFTensor? {
        indices[name].map { tensors[$0] }
    }

    private static func split(in metadata: GGUFMetadata) throws(GGUFError) -> Split? {
        let key = "split.count", numberKey = "split.no"
        guard metadata[key] != nil else { return nil }
        guard let count = metadata.integer(key), 0...Int(UInt16.max) ~= count else {
            throw .absurdSplit(key: key, value: metadata.text(key))
        }
        guard 1 < count else { return nil }
        guard let number = metadata.integer(numberKey), 0..<count ~= number else {
            throw .absurdSplit(key: numberKey, value: metadata.text(numberKey))
        }
        return Split(
            number: number, count: count, tensorCount: metadata.integer("split.tensors.count"))
    }

    private static func alignment(in metadata: GGUFMetadata) throws(GGUFError) -> Int {
        let key = "general.alignment"
        guard let value = metadata[key] else { return 32 }
        // 1 MiB: far above any page or vector; keeps the rounding far from overflow.
        guard case .integer(let alignment) = value, 0 < alignment, alignment <= 1 << 20,
            alignment & (alignment - 1) == 0
        else { throw .badAlignment(key: key) }
        return Int(alignment)
    }

    /// Turns offsets in the data part into offsets in the file, and checks each of them.
    private static func place(
        _ entries: [TensorEntry], from start: Int, alignment: Int, fileByteCount: Int
    ) throws(GGUFError) -> ([GGUFTensor], [String: Int]) {
        var tensors: [GGUFTensor] = []
        var indices: [String: Int] = [:]
        tensors.reserveCapacity(entries.count)
        var expected = 0
        for entry in entries {
            guard entry.offset == UInt64(expected) else {
                throw .misplacedTensor(
                    tensor: entry.name, offset: entry.offset, expected: expected)
            }
            let byteCount = try entry.byteCount()
            let (end, overflow) = (start + expected).addingReportingOverflow(byteCount)
            guard !overflow, end <= fileByteCount else {
                throw .tensorOutsideFile(
                    tensor: entry.name, end: overflow ? .max : end, fileByteCount: fileByteCount)
            }
            guard indices.updateValue(tensors.count, forKey: entry.name) == nil else {
                throw .duplicateTensor(entry.name)
            }
            tensors.append(
                GGUFTensor(
                    name: entry.name, type: entry.type, dimensions: entry.dimensions,
                    offset: start + expected, byteCount: byteCount))
            // No overflow: byteCount is at most the file's, alignment at most 1 MiB.
            expected += byteCount.roundedUp(to: alignment)
        }
        return (tensors, indices)
    }
}

/// A tensor as the header lists it, before its place was checked.
struct TensorEntry {
    let name: String
    let type: GGUFType
    let dimensions: [Int]
    let offset: UInt64

    /// The size of the data; throws when a row is ragged or the size overflows.
    func byteCount() throws(GGUFError) -> Int {
        guard dimensions[0] % type.blockLength == 0 else {
            throw .raggedRow(
                tensor: name, rowLength: dimensions[0], blockLength: type.blockLength)
        }
        var byteCount = dimensions[0] / type.blockLength
        for factor in dimensions.dropFirst() + [type.blockByteCount] {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw .badDimensions(tensor: name) }
            byteCount = product
        }
        return byteCount
    }
}

extension Int {
    /// The next multiple of a power of two.
    func roundedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}
