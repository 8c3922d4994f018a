import Basics
import Identity
import Runtime
import Testing
import Wire

struct ReplayWindowTests {
    private var window = ReplayWindow()

    private mutating func admits(_ counters: [UInt64]) -> [Bool] {
        counters.map { window.admit($0) }
    }

    @Test mutating func `each counter is admitted once, in any order`() {
        let counters: [UInt64] = [1, 3, 2, 700, 5, 699]
        let first = admits(counters), again = admits(counters)
        #expect(first.allSatisfy { $0 })
        #expect(!again.contains(true))
    }

    @Test mutating func `a counter too old to tell is refused`() {
        let answers = admits([5_000, 5_000 - 1_024, 5_000 - 1_023])
        #expect(answers == [true, false, true])
    }

    @Test mutating func `a far jump forgets nothing that is still in the window`() {
        let answers = admits([1_000, 2_000, 1_000, 1_001, 1_000_000, 2_000])
        #expect(answers == [true, true, false, true, true, false])
    }
}

struct BulkKeysTests {
    private static let mesh = Digest.of("a mesh")
    private let curves: [CurveKeyPair]
    private let ada: BulkKeys, bob: BulkKeys

    init() throws {
        curves = try (0..<3).map { _ in try CurveKeyPair.generate() }
        ada = BulkKeys(own: NodeID(1), mesh: Self.mesh, curve: curves[0])
        bob = BulkKeys(own: NodeID(2), mesh: Self.mesh, curve: curves[1])
    }

    private func introduce() {
        bob.received(key: ada.offerKey(to: NodeID(2)), from: NodeID(1))
        ada.keyAccepted(by: NodeID(2))
    }

    @Test func `what is sealed for a node opens there and nowhere else, once`() throws {
        introduce()
        let sealed = try ada.seal([[1, 2], [3]], to: NodeID(2))
        #expect(try bob.open(sealed, from: NodeID(1)) == [1, 2, 3])
        #expect(throws: BulkKeys.NotAuthentic.self) { try bob.open(sealed, from: NodeID(1)) }
        #expect(throws: BulkKeys.NoKey.self) { try bob.open(sealed, from: NodeID(3)) }
    }

    @Test func `every flipped bit is noticed`() throws {
        introduce()
        let sealed = try ada.seal([[9, 9, 9]], to: NodeID(2))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: (any Error).self) { try bob.open(changed, from: NodeID(1)) }
        }
        #expect(try bob.open(sealed, from: NodeID(1)) == [9, 9, 9])
    }

    @Test func `messages under the key before still open after a new hello`() throws {
        introduce()
        let early = try ada.seal([[1]], to: NodeID(2))
        introduce()
        let late = try ada.seal([[2]], to: NodeID(2))
        #expect(try bob.open(late, from: NodeID(1)) == [2])
        #expect(try bob.open(early, from: NodeID(1)) == [1])
    }

    @Test func `nothing is sealed before the receiver has the key`() {
        _ = ada.offerKey(to: NodeID(2))
        #expect(throws: BulkKeys.NoKey.self) { try ada.seal([[1]], to: NodeID(2)) }
    }

    @Test func `a key goes with the link that brought it, and opens what is on its way`() throws {
        introduce()
        let early = try ada.seal([[1]], to: NodeID(2))
        ada.linkEnded(with: NodeID(2))
        #expect(throws: BulkKeys.NoKey.self) { try ada.seal([[2]], to: NodeID(2)) }
        #expect(try bob.open(early, from: NodeID(1)) == [1])
        introduce()
        let late = try ada.seal([[3]], to: NodeID(2))
        #expect(try bob.open(late, from: NodeID(1)) == [3])
    }

    private func acquaint() {
        ada.setPeer(NodeID(2), curvePublicKey: curves[1].publicKey)
        bob.setPeer(NodeID(1), curvePublicKey: curves[0].publicKey)
    }

    @Test func `a ticket is one node's for another, and no one else's`() throws {
        acquaint()
        let ticket = try #require(ada.ticket(for: NodeID(2)))
        #expect((1...255).contains(ticket.count))
        #expect(!ticket.contains(0))
        #expect(bob.isTicket(ticket, of: NodeID(1)))
        #expect(ada.ticket(for: NodeID(2)) == ticket)
        // Each direction has its own.
        #expect(bob.ticket(for: NodeID(1)) != ticket)
        #expect(!ada.isTicket(ticket, of: NodeID(2)))
        for index in ticket.indices {
            var changed = ticket
            changed[index] ^= 1
            #expect(!bob.isTicket(changed, of: NodeID(1)))
        }
        #expect(!bob.isTicket([], of: NodeID(1)))
        #expect(!bob.isTicket(ticket, of: NodeID(3)))
    }

    @Test func `who has another key, name or mesh has another ticket`() throws {
        acquaint()
        let strangers = [
            BulkKeys(own: NodeID(1), mesh: Self.mesh, curve: curves[2]),
            BulkKeys(own: NodeID(3), mesh: Self.mesh, curve: curves[0]),
            BulkKeys(own: NodeID(1), mesh: .of("another mesh"), curve: curves[0]),
        ]
        for stranger in strangers {
            stranger.setPeer(NodeID(2), curvePublicKey: curves[1].publicKey)
            let ticket = try #require(stranger.ticket(for: NodeID(2)))
            #expect(!bob.isTicket(ticket, of: NodeID(1)))
        }
    }

    @Test func `a node has no ticket before its key is known, nor after it was forgotten`() throws {
        #expect(ada.ticket(for: NodeID(2)) == nil)
        acquaint()
        let ticket = try #require(ada.ticket(for: NodeID(2)))
        #expect(bob.isTicket(ticket, of: NodeID(1)))
        bob.forget(NodeID(1))
        #expect(!bob.isTicket(ticket, of: NodeID(1)))
        acquaint()
        #expect(bob.isTicket(ticket, of: NodeID(1)))
        // Another key, and one with which nothing can be agreed on.
        for key in [curves[2].publicKey, [UInt8](repeating: 0, count: 32)] {
            bob.setPeer(NodeID(1), curvePublicKey: key)
            #expect(!bob.isTicket(ticket, of: NodeID(1)))
        }
    }

    @Test func `a node that starts again knows the tickets of its address book`() throws {
        let node = try MeshFounding(nodeName: "first", at: 1_780_272_000).node
        let old = BulkKeys(own: node.id, mesh: Self.mesh, curve: node.keys.curve)
        old.setPeer(NodeID(2), curvePublicKey: curves[1].publicKey)
        let ticket = try #require(old.ticket(for: NodeID(2)))
        let profile = Profile(name: "first")
        bob.setPeers([
            Introduction(node: NodeID(3), certificates: node.chain, profile: profile),
            Introduction(node: NodeID(4), certificates: [[1]], profile: profile),
            Introduction(node: NodeID(5), profile: profile),
            Introduction(node: node.id, certificates: node.chain, profile: profile),
        ])
        #expect(bob.isTicket(ticket, of: node.id))
        #expect(!bob.isTicket(ticket, of: NodeID(3)))
    }

    @Test func `an acceptance of which one hears after the link's end brings no key`() {
        _ = ada.offerKey(to: NodeID(2))
        ada.linkEnded(with: NodeID(2))
        ada.keyAccepted(by: NodeID(2))
        #expect(throws: BulkKeys.NoKey.self) { try ada.seal([[1]], to: NodeID(2)) }
    }
}
