import Basics
import Glibc
import Testing
import Transport

/// Who may connect to a bulk plane.
@Suite(.serialized) struct BulkDoorTests {
    /// How somebody comes whose ticket is not good.
    enum Stranger: CaseIterable, Sendable {
        case withoutMechanism, withoutName, withWrongTicket, withTicketOfAnother
        case withTicketForAnother, withTicketOfListener

        func dealer(to depot: Depot, as node: NodeID) throws -> RawDealer {
            func dealer(_ user: String, _ password: [UInt8]) throws -> RawDealer {
                try RawDealer(depot.plane.boundEndpoint, plain: (user: user, password: password))
            }
            func ticket(from dialler: NodeID, to listener: NodeID) -> [UInt8] {
                TestCipher.ticket(from: dialler, to: listener)
            }
            let good = ticket(from: node, to: depot.id)
            return switch self {
            case .withoutMechanism: try RawDealer(depot.plane.boundEndpoint)
            case .withoutName: try dealer("somebody", good)
            case .withWrongTicket: try dealer(node.hex, good.dropLast() + [0])
            case .withTicketOfAnother: try dealer(node.hex, ticket(from: NodeID(3), to: depot.id))
            case .withTicketForAnother: try dealer(node.hex, ticket(from: node, to: NodeID(3)))
            case .withTicketOfListener: try dealer(node.hex, ticket(from: depot.id, to: node))
            }
        }
    }

    @Test(arguments: Stranger.allCases)
    func `who has no ticket of its own is not heard`(stranger: Stranger) throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let raw = try stranger.dealer(to: two, as: one.id)
        raw.send(one.id.bytes, try one.cipher.seal([framed(chunk(1))], to: two.id))
        if stranger != .withoutMechanism {
            #expect(waits { two.plane.counters.refusedCount > 0 })
        }
        try expectPeerIsHeard(one, by: two)
    }

    /// How somebody who speaks ZMTP by hand begins.
    enum Opening: CaseIterable, Sendable {
        case null, plain, wrongTicket, version2, version1

        var bytes: [UInt8] {
            let signature = [0xff] + [UInt8](repeating: 0, count: 8) + [0x7f]
            return switch self {
            case .null: RawConnection.greeting(mechanism: "NULL") + RawConnection.ready
            case .plain: RawConnection.greeting(mechanism: "PLAIN")
            case .wrongTicket:
                RawConnection.greeting(mechanism: "PLAIN")
                    + RawConnection.hello(user: NodeID(1).hex, password: [1, 2, 3])
            // Of a DEALER without a routing id.
            case .version2: signature + [1, 5, 0, 0]
            case .version1: [1, 0]
            }
        }

        /// Empty, and more to come.
        var frame: [UInt8] { self == .version1 ? [1, 1] : [1, 0] }
    }

    @Test(arguments: Opening.allCases)
    func `a message without end ends the connection of a stranger`(opening: Opening) throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let stranger = try RawConnection(two.plane.boundEndpoint)
        stranger.send(opening.bytes)
        stranger.send((0..<100_000).flatMap { _ in opening.frame })
        #expect(stranger.ends())
        try expectPeerIsHeard(one, by: two)
    }

    /// That the depot hears a peer, and has heard nobody else.
    private func expectPeerIsHeard(_ peer: Depot, by depot: Depot) throws {
        try peer.knows(depot)
        try peer.plane.send(chunk(7), payload: [7], to: depot.id)
        #expect(depot.receive(1).map(\.payload) == [[7]])
        let counters = depot.plane.counters
        #expect(counters.receivedCount == 1)
        #expect(counters.spoofedCount + counters.unsealedCount + counters.malformedCount == 0)
    }

    @Test func `a stranger keeps no peer out, and has few lines in the log`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let strangers = try (0..<100).map { _ in
            let stranger = try RawConnection(two.plane.boundEndpoint)
            stranger.send(Opening.wrongTicket.bytes)
            return stranger
        }
        #expect(waits { two.plane.counters.refusedCount == strangers.count })
        try expectPeerIsHeard(one, by: two)
        // One for each ten seconds.
        let refusals = two.refusals()
        #expect((1...2).contains(refusals.count))
        #expect(refusals.allSatisfy { $0.contains("127.0.0.1") })
    }

    @Test func `a peer that becomes known gets in by itself`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        two.cipher.forget(one.id)
        try one.knows(two)
        try one.plane.send(chunk(1), payload: [1], to: two.id)
        #expect(waits { two.plane.counters.refusedCount > 0 })
        #expect(two.received().isEmpty)
        two.cipher.learn(one.id)
        #expect(two.receive(1).map(\.payload) == [[1]])
    }

    @Test func `a peer that was dropped, or whose key was, gets in no more`() throws {
        let (one, two, three) = (try Depot(1), try Depot(2), try Depot(3))
        for peer in [one, three] {
            try peer.knows(two)
            try peer.plane.send(chunk(1), payload: [], to: two.id)
        }
        #expect(two.receive(2).count == 2)
        two.cipher.forget(one.id)
        try two.plane.dropPeer(three.id)
        for peer in [one, three] {
            let count = two.plane.counters.refusedCount
            try peer.plane.closePeer(two.id)
            try peer.plane.send(chunk(2), payload: [], to: two.id)
            #expect(waits { two.plane.counters.refusedCount > count })
        }
        #expect(two.received().isEmpty)
        try two.plane.setPeer(three.id, bulkEndpoint: nil)
        #expect(two.receive(1).map(\.sender) == [three.id])
    }

    @Test func `a message of another node than its connection's is dropped`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let raw = try RawDealer(to: two, as: NodeID(3))
        raw.send(one.id.bytes, try one.cipher.seal([framed(chunk(1))], to: two.id))
        #expect(waits { two.plane.counters.spoofedCount == 1 })
        #expect(two.received().isEmpty)
    }

    @Test func `a peer that has another key is dialled with another ticket`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        two.cipher.change(secret: 2)
        try one.knows(two)
        try one.plane.send(chunk(1), payload: [], to: two.id)
        #expect(waits { two.plane.counters.refusedCount > 0 })
        one.cipher.change(secret: 2)
        try one.knows(two)
        try one.plane.send(chunk(2), payload: [], to: two.id)
        #expect(two.receive(1).map(\.message) == [chunk(2)])
    }

    @Test func `a peer whose port another program had is dialled again`() throws {
        let one = try Depot(1)
        let other = try Station(3)
        let endpoint = other.endpoint
        try one.plane.setPeer(NodeID(2), bulkEndpoint: endpoint)
        func sendAgain() {
            usleep(10_000)
            try? one.plane.send(chunk(1), payload: [], to: NodeID(2))
        }
        // It speaks CURVE, and libzmq gives up.
        #expect(waits {
            sendAgain()
            return one.plane.counters.undeliverableCount > 0
        })
        other.plane = nil
        let two = try Depot(2, endpoint: endpoint)
        #expect(waits {
            sendAgain()
            return !two.received().isEmpty
        })
    }
}
