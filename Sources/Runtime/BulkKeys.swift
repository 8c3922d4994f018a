package import Basics
package import Identity
import Synchronization
import Transport
package import Wire

/// The keys of the bulk plane: each hello brings the receiver a fresh AES-256 key of its sender.
///
/// A message is sealed under the newest key that its receiver has accepted, as long as the link
/// stands on which it was brought: a receiver that has started again knows no key of before. The
/// receiver keeps the last three of each sender, since messages under the old key may still be on
/// their way when a link is made again. The counter is the nonce and guards against replay: within
/// one key a receiver takes only counters that it has not seen among the last 1,024.
///
/// Who dials shows a ticket: it is made of the product of both nodes' CURVE pairs, so that only
/// these two can compute it. The listener has the dialler's public key from its certificate.
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
    private struct Tickets {
        var shown: [UInt8]
        var expected: [UInt8]
    }
    private struct Peer {
        var curvePublicKey: [UInt8]
        /// Once they were asked for.
        var tickets: Tickets?
    }
    private struct State {
        // Looked up by node, never iterated.
        var peers: [NodeID: Peer] = [:]
        var pending: [NodeID: SendKey] = [:]
        var sending: [NodeID: SendKey] = [:]
        var receiving: [NodeID: [ReceiveKey]] = [:]
    }

    private let own: NodeID
    private let mesh: Digest
    private let curve: Identity.CurveKeyPair
    private let state = Mutex(State())

    package init(own: NodeID, mesh: Digest, curve: Identity.CurveKeyPair) {
        self.own = own
        self.mesh = mesh
        self.curve = curve
    }

    convenience init(_ identity: NodeIdentity) {
        self.init(own: identity.id, mesh: identity.meshID, curve: identity.keys.curve)
    }

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

    package func forget(_ peer: NodeID) {
        state.withLock { state in
            state.peers[peer] = nil
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

    // MARK: tickets

    /// The key in a peer's certificate.
    package func setPeer(_ peer: NodeID, curvePublicKey: [UInt8]) {
        state.withLock { state in
            guard state.peers[peer]?.curvePublicKey != curvePublicKey else { return }
            state.peers[peer] = Peer(curvePublicKey: curvePublicKey)
        }
    }

    /// The same of all whom an address book has.
    package func setPeers(_ introductions: [Introduction]) {
        for introduction in introductions {
            guard let leaf = introduction.certificates.first,
                let certificate = try? Certificate(der: leaf),
                certificate.nodeID == introduction.node, let key = certificate.curvePublicKey
            else { continue }
            setPeer(introduction.node, curvePublicKey: key)
        }
    }

    package func ticket(for listener: NodeID) -> [UInt8]? { tickets(with: listener)?.shown }

    package func isTicket(_ bytes: [UInt8], of dialler: NodeID) -> Bool {
        tickets(with: dialler).map { MessageCode.areEqual(bytes, $0.expected) } ?? false
    }

    /// Computed once for each key of a peer, and not under the lock, where others seal.
    private func tickets(with peer: NodeID) -> Tickets? {
        guard let known = state.withLock({ $0.peers[peer] }) else { return nil }
        if let tickets = known.tickets { return tickets }
        let secret = try? curve.agree(with: known.curvePublicKey)
        let tickets = secret.map {
            Tickets(
                shown: ticket($0, from: own, to: peer), expected: ticket($0, from: peer, to: own))
        }
        state.withLock { state in
            guard state.peers[peer]?.curvePublicKey == known.curvePublicKey else { return }
            // A key with which nothing can be agreed on is none.
            if let tickets { state.peers[peer]?.tickets = tickets } else { state.peers[peer] = nil }
        }
        return tickets
    }

    private func ticket(
        _ secret: SecretBytes, from dialler: NodeID, to listener: NodeID
    ) -> [UInt8] {
        let label = Array("swiftlet bulk ticket v1\n".utf8)
        let code = MessageCode.derive(
            from: secret, salt: [], info: label + mesh.bytes + dialler.bytes + listener.bytes,
            byteCount: MessageCode.byteCount)
        return Array(code.withBytes { Hex.encode($0) }.utf8)
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
