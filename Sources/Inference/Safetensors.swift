package import Basics

/// The header of a safetensors file: names, types, shapes and places of its tensors.
///
/// The format (github.com/huggingface/safetensors): eight bytes with the header's length, little
/// end first; the header, a JSON object; the data. It comes from strangers: the header is bounded
/// before it is read, and the tensors must fill the data part one after the other, without a gap,
/// an overlap or a rest, so that no byte has two meanings.
package struct Safetensors: Sendable {
    /// The element types by the format's names.
    package enum ElementType: String, Hashable, Sendable, CaseIterable {
        case BOOL, U8, I8, F8_E5M2, F8_E4M3, I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64

        package var byteCount: Int {
            switch self {
            case .BOOL, .U8, .I8, .F8_E5M2, .F8_E4M3: 1
            case .I16, .U16, .F16, .BF16: 2
            case .I32, .U32, .F32: 4
            case .F64, .I64, .U64: 8
            }
        }
    }

    package struct Tensor: Hashable, Sendable {
        package let name: String
        package let type: ElementType
        /// The slowest dimension first; none for a single number.
        package let dimensions: [Int]
        /// From the start of the file.
        package let offset: Int
        package let byteCount: Int
    }

    /// 8 MiB: 50,000 tensors, or a tokenizer of the largest vocabularies in `documents`. The
    /// format's own limit, 100 MB, would take gigabytes of memory to read.
    package static let headerByteCountMax = 8 << 20

    /// In the order of their places.
    package let tensors: [Tensor]
    /// The texts of `__metadata__`, in the order of the file.
    package let documents: [JSON.Member]
    /// Where the data begin, from the start of the file.
    package let dataOffset: Int
    // Looked up only, never iterated.
    private let indices: [String: Int]

    package init(parsing bytes: Span<UInt8>) throws(SafetensorsError) {
        var announced: UInt64 = 0
        for index in 0..<min(8, bytes.count) {
            announced |= UInt64(bytes[index]) << UInt64(8 * index)
        }
        guard announced <= Self.headerByteCountMax else {
            throw .headerTooLong(byteCount: announced, limit: Self.headerByteCountMax)
        }
        guard 8 <= bytes.count, Int(announced) <= bytes.count - 8 else {
            throw .truncatedHeader(announced: announced, fileByteCount: bytes.count)
        }
        let start = 8 + Int(announced)
        let header = (8..<start).map { bytes[$0] }
        guard header.first == UInt8(ascii: "{") else { throw .notAnObject }
        let json: JSON
        do throws(JSON.Mistake) {
            // An object of objects with lists: nothing is deeper.
            json = try JSON(parsing: header, depthMax: 4)
        } catch {
            throw .badHeader(error)
        }
        var documents: [JSON.Member] = []
        var tensors: [Tensor] = []
        for member in json.asObject ?? [] {
            if member.name == "__metadata__" {
                guard let texts = member.value.asObject,
                    texts.allSatisfy({ $0.value.asString != nil })
                else { throw .badMetadata }
                documents = texts
            } else {
                tensors.append(try Self.tensor(member, from: start, end: bytes.count))
            }
        }
        // By place; a tensor without elements before the one that starts where it stands.
        tensors.sort { ($0.offset, $0.byteCount, $0.name) < ($1.offset, $1.byteCount, $1.name) }
        var expected = start
        for tensor in tensors {
            guard tensor.offset == expected else {
                throw .misplaced(
                    tensor: tensor.name, offset: tensor.offset - start, expected: expected - start)
            }
            expected += tensor.byteCount
        }
        guard expected == bytes.count else { throw .trailingBytes(count: bytes.count - expected) }
        var indices: [String: Int] = [:]
        for (index, tensor) in tensors.enumerated() { indices[tensor.name] = index }
        self.tensors = tensors
        self.documents = documents
        self.indices = indices
        dataOffset = start
    }

    package func tensor(_ name: String) -> Tensor? { indices[name].map { tensors[$0] } }

    private static func tensor(
        _ member: JSON.Member, from start: Int, end: Int
    ) throws(SafetensorsError) -> Tensor {
        let (name, entry) = (member.name, member.value)
        guard entry.asObject?.count == 3, let typeName = entry["dtype"]?.asString,
            let shape = naturals(entry["shape"]), let places = naturals(entry["data_offsets"]),
            places.count == 2, places[0] <= places[1]
        else { throw .badEntry(tensor: name) }
        guard let type = ElementType(rawValue: typeName) else {
            throw .unknownType(tensor: name, type: typeName)
        }
        var needed = type.byteCount
        for dimension in shape {
            let (product, overflow) = needed.multipliedReportingOverflow(by: dimension)
            guard !overflow else { throw .tooLarge(tensor: name) }
            needed = product
        }
        let placed = places[1] - places[0]
        guard placed == needed else {
            throw .sizeMismatch(tensor: name, placed: placed, needed: needed)
        }
        guard places[1] <= end - start else {
            throw .outsideFile(tensor: name, end: places[1], byteCount: end - start)
        }
        return Tensor(
            name: name, type: type, dimensions: shape, offset: start + places[0],
            byteCount: placed)
    }

    private static func naturals(_ value: JSON?) -> [Int]? {
        guard case .array(let values)? = value else { return nil }
        var numbers: [Int] = []
        for value in values {
            guard case .integer(let number) = value, let natural = Int(exactly: number),
                0 <= natural
            else { return nil }
            numbers.append(natural)
        }
        return numbers
    }

    // MARK: writing

    /// The first bytes of a file with the same tensors and these documents: length and header,
    /// padded with spaces to whole eights. The data follow as they were.
    package func header(documents: [JSON.Member]) throws(SafetensorsError) -> [UInt8] {
        var members: [JSON.Member] = [.init("__metadata__", .object(documents))]
        for tensor in tensors {
            let places = [tensor.offset, tensor.offset + tensor.byteCount]
            members.append(
                .init(
                    tensor.name,
                    [
                        "dtype": .string(tensor.type.rawValue),
                        "shape": .array(tensor.dimensions.map { .integer(Int64($0)) }),
                        "data_offsets": .array(
                            places.map { .integer(Int64($0 - dataOffset)) }),
                    ]))
        }
        var text = Array(JSON.object(members).text.utf8)
        let padding = text.count.roundedUp(to: 8) - text.count
        text += [UInt8](repeating: UInt8(ascii: " "), count: padding)
        let length = UInt64(text.count)
        guard length <= Self.headerByteCountMax else {
            throw .headerTooLong(byteCount: length, limit: Self.headerByteCountMax)
        }
        return (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(8 * $0)) } + text
    }
}
