import Basics
import CZeroMQ
import Glibc
import Messages
import Synchronization
import Testing
import Transport
import Wire

let testMesh = Digest.of("the mesh of these tests")

/// Hellos grow over all nodes of a test run, as the clock does in life.
private let sequences = Atomic<UInt64>(1)

/// Checks hellos as a real authority does, with a keyed hash in the place of a signature: it covers
/// both CURVE keys and every field, and only the node that `certificates` names knows its secret.
final class TestAuthority: HelloAuthority {
    let node: NodeID
    var refusedNodes: Set<NodeID> = []
    var refusedKeys: Set<[UInt8]> = []
    private(set) var endedLinks: [NodeID] = []

    init(_ node: NodeID) { self.node = node }

    static func signature(of hello: Hello, by node: NodeID, _ client: [UInt8], _ server: [UInt8])
        -> [UInt8]
    {
        let secret = Digest.of("secret of \(node.hex)").bytes
        let signed = hello.signedBytes(clientCurveKey: client, serverCurveKey: server)
        return Digest.of(secret + signed).bytes
    }

    static func hello(
        of node: NodeID, client: [UInt8], server: [UInt8], boot: [UInt8] = [1, 2, 3],
        sequence: UInt64? = nil
    ) -> Hello {
        let next = sequences.add(1, ordering: .relaxed).newValue
        var hello = Hello(
            certificates: [node.bytes], boot: boot, sequence: sequence ?? next, protocolMin: 1,
            protocolMax: 1,
            profile: Profile(name: "node \(node.short)"), bulkKey: Array(node.bytes.reversed()))
        hello.signature = signature(of: hello, by: node, client, server)
        return hello
    }

    func hello(to server: PeerAddress, from ownCurveKey: [UInt8]) -> Hello {
        Self.hello(of: node, client: ownCurveKey, server: server.curvePublicKey)
    }

    func judge(
        _ hello: Hello, clientCurveKey: [UInt8], serverCurveKey: [UInt8]
    ) -> Result<NodeID, HelloRefusal> {
        guard let node = hello.certificates.first.flatMap({ NodeID(bytes: $0) })
        else { return .failure(HelloRefusal(sentence: "there is no certificate")) }
        guard !refusedNodes.contains(node)
        else { return .failure(HelloRefusal(sentence: "the certificate was revoked")) }
        let expected = Self.signature(of: hello, by: node, clientCurveKey, serverCurveKey)
        guard hello.signature == expected
        else { return .failure(HelloRefusal(sentence: "the signature does not fit")) }
        return .success(node)
    }

    func isAllowed(curveKey: [UInt8]) -> Bool { !refusedKeys.contains(curveKey) }

    func linkEnded(with peer: NodeID) { endedLinks.append(peer) }
}

/// A control plane and everything it told so far.
final class Station {
    let id: NodeID
    let keys: CurveKeyPair
    let authority: TestAuthority
    var plane: ControlPlane?
    var events: [ControlEvent] = []

    init(
        _ number: UInt64, endpoint: String = "tcp://127.0.0.1:*", mesh: Digest = testMesh,
        limits: ControlSettings.Limits = .init()
    ) throws {
        id = NodeID(number)
        keys = try CurveKeyPair.generate()
        authority = TestAuthority(id)
        try start(endpoint: endpoint, mesh: mesh, limits: limits)
    }

    func start(
        endpoint: String, mesh: Digest = testMesh, limits: ControlSettings.Limits = .init()
    ) throws {
        plane = try ControlPlane(
            settings: ControlSettings(
                bindEndpoint: endpoint, node: id, mesh: mesh, keys: keys, limits: limits),
            authority: authority)
    }

    var endpoint: String { plane?.boundEndpoint ?? "" }

    var address: PeerAddress {
        PeerAddress(id: id, endpoint: endpoint, curvePublicKey: keys.publicKey)
    }

    func send(_ number: UInt64, to other: Station) throws {
        let plane = try #require(plane)
        try plane.send(numbered(number), to: other.id)
    }

    func knows(_ others: Station...) {
        for other in others { plane?.setPeer(other.address) }
    }

    /// The numbers that came from a node, in the order of their arrival.
    func numbers(from other: Station) -> [UInt64] {
        events.compactMap { event in
            guard case .message(let body, from: other.id) = event else { return nil }
            return number(body)
        }
    }

