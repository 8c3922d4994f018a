import Basics
import Messages
import Testing
import Transport
import Wire

@Suite(.serialized) struct ControlPlaneDefenceTests {
    private let server: Station
    private let keys: CurveKeyPair
    private let node = NodeID(77)

    init() throws {
        server = try Station(1)
        keys = try CurveKeyPair.generate()
    }

    private func hello() -> Hello {
        TestAuthority.hello(of: node, client: keys.publicKey, server: server.keys.publicKey)
    }

    /// What the server says to a raw peer next.
    private func answer(to dealer: RawDealer) -> Envelope.Body? {
        var answer: Envelope.Body?
        _ = pump([server]) {
            answer = dealer.receiveBody()
            return answer != nil
        }
        return answer
    }

    private func refusal(to dealer: RawDealer) -> String? {
        guard case .helloRefused(let refusal)? = answer(to: dealer) else { return nil }
        return refusal.reason
    }

    private func greeted(_ route: [UInt8]) throws -> RawDealer {
        let dealer = try RawDealer(to: server, as: keys, route: route)
        let hello = hello()
        dealer.send(.hello(hello), as: node)
        #expect(answer(to: dealer) == .helloAccepted(HelloAccepted(sequence: hello.sequence)))
        return dealer
    }

    @Test func `a server with another key is not talked to`() throws {
        let one = try Station(2)
        var address = server.address
        address.curvePublicKey = try CurveKeyPair.generate().publicKey
        one.plane?.setPeer(address)
        try one.send(1, to: server)
        #expect(pump([one, server]) { one.refusals.contains { $0.contains("another key") } })
        #expect(server.events.isEmpty)
        #expect(one.dropped(.undeliverable) == 1)
    }

    @Test func `a key that is not allowed finds the door closed`() throws {
        let one = try Station(2)
        server.authority.refusedKeys = [one.keys.publicKey]
        one.knows(server)
        try one.send(1, to: server)
        let event = ControlEvent.helloRefused(by: server.id, reason: ControlPlane.removal)
        #expect(pump([one, server]) { one.events.contains(event) && !server.refusals.isEmpty })
        #expect(one.refusals.isEmpty && server.hellos.isEmpty)
    }

    @Test func `a revoked certificate is refused with its reason`() throws {
        let one = try Station(2)
        server.authority.refusedNodes = [one.id]
        one.knows(server)
        try one.send(1, to: server)
        let event = ControlEvent.helloRefused(by: server.id, reason: "the certificate was revoked")
        #expect(pump([one, server]) { one.events.contains(event) })
        #expect(server.hellos.isEmpty && server.numbers(from: one).isEmpty)
    }

