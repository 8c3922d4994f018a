// Messages: the values of `Wire` to and from protobuf bytes.
//
// The generated files of this folder copy field by field between a Swift value and protobuf-c's
// struct; this folder's other files are what they stand on:
//
//   encoding   value ─▶ struct in an Arena ─▶ protobuf_c_message_pack ─▶ bytes; the arena goes
//   decoding   bytes ─▶ limit ─▶ …__unpack ─▶ checks of Field ─▶ value; the struct goes
//
// Two rules make bytes from strangers harmless. The length is compared with a limit before
// anything is allocated: protobuf-c takes at most some hundred bytes of memory for a byte of input,
// since no message of ours contains itself. And a value exists only whole: text is UTF-8, an
// identity has 32 bytes, a message that must be there is there, every oneof and enum has a known
// case. What fails any of it does not decode; what a later version added is skipped.
//
// `string` fields travel through C as bytes with a length (the generator says so to protoc-c), so
// a text with a zero byte in it arrives as it was sent.

/// A message of the protocol: a value that has bytes.
package protocol WireMessage: Hashable, Sendable {
    /// The message in protobuf's encoding: the same bytes for the same value.
    func encoded() -> [UInt8]

    /// Decodes at most `limit` bytes; a longer message is a mistake before it costs memory.
    init(decoding bytes: Span<UInt8>, limit: Int) throws(DecodingMistake)
}

extension WireMessage {
    /// Decodes at most `limit` bytes.
    package init(decoding bytes: [UInt8], limit: Int) throws(DecodingMistake) {
        try self.init(decoding: bytes.span, limit: limit)
    }
}

/// Why bytes are not a message.
package enum DecodingMistake: Error, Hashable {
    case tooLong(byteCount: Int, limit: Int)
    /// Not protobuf at all, or another message.
    case malformed
    case notText(field: String)
    case wrongLength(field: String, byteCount: Int)
    case missing(field: String)
    /// A oneof holds nothing that this version knows.
    case unknownCase(field: String)
    /// An enum has a value that this version does not know.
    case unknownValue(field: String, value: Int32)
}