    var refusals: [String] {
        events.compactMap { if case .refused(let reason) = $0 { reason } else { nil } }
    }

    /// Whether the other one says that it was put out.
    func isRemoved(by other: Station) -> Bool {
        events.contains { event in
            if case .helloRefused(other.id, ControlPlane.removal) = event { true } else { false }
        }
    }

    func dropped(_ cause: ControlCounters.DropCause) -> Int {
        plane?.counters.droppedCount(cause) ?? 0
    }

    var hellos: [NodeID] {
        events.compactMap { if case .helloed(let node, _) = $0 { node } else { nil } }
    }
}

/// A small message that carries a number.
func numbered(_ number: UInt64) -> Envelope.Body {
    .membership(
        MembershipMessage(body: .notAcknowledged(NotAcknowledged(sequence: number))))
}

func number(_ body: Envelope.Body) -> UInt64? {
    guard case .membership(let message) = body, case .notAcknowledged(let inner) = message.body
    else { return nil }
    return inner.sequence
}

/// Polls the stations in turn until the condition holds; false when the time is over first.
func pump(
    _ stations: [Station], within time: Duration = .seconds(20), until condition: () -> Bool
) -> Bool {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end {
        for station in stations {
            guard let plane = station.plane else { continue }
            station.events += plane.poll(for: .milliseconds(1))
        }
        if condition() { return true }
    }
    return false
}

/// Polls for a while, to see what does not happen.
func pump(_ stations: [Station], for time: Duration) {
    _ = pump(stations, within: time) { false }
}

/// A DEALER without our rules: what an attacker, or another implementation, may send.
final class RawDealer {
    private let context: UnsafeMutableRawPointer
    private let socket: UnsafeMutableRawPointer

    /// - `curve`: own keys and the server's public key.
    /// - `plain`: for the PLAIN mechanism; where both are nil it is NULL.
    init(
        _ endpoint: String, route: [UInt8]? = nil,
        curve: (keys: CurveKeyPair, server: [UInt8])? = nil,
        plain: (user: String, password: [UInt8])? = nil
    ) throws {
        context = try #require(zmq_ctx_new())
        socket = try #require(zmq_socket(context, ZMQ_DEALER))
        var zero: Int32 = 0
        zmq_setsockopt(socket, ZMQ_LINGER, &zero, MemoryLayout<Int32>.size)
        if let route { zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, route.count) }
        if let curve {
            zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, curve.server, 32)
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, curve.keys.publicKey, 32)
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, curve.keys.secretKey, 32)
        }
        if let plain {
            zmq_setsockopt(socket, ZMQ_PLAIN_USERNAME, plain.user, plain.user.utf8.count)
            zmq_setsockopt(socket, ZMQ_PLAIN_PASSWORD, plain.password, plain.password.count)
        }
        #expect(zmq_connect(socket, endpoint) == 0)
    }

    convenience init(to station: Station, as keys: CurveKeyPair, route: [UInt8]) throws {
        try self.init(
            station.endpoint, route: route, curve: (keys: keys, server: station.keys.publicKey))
    }

    deinit {
        zmq_close(socket)
        zmq_ctx_term(context)
    }

    func send(_ frames: [UInt8]...) {
        for (index, frame) in frames.enumerated() {
            let more = index + 1 < frames.count ? ZMQ_SNDMORE : 0
            #expect(zmq_send(socket, frame, frame.count, ZMQ_DONTWAIT | more) >= 0)
        }
    }

    func send(_ body: Envelope.Body, as sender: NodeID, mesh: Digest = testMesh) {
        send(Envelope(protocol: 1, mesh: mesh, sender: sender, body: body).encoded())
    }

    func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = zmq_recv(socket, &buffer, buffer.count, ZMQ_DONTWAIT)
        return count < 0 ? nil : Array(buffer.prefix(Int(count)))
    }

    func receiveBody() -> Envelope.Body? {
        receive().flatMap { try? Envelope(decoding: $0, limit: 1 << 20) }?.body
    }

    /// A routing id as a node chooses it.
    static func route(_ node: NodeID, _ salt: UInt8 = 1) -> [UInt8] {
        [UInt8(ascii: "n")] + node.bytes + [UInt8](repeating: salt, count: 8)
    }

    static func strangerRoute(_ salt: UInt8 = 1) -> [UInt8] {
        [UInt8(ascii: "j")] + [UInt8](repeating: salt, count: 16)
    }
}