    @Test func `what is said before the hello is not read`() throws {
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.route(node))
        dealer.send(numbered(1), as: node)
        #expect(refusal(to: dealer) == "say hello first")
        #expect(server.dropped(.quarantined) == 1)
        #expect(server.events.isEmpty)
    }

    @Test func `a routing id of another node is no way in`() throws {
        // The hello is the attacker's own and valid; the routing id is the victim's.
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.route(NodeID(5)))
        dealer.send(.hello(hello()), as: node)
        #expect(pump([server]) { server.dropped(.spoofed) == 1 })
        // Claiming to be the victim altogether fails at the signature.
        dealer.send(.hello(hello()), as: NodeID(5))
        #expect(refusal(to: dealer) == "this hello is of node \(node.short)")
        #expect(server.hellos.isEmpty)
    }

    @Test func `a message under another node's name is dropped`() throws {
        let dealer = try greeted(RawDealer.route(node))
        dealer.send(numbered(1), as: NodeID(5))
        dealer.send(numbered(2), as: node)
        #expect(pump([server]) { server.dropped(.spoofed) == 1 })
        #expect(pump([server]) { server.events.contains(.message(numbered(2), from: node)) })
        #expect(!server.events.contains(.message(numbered(1), from: NodeID(5))))
    }

    @Test func `a routing id in use cannot be taken by another key`() throws {
        let route = RawDealer.route(node)
        let first = try greeted(route)
        let thief = try RawDealer(
            to: server, as: CurveKeyPair.generate(), route: route)
        for _ in 0..<5 { thief.send(numbered(666), as: node) }
        pump([server], for: .milliseconds(500))
        first.send(numbered(1), as: node)
        #expect(pump([server]) { server.events.contains(.message(numbered(1), from: node)) })
        #expect(!server.events.contains(.message(numbered(666), from: node)))
    }

    @Test func `a routing id that its node has left cannot be taken by another key`() throws {
        let route = RawDealer.route(node)
        do { _ = try greeted(route) }
        // libzmq gives the routing id away once it has seen the old connection end.
        let thief = try CurveKeyPair.generate()
        #expect(pump([server]) {
            guard let dealer = try? RawDealer(to: server, as: thief, route: route)
            else { return false }
            dealer.send(numbered(666), as: node)
            pump([server], for: .milliseconds(100))
            return server.dropped(.spoofed) > 0
        })
        #expect(server.events.allSatisfy { $0 != .message(numbered(666), from: node) })
    }

    @Test func `a peer's address leads nowhere but to TCP, and its key is measured`() throws {
        var address = server.address
        address.id = NodeID(9)
        let endpoints = [
            "inproc://zeromq.zap.01", "ipc:///run/x", "tcp://", "tcp://:x", "nonsense",
            "tcp://localhost:7400", "tcp://lo:7400", "tcp://[localhost]:7400",
        ]
        for endpoint in endpoints {
            address.endpoint = endpoint
            server.plane?.setPeer(address)
            try server.plane?.dial(address.id)
            #expect(pump([server]) { !server.refusals.isEmpty }, "\(endpoint)")
            server.events = []
        }
        address.endpoint = server.endpoint
        address.curvePublicKey = [1, 2, 3]
        server.plane?.setPeer(address)
        try server.plane?.dial(address.id)
        #expect(pump([server]) { server.refusals.count == 1 })
    }

    @Test func `a recorded hello is refused with a sentence`() throws {
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.route(node))
        let hello = hello()
        dealer.send(.hello(hello), as: node)
        #expect(answer(to: dealer) == .helloAccepted(HelloAccepted(sequence: hello.sequence)))
        dealer.send(.hello(hello), as: node)
        let sentence = "this hello is not newer than the last one: is the clock right?"
        #expect(refusal(to: dealer) == sentence)
        // On a new connection too.
        let second = try RawDealer(to: server, as: keys, route: RawDealer.route(node, 2))
        second.send(.hello(hello), as: node)
        #expect(refusal(to: second)?.contains("not newer") == true)
        #expect(server.hellos == [node])
    }

    @Test func `a node that has started again is heard, also with its clock set back`() throws {
        func hello(_ boot: UInt8, _ sequence: UInt64) -> Hello {
            TestAuthority.hello(
                of: node, client: keys.publicKey, server: server.keys.publicKey, boot: [boot],
                sequence: sequence)
        }
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.route(node))
        dealer.send(.hello(hello(1, 1_000)), as: node)
        #expect(answer(to: dealer) == .helloAccepted(HelloAccepted(sequence: 1_000)))
        dealer.send(.hello(hello(1, 999)), as: node)
        #expect(refusal(to: dealer)?.contains("not newer") == true)
        dealer.send(.hello(hello(2, 10)), as: node)
        #expect(answer(to: dealer) == .helloAccepted(HelloAccepted(sequence: 10)))
        dealer.send(.hello(hello(2, 10)), as: node)
        #expect(refusal(to: dealer)?.contains("not newer") == true)
    }

    @Test func `a hello for another server or another key is refused`() throws {
        let other = try CurveKeyPair.generate().publicKey
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.route(node))
        let elsewhere = TestAuthority.hello(of: node, client: keys.publicKey, server: other)
        dealer.send(.hello(elsewhere), as: node)
        #expect(refusal(to: dealer) == "the signature does not fit")
        let someoneElses = TestAuthority.hello(
            of: node, client: other, server: server.keys.publicKey)
        dealer.send(.hello(someoneElses), as: node)
        #expect(refusal(to: dealer) == "the signature does not fit")
        var changed = hello()
        changed.profile.role = "edge"
        dealer.send(.hello(changed), as: node)
        #expect(refusal(to: dealer) == "the signature does not fit")
        #expect(server.hellos.isEmpty)
    }

    @Test func `another mesh is refused`() throws {
        let one = try Station(2, mesh: Digest.of("another mesh"))
        one.knows(server)
        try one.send(1, to: server)
        let event = ControlEvent.helloRefused(
            by: server.id, reason: "this node belongs to another mesh")
        #expect(pump([one, server]) { one.events.contains(event) })
        #expect(server.dropped(.foreignMesh) == 1)
        // After an accepted hello, each message is looked at again.
        let dealer = try greeted(RawDealer.route(node))
        dealer.send(numbered(1), as: node, mesh: Digest.of("another mesh"))
        #expect(pump([server]) { server.dropped(.foreignMesh) == 2 })
        #expect(server.numbers(from: one).isEmpty)
    }

    @Test func `a protocol that is too new is refused`() throws {
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.route(node))
        var hello = hello()
        (hello.protocolMin, hello.protocolMax) = (2, 3)
        dealer.send(.hello(hello), as: node)
        #expect(refusal(to: dealer) == "you speak protocols 2 to 3, this node 1")
    }

    @Test func `a message over the limit costs its sender the connection and nobody else`() throws {
        let other = try Station(2)
        other.knows(server)
        try other.send(1, to: server)
        #expect(pump([server, other]) { server.numbers(from: other) == [1] })
        let dealer = try greeted(RawDealer.route(node))
        dealer.send([UInt8](repeating: 0, count: 2 << 20))
        pump([server, other], for: .milliseconds(300))
        dealer.send(numbered(9), as: node)
        try other.send(2, to: server)
        #expect(pump([server, other]) { server.numbers(from: other) == [1, 2] })
        // libzmq reconnects the raw DEALER under its old routing id, and its hello still counts.
        #expect(server.events.filter { $0 == .message(numbered(9), from: node) }.count <= 1)
        #expect(!other.events.contains(.disconnected(server.id)))
    }

    @Test func `a large message of a stranger is dropped`() throws {
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.strangerRoute())
        let large = JoinBegin(token: .of("t"), nonce: [UInt8](repeating: 0, count: 70_000))
        dealer.send(.joinBegin(large), as: node)
        #expect(pump([server]) { server.dropped(.tooLarge) == 1 })
        #expect(server.events.isEmpty)
    }

    @Test func `strangers of one address are let in so often, and a peer always`() throws {
        var limits = ControlSettings.Limits()
        limits.strangerConnectionCountMax = 3
        let server = try Station(7, limits: limits)
        let peer = try Station(8)
        server.knows(peer)
        var strangers: [RawDealer] = []
        for number in 0..<6 {
            let dealer = try RawDealer(
                to: server, as: CurveKeyPair.generate(),
                route: RawDealer.strangerRoute(UInt8(number)))
            dealer.send(
                .joinBegin(JoinBegin(token: .of("t"), nonce: [UInt8(number)])), as: NodeID(9))
            strangers.append(dealer)
        }
        func strangerCount() -> Int {
            server.events.count { if case .stranger = $0 { true } else { false } }
        }
        #expect(pump([server]) { strangerCount() == 3 && server.dropped(.rateLimited) >= 3 })
        peer.knows(server)
        try peer.send(1, to: server)
        #expect(pump([server, peer]) { server.numbers(from: peer) == [1] })
        #expect(strangerCount() == 3)
        withExtendedLifetime(strangers) {}
    }

    @Test func `strangers use up what strangers may say, and no peer's hello`() throws {
        var limits = ControlSettings.Limits()
        limits.strangersMessageCountMax = 4
        let server = try Station(7, limits: limits)
        let peer = try Station(8)
        server.knows(peer)
        let stranger = try RawDealer(
            to: server, as: CurveKeyPair.generate(), route: RawDealer.strangerRoute())
        for _ in 0..<8 {
            stranger.send(.joinBegin(JoinBegin(token: .of("t"), nonce: [])), as: NodeID(9))
        }
        #expect(pump([server]) { server.dropped(.rateLimited) == 4 })
        peer.knows(server)
        try peer.send(1, to: server)
        #expect(pump([server, peer]) { server.numbers(from: peer) == [1] })
        withExtendedLifetime(stranger) {}
    }

    @Test func `who is dropped takes no other peer's key along`() throws {
        let honest = try Station(8)
        server.knows(honest)
        // Its certificate names a key that it does not hold.
        var thief = honest.address
        thief.id = NodeID(9)
        server.plane?.setPeer(thief)
        server.plane?.dropPeer(thief.id)
        honest.knows(server)
        try honest.send(1, to: server)
        #expect(pump([server, honest]) { server.numbers(from: honest) == [1] })
    }

    @Test func `a stranger may ask sixteen times in ten seconds`() throws {
        let dealer = try RawDealer(to: server, as: keys, route: RawDealer.strangerRoute())
        for _ in 0..<50 {
            dealer.send(.joinBegin(JoinBegin(token: .of("t"), nonce: [])), as: node)
        }
        #expect(pump([server]) { server.dropped(.rateLimited) == 34 })
        #expect(server.events.count == 16)
    }

    @Test func `a stranger says nothing but join, and a node never join`() throws {
        let stranger = try RawDealer(to: server, as: keys, route: RawDealer.strangerRoute())
        stranger.send(.hello(hello()), as: node)
        stranger.send(numbered(1), as: node)
        #expect(pump([server]) {
            server.dropped(.spoofed) == 1 && server.dropped(.quarantined) == 1
        })
        let dealer = try greeted(RawDealer.route(node))
        dealer.send(.joinBegin(JoinBegin(token: .of("t"), nonce: [])), as: node)
        #expect(pump([server]) { server.dropped(.misplaced) == 1 })
    }

    @Test func `noise harms nobody`() throws {
        var chance = Chance(seed: 4)
        let dealer = try greeted(RawDealer.route(node))
        for _ in 0..<500 {
            let noise = (0..<Int.random(in: 0..<300, using: &chance)).map { _ in
                UInt8.random(in: 0...255, using: &chance)
            }
            if Bool.random(using: &chance) { dealer.send(noise) } else { dealer.send(noise, noise) }
        }
        dealer.send(numbered(1), as: node)
        #expect(pump([server]) { server.events.contains(.message(numbered(1), from: node)) })
        #expect(server.dropped(.malformed) == 500)
    }

    @Test func `a connection without CURVE is not heard`() throws {
        let dealer = try RawDealer(server.endpoint, route: RawDealer.route(node))
        dealer.send(.hello(hello()), as: node)
        pump([server], for: .milliseconds(500))
        #expect(server.events.isEmpty)
        #expect(dealer.receive() == nil)
    }
}
