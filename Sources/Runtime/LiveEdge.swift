import API
import Basics
import Foundation
import Identity
package import Logging
import NodeLogic
import Provenance
import ServiceLifecycle
import Store
import Synchronization
import Transport
import Wire

/// An edge node as a running process: its thread, a lane or two, and a Unix socket for commands.
///
/// It listens on no port. Much of what a node starts is not started here, so that it is small.
package final class LiveEdge: Sendable {
    package struct Settings: Sendable {
        package var directory: NodeDirectory
        package var slotCount: Int
        /// Of the disk; nil leaves a tenth of what is free.
        package var artifactByteCountMax: Int?
        /// For so long an artifact that no lease refers to stays at least.
        package var artifactGrace: Duration
        package var isMetered: Bool
        /// As if the battery held so much; nil asks the system.
        package var batteryPercent: Int?
        /// Stopped by SIGTERM it says that it sleeps for so long; nil: that it leaves.
        package var sleepOnStop: Duration?
        package var logLevel: Logger.Level

        package init(
            directory: NodeDirectory, slotCount: Int = 1, artifactByteCountMax: Int? = nil,
            artifactGrace: Duration = .seconds(3_600), isMetered: Bool = false,
            batteryPercent: Int? = nil, sleepOnStop: Duration? = nil,
            logLevel: Logger.Level = .info
        ) {
            self.directory = directory
            self.slotCount = slotCount
            self.artifactByteCountMax = artifactByteCountMax
            self.artifactGrace = artifactGrace
            self.isMetered = isMetered
            self.batteryPercent = batteryPercent
            self.sleepOnStop = sleepOnStop
            self.logLevel = logLevel
        }
    }

    let settings: Settings
    let identity: NodeIdentity
    let loop: EdgeLoop
    let leaving = Flag()
    let worker: EdgeWorker
    let store: ArtifactStore
    let credentials: Credentials
    private let renewal = Lane(name: "renewal", capacity: 1)
    /// Held while the identity is saved; true once this node has ended.
    private let hasEnded = Mutex(false)
    private let bulk: BulkPlane
    private let lock: DirectoryLock
    private let logger: Logger

    package init(_ settings: Settings) throws {
        Footprint.configureSmall()
        self.settings = settings
        let directory = settings.directory
        lock = try directory.locked()
        var logger = Logger(label: "swiftlet") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = settings.logLevel
        self.logger = logger
        identity = try directory.loadIdentity()
        let keys = BulkKeys(identity)
        let store = try settings.openStore()
        self.store = store
        let receiver = BulkDestination()
        bulk = try BulkPlane(
            settings: .init(bindEndpoint: nil, node: identity.id), cipher: keys
        ) { sender, message, payload in
            _ = receiver.exchange?.take(message.body, payload: payload, from: sender)
        }
        loop = EdgeLoop(own: identity.id, bulk: bulk)
        let exchange = ArtifactExchange(store: store, outlet: loop, logger: logger) { [loop] in
            await Self.count(in: store, loop)
        }
        receiver.set(exchange)
        var profile = Profile(
            name: identity.name, role: "edge",
            coreCount: UInt32(ProcessInfo.processInfo.activeProcessorCount),
            memoryByteCount: UInt64(ProcessInfo.processInfo.physicalMemory),
            version: Version.text)
        profile.device = Self.device(settings)
        credentials = Credentials(identity: identity, profile: profile, bulkKeys: keys)
        worker = EdgeWorker(
            loop: loop, exchange: exchange,
            notary: Notary(credentials: credentials, knowsLog: false),
            slotCount: settings.slotCount)
        try startLoop(credentials, keys, exchange, profile)
    }

    private func startLoop(
        _ credentials: Credentials, _ keys: BulkKeys, _ exchange: ArtifactExchange,
        _ profile: Profile
    ) throws {
        let directory = settings.directory
        let journal = try EdgeJournal(folder: directory.edge)
        let boot = EdgeNode.Boot(
            id: identity.id, profile: profile, startCount: try journal.countStart(),
            relays: directory.introductions(), parked: try journal.load(),
            licenses: journal.licenses())
        // What is parked begins with the first step, and a relay may be far away.
        worker.allow(boot.licenses)
        let parts = EdgeCore.Parts(
            credentials: credentials, bulkKeys: keys, bulk: bulk, directory: directory,
            journal: journal, exchange: exchange, worker: worker, logger: logger)
        let control = ControlSettings(
            bindEndpoint: nil, node: identity.id, mesh: identity.meshID,
            keys: identity.keys.curve.forTransport())
        let slotCount = settings.slotCount
        try loop.start {
            var edgeSettings = EdgeNode.Settings()
            edgeSettings.slotCount = slotCount
            return EdgeCore(
                boot: boot, settings: edgeSettings,
                control: try ControlPlane(settings: control, authority: credentials),
                parts: parts)
        }
    }

    /// Tells the store what is referred to.
    private static func count(in store: ArtifactStore, _ loop: EdgeLoop) async {
        store.refer(to: await loop.read { ArtifactReferences.artifacts(of: $0.node.parked) })
    }

    /// The same once the store is half full: what is made here has no time to ask.
    func countArtifacts() async {
        guard store.usage.isHalfFull else { return }
        await Self.count(in: store, loop)
    }

    /// Serves until SIGTERM or SIGINT, or until it was asked to leave.
    package func run() async throws {
        let server = EdgeServer(
            backend: EdgeFront(edge: self), unixSocketPath: settings.directory.socket,
            logger: logger)
        logger.info("edge node \(identity.name) (\(identity.id.short)) listens nowhere")
        let group = ServiceGroup(serving: server, until: EdgeWatch(edge: self), logger: logger)
        defer { close() }
        try await group.run()
        await sayGoodbye()
    }

    private func sayGoodbye() async {
        if let time = settings.sleepOnStop, !leaving.isRaised {
            let isAsleep = await loop.read { core in
                if case .asleep = core.node.phase { true } else { false }
            }
            if isAsleep { return }
            let until = WallClock.seconds + time.components.seconds
            if let refusal = await loop.sleep(until: UInt64(until)) {
                logger.warning("could not announce the sleep: \(refusal)")
            }
        } else {
            loop.post(event: .leave)
            // The plane gives what was sent a moment to leave.
            _ = await loop.read { _ in true }
        }
    }

    private func close() {
        // Nobody waits for a renewal, but one that is being saved is saved whole.
        hasEnded.withLock { $0 = true }
        loop.stop()
        bulk.close()
        worker.close()
        renewal.close()
        unlink(settings.directory.socket)
        logger.info("edge node \(identity.name) has stopped")
    }

    /// Gets the next certificate where the one that it has ends soon, or has ended; false where
    /// that was tried in vain.
    func renewCertificate() async -> Bool {
        let identity = credentials.identity
        let isDue = CertificateRenewal.isDue(identity)
        guard credentials.settleDoubt() || isDue else { return true }
        let relays = await loop.read { $0.node.relays }
        do {
            let next = try await renewal.run {
                try CertificateRenewal.renewed(identity, through: relays, isDoubted: !isDue)
            }
            try install(next)
            let end = Timestamp(seconds: next.certificate.notAfter)
            logger.notice("the certificate is renewed; it ends at \(end)")
            return true
        } catch is CertificateRenewal.NothingNew {
            return true
        } catch {
            if !isDue { credentials.doubt() }
            let warning = CertificateKeeper.warning(identity.certificate)
            logger.log(
                level: warning == nil ? .info : .warning,
                "the certificate could not be renewed yet: \(error)")
            return false
        }
    }

    /// Gets a certificate with another name at a relay's door.
    func rename(to name: String) async throws {
        let identity = credentials.identity
        let relays = await loop.read { $0.node.relays }
        let next = try await renewal.run {
            try CertificateRenewal.renewed(identity, through: relays, name: name)
        }
        try install(next)
        loop.post { core in core.change { $0.name = name } }
        logger.notice("this node's name is \(name) now")
    }

    private func install(_ next: NodeIdentity) throws {
        try hasEnded.withLock { hasEnded in
            guard !hasEnded else { throw RuntimeError("this node has ended") }
            try settings.directory.save(next)
            credentials.update(identity: next)
        }
    }

    // MARK: the device

    /// What the device says of itself now.
    static func device(_ settings: Settings) -> Device {
        let battery = settings.batteryPercent ?? systemBattery()
        return Device(
            relay: nil, batteryPercent: UInt32(max(0, min(battery, 100))),
            isMetered: settings.isMetered)
    }

    /// Percent while a battery is being emptied; 0 where there is none or it is being filled
    /// (power_supply class of sysfs).
    private static func systemBattery() -> Int {
        let root = "/sys/class/power_supply"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        for name in names.sorted() {
            func text(_ file: String) -> String? {
                (try? String(contentsOfFile: "\(root)/\(name)/\(file)", encoding: .utf8))?
                    .trimmingCharacters(in: .whitespacesAndNewlines)
            }
            guard text("type") == "Battery", text("status") == "Discharging",
                let percent = text("capacity").flatMap({ Int($0) })
            else { continue }
            return max(1, percent)
        }
        return 0
    }
}

