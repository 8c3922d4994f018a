import Inference

/// Writes GGUF files for tests, good ones and (through raw values) bad ones.
struct GGUFWriter {
    enum Value {
        case u8(UInt8), u16(UInt16), u32(UInt32), i32(Int32), u64(UInt64), i64(Int64)
        case f32(Float), f64(Double), bool(Bool), string(String)
        case strings([String]), floats([Float]), int32s([Int32])
        /// A type number and the bytes after it.
        case raw(UInt32, [UInt8])
    }

    struct Tensor {
        var name: String
        var type: UInt32
        var dimensions: [UInt64]
        var bytes: [UInt8]
        /// Written instead of the right offset.
        var offset: UInt64?
    }

    var magic: [UInt8] = Array("GGUF".utf8)
    var version: UInt32 = 3
    var alignment = 32
    var keys: [(String, Value)] = []
    var tensors: [Tensor] = []
    /// Written instead of the right counts.
    var tensorCount: UInt64?
    var keyCount: UInt64?

    mutating func set(_ key: String, _ value: Value) {
        keys.removeAll { $0.0 == key }
        keys.append((key, value))
    }

    mutating func add(_ name: String, _ type: GGUFType, _ dimensions: [Int], _ bytes: [UInt8]) {
        tensors.append(
            Tensor(
                name: name, type: type.rawValue, dimensions: dimensions.map { UInt64($0) },
                bytes: bytes))
    }

    /// The header without the padding behind it.
    var header: [UInt8] {
        var out = magic
        out += Self.little(version)
        out += Self.little(tensorCount ?? UInt64(tensors.count))
        out += Self.little(keyCount ?? UInt64(keys.count))
        for (key, value) in keys {
            out += Self.string(key)
            out += Self.encode(value)
        }
        var offset: UInt64 = 0
        for tensor in tensors {
            out += Self.string(tensor.name)
            out += Self.little(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { out += Self.little(dimension) }
            out += Self.little(tensor.type)
            out += Self.little(tensor.offset ?? offset)
            offset += UInt64(padded(tensor.bytes.count))
        }
        return out
    }

    var bytes: [UInt8] {
        var out = header
        out += [UInt8](repeating: 0, count: padded(out.count) - out.count)
        for tensor in tensors {
            out += tensor.bytes
            out += [UInt8](repeating: 0, count: padded(tensor.bytes.count) - tensor.bytes.count)
        }
        return out
    }

    private func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

    static func little(_ value: some FixedWidthInteger) -> [UInt8] {
        (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    static func string(_ text: String) -> [UInt8] {
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
