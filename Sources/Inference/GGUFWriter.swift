/// Makes GGUF files (version 3, little-endian; the format stands at `GGUF`).
///
/// A file that is too large for memory is written as its `header(of:)`, then each tensor's bytes,
/// with `padding(after:)` behind each of them.
package struct GGUFWriter: Sendable {
    package enum Value: Sendable {
        case u8(UInt8), u16(UInt16), u32(UInt32), i32(Int32), u64(UInt64), i64(Int64)
        case f32(Float), f64(Double), bool(Bool), string(String)
        case strings([String]), floats([Float]), int32s([Int32])
        /// A type number and the bytes after it.
        case raw(UInt32, [UInt8])
    }

    /// A line of the tensor index.
    package struct Entry: Sendable {
        package var name: String
        /// A ggml number.
        package var type: UInt32
        /// The fastest one first.
        package var dimensions: [UInt64]
        package var byteCount: Int

        package init(name: String, type: UInt32, dimensions: [UInt64], byteCount: Int) {
            self.name = name
            self.type = type
            self.dimensions = dimensions
            self.byteCount = byteCount
        }
    }

    package struct Tensor: Sendable {
        package var name: String
        package var type: UInt32
        package var dimensions: [UInt64]
        package var bytes: [UInt8]

        package init(name: String, type: UInt32, dimensions: [UInt64], bytes: [UInt8]) {
            self.name = name
            self.type = type
            self.dimensions = dimensions
            self.bytes = bytes
        }
    }

    /// Tensors start at multiples of it; the reader must be told by `general.alignment` when it
    /// is not 32.
    package var alignment = 32
    package var keys: [(String, Value)] = []
    package var tensors: [Tensor] = []

    package init() {}

    package mutating func set(_ key: String, _ value: Value) {
        keys.removeAll { $0.0 == key }
        keys.append((key, value))
    }

    package mutating func add(
        _ name: String, _ type: GGUFType, _ dimensions: [Int], _ bytes: [UInt8]
    ) {
        tensors.append(
            Tensor(
                name: name, type: type.rawValue, dimensions: dimensions.map { UInt64($0) },
                bytes: bytes))
    }

    /// The header of `tensors`, without the padding behind it.
    package var header: [UInt8] {
        header(
            of: tensors.map {
                Entry(
                    name: $0.name, type: $0.type, dimensions: $0.dimensions,
                    byteCount: $0.bytes.count)
            })
    }

    /// The header of a file with these tensors, without the padding behind it.
    package func header(of entries: [Entry]) -> [UInt8] {
        var out = Array("GGUF".utf8)
        out += Self.little(3 as UInt32)
        out += Self.little(UInt64(entries.count))
        out += Self.little(UInt64(keys.count))
        for (key, value) in keys {
            out += Self.string(key)
            out += Self.encode(value)
        }
        var offset: UInt64 = 0
        for entry in entries {
            out += Self.string(entry.name)
            out += Self.little(UInt32(entry.dimensions.count))
            for dimension in entry.dimensions { out += Self.little(dimension) }
            out += Self.little(entry.type)
            out += Self.little(offset)
            offset += UInt64(entry.byteCount + padding(after: entry.byteCount).count)
        }
        return out
    }

    /// The whole file.
    package var bytes: [UInt8] {
        var out = header
        out += padding(after: out.count)
        for tensor in tensors {
            out += tensor.bytes
            out += padding(after: tensor.bytes.count)
        }
        return out
    }

    /// The zeros between something of this size and the next tensor.
    package func padding(after byteCount: Int) -> [UInt8] {
        let rest = byteCount % alignment
        return [UInt8](repeating: 0, count: rest == 0 ? 0 : alignment - rest)
    }

    package static func little(_ value: some FixedWidthInteger) -> [UInt8] {
        (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    package static func string(_ text: String) -> [UInt8] {
        little(UInt64(text.utf8.count)) + Array(text.utf8)
    }

    private static func encode(_ value: Value) -> [UInt8] {
        func array(_ type: UInt32, _ elements: [[UInt8]]) -> [UInt8] {
            little(UInt32(9)) + little(type) + little(UInt64(elements.count))
                + elements.flatMap { $0 }
        }
        switch value {
        case .u8(let value): return little(UInt32(0)) + little(value)
        case .u16(let value): return little(UInt32(2)) + little(value)
        case .u32(let value): return little(UInt32(4)) + little(value)
        case .i32(let value): return little(UInt32(5)) + little(value)
        case .f32(let value): return little(UInt32(6)) + little(value.bitPattern)
        case .bool(let value): return little(UInt32(7)) + [value ? 1 : 0]
        case .string(let value): return little(UInt32(8)) + string(value)
        case .u64(let value): return little(UInt32(10)) + little(value)
        case .i64(let value): return little(UInt32(11)) + little(value)
        case .f64(let value): return little(UInt32(12)) + little(value.bitPattern)
        case .strings(let values): return array(8, values.map { string($0) })
        case .floats(let values): return array(6, values.map { little($0.bitPattern) })
        case .int32s(let values): return array(5, values.map { little($0) })
        case .raw(let type, let bytes): return little(type) + bytes
        }
    }
}
