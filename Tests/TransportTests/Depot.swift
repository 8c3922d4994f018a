import Basics
import Messages
import Synchronization
import Transport
import Wire

/// Seals with a keyed checksum and a counter, in the place of AES-GCM: it notices what a real
/// cipher notices (a flipped bit, a wrong pair of nodes, a replay), and hides nothing. Its tickets
/// follow from both nodes' ids, and it knows everybody whom it was not told to forget.
final class TestCipher: BulkCipher {
    struct Mistake: Error {}

    private struct State {
        var sent: UInt64 = 0
        var seen: [NodeID: Set<UInt64>] = [:]
        var strangers: Set<NodeID> = []
        var secret = 1
    }

    let node: NodeID
    let hasKey = Atomic(true)
    private let state = Mutex(State())

    init(_ node: NodeID) { self.node = node }

    func seal(_ frames: [[UInt8]], to receiver: NodeID) throws -> [UInt8] {
        guard hasKey.load(ordering: .relaxed) else { throw Mistake() }
        let counter = state.withLock { state in
            state.sent += 1
            return state.sent
        }
        var sealed = Self.bytes(counter) + [UInt8](repeating: 0, count: 8)
        for frame in frames { sealed += frame }
        let sum = Self.checksum(sealed, from: node, to: receiver)
        sealed.replaceSubrange(8..<16, with: Self.bytes(sum))
        return sealed
    }

    func open(_ sealed: [UInt8], from sender: NodeID) throws -> [UInt8] {
        guard sealed.count >= 16 else { throw Mistake() }
        var zeroed = sealed
        zeroed.replaceSubrange(8..<16, with: [UInt8](repeating: 0, count: 8))
        let sum = Self.checksum(zeroed, from: sender, to: node)
        guard Array(sealed[8..<16]) == Self.bytes(sum) else { throw Mistake() }
        let counter = sealed[0..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let isNew = state.withLock { $0.seen[sender, default: []].insert(counter).inserted }
        guard isNew else { throw Mistake() }
        return Array(sealed[16...])
    }

    static func ticket(
        from dialler: NodeID, to listener: NodeID, secret: Int = 1
    ) -> [UInt8] {
        Array(Digest.of("\(secret): \(dialler.hex) to \(listener.hex)").hex.utf8)
    }

    func ticket(for listener: NodeID) -> [UInt8]? {
        Self.ticket(from: node, to: listener, secret: state.withLock { $0.secret })
    }

    func isTicket(_ bytes: [UInt8], of dialler: NodeID) -> Bool {
        let (isStranger, secret) = state.withLock { ($0.strangers.contains(dialler), $0.secret) }
        return !isStranger && bytes == Self.ticket(from: dialler, to: node, secret: secret)
    }

    /// Nothing is known of this node any more, or not yet.
    func forget(_ node: NodeID) { state.withLock { _ = $0.strangers.insert(node) } }

    func learn(_ node: NodeID) { state.withLock { _ = $0.strangers.remove(node) } }

    /// From now on all tickets are others.
    func change(secret: Int) { state.withLock { $0.secret = secret } }

    private static func bytes(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func checksum(_ bytes: [UInt8], from: NodeID, to: NodeID) -> UInt64 {
        let seed = from.bytes[7] &+ to.bytes[7] &* 3
        return bytes.withUnsafeBytes { buffer in
            var sum = UInt64(seed) &+ 14_695_981_039_346_656_037
            var offset = 0
            // Words, then single bytes: debug builds are slow.
            while offset + 8 <= buffer.count {
                sum = (sum ^ buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                    &* 1_099_511_628_211
                sum ^= sum >> 29
                offset += 8
            }
            while offset < buffer.count {
                sum = (sum ^ UInt64(buffer[offset])) &* 1_099_511_628_211
                offset += 1
            }
            return sum
        }
    }
}

/// A bulk plane and what it received.
final class Depot: Sendable {
    struct Item: Sendable {
        var sender: NodeID
        var message: BulkMessage
        var payload: [UInt8]
    }

    let id: NodeID
    let cipher: TestCipher
    let plane: BulkPlane
    private let items: Mailbox<Item>
    private let askedFor: Mailbox<NodeID>
    private let sentences: Mailbox<String>

    init(
        _ number: UInt64, endpoint: String = "tcp://127.0.0.1:*",
        byteCountInFlightMax: Int = 64 << 20, keyWait: Duration = .seconds(20),
        idleTime: Duration = .seconds(600)
    ) throws {
        id = NodeID(number)
        cipher = TestCipher(id)
        let items = Mailbox<Item>(capacity: 10_000)
        let askedFor = Mailbox<NodeID>(capacity: 100)
        let sentences = Mailbox<String>(capacity: 100)
        var settings = BulkPlane.Settings(bindEndpoint: endpoint, node: id)
        settings.byteCountInFlightMax = byteCountInFlightMax
        settings.keyWait = keyWait
        settings.idleTime = idleTime
        plane = try BulkPlane(
            settings: settings, cipher: cipher, keyless: { _ = askedFor.offer($0) },
            refused: { _ = sentences.offer($0) }
        ) { sender, message, payload in
            _ = items.offer(Item(sender: sender, message: message, payload: payload))
        }
        self.items = items
        self.askedFor = askedFor
        self.sentences = sentences
    }

    /// To whom keys were missing, since the last time.
    func asked() -> [NodeID] {
        var batch: [NodeID] = []
        askedFor.drain(into: &batch)
        return batch
    }

    /// What the log was told, since the last time.
    func refusals() -> [String] {
        var batch: [String] = []
        sentences.drain(into: &batch)
        return batch
    }

    func knows(_ other: Depot) throws {
        try plane.setPeer(other.id, bulkEndpoint: other.plane.boundEndpoint)
    }

    func received() -> [Item] {
        var batch: [Item] = []
        items.drain(into: &batch)
        return batch
    }

    /// Waits for so many messages, or gives what came in time.
    func receive(_ count: Int, within time: Duration = .seconds(20)) -> [Item] {
        let end = ContinuousClock.now + time
        var batch: [Item] = []
        while batch.count < count, ContinuousClock.now < end { items.drain(into: &batch) }
        return batch
    }
}

func chunk(_ offset: UInt64) -> BulkMessage {
    BulkMessage(
        body: .chunk(
            Chunk(
                artifact: .of("a"), offset: offset, totalByteCount: 64 << 20, before: .of(""))))
}

/// A message without a payload, before it is sealed.
func framed(_ message: BulkMessage) -> [UInt8] {
    let header = message.encoded()
    return (0..<4).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) } + header
}

func waits(_ time: Duration = .seconds(20), until condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end { if condition() { return true } }
    return false
}

extension RawDealer {
    /// With a ticket that is good.
    convenience init(to depot: Depot, as node: NodeID) throws {
        try self.init(
            depot.plane.boundEndpoint,
            plain: (user: node.hex, password: TestCipher.ticket(from: node, to: depot.id)))
    }
}
