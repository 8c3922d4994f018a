import Basics
import Glibc
import Testing
import Transport
import Wire

@Suite(.serialized) struct ControlPlaneTests {
    @Test func `two nodes exchange messages both ways`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        two.knows(one)
        for number in 1...100 as ClosedRange<UInt64> {
            try one.send(number, to: two)
            try two.send(number + 1_000, to: one)
        }
        #expect(pump([one, two]) {
            one.numbers(from: two).count == 100 && two.numbers(from: one).count == 100
        })
        #expect(two.numbers(from: one) == Array(1...100))
        #expect(one.numbers(from: two) == Array(1_001...1_100))
        #expect(one.events.contains(.connected(two.id)))
        #expect(two.hellos == [one.id])
        guard case .helloed(_, let hello)? = two.events.first(where: {
            if case .helloed = $0 { true } else { false }
        }) else { return }
        #expect(hello.profile.name == "node \(one.id.short)")
        #expect(hello.bulkKey == Array(one.id.bytes.reversed()))
        #expect(two.refusals.isEmpty)
    }

    @Test func `three nodes talk all to all`() throws {
        let stations = try (1...3).map { try Station($0) }
        for one in stations {
            for other in stations where other.id != one.id { one.knows(other) }
        }
        for number in 1...50 as ClosedRange<UInt64> {
            for one in stations {
                for other in stations where other.id != one.id { try one.send(number, to: other) }
            }
        }
        let pairs = stations.flatMap { one in
            stations.filter { $0.id != one.id }.map { (one, $0) }
        }
        #expect(pump(stations) { pairs.allSatisfy { $0.numbers(from: $1).count == 50 } })
        #expect(pairs.allSatisfy { $0.numbers(from: $1) == Array(1...50) })
    }

    @Test func `the end of a peer is seen as a lost connection`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        try one.send(1, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [1] })
        two.plane = nil
        #expect(pump([one], within: .seconds(2)) { one.events.contains(.disconnected(two.id)) })
    }

    @Test func `a peer is dialled for its hello also after a failure`() throws {
        var limits = ControlSettings.Limits()
        limits.dialTimeout = .seconds(1)
        let (one, two) = (try Station(1, limits: limits), try Station(2))
        let (address, endpoint) = (two.address, two.endpoint)
        two.plane = nil
        one.plane?.setPeer(address)
        try one.plane?.dial(two.id)
        #expect(pump([one]) { !one.authority.endedLinks.isEmpty })
        // In the pause after the failure nothing waits for the link but this wish.
        try one.plane?.dial(two.id)
        try two.start(endpoint: endpoint)
        #expect(pump([one, two]) { one.events.contains(.connected(two.id)) })
        #expect(two.hellos == [one.id])
    }

    @Test func `a server restarted on the same port hears hello again`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        let endpoint = two.endpoint
        try one.send(1, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [1] })
        two.plane = nil
        // What is sent while nobody listens waits, within its limits, for the new process.
        #expect(pump([one]) { one.events.contains(.disconnected(two.id)) })
        try one.send(2, to: two)
        pump([one], for: .milliseconds(300))
        two.events = []
        try two.start(endpoint: endpoint)
        #expect(pump([one, two]) { two.numbers(from: one) == [2] })
        #expect(two.hellos == [one.id])
        try one.send(3, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [2, 3] })
    }

    @Test func `a server that forgot a hello asks for it`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        try one.send(1, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [1] })
        // Dropped and welcomed again: the connection stands, and what it proved is forgotten.
        two.plane?.dropPeer(one.id)
        two.knows(one)
        try one.send(2, to: two)
        #expect(pump([one, two]) { two.dropped(.quarantined) == 1 })
        // What is said before the refusal is back is lost too; then one more arrives.
        var number: UInt64 = 2
        #expect(pump([one, two]) {
            number += 1
            try? one.send(number, to: two)
            return two.numbers(from: one).count > 1
        })
        #expect(!two.numbers(from: one).contains(2))
        #expect(two.hellos == [one.id, one.id])
    }

    @Test func `a peer that was cut has to say hello again, and may`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        try one.send(1, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [1] })
        two.plane?.cut(one.id)
        try one.send(2, to: two)
        #expect(pump([one, two]) { two.dropped(.quarantined) == 1 })
        #expect(pump([one, two]) {
            try? one.send(3, to: two)
            return two.numbers(from: one).contains(3)
        })
        #expect(two.hellos == [one.id, one.id])
        #expect(two.numbers(from: one).contains(2) == false)
    }

    @Test func `a dropped peer is cut off in both directions`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        two.knows(one)
        try one.send(1, to: two)
        try two.send(1, to: one)
        #expect(pump([one, two]) {
            two.numbers(from: one) == [1] && one.numbers(from: two) == [1]
        })
        two.plane?.dropPeer(one.id)
        try one.send(2, to: two)
        #expect(pump([one, two]) { two.dropped(.dropped) > 0 })
        #expect(throws: TransportError.unknownPeer(one.id)) { try two.send(2, to: one) }
        // A new connection of the same key does not come in either.
        one.plane?.dropPeer(two.id)
        one.knows(two)
        try one.send(3, to: two)
        #expect(pump([one, two]) { one.isRemoved(by: two) && !two.refusals.isEmpty })
        #expect(two.numbers(from: one) == [1])
    }

    @Test func `a full queue is an error that the sender sees`() throws {
        var limits = ControlSettings.Limits()
        limits.queuedMessageCountMax = 8
        limits.dialTimeout = .milliseconds(200)
        let one = try Station(1, limits: limits)
        let two = try Station(2)
        let address = two.address
        two.plane = nil
        one.plane?.setPeer(address)
        for number in 1...8 as ClosedRange<UInt64> { try one.send(number, to: two) }
        #expect(throws: TransportError.queueFull(two.id)) { try one.send(9, to: two) }
        // What waited for nobody is dropped, and there is room again.
        #expect(pump([one]) { one.dropped(.undeliverable) == 8 })
        try one.send(10, to: two)
    }

    @Test func `a peer that reads nothing fills its queue`() throws {
        var limits = ControlSettings.Limits()
        limits.queuedMessageCountMax = 16
        let (one, two) = (try Station(1, limits: limits), try Station(2, limits: limits))
        one.knows(two)
        try one.send(1, to: two)
        #expect(pump([one, two]) { one.events.contains(.connected(two.id)) })
        let plane = try #require(one.plane)
        let bulky = Envelope.Body.helloRefused(
            HelloRefused(reason: String(repeating: "x", count: 500_000)))
        var failure: TransportError?
        // Sixteen in each queue, and what the kernel holds: far fewer than a thousand.
        for _ in 0..<1_000 where failure == nil {
            do throws(TransportError) {
                try plane.send(bulky, to: two.id)
            } catch {
                failure = error
            }
        }
        #expect(failure == .queueFull(two.id))
    }

    @Test func `an edge node is answered on the connection that it opened`() throws {
        let (edge, relay) = (try Station(1), try Station(2))
        edge.knows(relay)
        #expect(throws: TransportError.unknownPeer(edge.id)) { try relay.send(1, to: edge) }
        relay.plane?.setPeer(
            PeerAddress(id: edge.id, endpoint: "", curvePublicKey: edge.keys.publicKey))
        #expect(throws: TransportError.notConnected) { try relay.send(1, to: edge) }
        try edge.plane?.dial(relay.id)
        #expect(pump([edge, relay]) { edge.events.contains(.connected(relay.id)) })
        try relay.send(7, to: edge)
        #expect(pump([edge, relay]) { edge.numbers(from: relay) == [7] })
        edge.plane = nil
        #expect(pump([relay]) { (try? relay.send(8, to: edge)) == nil })
    }

    @Test func `an idle connection closes, and the next message opens another`() throws {
        var limits = ControlSettings.Limits()
        limits.idleTimeout = .milliseconds(50)
        let (one, two) = (try Station(1, limits: limits), try Station(2))
        one.knows(two)
        try one.send(1, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [1] })
        pump([one, two], for: .milliseconds(200))
        try one.send(2, to: two)
        #expect(pump([one, two]) { two.numbers(from: one) == [1, 2] })
        #expect(two.hellos.count == 2)
        #expect(!one.events.contains(.disconnected(two.id)))
        // No lost connection; but what its hello brought is void.
        #expect(one.authority.endedLinks.first == two.id)
    }

    @Test func `a port in use is one sentence`() throws {
        let one = try Station(1)
        let error = #expect(throws: TransportError.self) {
            try Station(2, endpoint: one.endpoint)
        }
        #expect(error == .portInUse(endpoint: one.endpoint))
        #expect(error?.sentence.contains("already in use") == true)
        #expect(throws: TransportError.badEndpoint("udp://nowhere")) {
            try Station(3, endpoint: "udp://nowhere")
        }
    }

    @Test func `a message over the limit is not sent`() throws {
        let (one, two) = (try Station(1), try Station(2))
        one.knows(two)
        let body = Envelope.Body.helloRefused(
            HelloRefused(reason: String(repeating: "x", count: 1 << 20)))
        let error = #expect(throws: TransportError.self) { try one.plane?.send(body, to: two.id) }
        guard case .tooLarge(let byteCount, limit: 1_048_576)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(byteCount > 1 << 20)
    }

    @Test func `another thread ends a wait`() throws {
        let one = try Station(1)
        let waker = try #require(one.plane).waker
        var thread = pthread_t()
        let started = ContinuousClock.now
        pthread_create(
            &thread, nil,
            { waker in
                usleep(100_000)
                // The pointer given below, which the test keeps alive.
                Unmanaged<Waker>.fromOpaque(waker!).takeUnretainedValue().wake()
                return nil
            }, Unmanaged.passUnretained(waker).toOpaque())
        #expect(one.plane?.poll(for: .seconds(30)).isEmpty == true)
        #expect(ContinuousClock.now - started < .seconds(10))
        pthread_join(thread, nil)
    }
}
