package import Wire

extension StateCodec {
    // What is longer than a part may be was refused before it came here.
    private static let byteCountMax = 16 << 20

    /// The codec of all who keep or send snapshots.
    package static let protobuf = StateCodec(
        header: { $0.encoded() },
        part: { $0.encoded() },
        readHeader: { try? StateHeader(decoding: $0, limit: byteCountMax) },
        readPart: { try? StatePart(decoding: $0, limit: byteCountMax) }
    )
}
