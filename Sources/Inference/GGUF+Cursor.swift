extension GGUF {
    /// A position in the header; each reader checks that the bytes are there, then moves it.
    ///
    /// The bytes are an argument of every call, as a struct that stores a `Span` would need
    /// a language feature that is still experimental.
    struct Cursor {
        private(set) var position = 0
        /// Array elements read so far: a limit on the whole bounds the memory a file can ask for.
        private var elementCount = 0

        /// Checks that `count` more bytes are left.
        private func need(_ count: UInt64, of bytes: Span<UInt8>) throws(GGUFError) {
            guard count <= UInt64(bytes.count - position) else {
                throw .truncated(offset: position, need: count)
            }
        }

        private mutating func unsigned(
            _ bytes: Span<UInt8>, width: Int
        ) throws(GGUFError) -> UInt64 {
            try need(UInt64(width), of: bytes)
            var value: UInt64 = 0
            for index in (position..<position + width).reversed() {
                value = value << 8 | UInt64(bytes[index])
            }
            position += width
            return value
        }

        mutating func u32(_ bytes: Span<UInt8>) throws(GGUFError) -> UInt32 {
            UInt32(truncatingIfNeeded: try unsigned(bytes, width: 4))
        }

        mutating func u64(_ bytes: Span<UInt8>) throws(GGUFError) -> UInt64 {
            try unsigned(bytes, width: 8)
        }

        mutating func count(
            _ bytes: Span<UInt8>, of what: GGUFError.What, limit: Int
        ) throws(GGUFError) -> Int {
            let count = try u64(bytes)
            guard count <= UInt64(limit) else {
                throw .absurdCount(what: what, count: count, limit: limit)
            }
            return Int(count)
        }

        mutating func string(_ bytes: Span<UInt8>) throws(GGUFError) -> String {
            let length = try count(bytes, of: .string, limit: GGUF.stringByteCountMax)
            try need(UInt64(length), of: bytes)
            let part = bytes.extracting(position..<position + length)
            position += length
            // Safe: the buffer is used inside the closure only.
            return unsafe part.withUnsafeBufferPointer { buffer in
                unsafe String(decoding: buffer, as: UTF8.self)
            }
        }

        mutating func metadata(
            _ bytes: Span<UInt8>, keyCount: Int
        ) throws(GGUFError) -> GGUFMetadata {
            var metadata = GGUFMetadata()
            for _ in 0..<keyCount {
                let key = try string(bytes)
                guard !key.isEmpty else { throw .emptyKey }
                let type = try u32(bytes)
                let value =
                    type == 9
                    ? try array(bytes, key: key) : try scalar(bytes, type: type, key: key)
                guard metadata.insert(value, for: key) else { throw .duplicateKey(key) }
            }
            return metadata
        }

        private mutating func scalar(
            _ bytes: Span<UInt8>, type: UInt32, key: String
        ) throws(GGUFError) -> GGUFMetadata.Value {
            switch type {
            case 0: return .integer(Int64(try unsigned(bytes, width: 1)))
            case 1: return .integer(Int64(Int8(truncatingIfNeeded: try unsigned(bytes, width: 1))))
            case 2: return .integer(Int64(try unsigned(bytes, width: 2)))
            case 3: return .integer(Int64(Int16(truncatingIfNeeded: try unsigned(bytes, width: 2))))
            case 4: return .integer(Int64(try u32(bytes)))
            case 5: return .integer(Int64(Int32(bitPattern: try u32(bytes))))
            case 6: return .float(Double(Float(bitPattern: try u32(bytes))))
            case 7:
                let byte = UInt8(truncatingIfNeeded: try unsigned(bytes, width: 1))
                guard byte < 2 else { throw .badBool(key: key, byte: byte) }
                return .bool(byte == 1)
            case 8: return .string(try string(bytes))
            case 10:
                let value = try u64(bytes)
                return Int64(exactly: value).map { .integer($0) } ?? .unsigned(value)
            case 11: return .integer(Int64(bitPattern: try u64(bytes)))
            case 12: return .float(Double(bitPattern: try u64(bytes)))
            default: throw .unknownValueType(key: key, type: type)
            }
        }

        /// The least bytes that one element of a type takes; nil for no scalar type.
        private func byteCountMin(ofType type: UInt32) -> Int? {
            switch type {
            case 0, 1, 7: 1
            case 2, 3: 2
            case 4, 5, 6: 4
            case 8, 10, 11, 12: 8
            default: nil
            }
        }

        private mutating func array(
            _ bytes: Span<UInt8>, key: String
        ) throws(GGUFError) -> GGUFMetadata.Value {
            let type = try u32(bytes)
            guard let width = byteCountMin(ofType: type) else {
                throw .unknownValueType(key: key, type: type)
            }
            let limit = GGUF.elementCountMax - elementCount
            let count = try count(bytes, of: .arrayElements, limit: limit)
            try need(UInt64(count * width), of: bytes)
            elementCount += count

            switch type {
            case 6, 12:
                var floats: [Float] = []
                floats.reserveCapacity(count)
                for _ in 0..<count {
                    let value = try scalar(bytes, type: type, key: key)
                    if case .float(let value) = value { floats.append(Float(value)) }
                }
                return .floats(floats)
            case 7:
                var bools: [Bool] = []
                bools.reserveCapacity(count)
                for _ in 0..<count {
                    let value = try scalar(bytes, type: type, key: key)
                    bools.append(value == .bool(true))
                }
                return .bools(bools)
            case 8:
                var strings: [String] = []
                strings.reserveCapacity(count)
                for _ in 0..<count { strings.append(try string(bytes)) }
                return .strings(strings)
            default:
                return try integers(bytes, type: type, count: count, key: key)
            }
        }

        private mutating func integers(
            _ bytes: Span<UInt8>, type: UInt32, count: Int, key: String
        ) throws(GGUFError) -> GGUFMetadata.Value {
            var integers: [Int64] = []
            integers.reserveCapacity(count)
            for _ in 0..<count {
                switch try scalar(bytes, type: type, key: key) {
                case .integer(let value): integers.append(value)
                // No key that is an array of integers holds numbers above 2^63.
                default: throw .unknownValueType(key: key, type: type)
                }
            }
            return .integers(integers)
        }

        mutating func tensorEntries(
            _ bytes: Span<UInt8>, count: Int
        ) throws(GGUFError) -> [TensorEntry] {
            var entries: [TensorEntry] = []
            for _ in 0..<count {
                let name = try string(bytes)
                // ggml keeps names in 64 bytes with a terminator.
                guard !name.isEmpty, name.utf8.count < 64 else {
                    throw .badTensorName(byteCount: name.utf8.count)
                }
                let dimensionCount = try u32(bytes)
                guard 1...4 ~= dimensionCount else { throw .badDimensions(tensor: name) }
                var dimensions: [Int] = []
                for _ in 0..<dimensionCount {
                    guard let dimension = Int(exactly: try u64(bytes)), 0 < dimension else {
                        throw .badDimensions(tensor: name)
                    }
                    dimensions.append(dimension)
                }
                let typeNumber = try u32(bytes)
                guard let type = GGUFType(rawValue: typeNumber) else {
                    throw .unknownTensorType(tensor: name, type: typeNumber)
                }
                entries.append(
                    TensorEntry(
                        name: name, type: type, dimensions: dimensions,
                        offset: try u64(bytes)))
            }
            return entries
        }
    }
}
