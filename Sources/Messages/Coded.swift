import CMessages
import CProtobufC

/// What the generator writes for each message.
protocol Coded {
    /// protobuf-c's struct, which begins with its `ProtobufCMessage`.
    associatedtype Stored

    func stored(in arena: Arena) -> UnsafeMutablePointer<Stored>
    init(reading stored: UnsafePointer<Stored>) throws(DecodingMistake)
}

func packed<Message: Coded>(_ message: Message) -> [UInt8] {
    let arena = Arena()
    return withExtendedLifetime(arena) {
        let stored = message.stored(in: arena)
        return stored.withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { base in
            let byteCount = protobuf_c_message_get_packed_size(base)
            return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
                // An empty message has no bytes, and its buffer perhaps no address.
                if byteCount > 0 { count = protobuf_c_message_pack(base, buffer.baseAddress) }
                precondition(count == byteCount, "packed \(count) bytes of \(byteCount)")
            }
        }
    }
}

func unpacked<Message: Coded>(
    _ bytes: Span<UInt8>,
    limit: Int,
    _ unpack: (
        UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
    ) -> UnsafeMutablePointer<Message.Stored>?
) throws(DecodingMistake) -> Message {
    guard bytes.count <= limit else {
        throw .tooLong(byteCount: bytes.count, limit: limit)
    }
    let stored = bytes.withUnsafeBufferPointer { unpack(nil, $0.count, $0.baseAddress) }
    guard let stored else { throw .malformed }
    defer {
        stored.withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) {
            protobuf_c_message_free_unpacked($0, nil)
        }
    }
    return try Message(reading: stored)
}