/// Looks at the device now and then, and ends the service group when the node was asked to leave.
private struct EdgeWatch: Service {
    let edge: LiveEdge

    func run() async throws {
        // Not awaited: a relay that is dead takes some seconds, and there may be many.
        let renewing = Task { try await renew() }
        defer { renewing.cancel() }
        // The sleep is cancelled by a shutdown from outside: that too is a good end.
        try? await cancelWhenGracefulShutdown {
            var last = LiveEdge.device(edge.settings)
            var lookCount = 0
            while !edge.leaving.isRaised {
                try await Task.sleep(for: .milliseconds(500))
                lookCount += 1
                // What only the start needed goes back at once, and what the first hellos needed.
                if lookCount == 1 || lookCount == 6 { Footprint.trim() }
                guard lookCount.isMultiple(of: 60) else { continue }
                await edge.countArtifacts()
                let device = LiveEdge.device(edge.settings)
                // Five percent more or less are no news.
                let step = abs(Int(device.batteryPercent) - Int(last.batteryPercent))
                if step >= 5 || (device.batteryPercent == 0) != (last.batteryPercent == 0) {
                    last = device
                    edge.loop.post { core in core.change { $0.device = device } }
                }
            }
        }
    }

    /// Until it is cancelled; in vain later and later, up to ten minutes.
    private func renew() async throws {
        var pause = Duration.seconds(5)
        try await Task.sleep(for: .milliseconds(500))
        while true {
            pause = await edge.renewCertificate() ? .seconds(5) : min(pause * 2, .seconds(600))
            try await Task.sleep(for: pause)
        }
    }
}

