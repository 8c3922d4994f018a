import Basics
import Foundation
import Logging
import Runtime
import Store
import Synchronization
import Testing
import Wire

/// Exchanges with real stores, and between them a network in memory that may change what it bears.
struct ArtifactExchangeTests {
    /// What becomes of a piece on its way.
    private typealias Forge = @Sendable (inout Chunk, inout [UInt8]) -> Void

    private final class Network: Sendable {
        private struct State {
            var exchanges: [NodeID: ArtifactExchange] = [:]
            var forges: [NodeID: Forge] = [:]
            var chunks: [NodeID: Int] = [:]
            var refusals: [NodeID: Int] = [:]
        }
        private let state = Mutex(State())
        let folder = NSTemporaryDirectory() + "swiftlet-" + UUID().uuidString

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func add(
            _ number: UInt64, limit: ArtifactStore.Limit = .init()
        ) throws -> ArtifactExchange {
            let node = NodeID(number)
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
            logger.logLevel = .critical
            let exchange = ArtifactExchange(
                store: try ArtifactStore(directory: "\(folder)/\(number)", limit: limit),
                outlet: Line(own: node, network: self), logger: logger)
            state.withLock { $0.exchanges[node] = exchange }
            return exchange
        }

        /// From now on this node's pieces come changed.
        func corrupt(_ number: UInt64, _ forge: @escaping Forge) {
            state.withLock { $0.forges[NodeID(number)] = forge }
        }

        func kill(_ number: UInt64) {
            state.withLock { _ = $0.exchanges.removeValue(forKey: NodeID(number)) }
        }

        func chunkCount(from number: UInt64) -> Int {
            state.withLock { $0.chunks[NodeID(number)] ?? 0 }
        }
        func refusalCount(from number: UInt64) -> Int {
            state.withLock { $0.refusals[NodeID(number)] ?? 0 }
        }

        func nodes() -> [NodeID] { state.withLock { $0.exchanges.keys.sorted() } }

        func carry(_ body: Envelope.Body, from sender: NodeID, to node: NodeID) {
            guard let exchange = ends(sender, node) else { return }
            switch body {
            case .artifactWanted(let wanted): exchange.received(wanted, from: sender)
            case .artifactOffered(let offer): exchange.received(offer, from: sender)
            case .artifactHold(let hold):
                exchange.received(hold, from: sender, byteCountMax: 1 << 30)
            case .artifactHeld(let held): exchange.received(held, from: sender)
            default: Issue.record("an exchange sends no \(body)")
            }
        }

        func carry(
            _ body: BulkMessage.Body, payload: [UInt8], from sender: NodeID, to node: NodeID
        ) {
            guard let exchange = ends(sender, node) else { return }
            var (body, payload) = (body, payload)
            if case .chunkRefused = body { state.withLock { $0.refusals[sender, default: 0] += 1 } }
            if case .chunk(var chunk) = body {
                let forge = state.withLock { state in
                    state.chunks[sender, default: 0] += 1
                    return state.forges[sender]
                }
                forge?(&chunk, &payload)
                body = .chunk(chunk)
            }
            #expect(exchange.take(body, payload: payload, from: sender))
        }

        /// Nil where one of the two is dead.
        private func ends(_ sender: NodeID, _ node: NodeID) -> ArtifactExchange? {
            state.withLock { $0.exchanges[sender] == nil ? nil : $0.exchanges[node] }
        }
    }

    private struct Line: Outlet {
        let own: NodeID
        unowned let network: Network

        func peers() async -> [NodeID] { network.nodes().filter { $0 != own } }
        func send(_ body: Envelope.Body, to node: NodeID) {
            Task { [network, own] in network.carry(body, from: own, to: node) }
        }
        func sendBulk(_ message: BulkMessage.Body, payload: [UInt8], to node: NodeID) {
            Task { [network, own] in
                network.carry(message, payload: payload, from: own, to: node)
            }
        }
    }

