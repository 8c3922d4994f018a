extension [UInt8] {
    /// Appends an integer in little-endian order, as `ByteReader` reads it.
    // Inlined, because the shifts of a generic integer are calls where it is not specialised.
    @inlinable public mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        for index in 0..<Value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> Value(truncatingIfNeeded: 8 * index)))
        }
    }
}