/// The exchange and the bulk plane need each other: the plane is made first.
private final class BulkDestination: Sendable {
    private let value = Mutex<ArtifactExchange?>(nil)
    var exchange: ArtifactExchange? { value.withLock { $0 } }
    func set(_ exchange: ArtifactExchange) { value.withLock { $0 = exchange } }
}

/// The edge node behind its socket.
struct EdgeFront: EdgeBackend {
    let edge: LiveEdge

    func status() async throws -> JSON {
        let identity = edge.identity
        let certificate = edge.credentials.identity.certificate
        let warning = CertificateKeeper.warning(certificate)
        let usage = edge.store.usage
        return await edge.loop.read { core in
            let node = core.node
            func milliseconds(_ id: NodeID?) -> JSON {
                let time = id.flatMap { node.roundTrip(to: $0) }
                return time.map { .number($0 / .milliseconds(1)) } ?? .null
            }
            let isAsleep = if case .asleep = node.phase { true } else { false }
            let removal = edge.credentials.removal(hearing: node.home)
            let removed: JSON = removal.map { .string($0) } ?? .null
            let phase = isAsleep ? "asleep" : node.home == nil ? "alone" : "alive"
            return [
                "id": identity.id.json, "name": .string(certificate.commonName), "role": "edge",
                "state": .string(removed == .null ? phase : "removed"), "removed": removed,
                "mesh": identity.meshID.json, "relay": node.home?.json ?? .null,
                "relay_milliseconds": milliseconds(node.home),
                "spare": node.spare?.json ?? .null,
                "spare_milliseconds": milliseconds(node.spare),
                "known_relay_count": JSON(node.relays.count),
                "artifact_count": JSON(usage.count),
                "artifact_byte_count": JSON(usage.byteCount),
                "artifact_byte_count_max": usage.byteCountMax.map { JSON($0) } ?? .null,
                "artifact_referenced_byte_count": JSON(usage.referencedByteCount),
                "parked": .array(
                    node.parked.map { parked in
                        [
                            "task": parked.lease.task.json,
                            "state": .string(state(of: parked)),
                        ]
                    }),
                "certificate_expires_at": JSON(certificate.notAfter),
                "certificate_warning": warning.map { .string($0) } ?? .null,
                "version": .string(Version.text),
            ]
        }
    }

    /// "fetching" until all is here that the work needs, then "running", and in the end "done".
    private func state(of parked: EdgeNode.Parked) -> String {
        if parked.result != nil { return "done" }
        return edge.worker.hasAll(of: parked.lease) ? "running" : "fetching"
    }

    /// What is parked must be whole before the network may go.
    private func fetchAll() async throws {
        for _ in 0..<Self.fetchSeconds * 10 {
            let leases = await edge.loop.read { $0.node.parked.map(\.lease) }
            if leases.allSatisfy({ edge.worker.hasAll(of: $0) }) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw APIError(
            status: 503,
            message: "a program that is parked here is still on its way: try again later",
            code: "not_fetched")
    }

    private static let fetchSeconds = 30

    func sleep(for time: Duration) async throws -> JSON {
        try await fetchAll()
        let until = WallClock.seconds + time.components.seconds
        if let refusal = await edge.loop.sleep(until: UInt64(until)) {
            throw APIError(
                status: 503, message: "the sleep was not announced: \(refusal)",
                code: "not_announced")
        }
        return ["id": edge.identity.id.json, "until": JSON(until)]
    }

    func wake() async throws -> JSON {
        edge.loop.post(event: .wake)
        return ["id": edge.identity.id.json, "awake": true]
    }

    func rename(to name: String) async throws -> JSON {
        try await Renaming.answer(edge.identity.id, name) { try await edge.rename(to: name) }
    }

    func leave() async throws -> JSON {
        edge.leaving.raise()
        return ["id": edge.identity.id.json, "left": true]
    }
}
