import Basics
import Messages
import Synchronization
import Testing
import Transport
import Wire

@Suite(.serialized) struct BulkPlaneTests {
    @Test func `messages arrive with their payloads, in order, both ways`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        try two.knows(one)
        for number in 0..<20 as Range<UInt64> {
            let payload = [UInt8](repeating: UInt8(number), count: Int(number) * 1_000)
            try one.plane.send(chunk(number), payload: payload, to: two.id)
            try two.plane.send(chunk(number + 100), payload: [], to: one.id)
        }
        let items = two.receive(20)
        #expect(items.map(\.message) == (0..<20).map { chunk($0) })
        #expect(items.allSatisfy { $0.sender == one.id })
        #expect(items.enumerated().allSatisfy { index, item in
            item.payload == [UInt8](repeating: UInt8(index), count: index * 1_000)
        })
        #expect(one.receive(20).map(\.message) == (100..<120).map { chunk($0) })
    }

    @Test func `64 MiB travel while control messages keep flowing`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let (left, right) = (try Station(1), try Station(2))
        try one.knows(two)
        left.knows(right)
        right.knows(left)
        try left.send(0, to: right)
        #expect(pump([left, right]) { right.numbers(from: left) == [0] })

        let partByteCount = 4 << 20
        for part in 0..<16 as Range<UInt64> {
            let payload = [UInt8](repeating: UInt8(part), count: partByteCount - 1_024)
            try one.plane.send(chunk(part), payload: payload, to: two.id)
        }
        var items: [Depot.Item] = []
        var slowest = Duration.zero
        var number: UInt64 = 0
        let end = ContinuousClock.now + .seconds(60)
        while items.count < 16, ContinuousClock.now < end {
            number += 1
            let start = ContinuousClock.now
            try left.send(number, to: right)
            let arrives = pump([left, right]) { right.numbers(from: left).last == number }
            #expect(arrives)
            slowest = max(slowest, ContinuousClock.now - start)
            items += two.received()
        }
        #expect(items.map(\.message) == (0..<16).map { chunk($0) })
        #expect(items.enumerated().allSatisfy { index, item in
            item.payload == [UInt8](repeating: UInt8(index), count: partByteCount - 1_024)
        })
        #expect(number > 3, "only \(number) control messages during the transfer")
        // 64 MiB on the same socket would take a good part of a second on this loopback.
        #expect(slowest < .seconds(2), "a control message took \(slowest)")
        #expect(waits { one.plane.byteCountInFlight(to: two.id) == 0 })
    }

    @Test func `a flipped bit, a replay and a false sender are dropped`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let raw = try RawDealer(to: two, as: one.id)
        let header = chunk(7)
        let frames = [framed(header), [1, 2, 3]]
        let sealed = try one.cipher.seal(frames, to: two.id)
        for index in sealed.indices {
            var flipped = sealed
            flipped[index] ^= 1 << UInt8(index % 8)
            raw.send(one.id.bytes, flipped)
        }
        #expect(waits { two.plane.counters.unsealedCount == sealed.count })
        let other = try RawDealer(to: two, as: NodeID(3))
        other.send(NodeID(3).bytes, sealed)
        #expect(waits { two.plane.counters.unsealedCount == sealed.count + 1 })
        #expect(two.received().isEmpty)
        // Untouched it opens, once.
        raw.send(one.id.bytes, sealed)
        raw.send(one.id.bytes, sealed)
        let items = two.receive(1)
        #expect(items.map(\.message) == [header])
        #expect(items.map(\.payload) == [[1, 2, 3]])
        #expect(waits { two.plane.counters.unsealedCount == sealed.count + 2 })
        #expect(two.received().isEmpty)
    }

    @Test func `what is sealed and no message is dropped`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        let raw = try RawDealer(to: two, as: one.id)
        for plaintext in [[], [1, 2], [255, 255, 255, 255, 0], [2, 0, 0, 0, 9, 9]] as [[UInt8]] {
            raw.send(one.id.bytes, try one.cipher.seal([plaintext], to: two.id))
        }
        raw.send(one.id.bytes)
        raw.send([1, 2, 3], [4])
        raw.send(one.id.bytes, [], [])
        #expect(waits { two.plane.counters.malformedCount == 6 })
        #expect(two.plane.counters.spoofedCount == 1)
        #expect(two.received().isEmpty)
    }

    @Test func `a peer that takes nothing fills its credit`() throws {
        let (one, gone) = (try Depot(1, byteCountInFlightMax: 1 << 20), try Depot(2))
        try one.knows(gone)
        gone.plane.close()
        let payload = [UInt8](repeating: 1, count: 200_000)
        for number in 0..<5 as Range<UInt64> {
            try one.plane.send(chunk(number), payload: payload, to: gone.id)
        }
        #expect(throws: TransportError.queueFull(gone.id)) {
            try one.plane.send(chunk(6), payload: payload, to: gone.id)
        }
        // Others have their own credit, and a dropped peer gives its own back.
        let two = try Depot(3)
        try one.knows(two)
        try one.plane.send(chunk(7), payload: payload, to: two.id)
        #expect(two.receive(1).count == 1)
        #expect(one.plane.byteCountInFlight(to: gone.id) > 1_000_000)
        try one.plane.dropPeer(gone.id)
        #expect(waits { one.plane.byteCountInFlight(to: gone.id) == 0 })
    }

    @Test func `a message over the limit is not sent`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        let error = #expect(throws: TransportError.self) {
            try one.plane.send(
                chunk(1), payload: [UInt8](repeating: 0, count: 16 << 20), to: two.id)
        }
        guard case .tooLarge? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(one.plane.byteCountInFlight(to: two.id) == 0)
    }

    @Test func `a header over the limit is refused at both ends`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        let limit = 1 << 20
        func message(reasonByteCount: Int) -> BulkMessage {
            let reason = String(repeating: "a", count: reasonByteCount)
            let refused = ChunkRefused(artifact: .of("a"), reason: reason)
            return BulkMessage(body: .chunkRefused(refused))
        }
        let overhead = message(reasonByteCount: limit).encoded().count - limit
        let longest = message(reasonByteCount: limit - overhead)
        try one.plane.send(longest, payload: [], to: two.id)
        #expect(two.receive(1).map(\.message) == [longest])

        let longer = message(reasonByteCount: limit - overhead + 1)
        #expect(throws: TransportError.tooLarge(byteCount: limit + 1, limit: limit)) {
            try one.plane.send(longer, payload: [], to: two.id)
        }
        let raw = try RawDealer(to: two, as: one.id)
        raw.send(one.id.bytes, try one.cipher.seal([framed(longer)], to: two.id))
        #expect(waits { two.plane.counters.malformedCount == 1 })
        #expect(two.received().isEmpty)
    }

    @Test func `a node that only dials out is answered on its connection`() throws {
        let (edge, relay) = (try Depot(1), try Depot(2))
        try edge.knows(relay)
        try relay.plane.setPeer(edge.id, bulkEndpoint: nil)
        try relay.plane.send(chunk(1), payload: [1], to: edge.id)
        #expect(waits { relay.plane.counters.undeliverableCount == 1 })
        try edge.plane.send(chunk(2), payload: [2], to: relay.id)
        #expect(relay.receive(1).map(\.payload) == [[2]])
        try relay.plane.send(chunk(3), payload: [3], to: edge.id)
        let items = edge.receive(1)
        #expect(items.map(\.payload) == [[3]])
        #expect(items.first?.sender == relay.id)
    }

    @Test func `a dropped peer is not heard`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        try one.plane.send(chunk(1), payload: [1], to: two.id)
        #expect(two.receive(1).count == 1)
        try two.plane.dropPeer(one.id)
        try one.plane.send(chunk(2), payload: [2], to: two.id)
        #expect(waits { two.plane.counters.droppedCount == 1 })
        #expect(two.received().isEmpty)
        try two.plane.setPeer(one.id, bulkEndpoint: nil)
        try one.plane.send(chunk(3), payload: [3], to: two.id)
        #expect(two.receive(1).map(\.payload) == [[3]])
    }

    @Test func `without a key nothing leaves, and what waits in vain is given up`() throws {
        let (one, two) = (try Depot(1, keyWait: .milliseconds(500)), try Depot(2))
        try one.knows(two)
        one.cipher.hasKey.store(false, ordering: .relaxed)
        try one.plane.send(chunk(1), payload: [1], to: two.id)
        #expect(one.plane.byteCountInFlight(to: two.id) > 0)
        #expect(waits { one.plane.counters.keylessCount == 1 })
        #expect(waits { one.plane.byteCountInFlight(to: two.id) == 0 })
        #expect(one.asked() == [two.id])
        #expect(two.received().isEmpty)
    }

    @Test func `what waits for a key is sent when it comes, in order`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        // A connection that stands: whoever sends does so by himself.
        try one.plane.send(chunk(0), payload: [], to: two.id)
        #expect(two.receive(1).count == 1)
        one.cipher.hasKey.store(false, ordering: .relaxed)
        for number in 1...3 as ClosedRange<UInt64> {
            try one.plane.send(chunk(number), payload: [], to: two.id)
        }
        #expect(waits { one.asked() == [two.id] })
        one.cipher.hasKey.store(true, ordering: .relaxed)
        one.plane.keyArrived()
        try one.plane.send(chunk(4), payload: [], to: two.id)
        #expect(two.receive(4).map(\.message) == (1...4).map { chunk($0) })
        #expect(one.plane.counters.keylessCount == 0)
    }

    @Test func `so many messages wait for a key, and no more`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        one.cipher.hasKey.store(false, ordering: .relaxed)
        for number in 0..<300 as Range<UInt64> {
            try one.plane.send(chunk(number), payload: [], to: two.id)
        }
        #expect(waits { one.plane.counters.keylessCount == 300 - 256 })
        try one.plane.closePeer(two.id)
        #expect(waits { one.plane.byteCountInFlight(to: two.id) == 0 })
    }

    @Test func `a connection that was not used for long ends, and another is made`() throws {
        let one = try Depot(1, idleTime: .seconds(1))
        let (two, gone) = (try Depot(2), try Depot(3))
        try one.knows(two)
        try one.knows(gone)
        gone.plane.close()
        try one.plane.send(chunk(1), payload: [1, 2, 3], to: gone.id)
        try one.plane.send(chunk(1), payload: [], to: two.id)
        #expect(two.receive(1).count == 1)
        // What could not leave gives its credit back.
        #expect(waits { one.plane.byteCountInFlight(to: gone.id) == 0 })
        try one.plane.send(chunk(2), payload: [], to: two.id)
        #expect(two.receive(1).map(\.message) == [chunk(2)])
    }

    @Test func `a closed plane refuses, and what was sent before still leaves`() throws {
        let (one, two) = (try Depot(1), try Depot(2))
        try one.knows(two)
        let payload = [UInt8](repeating: 5, count: 1 << 20)
        for number in 0..<8 as Range<UInt64> {
            try one.plane.send(chunk(number), payload: payload, to: two.id)
        }
        one.plane.close()
        one.plane.close()
        #expect(throws: TransportError.closed) {
            try one.plane.send(chunk(9), payload: [], to: two.id)
        }
        #expect(two.receive(8).map(\.message) == (0..<8).map { chunk($0) })
    }
}
