import Basics
import CZeroMQ
import Election
import Foundation
import Messages
import NodeLogic
import Testing
import Transport
import Wire

/// A live node under hostile bytes: real sockets with CURVE, the real control plane, and the real
/// node behind it. A member of the mesh sends damaged frames of every kind, another one ordinary
/// messages; the node must stand, give each of the ordinary ones its place, and grow no larger.
///
/// `SWIFTLET_FUZZ_COUNT` frames, else 20,000, from `SWIFTLET_FUZZ_SEED`; `Tests/fuzz` has it done
/// under AddressSanitizer.
struct HostileFrameTests {
    private static let mesh = Digest.of("the mesh of these tests")
    private static let own = NodeID(1)
    private static let hostile = NodeID(2)
    private static let honest = NodeID(3)
    /// Of frames, for which the node may not grow more than this.
    private static let growthByteCountMax = 96 << 20

    private static func setting(_ name: String, else value: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? value
    }

    @Test func `damaged frames of every kind bring nobody down and disturb nobody`() throws {
        let count = Self.setting("SWIFTLET_FUZZ_COUNT", else: 20_000)
        var chance = Chance(seed: UInt64(Self.setting("SWIFTLET_FUZZ_SEED", else: 1)))
        var target = try Target()
        let attacker = try HostilePeer(Self.hostile, to: target)
        let friend = try HostilePeer(Self.honest, to: target)
        #expect(target.run { $0.admitted.count == 2 })

        var samples: [[UInt8]] = []
        var (sent, ordinary) = (0, 0)
        var sizeBefore = 0
        while sent < count {
            // A new set of whole messages now and then: every body, and every command in a log.
            if sent % 4_096 == 0 { samples = Self.samples(&chance) }
            for _ in 0..<64 {
                if attacker.send(Self.damaged(samples, &chance)) { sent += 1 }
            }
            ordinary += 1
            #expect(friend.send(Self.ordinary(UInt64(ordinary))))
            #expect(target.run { $0.ordinaryCount == ordinary })
            // By then every pool and every table is as large as it gets.
            if sent >= count / 4, sizeBefore == 0 { sizeBefore = Self.residentByteCount }
        }
        #expect(target.readCount > sent / 20, "too few of the frames could be read at all")
        #expect(target.kinds.count > 20, "only the kinds \(target.kinds.sorted()) arrived")
        let growth = Self.residentByteCount - sizeBefore
        #expect(growth < Self.growthByteCountMax)
        print(
            "\(sent) damaged frames, \(target.readCount) read as messages of "
                + "\(target.kinds.count) kinds; \(ordinary) ordinary messages came through; "
                + "\(growth >> 20) MiB more than after the first quarter")
    }

    // MARK: Frames

    private static func ordinary(_ number: UInt64) -> [UInt8] {
        envelope(
            .membership(.init(body: .notAcknowledged(.init(sequence: number)))), from: honest
        ).encoded()
    }

    private static func envelope(_ body: Envelope.Body, from sender: NodeID) -> Envelope {
        Envelope(protocol: 1, mesh: mesh, sender: sender, body: body)
    }

