import Basics
import CMessages
import CProtobufC

/// The memory of one encoding: everything a C struct points at, freed together.
final class Arena {
    private static let blockByteCount = 4_096
    private static let alignment = 16

    private var blocks: [UnsafeMutableRawPointer] = []
    private var free = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Uninitialized room for plain C values, which need no farewell; the arena keeps it.
    func allocate<T>(_: T.Type, count: Int) -> UnsafeMutablePointer<T> {
        // A multiple of the alignment, so that what follows is aligned too.
        let byteCount = (count * MemoryLayout<T>.stride + Self.alignment - 1) & -Self.alignment
        if free.count < max(byteCount, 1) {
            let blockByteCount = max(Self.blockByteCount, byteCount)
            let block = UnsafeMutableRawPointer.allocate(
                byteCount: blockByteCount, alignment: Self.alignment)
            blocks.append(block)
            free = UnsafeMutableRawBufferPointer(start: block, count: blockByteCount)
        }
        defer { free = UnsafeMutableRawBufferPointer(rebasing: free[byteCount...]) }
        // The buffer has a base: the branch above made it where there was none.
        return free.baseAddress!.bindMemory(to: T.self, capacity: count)
    }

    func bytes(_ bytes: [UInt8]) -> ProtobufCBinaryData {
        guard !bytes.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
        let room = allocate(UInt8.self, count: bytes.count)
        room.initialize(from: bytes, count: bytes.count)
        return ProtobufCBinaryData(len: bytes.count, data: room)
    }

    func text(_ text: String) -> ProtobufCBinaryData { bytes(Array(text.utf8)) }

    func identity(_ identity: some Identity) -> ProtobufCBinaryData { bytes(identity.bytes) }

    func optionalIdentity(_ identity: (some Identity)?) -> ProtobufCBinaryData {
        bytes(identity?.bytes ?? [])
    }

    func numbers<T>(_ numbers: [T]) -> (Int, UnsafeMutablePointer<T>?) {
        guard !numbers.isEmpty else { return (0, nil) }
        let room = allocate(T.self, count: numbers.count)
        room.initialize(from: numbers, count: numbers.count)
        return (numbers.count, room)
    }

    func texts(_ texts: [String]) -> (Int, UnsafeMutablePointer<ProtobufCBinaryData>?) {
        numbers(texts.map(text))
    }

    func byteStrings(
        _ strings: [[UInt8]]
    ) -> (Int, UnsafeMutablePointer<ProtobufCBinaryData>?) {
        numbers(strings.map(bytes))
    }

    func identities(
        _ identities: [some Identity]
    ) -> (Int, UnsafeMutablePointer<ProtobufCBinaryData>?) {
        numbers(identities.map(identity))
    }

    func messages<Message: Coded>(
        _ messages: [Message]
    ) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Message.Stored>?>?) {
        numbers(messages.map { $0.stored(in: self) })
    }
}

/// What travels as exactly 32 bytes.
protocol Identity {
    init?(bytes: some Collection<UInt8>)
    var bytes: [UInt8] { get }
}

extension NodeID: Identity {}
extension Digest: Identity {}
