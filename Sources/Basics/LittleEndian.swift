extension [UInt8] {
    /// Appends an integer in little-endian order, as `ByteReader` reads it.
    // Inlined, because the bytes of a generic integer are a call where it is not specialised.
    @inlinable public mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        // The bytes of a local value, copied before it ends.
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }
}