    private static func bytes(_ count: Int) -> [UInt8] {
        var chance = Chance(seed: UInt64(count))
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &chance) }
    }

    private let network = Network()

    @Test(arguments: [0, 1, 1 << 20, (1 << 20) + 1, 20 << 20, (20 << 20) - 5])
    func `what three hold comes from them, byte for byte, and is given on`(
        count: Int
    ) async throws {
        let bytes = Self.bytes(count)
        var digest = Digest.of("")
        for number in 1...3 { digest = try network.add(UInt64(number)).store.put(bytes) }
        let reader = try network.add(4)
        try await reader.fetch(digest, from: [NodeID(1)], byteCountMax: 1 << 30)
        #expect(try reader.store.read(digest) == bytes)
        try reader.store.verify(digest)
        for number in 1...3 { network.kill(UInt64(number)) }
        let second = try network.add(5)
        try await second.fetch(digest, byteCountMax: 1 << 30)
        #expect(try second.store.read(digest) == bytes)
    }

    @Test func `a holder that lies is left, and what it did not touch is not fetched again`()
        async throws
    {
        let lies: [Forge] = [
            { chunk, payload in if chunk.offset == 5 << 20 { payload[70_000] ^= 4 } },
            { chunk, _ in if chunk.offset == 5 << 20 { chunk.before = .of("nothing") } },
            { chunk, _ in chunk.totalByteCount += 1 },
            { _, payload in payload.removeLast() },
            { _, payload in payload[0] ^= 1 },
            { chunk, _ in chunk.offset = .max - 7 },
            { chunk, _ in chunk.totalByteCount = .max },
        ]
        let bytes = Self.bytes((12 << 20) - 9)
        let digest = try network.add(1).store.put(bytes)
        try network.add(2).store.put(bytes)
        for (index, lie) in lies.enumerated() {
            network.corrupt(1, lie)
            let reader = try network.add(UInt64(10 + index))
            let before = network.chunkCount(from: 2)
            try await reader.fetch(digest, from: [NodeID(1)], byteCountMax: 1 << 30)
            try reader.store.verify(digest)
            network.kill(UInt64(10 + index))
            #expect(network.chunkCount(from: 2) - before <= 12, "lie \(index)")
        }
    }

    @Test func `where the only holder lies nothing is kept`() async throws {
        let bytes = Self.bytes(3 << 20)
        let digest = try network.add(1).store.put(bytes)
        network.corrupt(1) { _, payload in payload[0] ^= 1 }
        let reader = try network.add(2)
        await #expect(throws: ArtifactExchange.Missing.self) {
            try await reader.fetch(digest, from: [NodeID(1)], byteCountMax: 1 << 30, askCount: 1)
        }
        #expect(!reader.store.contains(digest))
    }

    @Test func `a holder whose file was changed notices, gives nothing wrong, and drops the file`()
        async throws
    {
        let bytes = Self.bytes((9 << 20) + 3)
        let damaged = try network.add(1)
        let digest = try damaged.store.put(bytes)
        let path = damaged.store.path(of: digest)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: 4_444_444)
        try file.write(contentsOf: Data([bytes[4_444_444] ^ 1]))
        try file.close()
        let reader = try network.add(2)
        await #expect(throws: ArtifactExchange.Missing.self) {
            try await reader.fetch(digest, from: [NodeID(1)], byteCountMax: 1 << 30, askCount: 2)
        }
        #expect(network.refusalCount(from: 1) > 0)
        #expect(!damaged.store.contains(digest))
        // The fetch goes on from the damaged piece, with another holder.
        try network.add(3).store.put(bytes)
        try await reader.fetch(digest, byteCountMax: 1 << 30)
        try reader.store.verify(digest)
        #expect(network.chunkCount(from: 3) <= 5)
    }

    /// A fetch by node 2 of which six pieces are proven.
    private func brokenOff(
        _ bytes: [UInt8], limit: ArtifactStore.Limit = .init()
    ) async throws -> (ArtifactExchange, Digest) {
        let digest = try network.add(1).store.put(bytes)
        // The last pieces come first; then it lies, and there is nobody else.
        network.corrupt(1) { chunk, payload in
            if chunk.offset == 3 << 20 { payload[7] ^= 1 }
        }
        let reader = try network.add(2, limit: limit)
        await #expect(throws: ArtifactExchange.Missing.self) {
            try await reader.fetch(digest, from: [NodeID(1)], byteCountMax: 1 << 30, askCount: 1)
        }
        return (reader, digest)
    }

    @Test func `what is here but larger than somebody takes is refused to him`() async throws {
        let holder = try network.add(1)
        let digest = try holder.store.put(Self.bytes(1_000))
        try await holder.fetch(digest, byteCountMax: 1_000)
        await #expect(throws: ArtifactError.tooLarge(byteCountMax: 999)) {
            try await holder.fetch(digest, byteCountMax: 999)
        }
    }

    @Test func `a fetch that broke off keeps no room for what has not come`() async throws {
        let limit = ArtifactStore.Limit(byteCountMax: 16 << 20, grace: .zero)
        let (reader, digest) = try await brokenOff(Self.bytes((9 << 20) + 3), limit: limit)
        #expect(reader.store.usage.byteCount >= 5 << 20)
        // From now on it may leave, since nothing refers to it.
        reader.store.refer(to: [])
        try reader.store.put(Self.bytes(9 << 20))
        #expect(reader.store.usage.byteCount <= 16 << 20)
        #expect(!reader.store.contains(digest))
    }

    @Test func `a fetch goes on with what an earlier one of the same node had`() async throws {
        let bytes = Self.bytes((9 << 20) + 3)
        let (reader, digest) = try await brokenOff(bytes)
        try network.add(3).store.put(bytes)
        try await reader.fetch(digest, from: [NodeID(3)], byteCountMax: 1 << 30)
        try reader.store.verify(digest)
        #expect(network.chunkCount(from: 3) == 4)
        #expect(reader.store.usage.byteCount == bytes.count)
    }

    @Test func `a node that was started again goes on with what it had fetched`() async throws {
        let bytes = Self.bytes((9 << 20) + 3)
        let (reader, digest) = try await brokenOff(bytes)
        try network.add(3).store.put(bytes)
        let again = try network.add(2)
        #expect(!again.store.contains(digest))
        #expect(again.store.usage.byteCount >= 5 << 20)
        try await again.fetch(digest, from: [NodeID(3)], byteCountMax: 1 << 30)
        try again.store.verify(digest)
        #expect(network.chunkCount(from: 3) == 4)
        #expect(again.store.usage.byteCount == bytes.count)
        withExtendedLifetime(reader) {}
    }

    @Test func `what was damaged while the node was down is fetched again`() async throws {
        let bytes = Self.bytes((9 << 20) + 3)
        let (reader, digest) = try await brokenOff(bytes)
        let path = "\(network.folder)/2/partial/\(digest.hex)"
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: 7 << 20)
        try file.write(contentsOf: Data([bytes[7 << 20] ^ 1]))
        try file.seek(toOffset: 12 << 20)
        try file.write(contentsOf: Data([1]))
        try file.close()
        try network.add(3).store.put(bytes)
        let again = try network.add(2)
        try await again.fetch(digest, from: [NodeID(3)], byteCountMax: 1 << 30)
        try again.store.verify(digest)
        #expect(again.store.byteCount(of: digest) == bytes.count)
        // All but the two behind the damage.
        #expect(network.chunkCount(from: 3) == 8)
        withExtendedLifetime(reader) {}
    }

    @Test func `a holder without chaining values makes them when it is asked`() async throws {
        let bytes = Self.bytes(9 << 20)
        let holder = try network.add(1)
        let digest = try holder.store.put(bytes)
        try FileManager.default.removeItem(atPath: holder.store.path(of: digest) + ".chain")
        let reader = try network.add(2)
        try await reader.fetch(digest, from: [NodeID(1)], byteCountMax: 1 << 30)
        try reader.store.verify(digest)
        #expect(network.refusalCount(from: 1) > 0)
    }

    @Test func `a copy is kept by the first that takes it`() async throws {
        let first = try network.add(1)
        let digest = try first.store.put(Self.bytes(5 << 20))
        let second = try network.add(2)
        let holder = await first.keepCopy(of: digest, at: [NodeID(2)])
        #expect(holder == NodeID(2))
        try second.store.verify(digest)
    }

    @Test func `who has no room for a copy says so, and who cannot be reached says nothing`()
        async throws
    {
        let first = try network.add(1)
        let digest = try first.store.put(Self.bytes(5 << 20))
        let limit = ArtifactStore.Limit(byteCountMax: 1 << 20)
        let second = try network.add(2, limit: limit)
        let answer = await first.keepCopy(of: digest, at: NodeID(2))
        guard case .refused(let sentence, isFull: true) = answer else {
            Issue.record("it answered \(answer)")
            return
        }
        #expect(sentence.contains("there is no room for"))
        #expect(!second.store.contains(digest))
        let other = await first.keepCopy(of: digest, at: NodeID(3))
        #expect(other == .silence)
    }
}
