/// Little-endian reads over bytes from strangers: each read says nil where bytes are missing.
public struct ByteReader: Sendable {
    private let bytes: [UInt8]
    public private(set) var offset: Int

    public init(_ bytes: [UInt8], offset: Int = 0) {
        precondition(0 <= offset && offset <= bytes.count, "offset \(offset) of \(bytes.count)")
        self.bytes = bytes
        self.offset = offset
    }

    public var remaining: Int { bytes.count - offset }

    public mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value? {
        let width = Value.bitWidth / 8
        guard width <= remaining else { return nil }
        var value: Value = 0
        for index in (0..<width).reversed() {
            value = value << 8 | Value(truncatingIfNeeded: bytes[offset + index])
        }
        offset += width
        return value
    }

    /// Copies nothing until it has seen that the bytes are there.
    public mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard 0 <= count, count <= remaining else { return nil }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    public mutating func skip(_ count: Int) -> Bool { take(count) != nil }
}
