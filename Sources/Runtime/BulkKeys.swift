package import Basics
import Identity
import Synchronization
import Transport

/// The keys of the bulk plane: each hello brings the receiver a fresh AES-256 key of its sender.
///
/// A message is sealed under the newest key that its receiver has accepted, as long as the link
/// stands on which it was brought: a receiver that has started again knows no key of before. The
/// receiver keeps the last three of each sender, since messages under the old key may still be on
/// their way when a link is made again. The counter is the nonce and guards against replay: within
/// one key a receiver takes only counters that it has not seen among the last 1,024.
package final class BulkKeys: BulkCipher, Sendable {
    private static let receivedKeyCountMax = 3
    private static let headByteCount = 12

    private struct SendKey {
        var id: UInt32
        var channel: SealedChannel
        var counter: UInt64 = 0
    }
    private struct ReceiveKey {
        var id: UInt32
        var channel: SealedChannel
        var window = ReplayWindow()
    }
    private struct State {
        // Looked up by node, never iterated.
        var pending: [NodeID: SendKey] = [:]
        var sending: [NodeID: SendKey] = [:]
        var receiving: [NodeID: [ReceiveKey]] = [:]
    }

    private let own: NodeID
    private let state = Mutex(State())

    package init(own: NodeID) { self.own = own }

    /// A new key for what this node sends to `peer`; it is used once the peer accepted the hello.
    package func offerKey(to peer: NodeID) -> [UInt8] {
        let key = Random.bytes(count: 32)
        state.withLock { state in
            state.pending[peer] = SendKey(
                id: Self.id(of: key), channel: channel(key, from: own, to: peer))
        }
        return key
    }

    package func keyAccepted(by peer: NodeID) {
        state.withLock { state in
            if let key = state.pending.removeValue(forKey: peer) { state.sending[peer] = key }
        }
    }

    package func received(key: [UInt8], from peer: NodeID) {
        guard key.count == 32 else { return }
        let entry = ReceiveKey(id: Self.id(of: key), channel: channel(key, from: peer, to: own))
        state.withLock { state in
            var keys = state.receiving[peer] ?? []
            keys.append(entry)
            if keys.count > Self.receivedKeyCountMax { keys.removeFirst() }
            state.receiving[peer] = keys
        }
    }

    /// The key that the link brought goes with it; the next one needs another hello.
    package func linkEnded(with peer: NodeID) {
        state.withLock { state in
            state.pending[peer] = nil
            state.sending[peer] = nil
        }
    }

    func forget(_ peer: NodeID) {
        state.withLock { state in
            state.pending[peer] = nil
            state.sending[peer] = nil
            state.receiving[peer] = nil
        }
    }

    /// No key, a flipped bit, a replay: the bulk plane drops the message and counts it.
    package struct NotAuthentic: Error {}
    package struct NoKey: Error {}

    package func seal(_ frames: [[UInt8]], to peer: NodeID) throws -> [UInt8] {
        let taken = state.withLock { state -> (SendKey, UInt64)? in
            guard var key = state.sending[peer] else { return nil }
            key.counter += 1
            state.sending[peer] = key
            return (key, key.counter)
        }
        guard let (key, counter) = taken else { throw NoKey() }
        let head = Self.head(id: key.id, counter: counter)
        var plain: [UInt8] = []
        plain.reserveCapacity(frames.reduce(0) { $0 + $1.count })
        for frame in frames { plain.append(contentsOf: frame) }
        return head + (try key.channel.seal(plain, counter: counter, associatedData: head))
    }

    package func open(_ sealed: [UInt8], from peer: NodeID) throws -> [UInt8] {
        var reader = ByteReader(sealed)
        guard let id = reader.integer(UInt32.self), let counter = reader.integer(UInt64.self)
        else { throw NotAuthentic() }
        let key = state.withLock { $0.receiving[peer]?.last { $0.id == id } }
        let head = Array(sealed[..<Self.headByteCount])
        guard let key else { throw NoKey() }
        let plain = try key.channel.open(
            Array(sealed[Self.headByteCount...]), counter: counter, associatedData: head)
        // Only what is authentic may move the window.
        let isNew = state.withLock { state -> Bool in
            guard let index = state.receiving[peer]?.lastIndex(where: { $0.id == id }) else {
                return false
            }
            return state.receiving[peer]?[index].window.admit(counter) ?? false
        }
        guard isNew else { throw NotAuthentic() }
        return plain
    }

    private func channel(_ key: [UInt8], from: NodeID, to: NodeID) -> SealedChannel {
        SealedChannel(
            secret: SecretBytes(copying: key), label: "bulk", context: from.bytes + to.bytes)
    }

    private static func id(of key: [UInt8]) -> UInt32 {
        Digest.of(key).bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func head(id: UInt32, counter: UInt64) -> [UInt8] {
        withUnsafeBytes(of: id.littleEndian) { Array($0) }
            + withUnsafeBytes(of: counter.littleEndian) { Array($0) }
    }
}

/// Which counters have been seen: the highest, and one bit for each of the 1,024 below it.
package struct ReplayWindow: Sendable {
    package init() {}

    private static let wordCount = 16
    private var highest: UInt64 = 0
    private var seen: [16 of UInt64] = .init(repeating: 0)

    /// False for a counter that was seen, or is too old to tell.
    package mutating func admit(_ counter: UInt64) -> Bool {
        let width = UInt64(Self.wordCount * 64)
        if counter > highest {
            let first = highest + 1
            // Everything between the old and the new highest is unseen: one turn at most.
            for fresh in max(first, counter >= width ? counter - width + 1 : 0)...counter {
                clear(fresh)
            }
            highest = counter
        } else if highest - counter >= width {
            return false
        }
        let word = Int(counter / 64 % UInt64(Self.wordCount)), bit = UInt64(1) << (counter % 64)
        guard seen[word] & bit == 0 else { return false }
        seen[word] |= bit
        return true
    }

    private mutating func clear(_ counter: UInt64) {
        seen[Int(counter / 64 % UInt64(Self.wordCount))] &= ~(UInt64(1) << (counter % 64))
    }
}