    private static func samples(_ chance: inout Chance) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        for index in 0..<Envelope.Body.caseCount {
            for _ in 0..<2 {
                frames.append(
                    envelope(.arbitrary(caseIndex: index, using: &chance), from: hostile).encoded())
            }
        }
        for index in 0..<MembershipMessage.Body.caseCount {
            let message = MembershipMessage(body: .arbitrary(caseIndex: index, using: &chance))
            frames.append(envelope(.membership(message), from: hostile).encoded())
        }
        for index in 0..<ElectionMessage.Body.caseCount {
            let message = ElectionMessage(body: .arbitrary(caseIndex: index, using: &chance))
            frames.append(envelope(.election(message), from: hostile).encoded())
        }
        for index in 0..<Command.Body.caseCount {
            let command = Command(body: .arbitrary(caseIndex: index, using: &chance))
            let proposal = Proposal(request: chance.next(), command: command)
            frames.append(envelope(.proposal(proposal), from: hostile).encoded())
        }
        // Far below the limit at which libzmq ends the connection.
        return frames.filter { $0.count <= 1 << 18 }
    }

    /// Some bits, bytes, pieces or lengths of a message changed; one in eight is whole.
    private static func damaged(_ samples: [[UInt8]], _ chance: inout Chance) -> [UInt8] {
        var frame = samples.randomElement(using: &chance) ?? []
        for _ in 0..<Int.random(in: 0...7, using: &chance) where !frame.isEmpty {
            let place = Int.random(in: 0..<frame.count, using: &chance)
            switch Int.random(in: 0..<7, using: &chance) {
            case 0: frame[place] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
            case 1: frame[place] = UInt8.random(in: 0...255, using: &chance)
            case 2: frame.removeSubrange(place...)
            case 3: frame.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0x0f], at: place)
            case 4:
                let end = min(frame.count, place + Int.random(in: 1...32, using: &chance))
                frame.insert(contentsOf: frame[place..<end], at: place)
            case 5:
                let end = min(frame.count, place + Int.random(in: 1...16, using: &chance))
                frame.removeSubrange(place..<end)
            default:
                let other = samples.randomElement(using: &chance) ?? []
                frame = frame[..<place] + other.suffix(max(0, other.count - place))
            }
        }
        return frame
    }

    private static var residentByteCount: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (Int(line.filter(\.isNumber)) ?? 0) << 10
    }

    // MARK: The node

    /// Lets everybody in who names a node: the signatures of hellos have their own tests.
    private final class OpenDoor: HelloAuthority {
        func hello(to server: PeerAddress, from ownCurveKey: [UInt8]) -> Hello {
            Hello(
                certificates: [own.bytes], boot: [1], sequence: 1, protocolMin: 1,
                protocolMax: 1, profile: Profile(name: "own"), bulkKey: [])
        }

        func judge(
            _ hello: Hello, clientCurveKey: [UInt8], serverCurveKey: [UInt8]
        ) -> Result<NodeID, HelloRefusal> {
            guard let node = hello.certificates.first.flatMap({ NodeID(bytes: $0) }) else {
                return .failure(HelloRefusal(sentence: "there is no certificate"))
            }
            return .success(node)
        }

        func isAllowed(curveKey: [UInt8]) -> Bool { true }
    }

    /// The founder of a mesh, driven as `Runtime` does, with its log in memory.
    private struct Target {
        let keys: CurveKeyPair
        let plane: ControlPlane
        var node: Node
        var effects: [Node.Effect] = []
        var admitted: [NodeID] = []
        var readCount = 0
        var ordinaryCount = 0
        var kinds: Set<String> = []
        let start = ContinuousClock.now

        init() throws {
            keys = try CurveKeyPair.generate()
            plane = try ControlPlane(
                settings: ControlSettings(
                    bindEndpoint: "tcp://127.0.0.1:*", node: own, mesh: mesh, keys: keys),
                authority: OpenDoor())
            let founding = Raft.founding(
                MeshFounded(
                    mesh: mesh, founder: own, founderName: "own", certificates: [[1]]))
            node = Node(
                Node.Boot(
                    id: own, profile: Profile(name: "own", role: "worker", coreCount: 2),
                    incarnation: 1, hardState: .init(term: 1), entries: founding,
                    introductions: []),
                settings: Node.Settings(), seed: 1, now: .zero)
        }

        /// Runs until something is so; false when ten seconds are over first.
        mutating func run(until isSo: (Target) -> Bool) -> Bool {
            let end = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < end {
                turn()
                if isSo(self) { return true }
            }
            return false
        }

        private mutating func turn() {
            let now = Instant.zero + (ContinuousClock.now - start)
            for event in plane.poll(for: .milliseconds(1)) { take(event, now) }
            if node.nextDeadline <= now { node.step(.deadlinePassed, at: now, into: &effects) }
            for case .send(let body, let peer) in effects { try? plane.send(body, to: peer) }
            effects.removeAll(keepingCapacity: true)
        }

        private mutating func take(_ event: ControlEvent, _ now: Instant) {
            switch event {
            case .helloed(let peer, _): admitted.append(peer)
            case .message(let body, from: honest):
                ordinaryCount += 1
                node.step(.received(body, from: honest), at: now, into: &effects)
            case .message(let body, let sender):
                readCount += 1
                kinds.insert(Self.kind(of: body))
                node.step(.received(body, from: sender), at: now, into: &effects)
            case .stranger, .connected, .disconnected, .refused, .helloRefused: break
            }
        }

        private static func kind(of body: Envelope.Body) -> String {
            func name(_ value: Any) -> String {
                Mirror(reflecting: value).children.first?.label ?? "\(value)"
            }
            return switch body {
            case .membership(let message): "membership \(name(message.body))"
            case .election(let message): "election \(name(message.body))"
            case .proposal(let proposal): "proposal \(name(proposal.command.body))"
            default: name(body)
            }
        }
    }

    /// A connection that says hello once and then whatever it likes.
    private final class HostilePeer {
        private let context: UnsafeMutableRawPointer
        private let socket: UnsafeMutableRawPointer

        init(_ node: NodeID, to target: Target) throws {
            context = try #require(zmq_ctx_new())
            socket = try #require(zmq_socket(context, ZMQ_DEALER))
            let keys = try CurveKeyPair.generate()
            var zero: Int32 = 0
            zmq_setsockopt(socket, ZMQ_LINGER, &zero, MemoryLayout<Int32>.size)
            let route = [UInt8(ascii: "n")] + node.bytes + [UInt8](repeating: 1, count: 8)
            zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, route.count)
            zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, target.keys.publicKey, 32)
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys.publicKey, 32)
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys.secretKey, 32)
            #expect(zmq_connect(socket, target.plane.boundEndpoint) == 0)
            let hello = Hello(
                certificates: [node.bytes], boot: [1], sequence: 1, protocolMin: 1,
                protocolMax: 1, profile: Profile(name: "peer"), bulkKey: [])
            _ = send(HostileFrameTests.envelope(.hello(hello), from: node).encoded())
        }

        deinit {
            zmq_close(socket)
            zmq_ctx_term(context)
        }

        /// False where the queue is full.
        func send(_ frame: [UInt8]) -> Bool {
            let isSent = zmq_send(socket, frame, frame.count, ZMQ_DONTWAIT) >= 0
            var byte = [UInt8](repeating: 0, count: 1)
            while zmq_recv(socket, &byte, 1, ZMQ_DONTWAIT) >= 0 {}
            return isSent
        }
    }
}
