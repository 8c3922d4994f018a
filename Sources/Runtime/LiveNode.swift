import API
import Basics
import Election
import Foundation
import Identity
import Inference
package import Logging
import Messages
import NodeLogic
import ServiceLifecycle
import Store
import Transport
import Wire

/// A node of the mesh as a running process: the node thread, the bulk plane, the lanes, the API.
package final class LiveNode: Sendable {
    package struct Settings: Sendable {
        package var directory: NodeDirectory
        /// `tcp://HOST:PORT`; the bulk plane takes the next port.
        package var listen: String
        /// `HOST:PORT` for HTTP over TLS; nil leaves the Unix socket alone.
        package var http: String?
        package var apiKey: String?
        /// Tasks at a time; nil takes one for each core.
        package var slotCount: Int?
        /// Threads of the engine; nil takes one for each core.
        package var threadCount: Int?
        /// Bytes that the keys and values of one model's sessions may take on this node.
        package var cacheByteCountMax: Int
        /// Bytes that models may take in all; nil takes what the machine has to give.
        package var memoryByteCountMax: Int?
        /// What artifacts may take on the disk; nil takes nine tenths of what is free for them.
        package var artifactByteCountMax: Int?
        /// How long an artifact that nothing refers to is kept after its last use.
        package var artifactGrace: Duration
        /// Tokens that a head guesses behind each token, where a text repeats itself.
        package var guessCount: Int
        /// Entries of the log between two snapshots.
        package var snapshotEntryCount: Int
        /// Ended tasks that are remembered, while this node is the coordinator.
        package var keptTaskCountMax: Int
        package var keptDuration: Duration
        package var logLevel: Logger.Level

        /// A guess is computed in the same step as its token: so all are few rows.
        package static let guessCountMax = StageQueue.textRowCountMax - 1

        package init(
            directory: NodeDirectory, listen: String, http: String? = nil, apiKey: String? = nil,
            slotCount: Int? = nil, threadCount: Int? = nil,
            cacheByteCountMax: Int = 1 << 30, memoryByteCountMax: Int? = nil,
            artifactByteCountMax: Int? = nil, artifactGrace: Duration = .seconds(3_600),
            guessCount: Int = 3,
            snapshotEntryCount: Int = 2_000, keptTaskCountMax: Int = 20_000,
            keptDuration: Duration = .seconds(7 * 86_400),
            logLevel: Logger.Level = .info
        ) {
            self.directory = directory
            self.listen = listen
            self.http = http
            self.apiKey = apiKey
            self.slotCount = slotCount
            self.threadCount = threadCount
            self.cacheByteCountMax = cacheByteCountMax
            self.memoryByteCountMax = memoryByteCountMax
            self.artifactByteCountMax = artifactByteCountMax
            self.artifactGrace = artifactGrace
            self.guessCount = guessCount
            self.snapshotEntryCount = snapshotEntryCount
            self.keptTaskCountMax = keptTaskCountMax
            self.keptDuration = keptDuration
            self.logLevel = logLevel
        }
    }

    let settings: Settings
    let identity: NodeIdentity
    let loop: NodeLoop
    let exchange: ArtifactExchange
    let census: ArtifactCensus
    let notary: Notary
    let admission: AdmissionDesk
    let models: ModelShelf
    let stages: StageHost
    let embeddings: EmbeddingHost
    let generator: Generator
    let worker: TaskWorker
    let lanes: LanePool
    /// What walks over all that the node remembers.
    let lookups = Lane(name: "lookups", capacity: 64)
    /// What reads whole files to verify them.
    let files = Lane(name: "files", capacity: 64)
    /// What makes uploads durable; those wait for no model that is read.
    let uploads = Lane(name: "uploads")
    /// Work that is done again to verify it: tasks keep all of their lanes.
    let replays = Lane(name: "replays", capacity: 16)
    let snapshots: SnapshotDesk
    let enroller: Enroller
    let credentials: Credentials
    let keeper: CertificateKeeper
    /// As it was at the start; what is measured comes to it later.
    let profile: Profile
    let meter: CapabilityMeter
    /// Artifacts that a second node was seen to hold a moment ago.
    let copies = CopyMemo()
    /// Of a stage, an encoder, or a replay.
    let threadCount: Int
    let logger: Logger
    private let lock: DirectoryLock
    private let tcp: APIServer.TCP?
    private let bulk: BulkPlane
    let leaving = Flag()

    /// Opens the directory, binds the sockets and starts the threads; the API comes with `run`.
    package init(_ settings: Settings) throws {
        Footprint.configure()
        self.settings = settings
        let directory = settings.directory
        guard try directory.hasIdentity else {
            throw RuntimeError(
                "\(directory.path) holds no node: run `swiftlet init` or `swiftlet join` first")
        }
        lock = try directory.locked()
        try Sockets.raiseLimits()
        var logger = Logger(label: "swiftlet") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = settings.logLevel
        self.logger = logger
        tcp = try Self.secureDoor(settings)
        identity = try Self.identity(in: directory)
        let coreCount = ProcessInfo.processInfo.activeProcessorCount
        threadCount = settings.threadCount ?? coreCount

        let keys = BulkKeys(identity)
        loop = NodeLoop(own: identity.id)
        let store = try settings.openStore()
        census = ArtifactCensus(loop: loop, store: store)
        exchange = ArtifactExchange(store: store, outlet: loop, logger: logger) { [census] in
            await census.take()
        }
        models = ModelShelf(store: exchange.store)
        stages = StageHost(
            own: identity.id, shelf: models, threadCount: threadCount,
            cacheByteCountMax: settings.cacheByteCountMax, outlet: loop)
        embeddings = EmbeddingHost(threadCount: threadCount)
        lanes = LanePool(name: "guest", count: settings.slotCount ?? coreCount)
        bulk = try Self.makeBulk(
            settings, loop: loop, keys: keys, exchange: exchange, stages: stages, logger: logger)
        profile = Profile(
            name: identity.name, controlEndpoint: settings.listen,
            bulkEndpoint: bulk.boundEndpoint, role: "worker", coreCount: UInt32(coreCount),
            memoryByteCount: UInt64(ProcessInfo.processInfo.physicalMemory),
            version: Version.text)
        credentials = Credentials(identity: identity, profile: profile, bulkKeys: keys)
        notary = Notary(credentials: credentials)
        admission = AdmissionDesk(loop: loop, store: exchange.store, notary: notary)
        generator = Generator(
            loop: loop, exchange: exchange, shelf: models, stages: stages, notary: notary,
            admission: admission, guessCount: settings.guessCount)
        let slotCount = settings.slotCount ?? coreCount
        worker = TaskWorker(
            loop: loop, exchange: exchange, notary: notary, admission: admission,
            generator: generator,
            guests: GuestQueue(lanes: lanes, slotCount: slotCount, loop: loop))
        let log = try LogStore(path: directory.log)
        snapshots = SnapshotDesk(log: log, loop: loop, logger: logger)
        enroller = Enroller(credentials: credentials, folder: directory.identity)
        keeper = CertificateKeeper(
            credentials: credentials, enroller: enroller, directory: directory, loop: loop,
            logger: logger)
        meter = CapabilityMeter(
            stages: stages, threadCount: threadCount,
            memoryByteCountMax: settings.memoryByteCountMax
        ) { [loop] capability in
            loop.post { core in core.change { $0.capability = capability } }
        }
        try startLoop(keys, log, slotCount: settings.slotCount ?? coreCount)
        keeper.tell()
        meter.start()
        Task { [census] in await census.start() }
    }

    private static func identity(in directory: NodeDirectory) throws -> NodeIdentity {
        let identity = try directory.loadIdentity()
        if let rotation = identity.trust.rotations.last {
            // Where the process ended in the middle of it.
            try AuthorityFiles(folder: directory.identity).adopt(rotation)
        }
        return identity
    }

    /// Where HTTPS shall answer: an address that is no good is refused before the node starts.
    private static func secureDoor(_ settings: Settings) throws -> APIServer.TCP? {
        guard let address = settings.http else { return nil }
        let files = IdentityFiles(folder: settings.directory.identity)
        let tcp = try APIServer.TCP(
            address: address, certificatePath: files.certificate, keyPath: files.key,
            apiKey: settings.apiKey)
        try tcp.checkAddress()
        return tcp
    }

    /// The bulk plane, whose messages go to the exchange or to the stages.
    private static func makeBulk(
        _ settings: Settings, loop: NodeLoop, keys: BulkKeys, exchange: ArtifactExchange,
        stages: StageHost, logger: Logger
    ) throws -> BulkPlane {
        // Peers of before are let in from the first moment: whoever is turned away waits for 3 s.
        keys.setPeers(settings.directory.introductions())
        return try BulkPlane(
            settings: .init(
                bindEndpoint: try Sockets.bulkEndpoint(for: settings.listen), node: loop.own),
            cipher: keys, reading: { stages.hold($0) },
            keyless: { peer in loop.post { core in core.greet(peer) } },
            refused: { logger.warning("refused a bulk connection: \($0)") }
        ) { sender, message, payload in
            if exchange.take(message.body, payload: payload, from: sender) { return }
            stages.received(message.body, payload: payload, from: sender)
        }
    }

    /// Starts the node thread with what lies on the disk.
    private func startLoop(_ keys: BulkKeys, _ log: LogStore, slotCount: Int) throws {
        let credentials = credentials
        let directory = settings.directory
        let stored = try log.load()
        let own = identity.id
        let boot = Node.Boot(
            id: own, profile: profile, incarnation: stored.boot,
            hardState: Raft.HardState(term: stored.term, votedFor: stored.votedFor),
            entries: try entries(in: stored),
            snapshot: try stored.snapshot.map(snapshot),
            introductions: directory.introductions().filter { $0.node != own })
        let parts = NodeCore.Parts(
            credentials: credentials, bulkKeys: keys, bulk: bulk, log: log,
            snapshots: snapshots, directory: directory,
            hands: LiveHands(
                loop: loop, worker: worker, stages: stages, exchange: exchange, copies: copies,
                enroller: enroller, admission: admission, leaving: leaving),
            keeper: keeper, bootSealedKey: Self.sealedIssuingKey(of: own, in: boot),
            logger: logger)
        let control = ControlSettings(
            bindEndpoint: settings.listen, node: own, mesh: identity.meshID,
            keys: identity.keys.curve.forTransport())
        let nodeSettings = nodeSettings(slotCount: slotCount)
        try loop.start {
            NodeCore(
                boot: boot, settings: nodeSettings,
                control: try ControlPlane(settings: control, authority: credentials),
                parts: parts)
        }
    }

    private func nodeSettings(slotCount: Int) -> Node.Settings {
        var node = Node.Settings()
        node.slotCount = slotCount
        node.epochSeconds = WallClock.seconds
        node.raft.snapshotEntryCount = settings.snapshotEntryCount
        node.raft.tailEntryCount = settings.snapshotEntryCount / 5
        node.keptTaskCountMax = settings.keptTaskCountMax
        node.keptDuration = settings.keptDuration
        return node
    }

    private func entries(in stored: LogStore.StoredState) throws -> [LogEntry] {
        try stored.entries.map { entry in
            LogEntry(
                index: entry.index, term: entry.term,
                command: entry.bytes.isEmpty
                    ? nil : try Command(decoding: entry.bytes.span, limit: 16 << 20))
        }
    }

    private func snapshot(_ stored: LogStore.StoredSnapshot) throws -> Node.Snapshot {
        do {
            let head = try SnapshotHead(decoding: stored.head, limit: 1 << 20)
            return Node.Snapshot(
                head: head, base: LogPosition(index: stored.baseIndex, term: stored.baseTerm),
                state: try SnapshotDesk.state(head, stored.bytes))
        } catch {
            throw RuntimeError(
                "the snapshot in \(settings.directory.log) cannot be read: \(error)")
        }
    }

    private static func sealedIssuingKey(
        of node: NodeID, in boot: Node.Boot
    ) -> [UInt8]? {
        for entry in boot.entries.reversed() {
            switch entry.command?.body {
            case .issuingKeySealed(let key) where key.voter == node: return key.sealed
            case .rootRotated(let rotated):
                return rotated.keys.first { $0.voter == node }?.sealed
            default: continue
            }
        }
        return boot.snapshot?.state.sealedIssuingKey(of: node)
    }

    /// Serves until SIGTERM or SIGINT, or until the node was asked to leave; then leaves cleanly.
    package func run() async throws {
        let server = APIServer(
            backend: LiveBackend(node: self), unixSocketPath: settings.directory.socket, tcp: tcp,
            logger: logger)
        logger.info(
            "node \(identity.name) (\(identity.id.short)) of mesh \(identity.meshID.short) listens",
            metadata: ["control": "\(settings.listen)", "bulk": "\(profile.bulkEndpoint)"])
        let group = ServiceGroup(
            serving: server, until: Departure(leaving: leaving, keeper: keeper), logger: logger)
        defer { close() }
        try await group.run()
        await leave()
    }

    /// Says goodbye, so that the others need not find out.
    private func leave() async {
        loop.post(event: .leave)
        _ = await loop.waitForCore(within: .seconds(3)) { $0.hasLeft ? true : nil }
    }

    private func close() {
        meter.close()
        census.close()
        keeper.close()
        loop.stop()
        bulk.close()
        lanes.close()
        lookups.close()
        files.close()
        uploads.close()
        replays.close()
        snapshots.close()
        worker.close()
        stages.close()
        admission.close()
        embeddings.close()
        unlink(settings.directory.socket)
        logger.info("node \(identity.name) has stopped")
    }
}

/// Ends the service group when the node was asked to leave the mesh.
private struct Departure: Service {
    let leaving: Flag
    let keeper: CertificateKeeper

    func run() async throws {
        // The sleep is cancelled by a shutdown from outside: that too is a good end.
        try? await cancelWhenGracefulShutdown {
            var lookCount = 0
            var idleness = Idleness()
            while !leaving.isRaised {
                try await Task.sleep(for: .milliseconds(100))
                lookCount += 1
                // The clock on the wall may have been set, or gone on while this machine slept.
                if lookCount.isMultiple(of: 6_000) { keeper.look() }
                // What the start needed, and what came and went since, goes back.
                if lookCount == 100 || lookCount.isMultiple(of: 300) && idleness.isIdle() {
                    Footprint.trim()
                }
            }
        }
    }
}

/// The version that a node tells others.
package enum Version {
    package static let text = "0.1.0"
}
